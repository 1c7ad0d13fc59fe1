"""Few descriptors, few threads, little address space, no locks: a run does with less, or says what it lacks. Its files are
right all the same, and nothing says that they are complete when they are not."""
import os
import sys
import time

import pytest
from conftest import content_of, product
from standin import lfs, xet

MIB = 1 << 20
LIMIT = "import os, resource, sys; resource.setrlimit(getattr(resource, sys.argv[1]), 2 * (int(sys.argv[2]),)); " \
        "os.execv(sys.argv[3], sys.argv[3:])"
FILES = {"config.json": "{}", **{f"part-{n:02}.bin": lfs(20_000 + n) for n in range(30)},
         **{f"model-{n}.safetensors": xet(3 * MIB + n) for n in range(3)}}


def limited(what, value):
    """A prefix: at most so much of it, and no way to more."""
    return (sys.executable, "-c", LIMIT, what, str(value))


def inject(calls, how):
    """A prefix: these system calls fail so."""
    return ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + calls, "-e", f"inject={calls}:{how}")


def spec(name="default", **more):
    return {"name": name, "repos": [{"id": "acme/tiny"}], **more}


@pytest.fixture
def right(volume):
    """right(repo): what is there is the repo's, and a marker only where all of it is."""

    def check(repo):
        there, wanted = volume.files("acme/tiny") if (volume / "acme/tiny").exists() else {}, content_of(repo)
        assert there == {path: wanted[path] for path in there}
        assert volume.marker() is None or there == wanted

    return check


# Descriptors.

@pytest.mark.parametrize("count", [24, 32, 64])
def test_with_few_descriptors_less_is_open_at_a_time(run, hub, complete, count):
    repo = hub.model("acme/tiny", FILES)
    result = run(spec(), prefix=limited("RLIMIT_NOFILE", count))
    complete(result, repo)
    assert hub.max_active("cdn") <= max(2, count // 10)


@pytest.mark.parametrize("count", [8, 16])
def test_with_too_few_descriptors_a_run_says_what_it_lacks(run, hub, volume, failed, right, count):
    repo = hub.model("acme/tiny", FILES)
    result = run(spec(), prefix=limited("RLIMIT_NOFILE", count))
    assert result.code == 21 and "ulimit -n" in result.stderr, result
    right(repo)


# Threads.

@pytest.mark.parametrize("nth", range(1, 23))
def test_a_run_does_with_the_threads_it_gets(run, hub, complete, failed, right, nth):
    """The n-th thread that is asked for, and all after it, cannot be had: one each for signals, the network and hashing
    are asked for first."""
    repo = hub.model("acme/tiny", FILES)
    result = run(spec(), prefix=inject("clone,clone3", f"error=EAGAIN:when={nth}+"))
    if nth > 3:
        complete(result, repo)
    else:
        failed(result, 21, "IoError", "network thread" if nth < 3 else "hashing thread")
        assert "pids limit" in result.stderr
        right(repo)


def test_lanes_that_cannot_be_had_leave_their_connections_to_the_others(run, hub, complete):
    """A quarter of them was used: the first lane's share."""
    repo = hub.model("acme/tiny", {"w.bin": xet(8 * MIB)})
    hub.throttle(MIB, host="cdn")
    wish = spec(concurrency={"connections": 4, "threads": 4, "partSize": "1MiB"})
    complete(run(wish, prefix=inject("clone,clone3", "error=EAGAIN:when=5+")), repo)
    assert hub.max_active("cdn") == 4


# Address space.

@product
@pytest.mark.parametrize("mib", [4, 8, 12, 16, 20, 24, 28, 32, 64])
def test_without_address_space_a_run_ends_and_says_so(run, hub, right, complete, mib):
    repo = hub.model("acme/tiny", FILES)
    result = run(spec(), prefix=limited("RLIMIT_AS", mib * MIB))
    right(repo)
    if mib >= 64 or result.code == 0:
        complete(result, repo)
    else:
        assert (result.code, "out of memory" in result.stderr) == (1, True) or \
               (result.code, "thread" in result.stderr) == (21, True), result
    complete(run(spec()), repo)


# Locks.

@pytest.mark.parametrize("error", ["ENOSYS", "ENOLCK", "EOPNOTSUPP"])
def test_where_there_are_no_locks_one_fetches_and_the_others_wait(start, hub, volume, error):
    repo = hub.model("acme/tiny", FILES)
    throttle = hub.throttle(20 * MIB, host="cdn", per="all")
    results = [running.wait() for running in [start(spec(), prefix=inject("flock", "error=" + error)) for _ in range(3)]]
    throttle.clear()
    for result in results:
        assert result.code == 0, result
    received = sum(line.get("received_bytes", 0) for result in results for line in result.lines)
    assert received == sum(file.size for file in repo.head().files.values())
    assert volume.files("acme/tiny") == content_of(repo) and volume.marker() and volume.partials() == []


@pytest.mark.parametrize("error", ["ENOSYS", "ENOLCK", "EOPNOTSUPP"])
def test_where_there_are_no_locks_the_dead_are_replaced_by_the_clock(start, hub, volume, until, error):
    repo = hub.model("acme/tiny", FILES)
    gate = hub.gate(file="model-0.safetensors", host="cdn", at=MIB)
    holder = start(spec("one"))
    assert gate.wait()
    holder.kill()
    gate.release()
    lease, = (volume / ".hf-init/leases").glob("*.lease")
    waiter = start(spec("two"), prefix=inject("flock", "error=" + error))
    until(lambda: (volume / ".hf-init/two.status.json").exists() and volume.status("two")["phase"] == "waiting")
    time.sleep(0.7)  # more than a poll
    assert waiter.process.poll() is None, "nothing says yet that it is dead"
    os.utime(lease, (time.time() - 150,) * 2)
    result = waiter.wait()
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo) and volume.marker("two") and volume.partials() == []
