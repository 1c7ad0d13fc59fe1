"""Any number of processes on one volume: one fetches, the others wait, say for whom, check, and exit 0."""
import json
import os
import signal
import time

import pytest
from conftest import content_of
from standin import lfs, xet

MIB = 1 << 20


def spec(name="default", **more):
    repo = {"id": "acme/tiny", **{k: more.pop(k) for k in ("revision", "allow", "path") if k in more}}
    return {"name": name, "repos": [repo], "concurrency": {"connections": 2, "partSize": "4MiB"}, **more}


def tiny(hub, size=8 * MIB):
    return hub.model("acme/tiny", {"config.json": "{}", "a/notes.txt": "hello", "model.safetensors": xet(size)})


def leases(volume):
    return sorted((volume / ".hf-init/leases").glob("*.lease"))


def waiting(result):
    """What a run said about whom it waited for."""
    return [line for line in result.lines if line["msg"] == "waiting for another writer"]


def is_waiting(volume, name):
    path = volume / ".hf-init" / (name + ".status.json")
    return path.exists() and volume.status(name)["phase"] == "waiting"


@pytest.fixture
def held(hub, start):
    """held(spec) starts a run and gives (run, gate): it holds the volume, in the middle of the large file."""

    def hold(whole, **env):
        gate = hub.gate(file="model.safetensors", host="cdn", at=MIB)
        running = start(whole, HOSTNAME="pod-a", **env)
        assert gate.wait()
        return running, gate

    return hold


# Everybody at once.

@pytest.mark.parametrize("count", [2, 6])
@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_runs_of_one_spec_fetch_it_once_and_all_succeed(start, hub, volume, layout, count):
    repo = tiny(hub)
    throttle = hub.throttle(40 * MIB, host="cdn", per="all")  # long enough for all of them to meet
    results = [running.wait() for running in [start(spec(layout=layout)) for _ in range(count)]]
    throttle.clear()
    for result in results:
        assert result.code == 0, result
    size = sum(file.size for file in repo.head().files.values())
    assert hub.bytes_sent("model.safetensors", host="cdn") + 100 <= 1.05 * size
    place = "acme/tiny" if layout == "dir" else "models--acme--tiny/snapshots/" + repo.head().sha
    assert volume.files(place) == content_of(repo)
    assert volume.partials() == [] and leases(volume) == []
    assert volume.marker()["repos"][0]["commit"] == repo.head().sha
    assert volume.status()["phase"] == "complete"


def test_runs_that_start_on_a_complete_volume_do_not_wait_for_each_other(start, run, hub, volume):
    repo = tiny(hub, MIB)
    pinned = spec(revision=repo.head().sha)
    assert run(pinned).code == 0 and volume.marker()
    hub.reset()
    results = [running.wait() for running in [start(pinned) for _ in range(6)]]
    assert [result.code for result in results] == [0] * 6
    assert hub.count() == 0 and not any(waiting(result) for result in results)


@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_shards_in_parallel_fetch_every_file_once_and_the_last_one_marks(start, run, hub, volume, layout):
    repo = hub.model("acme/tiny", {"part-%02d.bin" % n: lfs(50_000 + n) for n in range(30)})
    place = "acme/tiny" if layout == "dir" else "models--acme--tiny/snapshots/" + repo.head().sha
    whole = spec(shard={"count": 3}, layout=layout)
    results = [r.wait() for r in [start(whole, JOB_COMPLETION_INDEX=n) for n in range(3)]]
    for result in results:
        assert result.code == 0, result
    assert volume.files(place) == content_of(repo)
    asked = [r.file for r in hub.requests(host="cdn")]
    assert sorted(asked) == sorted(repo.head().files)
    assert volume.marker() and volume.partials() == [] and leases(volume) == []
    hub.reset()
    assert run(whole, JOB_COMPLETION_INDEX=1).code == 0
    assert hub.count() == 1


def test_who_is_none_of_the_shards_learns_from_them_how_far_they_are(run, start, hub, volume, until):
    """As the pods that wait for an indexed Job: shard.count stands in the Job alone, or is all that they know of shards."""
    hub.model("acme/tiny", {"part-%02d.bin" % n: lfs(1000 + n) for n in range(20)})
    shards = [spec(shard={"index": n, "count": 2}) for n in range(2)]
    assert run(shards[0]).code == 0
    assert run(shards[0], command="status").code == 0, "of its own share"
    for reader in (spec(), spec(shard={"count": 2})):
        for args in ([], ["--json"]):
            result = run(reader, *args, command="status")
            assert result.code == 3 and "no marker yet" in result.stderr and "complete" in result.stdout, result
    gate = hub.gate(host="cdn")
    running = start(shards[1])
    assert gate.wait()
    until(lambda: volume.status("default.shard-1")["phase"] == "downloading")
    result = run(spec(), "--json", command="status")
    assert result.code == 3 and "one of 2 shards" in result.stderr, result
    assert json.loads(result.stdout)["pid"] == running.process.pid
    for reader in (spec(), shards[0]):
        waited = run(reader, "--timeout", "500ms", command="wait")
        assert waited.code == 33, waited
        assert [line["phase"] for line in waited.lines if line["msg"] == "waiting for the volume"] == ["downloading"]
    gate.release()
    assert running.wait().code == 0 and volume.marker()
    for args in ([], ["--json"]):
        result = run(spec(), *args, command="status")
        assert result.code == 0 and "complete" in result.stdout, result
    assert run(spec("other"), command="status").code == 3


def test_the_failure_of_a_shard_is_that_of_who_waits_for_all_of_them(run, start, hub):
    shards = [spec(shard={"index": n, "count": 2}) for n in range(2)]
    assert run(shards[0]).code == 12
    assert run(spec(), command="status").code == 12
    waiter = start(spec(), command="wait")
    assert "the run before failed" in waiter.process.stderr.readline()
    hub.model("acme/tiny", {"part-%02d.bin" % n: lfs(1000 + n) for n in range(20)})
    assert run(shards[0]).code == 0
    assert waiter.process.poll() is None, "what failed before it came is another day's"
    hub.fault("status", path="*/revision/*", code=404, times=None, headers={"X-Error-Code": "RepoNotFound"})
    assert run(shards[1]).code == 12
    result = waiter.wait()
    assert result.code == 12 and "acme/tiny" in result.stderr, result


def test_a_shard_alone_leaves_no_marker(run, hub, volume):
    hub.model("acme/tiny", {"part-%02d.bin" % n: lfs(1000 + n) for n in range(20)})
    result = run(spec(shard={"index": 0, "count": 2}))
    assert result.code == 0, result
    assert 0 < len(volume.files("acme/tiny")) < 20
    assert volume.marker() is None


def test_an_optional_repo_that_one_shard_could_not_list_costs_no_other_file(run, hub, volume):
    """All shards deal out alike, or there are files that nobody fetches."""
    repo = hub.model("acme/tiny", {"part-%02d.bin" % n: lfs(1000 + 7 * n) for n in range(20)})
    hub.model("acme/more", {"more-%02d.bin" % n: lfs(1003 + 11 * n) for n in range(9)})
    shards = [{"repos": [{"id": "acme/tiny"}, {"id": "acme/more", "optional": True}], "shard": {"index": n, "count": 2}}
              for n in range(2)]
    assert run(shards[0]).code == 0
    hub.fault("status", path="*acme/more*", code=404, headers={"X-Error-Code": "RepoNotFound"}, times=None)
    result = run(shards[1])
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo) and volume.marker()


def test_an_optional_repo_that_one_shard_has_not_got_keeps_nobody_from_marking(run, hub, volume):
    hub.model("acme/tiny", {"part-%02d.bin" % n: lfs(1000 + n) for n in range(8)})
    more = hub.model("acme/more", {"more-%02d.bin" % n: lfs(1000 + n) for n in range(8)})
    shards = [{"repos": [{"id": "acme/tiny"}, {"id": "acme/more", "optional": True}], "shard": {"index": n, "count": 2}}
              for n in range(2)]
    missing = hub.fault("status", path="*acme/more*", code=404, headers={"X-Error-Code": "RepoNotFound"}, times=None)
    assert run(shards[0]).code == 0
    missing.clear()
    result = run(shards[1])
    assert result.code == 0, result
    assert [repo.get("missing") for repo in volume.marker()["repos"]] == [None, True]
    assert run(shards[0]).code == 0
    assert volume.marker()["repos"][1]["commit"] == more.head().sha and volume.files("acme/more") == content_of(more)


def forget_a_file(volume):
    """Takes the line of one file out of the inventory, as a network file system may when several nodes append."""
    inventory, = (volume / ".hf-init/inventory").iterdir()
    lines = inventory.read_bytes().splitlines(keepends=True)
    lost = next(line for line in lines if line.split(b" ")[1] == b"f")
    inventory.write_bytes(b"".join(line for line in lines if line != lost))
    return lost.rstrip(b"\n").split(b" ")[-1].decode()


def hashed(result):
    return [line["files"] for line in result.lines if line["msg"] == "hashing files that no shard vouches for"]


@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_shards_whose_inventory_lost_a_line_end_with_a_marker_all_the_same(run, hub, volume, layout):
    hub.model("acme/tiny", {"part-%02d.bin" % n: lfs(1000 + n) for n in range(20)})
    shards = [spec(shard={"index": n, "count": 3}, layout=layout) for n in range(3)]
    assert run(shards[0]).code == 0
    forget_a_file(volume)
    result = run(shards[1])
    assert result.code == 0, result
    assert volume.marker() is None and not hashed(result), "nobody reads it as long as a share is missing"
    result = run(shards[2])
    assert result.code == 0, result
    assert volume.marker() and hashed(result) == [1]
    asked = [r.file for r in hub.requests(host="cdn")]
    assert len(asked) == len(set(asked)) == 20
    status = volume.status("default.shard-2")
    assert status["phase"] == "complete" and status["totals"]["percent"] == 100
    hub.reset()
    result = run(shards[0])
    assert result.code == 0 and not hashed(result) and hub.count() == 1 and volume.marker()


@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_a_shard_repairs_its_share_and_no_other(run, hub, volume, layout):
    repo = hub.model("acme/tiny", {"part-%02d.bin" % n: lfs(1000 + n) for n in range(20)})
    shards = [spec(shard={"index": n, "count": 2}, layout=layout) for n in range(2)]
    assert run(shards[0]).code == 0
    place = "acme/tiny" if layout == "dir" else "models--acme--tiny/snapshots/" + repo.head().sha
    share = sorted(volume.files(place))
    assert run(shards[1]).code == 0 and volume.marker()
    result = run(shards[0], "--repair", command="verify")
    assert result.code == 0 and volume.marker(), result
    said, = [line for line in result.lines if line["msg"].startswith("hashing")]
    assert said["files"] == len(share) and "every file" in said["msg"]
    (volume / place / next(name for name in repo.head().files if name not in share)).resolve().unlink()
    result = run(shards[0], "--repair", command="verify")
    assert result.code == 0 and volume.marker() is None, "the marker promises what the other shard has to fetch"


def test_a_file_of_another_shard_that_is_not_what_its_name_says_gets_no_marker(run, hub, volume):
    repo = hub.model("acme/tiny", {"part-%02d.bin" % n: lfs(1000 + n) for n in range(20)})
    shards = [spec(shard={"index": n, "count": 2}) for n in range(2)]
    assert run(shards[0]).code == 0
    name = forget_a_file(volume)
    (volume / "acme/tiny" / name).write_bytes(b"x" * repo.head().files[name].size)
    result = run(shards[1])
    assert result.code == 0, result
    said, = [line for line in result.lines if line["level"] == "warn"]
    assert "does not match its hash" in said["msg"] and said["file"] == name
    assert volume.marker() is None
    result = run(shards[0])
    assert result.code == 0, result
    assert volume.marker() and volume.files("acme/tiny") == content_of(repo)


def test_two_specs_that_share_a_repo_fetch_it_once(start, hub, volume):
    repo = tiny(hub)
    throttle = hub.throttle(20 * MIB, host="cdn", per="all")
    results = [r.wait() for r in [start(spec("one")), start(spec("two"))]]
    throttle.clear()
    for result in results:
        assert result.code == 0, result
    assert hub.bytes_sent("model.safetensors", host="cdn") <= 1.05 * 8 * MIB
    assert volume.files("acme/tiny") == content_of(repo)
    assert volume.marker("one") and volume.marker("two")


def test_specs_of_different_repos_do_not_wait_for_each_other(start, run, hub, volume, held):
    tiny(hub)
    other = hub.model("acme/other", {"config.json": "{}"})
    running, gate = held(spec("one"))
    result = run({"name": "two", "repos": [{"id": "acme/other"}]})
    assert result.code == 0, result
    assert volume.files("acme/other") == content_of(other) and not waiting(result)
    gate.release()
    assert running.wait().code == 0


def test_both_layouts_live_on_one_volume(start, hub, volume):
    repo = tiny(hub)
    results = [r.wait() for r in [start(spec("one")), start(spec("two", layout="cache"))]]
    for result in results:
        assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo)
    assert volume.files("models--acme--tiny/snapshots/" + repo.head().sha) == content_of(repo)


# Those who wait.

def test_a_waiter_says_for_whom_and_goes_on_when_it_is_done(start, hub, volume, held, until):
    repo = tiny(hub)
    running, gate = held(spec("one"))
    waiter = start(spec("two"), HOSTNAME="pod-b")
    said = until(lambda: is_waiting(volume, "two") and volume.status("two").get("waitingFor"))
    assert "pod-a" in said and "acme/tiny" in said
    assert volume.status("two")["waitingUntil"]
    gate.release()
    assert running.wait().code == 0
    began = time.monotonic()
    result = waiter.wait()
    assert time.monotonic() - began < 3
    assert result.code == 0, result
    assert "pod-a" in waiting(result)[0]["holder"] and waiting(result)[0]["repo"] == "acme/tiny"
    assert "waitingFor" not in volume.status("two")
    assert volume.status("two")["totals"]["bytesReceived"] == 0
    assert hub.bytes_sent(host="cdn") == 8 * MIB
    assert volume.files("acme/tiny") == content_of(repo)


def test_the_status_of_a_spec_tells_of_the_one_who_fetches_not_of_those_who_wait(start, hub, volume, held, until):
    tiny(hub)
    running, gate = held(spec())
    pid = running.process.pid
    until(lambda: volume.status()["phase"] == "downloading")
    waiter = start(spec(), HOSTNAME="pod-b")
    until(lambda: hub.count(path="*/revision/*") >= 1)
    seen = set()
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        status = volume.status()
        seen.add((status["pid"], status["phase"]))
        time.sleep(0.02)
    gate.release()
    assert running.wait().code == 0 and waiter.wait().code == 0
    assert seen == {(pid, "downloading")}


def test_a_waiter_that_is_told_to_stop_leaves_the_others_alone(start, hub, volume, held, until):
    repo = tiny(hub)
    running, gate = held(spec("one"))
    waiter = start(spec("two"))
    until(lambda: is_waiting(volume, "two"))
    began = time.monotonic()
    waiter.signal(signal.SIGTERM)
    assert waiter.wait().code == 143
    assert time.monotonic() - began < 2
    assert volume.status("two")["phase"] == "cancelled" and len(leases(volume)) == 1
    gate.release()
    assert running.wait().code == 0
    assert volume.files("acme/tiny") == content_of(repo)


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_wait_has_an_end(run, hub, held, tmp_path, seconds):
    tiny(hub)
    running, gate = held(spec("one"))
    began = time.monotonic()
    result = run(spec("two", lock={"wait": "%ds" % seconds}))
    assert seconds <= time.monotonic() - began < seconds + 3
    assert result.code == 50, result
    said = json.loads((tmp_path / "termination").read_text())
    assert said["reason"] == "LockTimeout" and "pod-a" in said["message"] and said["retryable"] is True
    gate.release()
    assert running.wait().code == 0


@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_who_has_waited_takes_a_branch_as_it_is_then(start, run, hub, volume, until, layout):
    """Or a volume that somebody has brought up to date meanwhile would be set back."""
    repo = tiny(hub, MIB)
    one, two = spec("one", layout=layout), spec("two", layout=layout)
    assert run(one).code == 0 and run(two).code == 0
    repo.push({"config.json": "[1]"})
    listing, asked = hub.gate(path="*/tree/*"), hub.count(path="*/revision/*")
    holder = start(one)
    assert listing.wait()
    waiter = start(two)
    until(lambda: is_waiting(volume, "two"))
    assert hub.count(path="*/revision/*") == asked + 2, "it knows what the branch is before it waits"
    newest = repo.push({"config.json": "[2]"})
    listing.release()
    assert holder.wait().code == 0
    result = waiter.wait()
    assert result.code == 0, result
    assert volume.marker("two")["repos"][0]["commit"] == newest.sha


def test_a_repair_that_has_waited_sets_nothing_back(start, run, hub, volume, until):
    """It stays at the commit that its marker names, but whoever held the volume took that away and moved on."""
    repo = tiny(hub, MIB)
    assert run(spec("one")).code == 0 and run(spec("two")).code == 0
    newest = repo.push({"config.json": "[1]"})
    listing = hub.gate(path="*/tree/*")
    holder = start(spec("one"))
    assert listing.wait()
    repair = start(spec("two"), "--repair", command="verify")
    until(lambda: is_waiting(volume, "two"))
    listing.release()
    assert holder.wait().code == 0
    result = repair.wait()
    assert result.code == 0, result
    assert [volume.marker(name)["repos"][0]["commit"] for name in ("one", "two")] == [newest.sha] * 2
    assert volume.files("acme/tiny") == content_of(repo)


# Holders that go.

def test_when_the_holder_is_killed_another_one_takes_over_what_it_has(start, hub, volume, until):
    repo = tiny(hub, 24 * MIB)
    gate = hub.gate(file="model.safetensors", host="cdn", file_at=20 * MIB)
    holder = start(spec("one"))
    assert gate.wait()
    waiter = start(spec("two"))
    until(lambda: is_waiting(volume, "two"))
    until(lambda: volume.status("one")["totals"]["bytesReceived"] >= 18 * MIB)
    holder.kill()
    gate.release()
    hub.log.settle()
    before = hub.bytes_sent(host="cdn")
    began = time.monotonic()
    result = waiter.wait()
    assert time.monotonic() - began < 5
    assert result.code == 0, result
    assert hub.bytes_sent(host="cdn") - before <= 24 * MIB - 18 * MIB + 2 * 4 * MIB
    assert volume.files("acme/tiny") == content_of(repo)
    assert volume.partials() == [] and leases(volume) == []


def test_when_the_holder_is_told_to_stop_a_waiter_goes_on(start, hub, volume, held, until):
    repo = tiny(hub)
    running, gate = held(spec("one"))
    waiter = start(spec("two"))
    until(lambda: is_waiting(volume, "two"))
    running.signal(signal.SIGTERM)
    assert running.wait().code == 143
    gate.release()
    result = waiter.wait()
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo)


def test_when_the_holder_fails_a_waiter_tries_itself(start, run, hub, volume, held, until):
    repo = tiny(hub)
    running, gate = held(spec("one", timeouts={"total": "2s"}))
    waiter = start(spec("two"))
    until(lambda: is_waiting(volume, "two"))
    assert running.wait().code == 33
    gate.release()
    result = waiter.wait()
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo)


def test_a_holder_that_stands_still_is_waited_for(start, hub, volume, held, until):
    repo = tiny(hub)
    running, gate = held(spec("one"))
    running.signal(signal.SIGSTOP)
    gate.release()
    waiter = start(spec("two"))
    until(lambda: is_waiting(volume, "two"))
    time.sleep(1)
    assert waiter.process.poll() is None and len(leases(volume)) == 1
    running.signal(signal.SIGCONT)
    assert running.wait().code == 0
    result = waiter.wait()
    assert result.code == 0, result
    assert hub.bytes_sent(host="cdn") <= 1.05 * 8 * MIB
    assert volume.files("acme/tiny") == content_of(repo)


def test_a_holder_quiet_for_two_minutes_is_replaced_and_its_late_writes_do_no_harm(start, hub, volume, held, until):
    repo = tiny(hub)
    running, gate = held(spec("one"))
    running.signal(signal.SIGSTOP)
    lease, = leases(volume)
    os.utime(lease, (time.time() - 150,) * 2)  # two minutes and a half pass on the volume's clock
    gate.release()
    result = start(spec("two")).wait()
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo) and volume.marker("two")
    running.signal(signal.SIGCONT)
    late = running.wait()
    assert late.code in (0, 50), late
    assert volume.files("acme/tiny") == content_of(repo)


def test_who_was_replaced_leaves_the_status_to_its_successor(start, hub, volume, held):
    tiny(hub)
    running, gate = held(spec())
    running.signal(signal.SIGSTOP)
    lease, = leases(volume)
    os.utime(lease, (time.time() - 150,) * 2)
    successor = start(spec())
    gate.release()
    assert successor.wait().code == 0
    done = volume.status()
    time.sleep(5.2)  # longer than it may be silent about its lease
    running.signal(signal.SIGCONT)
    late = running.wait()
    assert late.code == 50, late
    assert volume.status() == done and done["phase"] == "complete"


def test_a_lease_of_another_node_counts_until_it_is_quiet_for_two_minutes(start, hub, volume, held, until):
    repo = tiny(hub)
    running, gate = held(spec("one"))
    running.kill()
    gate.release()
    lease, = leases(volume)
    claim = json.loads(lease.read_text())
    lease.write_text(json.dumps({**claim, "boot_id": "f" * 8 + "-0000-0000-0000-" + "f" * 12, "host": "node-2"}))
    waiter = start(spec("two"))
    until(lambda: is_waiting(volume, "two"))
    time.sleep(0.7)  # more than a poll
    assert waiter.process.poll() is None
    os.utime(lease, (time.time() - 150,) * 2)
    result = waiter.wait()
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo)
    assert waiting(result)[0]["host"] == "node-2"


@pytest.mark.parametrize("text", ["", "{", "\0" * 50, '{"instance": 7}', "x" * 100_000])
def test_a_lease_that_makes_no_sense_is_replaced_once_it_is_old(start, run, hub, volume, held, text):
    repo = tiny(hub, 2 * MIB)
    running, gate = held(spec())
    running.kill()
    gate.release()
    lease, = leases(volume)
    lease.write_text(text)
    os.utime(lease, (time.time() - 150,) * 2)
    result = run(spec())
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo)


def test_a_spec_that_moves_a_shared_folder_takes_the_others_marker_away(run, hub, volume):
    repo = hub.model("acme/tiny", {"a.txt": "old"})
    specs = {name: {"name": name, "repos": [{"id": "acme/tiny", "path": "t"}]} for name in ("one", "two")}
    assert run(specs["one"]).code == 0 and run(specs["two"]).code == 0
    assert volume.marker("one") and volume.marker("two")
    repo.push({"a.txt": "new"})
    assert run(specs["two"]).code == 0
    assert volume.marker("two") and volume.marker("one") is None
    assert run(specs["one"]).code == 0
    assert volume.marker("one")["repos"][0]["commit"] == repo.head().sha and volume.marker("two")


def test_a_repair_that_moves_a_shared_folder_takes_the_others_marker_away(run, hub, volume):
    """Its own marker is gone already, so there is no commit at which it could stay."""
    repo = hub.model("acme/tiny", {"a.txt": "old"})
    one, two = ({"name": name, "repos": [{"id": "acme/tiny", "path": "t"}]} for name in ("one", "two"))
    assert run(one).code == 0
    repo.push({"a.txt": "new"})
    assert run(two).code == 0 and volume.marker("one") is None
    newest = repo.push({"a.txt": "newest"})
    assert run(one, "--repair", command="verify").code == 0
    assert volume.marker("one")["repos"][0]["commit"] == newest.sha and volume.marker("two") is None


def test_the_status_of_a_spec_whose_marker_is_gone_is_not_complete(run, hub, volume):
    repo = hub.model("acme/tiny", {"a.txt": "old"})
    one, two = ({"name": name, "repos": [{"id": "acme/tiny", "path": "t"}]} for name in ("one", "two"))
    assert run(one).code == 0 and run(one, command="status").code == 0
    repo.push({"a.txt": "new"})
    assert run(two).code == 0 and run(two, command="status").code == 0
    result = run(one, command="status")
    assert result.code == 3 and "its marker is gone" in result.stderr, result


@pytest.mark.parametrize("text", ["", "no JSON", "{}"])
def test_where_no_status_can_be_read_the_marker_says_whether_it_is_complete(run, hub, volume, text):
    hub.model("acme/tiny", {"a.txt": "a"})
    assert run(spec()).code == 0
    (volume / ".hf-init/default.status.json").write_text(text)
    for args in ([], ["--json"]):
        result = run(spec(), *args, command="status")
        assert result.code == 0 and result.stdout == "" and "the marker is there" in result.stderr, result
    (volume / ".hf-init/default.complete.json").unlink()
    for args in ([], ["--json"]):
        result = run(spec(), *args, command="status")
        assert result.code == 3 and result.stdout == (text if args else "") and "endpoint" not in result.stderr, result
