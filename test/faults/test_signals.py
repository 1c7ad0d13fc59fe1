"""How a run ends before it is done, and what the next one finds: signals, silent ends, and leftovers of both."""
import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from conftest import BIN, ROOT, content_of
from standin import lfs, xet

MIB = 1 << 20
SANITIZED = "asan" in BIN or "tsan" in BIN
DEAD = "0123456789abcdef"  # an instance that nobody has


def spec(**more):
    return {"repos": [{"id": "acme/tiny"}], "concurrency": {"connections": 2, "partSize": "4MiB"}, **more}


def tiny(hub, size=8 * MIB):
    return hub.model("acme/tiny", {"config.json": "{}", "w.bin": xet(size)})


@pytest.fixture
def held(hub, start):
    """held(spec) starts a run and gives (run, gate): it is in the middle of the large file."""

    def hold(whole=None, **options):
        gate = hub.gate(file="w.bin", host="cdn", at=MIB)
        running = start(whole or spec(), **options)
        assert gate.wait()
        return running, gate

    return hold


def left_over(volume):
    """Files where runs work, below .hf-init."""
    return sorted(p.name for folder in ("partials", "temp", "leases") for p in (volume / ".hf-init" / folder).glob("*"))


# Signals.

@pytest.mark.parametrize("number, code, reason", [
    (signal.SIGTERM, 143, "Terminated"), (signal.SIGHUP, 143, "Terminated"), (signal.SIGINT, 130, "Interrupted")])
def test_a_signal_that_asks_to_end_is_obeyed_in_good_order(
        run, hub, volume, message, held, complete, number, code, reason):
    repo = tiny(hub)
    running, gate = held()
    began = time.monotonic()
    running.signal(number)
    assert running.wait(10).code == code
    assert time.monotonic() - began < 2
    assert (message()["reason"], message()["exitCode"], message()["retryable"]) == (reason, code, True)
    assert volume.status()["phase"] == "cancelled"
    assert [name for name in left_over(volume) if not name.endswith((".part", ".journal"))] == []
    gate.release()
    complete(run(spec()), repo)


@pytest.mark.skipif(SANITIZED, reason="a sanitizer handles them")
@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGSEGV, signal.SIGKILL])
def test_a_signal_that_ends_it_at_once_leaves_no_core_and_nothing_that_confuses(
        run, hub, volume, tmp_path, held, complete, number):
    repo = tiny(hub)
    running, gate = held(prefix=("prlimit", "--core=unlimited"))
    running.signal(number)
    _, status = os.waitpid(running.process.pid, 0)
    assert os.WTERMSIG(status) == number and not os.WCOREDUMP(status)
    running.process.returncode = -number
    running.wait()
    gate.release()
    assert not list(tmp_path.glob("core*"))
    complete(run(spec()), repo)
    assert left_over(volume) == []


def test_a_pipe_without_a_reader_is_no_reason_to_end(hub, held, complete):
    repo = tiny(hub)
    running, gate = held(log={"level": "debug"})
    running.signal(signal.SIGPIPE)
    gate.release()
    complete(running.wait(), repo)


@pytest.fixture(scope="module")
def dead_disk(tmp_path_factory):
    """A prefix: whoever wants data to be on the disk waits for ever."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    program = tmp_path_factory.mktemp("atcall") / "atcall"
    subprocess.run(["gcc", "-O2", "-o", program, ROOT / "test/faults/atcall.c"], check=True)
    return (str(program), "fdatasync")


@pytest.mark.parametrize("first, second, code", [
    (signal.SIGTERM, signal.SIGTERM, 143), (signal.SIGTERM, signal.SIGINT, 130), (signal.SIGINT, signal.SIGHUP, 143)])
@pytest.mark.skipif(SANITIZED, reason="a leak checker wants to trace, too")
def test_a_second_signal_ends_at_once_what_the_first_one_could_not(
        start, run, hub, volume, message, until, complete, dead_disk, first, second, code):
    repo = hub.model("acme/tiny", {"w.bin": lfs(300_000)})
    running = start(spec(), prefix=dead_disk)
    pid = until(lambda: volume.partials() and process_below(running))
    os.kill(pid, first)
    until(lambda: volume.status()["phase"] == "cancelled")
    began = time.monotonic()
    os.kill(pid, second)
    assert running.wait(10).code == code
    assert time.monotonic() - began < 1.5
    assert message()["exitCode"] == code and "twice" in message()["message"]
    complete(run(spec()), repo)


@pytest.mark.skipif(SANITIZED, reason="a leak checker wants to trace, too")
def test_a_run_that_hangs_in_the_disk_ends_in_time_all_the_same_and_says_so(
        start, run, hub, volume, message, until, complete, dead_disk):
    repo = hub.model("acme/tiny", {"w.bin": lfs(300_000)})
    running = start(spec(), prefix=dead_disk)
    pid = until(lambda: volume.partials() and process_below(running))
    os.kill(pid, signal.SIGTERM)
    began = time.monotonic()
    result = running.wait(10)
    assert result.code == 143 and "did not stop within 2 s" in result.stderr, result
    assert 1.5 < time.monotonic() - began < 4
    assert (message()["reason"], message()["exitCode"]) == ("Terminated", 143) and "2 s" in message()["message"]
    assert volume.status()["phase"] == "cancelled"
    complete(run(spec()), repo)


def process_below(running):
    """The process that atcall runs, once a thread of it has been held for a while."""
    parent = running.process.pid
    with open("/proc/%d/task/%d/children" % (parent, parent)) as file:
        pid = int(file.read().split()[0])

    def held():
        states = {}
        for thread in os.listdir("/proc/%d/task" % pid):
            try:
                with open("/proc/%d/task/%s/stat" % (pid, thread)) as file:
                    states[thread] = file.read().rpartition(")")[2].split()[0]
            except OSError:
                pass                                        # it ended meanwhile
        return {thread for thread, state in states.items() if state == "t"}

    seen = held()
    for _ in range(20):
        time.sleep(0.01)
        seen &= held()
    return pid if seen else None


# The end of one who can say nothing.

def test_who_is_killed_leaves_no_message_of_an_earlier_run(hub, tmp_path, held):
    tiny(hub)
    (tmp_path / "termination").write_text('{"message":"complete: all is well"}')
    running, gate = held()
    running.kill()
    gate.release()
    assert (tmp_path / "termination").read_text() == ""


# Leftovers.

def plant(volume, claim):
    """What a run leaves that was killed after its last word, or in the midst of what nobody asks for again."""
    below = volume / ".hf-init"
    (below / "partials" / ("1" * 64 + "." + DEAD + ".journal")).write_text("hf-init journal 1\n")
    (below / "partials" / ("2" * 64 + "." + DEAD + "-1.part")).write_bytes(b"x" * 5000)
    (below / "temp" / (DEAD + ".7")).write_text("{")
    (below / "leases" / ("3" * 32 + ".lease")).write_text(claim)


@pytest.mark.parametrize("age_s", [0, 26 * 3600])
@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_a_complete_volume_is_freed_of_what_the_dead_left(run, hub, volume, held, layout, age_s):
    tiny(hub, 2 * MIB)
    running, gate = held(spec(layout=layout))
    claim, = (json.loads(p.read_text()) for p in (volume / ".hf-init/leases").glob("*"))
    running.kill()
    gate.release()
    assert run(spec(layout=layout)).code == 0 and left_over(volume) == []
    if age_s:  # of another node: only time tells
        claim["boot_id"] = "f" * 8 + "-0000-0000-0000-" + "f" * 12
    plant(volume, json.dumps(claim))
    for path in (volume / ".hf-init/leases").glob("*"):
        os.utime(path, (time.time() - age_s,) * 2)
    hub.reset()
    result = run(spec(layout=layout))
    assert result.code == 0, result
    assert left_over(volume) == [] and volume.marker()
    assert [r.path for r in hub.requests()] == ["/api/models/acme/tiny/revision/main"]


def test_what_the_living_need_stays_when_a_complete_volume_is_freed(run, hub, volume, held, until):
    other = hub.model("acme/other", {"config.json": "{}"})
    repo = tiny(hub)
    first = {"name": "one", "repos": [{"id": "acme/other"}]}
    assert run(first).code == 0
    running, gate = held(spec())
    until(lambda: len([path for path in repo.head("main").files if (volume / "acme/tiny" / path).exists()]) ==
          len(repo.head("main").files) - 1)
    # The small files are published, w.bin is held; what is about to be renamed comes and goes.
    before = [name for name in left_over(volume) if name.endswith((".part", ".journal", ".lease"))]
    assert len(before) >= 2
    assert run(first).code == 0
    assert set(before) <= set(left_over(volume))
    gate.release()
    result = running.wait()
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo) and volume.files("acme/other") == content_of(other)


def test_what_another_spec_will_go_on_with_stays_when_a_complete_volume_is_freed(run, hub, volume, start, until):
    """The pod that was killed is not back yet when that of another spec of the same repo looks at its own share."""
    repo = tiny(hub, 16 * MIB)
    part = {"name": "one", "repos": [{"id": "acme/tiny", "allow": ["*.json"]}]}
    assert run(part).code == 0
    gate = hub.gate(file="w.bin", host="cdn", file_at=9 * MIB)
    running = start(spec())
    assert gate.wait()
    until(lambda: volume.status()["totals"]["bytesReceived"] >= 8 * MIB)
    running.kill()
    gate.release()
    assert hub.left()
    hub.reset()
    assert run(part).code == 0
    result = run(spec())
    assert result.code == 0, result
    assert hub.bytes_sent("w.bin", host="cdn") <= 12 * MIB
    assert volume.files("acme/tiny") == content_of(repo) and left_over(volume) == []


# Places where it speaks.

@pytest.mark.parametrize("what", ["a folder", "a link to nowhere"])
def test_a_status_that_cannot_be_written_is_a_warning_and_no_more(run, hub, volume, what):
    repo = tiny(hub)
    path = volume / ".hf-init/default.status.json"
    path.parent.mkdir(parents=True)
    path.mkdir() if what == "a folder" else path.symlink_to("/nowhere/else")
    result = run(spec())
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo) and volume.marker()
    warned = [line for line in result.lines if line["msg"] == "the status file cannot be written"]
    assert len(warned) == (what == "a folder")  # a rename replaces the link
    assert not os.path.exists("/nowhere")


def folder(path):
    path.unlink()
    path.mkdir()


def loop(path):
    path.unlink()
    path.symlink_to(path)


def fifo(path):
    path.unlink()
    os.mkfifo(path)


def gone(path):
    path.unlink()


def immutable(path):
    if subprocess.run(["chattr", "+i", path], capture_output=True).returncode:
        pytest.skip("no immutable files here")


@pytest.mark.parametrize("is_what", [folder, loop, fifo, gone, immutable])
def test_a_termination_message_that_cannot_be_left_is_not_missed(start, hub, volume, tmp_path, is_what):
    repo = tiny(hub, MIB)
    path = tmp_path / "elsewhere"
    path.touch()
    is_what(path)
    try:
        result = start(spec(terminationMessage=str(path))).wait()
    finally:
        subprocess.run(["chattr", "-i", path], capture_output=True)
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo)
    assert path.exists() == (is_what not in (gone, loop))


@pytest.mark.parametrize("env", [
    {"HOME": "", "PATH": "", "TMPDIR": "", "HOSTNAME": "", "NODE_NAME": ""},
    {"HOME": "/nowhere", "PATH": "/nowhere", "LANG": "xx_XX", "TZ": "Mars/Olympus"},
    {"FOREIGN_%04d" % n: "x" * 100 for n in range(5000)},
    {"HOSTNAME": "h" * 100_000, "LONG": "é\n\t\"" * 20_000}], ids=["empty", "odd", "many", "long"])
def test_the_environment_around_the_settings_does_not_matter(run, hub, complete, env):
    repo = tiny(hub, MIB)
    complete(run(spec(), **env), repo)
