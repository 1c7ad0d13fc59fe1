"""What a second run does: goes on where the first one died, leaves alone what is right, repairs what is not."""
import hashlib
import json
import os
import random
import re
import shutil
import signal
import time
import zlib

import pytest
from conftest import content_of, sha256
from standin import lfs, xet

MIB = 1 << 20
LANES = {"connections": 2, "partSize": "4MiB"}
IN_FLIGHT = 2 * 4 * MIB  # connections times the size of a part


def spec(**more):
    repo = {"id": "acme/tiny", **{k: more.pop(k) for k in ("revision", "allow", "optional") if k in more}}
    return {"repos": [repo], "concurrency": LANES, **more}


def large(hub, size=32 * MIB):
    return hub.model("acme/tiny", {"config.json": "{}", "model.safetensors": xet(size)})


def small(hub):
    return hub.model("acme/tiny", {"config.json": "{}", "a/notes.txt": "hello", "w.bin": lfs(300_000)})


def sent(hub):
    return sum(r.sent for r in hub.requests(host="cdn"))


def files_asked(hub):
    return {r.file for r in hub.requests() if r.file}


def place_of(layout, repo):
    return "acme/tiny" if layout == "dir" else "models--acme--tiny/snapshots/" + repo.head().sha


@pytest.fixture
def stopped(hub, start, until, volume):
    """stopped(spec, at) kills a run once that many bytes have left the CDN and some of them are in a journal; returns
    how many had left it in the end."""

    def stop(spec, at, rate=24 * MIB):
        throttle = hub.throttle(rate, host="cdn", per="all")
        running = start(spec)
        until(lambda: sent(hub) >= at and any((volume / ".hf-init/partials").glob("*.journal")))
        running.kill()
        throttle.clear()
        assert hub.left()
        count = sent(hub)
        hub.reset()
        return count

    return stop


# Killed.

@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_after_kill_9_only_what_was_in_flight_is_fetched_again(run, hub, volume, stopped, layout):
    repo = large(hub)
    before = stopped(spec(layout=layout), 16 * MIB)
    assert volume.marker() is None
    assert "model.safetensors" not in volume.files(".") and volume.partials()
    result = run(spec(layout=layout))
    assert result.code == 0, result
    assert hub.bytes_sent(host="cdn") <= 32 * MIB - before + IN_FLIGHT
    assert volume.files(place_of(layout, repo)) == content_of(repo)
    assert volume.partials() == []
    totals = volume.status()["totals"]
    assert totals["bytesReceived"] <= 32 * MIB + 2 - before + IN_FLIGHT and totals["percent"] == 100


def test_what_a_holder_left_while_we_waited_is_gone_on_with(run, start, hub, volume, stopped, until, tmp_path):
    """The volume was looked at before the wait, when nothing of the file was there."""
    repo, partials = large(hub), volume / ".hf-init/partials"
    before = stopped(spec(), 16 * MIB)
    shutil.copytree(partials, tmp_path / "left")
    assert run(spec()).code == 0 and volume.partials() == []
    (volume / "acme/tiny/model.safetensors").unlink()
    lease = volume / f".hf-init/leases/{hashlib.sha256(b'dir/acme/tiny').hexdigest()[:32]}.lease"
    lease.write_text(json.dumps({"instance": "0" * 16, "host": "node-2", "boot_id": "elsewhere", "status": ""}))
    hub.reset()
    waiter = start(spec())
    until(lambda: volume.status()["phase"] == "waiting")
    for path in (tmp_path / "left").iterdir():
        shutil.copy2(path, partials)
    os.utime(lease, (time.time() - 150,) * 2)
    result = waiter.wait()
    assert result.code == 0, result
    assert hub.bytes_sent(host="cdn") <= 32 * MIB - before + IN_FLIGHT
    assert volume.files("acme/tiny") == content_of(repo) and volume.partials() == []


def test_many_kills_in_a_row_still_get_there(run, hub, volume, stopped):
    repo = large(hub, 48 * MIB)
    total = sum(stopped(spec(), 8 * MIB, rate=40 * MIB) for _ in range(4))
    result = run(spec())
    assert result.code == 0, result
    assert total + hub.bytes_sent(host="cdn") <= 48 * MIB + 4 * IN_FLIGHT
    assert volume.files("acme/tiny") == content_of(repo)
    assert volume.partials() == []


def test_files_that_were_published_before_the_kill_are_not_fetched_again(run, start, hub, volume, until):
    names = ["part-%03d.json" % n for n in range(200)]
    repo = hub.model("acme/tiny", {name: "content of %s " % name * 50 for name in names})
    gate = hub.gate(file="part-19*.json", status=200)
    running = start(spec())
    until(lambda: len(volume.files("acme/tiny")) > 100)
    running.kill()
    there = set(volume.files("acme/tiny"))
    gate.release()
    hub.reset()
    result = run(spec())
    assert result.code == 0, result
    assert files_asked(hub) == set(names) - there
    assert volume.files("acme/tiny") == content_of(repo)


@pytest.mark.parametrize("at", ["revision", "tree", "first byte", "last byte"])
def test_a_kill_at_any_stage_leaves_nothing_that_confuses_the_next_run(run, start, hub, volume, at):
    repo = large(hub, 3 * MIB)
    gate = {"revision": lambda: hub.gate(path="*/revision/*", before=True),
            "tree": lambda: hub.gate(path="*/tree/*", at=10),
            "first byte": lambda: hub.gate(host="cdn", at=0),
            "last byte": lambda: hub.gate(host="cdn", at=3 * MIB - 1)}[at]()
    running = start(spec())
    assert gate.wait()
    running.kill()
    gate.release()
    result = run(spec())
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo)
    assert volume.partials() == [] and volume.marker()


@pytest.mark.parametrize("layout", ["dir", "cache"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_ends_at_random_moments_never_leave_a_wrong_file_or_a_false_marker(run, start, hub, volume, layout, number):
    repo = hub.model("acme/tiny", {"f/%02d.txt" % n: "file %d " % n * 99 for n in range(40)} | {"w.bin": lfs(3 * MIB)})
    place, wanted = place_of(layout, repo), content_of(repo)
    chance = random.Random(20261122)
    for _ in range(12):
        running = start(spec(layout=layout))
        time.sleep(chance.uniform(0, 0.15))
        running.signal(number)
        result = running.wait(5)
        assert result.code in (0, 143 if number == signal.SIGTERM else -9, -number), result
        there = volume.files(place)
        assert {name: wanted[name] for name in there} == there
        assert volume.marker() is None or there == wanted
        if there == wanted:
            shutil.rmtree(volume.path)
    result = run(spec(layout=layout))
    assert result.code == 0, result
    assert volume.files(place) == wanted and volume.marker()
    assert volume.partials() == [] and not list((volume / ".hf-init/temp").glob("*"))


def test_a_resumed_file_is_hashed_whole(run, hub, volume, stopped):
    repo = large(hub)
    stopped(spec(), 16 * MIB)
    partial, = (volume / ".hf-init/partials").glob("*.part")
    with open(partial, "r+b") as file:  # a bit that flipped on disk, in a range that the journal calls done
        file.seek(100_000)
        byte = file.read(1)
        file.seek(100_000)
        file.write(bytes([byte[0] ^ 1]))
    result = run(spec())
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo)


# The hash of what is there.

def checkpoint(folder):
    """How far the hash goes that a journal holds and that was synced after it; 0: none."""
    noted = best = 0
    for journal in folder.glob("*.journal"):
        for line in journal.read_text("ascii", "replace").splitlines():
            kind, number = line.split(" ")[:2]
            noted = int(number) if kind == "h" else noted
            best = noted if kind == "s" else best
    return best


def bytes_read(running):
    """How much the process had read, from files alone, when it ended."""
    os.waitid(os.P_PID, running.process.pid, os.WEXITED | os.WNOWAIT)
    with open(f"/proc/{running.process.pid}/io") as file:
        return int(dict(line.split(": ") for line in file.read().splitlines())["rchar"])


@pytest.fixture
def noted(hub, start, until, volume):
    """noted(spec) kills a run whose journal holds a hash; returns how far that goes."""

    def stop(spec):
        throttle = hub.throttle(20 * MIB, host="cdn", per="all")
        running = start(spec)
        found = until(lambda: checkpoint(volume / ".hf-init/partials"), seconds=20)
        running.kill()
        throttle.clear()
        assert hub.left()
        hub.reset()
        return max(found, checkpoint(volume / ".hf-init/partials"))

    return stop


def test_what_was_hashed_before_the_kill_is_not_read_again(start, hub, volume, noted):
    repo = large(hub, 96 * MIB)
    hashed = noted(spec())
    assert hashed >= 16 * MIB
    running = start(spec())
    read = bytes_read(running)
    result = running.wait()
    assert result.code == 0, result
    assert read <= 96 * MIB - hashed + MIB, "a mebibyte for all that is not content"
    assert volume.files("acme/tiny") == content_of(repo)


def lie(journal, change):
    """Rewrites the journal with each line changed, and right checksums."""
    crc, lines = 0, []
    for line in journal.read_text("ascii").splitlines():
        text = change(line.rpartition(" ")[0])
        crc = zlib.crc32(text.encode(), crc)
        lines.append(b"%s %08x\n" % (text.encode(), crc))
    journal.write_bytes(b"".join(lines))


def other_state(text):
    if not text.startswith("h "):
        return text
    kind, hashed, state = text.split(" ")
    return f"{kind} {hashed} {state[:20]}{int(state[20], 16) ^ 1:x}{state[21:]}"


def other_count(text):
    return re.sub(r"^h (\d+)", lambda m: f"h {int(m[1]) - 1}", text)


@pytest.mark.parametrize("change, warnings", [(other_state, ["hashing again from the start"]), (other_count, [])])
def test_a_noted_hash_that_lies_costs_reading_and_no_fetching(run, hub, volume, noted, change, warnings):
    repo = large(hub, 64 * MIB)
    noted(spec())
    journal, = (volume / ".hf-init/partials").glob("*.journal")
    lie(journal, change)
    result = run(spec())
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo)
    assert hub.bytes_sent(host="cdn") < 64 * MIB - 16 * MIB
    assert [line["msg"] for line in result.lines if line["level"] == "warn"] == warnings


def test_bytes_that_changed_later_under_a_noted_hash_are_noticed(run, hub, volume, noted):
    repo = large(hub, 64 * MIB)
    noted(spec())
    partial, = (volume / ".hf-init/partials").glob("*.part")
    with open(partial, "r+b") as file:
        file.write(b"others were here")
    os.utime(partial.with_suffix(".journal"), (time.time() - 60, time.time() - 60))
    result = run(spec())
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo)


def test_wrong_bytes_after_a_noted_hash_are_fetched_anew(run, hub, volume, noted):
    repo = large(hub, 64 * MIB)
    hashed = noted(spec())
    fault = hub.fault("flip", file="model.safetensors", host="cdn", at=0, times=1)
    result = run(spec())
    assert result.code == 0, result
    assert fault.hits == 1 and hub.bytes_sent(host="cdn") > 64 * MIB > hashed
    assert volume.files("acme/tiny") == content_of(repo)


def test_a_noted_hash_does_not_vouch_for_what_was_written_over_its_bytes(run, start, hub, volume, until, noted):
    """Two dead runs left partials. The server ignored ranges: the first was thrown away, the second written over from
    the start, and the next run believed its hash."""
    repo = large(hub, 64 * MIB)
    noted(spec())
    for path in (volume / ".hf-init/partials").iterdir():
        digest, _, kind = path.name.split(".")
        shutil.copy2(path, path.with_name(f"{digest}.{'0' * 16}.{kind}"))
    hub.fault("ignore-range", host="cdn", times=None)
    hub.fault("flip", file="model.safetensors", host="cdn", file_at=1000, times=None)
    hub.throttle(6 * MIB, host="cdn")
    running = start(spec())
    until(lambda: hub.requests(file="model.safetensors", host="cdn", range=False, sent=lambda n: n > 3 * MIB))
    running.signal(signal.SIGTERM)
    assert running.wait().code == 143
    assert hub.left()
    hub.reset()
    result = run(spec())
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo)


def zeros(folder, partial, journal):
    partial.write_bytes(b"\0" * partial.stat().st_size)


def cut_partial(folder, partial, journal):
    os.truncate(partial, 1000)


def grown_partial(folder, partial, journal):
    os.truncate(partial, 100 * MIB)


def no_journal(folder, partial, journal):
    journal.unlink()


def no_partial(folder, partial, journal):
    partial.unlink()


def garbage_journal(folder, partial, journal):
    journal.write_bytes(os.urandom(5000))


def empty_journal(folder, partial, journal):
    journal.write_bytes(b"")


def torn_journal(folder, partial, journal):
    journal.write_bytes(journal.read_bytes()[:-7])


def boastful_journal(folder, partial, journal):
    journal.write_bytes(journal.read_bytes() + b"w 0 %d 00000000\ns 99999 00000000\n" % (32 * MIB))


def partial_is_a_folder(folder, partial, journal):
    partial.unlink()
    partial.mkdir()
    (partial / "x").write_text("x")


def foreign_files(folder, partial, journal):
    (folder / "not-ours").write_text("x")
    (folder / ("0" * 64 + ".0123456789abcdef.part")).write_bytes(b"x" * 1000)
    (folder / ("1" * 64 + ".0123456789abcdef.journal")).write_bytes(b"hf-init journal 9\n")


@pytest.mark.parametrize("harm", [zeros, cut_partial, grown_partial, no_journal, no_partial, garbage_journal,
                                  empty_journal, torn_journal, boastful_journal, partial_is_a_folder, foreign_files])
def test_whatever_happens_to_partial_and_journal_the_content_is_right(run, hub, volume, stopped, harm):
    repo = large(hub, 12 * MIB)
    stopped(spec(), 6 * MIB)
    folder = volume / ".hf-init/partials"
    partial, = folder.glob("*.part")
    harm(folder, partial, partial.with_suffix(".journal"))
    result = run(spec())
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo)


def test_partials_are_never_planted_links(run, hub, volume, stopped, tmp_path):
    repo = large(hub, 12 * MIB)
    outside = tmp_path / "outside"
    stopped(spec(), 6 * MIB)
    partial, = (volume / ".hf-init/partials").glob("*.part")
    shutil.copy(partial, outside)
    partial.unlink()
    partial.symlink_to(outside)
    before = sha256(outside)
    result = run(spec())
    assert result.code == 0, result
    assert sha256(outside) == before
    assert not (volume / "acme/tiny/model.safetensors").is_symlink()
    assert volume.files("acme/tiny") == content_of(repo)


@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_what_another_spec_of_the_repo_has_of_a_file_is_kept_for_it(run, hub, volume, stopped, layout):
    """Both pods died with the node, and the one that wants other files of the repo is back first."""
    repo = large(hub)
    weights, config = spec(layout=layout, allow=["*.safetensors"]), spec(layout=layout, allow=["*.json"], name="config")
    before = stopped(weights, 16 * MIB)
    assert run(config).code == 0 and volume.partials()
    result = run(weights)
    assert result.code == 0, result
    assert hub.bytes_sent("model.safetensors", host="cdn") <= 32 * MIB - before + IN_FLIGHT
    assert volume.files(place_of(layout, repo)) == content_of(repo) and volume.partials() == []


def test_partials_of_content_that_nobody_wants_any_more_are_removed(run, hub, volume, stopped):
    repo = large(hub)
    stopped(spec(), 8 * MIB)
    repo.push({"model.safetensors": xet(MIB)})
    result = run(spec())
    assert result.code == 0, result
    assert volume.partials() == []
    assert volume.files("acme/tiny") == content_of(repo)


# Told to stop.

def quick(running, number=signal.SIGTERM):
    """Signals a run; its result, which must come within 2 s."""
    began = time.monotonic()
    running.signal(number)
    result = running.wait(10)
    assert time.monotonic() - began < 2, result
    return result


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_in_time_and_the_next_one_resumes(run, start, hub, volume, until, tmp_path, number, code):
    repo = large(hub)
    throttle = hub.throttle(16 * MIB, host="cdn", per="all")
    running = start(spec())
    until(lambda: sent(hub) >= 12 * MIB)
    result = quick(running, number)
    assert result.code == code, result
    assert volume.status()["phase"] == "cancelled" and volume.marker() is None
    said = json.loads((tmp_path / "termination").read_text())
    assert said["exitCode"] == code and said["retryable"] is True
    throttle.clear()
    assert hub.left()
    before = sent(hub)
    hub.reset()
    assert run(spec()).code == 0
    assert hub.bytes_sent(host="cdn") <= 32 * MIB - before + 2 * MIB  # the journal was written on the way out
    assert volume.files("acme/tiny") == content_of(repo)


MOMENTS = {
    "resolving": lambda hub: hub.gate(path="*/revision/*", before=True),
    "listing": lambda hub: hub.gate(path="*/tree/*", at=5),
    "asking for a URL": lambda hub: hub.gate(path="*/resolve/*", before=True),
    "a silent CDN": lambda hub: hub.fault("stall", host="cdn", times=None),
    "a rate limit": lambda hub: hub.fault("rate-limit", path="*/revision/*", wait=50, times=None),
    "a backoff": lambda hub: hub.fault("status", path="*/revision/*", code=503, times=None),
    "a connection that never opens": lambda hub: hub.door("stall", times=None)}


@pytest.mark.parametrize("moment", MOMENTS)
def test_sigterm_is_obeyed_whatever_the_run_waits_for(start, hub, volume, moment):
    large(hub, 2 * MIB)
    fault = MOMENTS[moment](hub)
    running = start(spec(retry={"attempts": 100, "maxWait": "60s"}))
    assert fault.wait()
    result = quick(running)
    assert result.code == 143, result
    assert volume.status()["phase"] == "cancelled"
    assert not list((volume / ".hf-init/leases").glob("*"))


def test_sigterm_is_obeyed_while_hashing_what_others_put_there(run, start, hub, volume, until):
    repo = hub.model("acme/tiny", {"model.safetensors": xet(256 * MIB)})
    (volume / "acme/tiny").mkdir(parents=True)
    with open(volume / "acme/tiny/model.safetensors", "wb") as file:
        for piece in repo.head().files["model.safetensors"].content.pieces(0, 256 * MIB):
            file.write(piece)
    running = start(spec())
    until(lambda: (volume / ".hf-init/default.status.json").exists() and hub.count(path="*/tree/*"))
    result = quick(running)
    assert result.code in (143, 0), result  # 0: the machine was faster than we


def test_a_second_signal_ends_it_at_once(start, hub):
    large(hub, 2 * MIB)
    gate = hub.gate(host="cdn")
    running = start(spec())
    assert gate.wait()
    running.signal(signal.SIGTERM)
    running.signal(signal.SIGTERM)
    began = time.monotonic()
    assert running.wait(10).code == 143
    assert time.monotonic() - began < 2


# Again, when all is there.

@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_a_complete_pinned_spec_makes_no_request(run, hub, volume, layout):
    repo = small(hub)
    pinned = spec(layout=layout, revision=repo.head().sha)
    assert run(pinned).code == 0
    hub.reset()
    for _ in range(3):
        result = run(pinned)
        assert result.code == 0, result
    assert hub.count() == 0 and hub.max_connections() == 0
    assert volume.status()["phase"] == "complete" and volume.status()["totals"]["requests"] == 0


@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_a_complete_branch_makes_one_request(run, hub, layout):
    small(hub)
    assert run(spec(layout=layout)).code == 0
    hub.reset()
    assert run(spec(layout=layout)).code == 0
    assert [r.path for r in hub.requests()] == ["/api/models/acme/tiny/revision/main"]


def test_a_complete_volume_is_not_read(run, hub, volume):
    small(hub)
    assert run(spec()).code == 0
    paths = [volume / "acme/tiny" / name for name in ("config.json", "w.bin")]

    def age():
        for path in paths:
            os.utime(path, ns=(1, path.stat().st_mtime_ns))

    age()
    paths[0].read_bytes()
    if paths[0].stat().st_atime_ns == 1:
        pytest.skip("this file system keeps no access times")
    age()
    assert run(spec()).code == 0
    assert [path.stat().st_atime_ns for path in paths] == [1, 1]


def test_a_moved_branch_fetches_what_changed_and_the_old_file_serves_until_then(start, run, hub, volume):
    repo = small(hub)
    assert run(spec()).code == 0
    old = {p: (volume / "acme/tiny" / p).stat().st_ino for p in repo.head().files}
    was = sha256(volume / "acme/tiny/w.bin")
    repo.push({"w.bin": lfs(400_000), "new.txt": "new"})
    hub.reset()
    gate = hub.gate(file="w.bin", host="cdn", at=200_000)
    reader = open(volume / "acme/tiny/w.bin", "rb")
    running = start(spec())
    assert gate.wait()
    assert volume.marker() is None  # the volume does not match the spec now
    assert sha256(volume / "acme/tiny/w.bin") == was
    gate.release()
    result = running.wait()
    assert result.code == 0, result
    with reader:
        assert len(reader.read()) == 300_000
    assert files_asked(hub) == {"w.bin", "new.txt"}
    assert volume.files("acme/tiny") == content_of(repo)
    assert (volume / "acme/tiny/config.json").stat().st_ino == old["config.json"]
    assert volume.marker()["repos"][0]["commit"] == repo.head().sha


@pytest.mark.parametrize("verify", ["always", "size"])
@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_new_bytes_of_the_same_size_are_fetched_and_planned_without_a_look_at_the_old(run, hub, volume, layout, verify):
    """The old ones are known to be something else, whatever is believed of files that others put there."""
    repo = small(hub)
    whole = {**spec(), "layout": layout, "verify": verify}
    assert run(whole).code == 0
    repo.push({"w.bin": lfs(bytes(300_000))})
    plan = run(whole, "--json", command="plan")
    assert plan.code == 0 and json.loads(plan.stdout)["totals"]["bytesToFetch"] == 300_000, plan
    result = run(whole)
    assert result.code == 0 and "does not match its hash" not in result.stderr, result
    place = "acme/tiny" if layout == "dir" else "models--acme--tiny/snapshots/" + repo.head().sha
    assert volume.files(place) == content_of(repo)


def test_a_failed_update_leaves_the_old_files_and_no_marker(run, hub, volume):
    repo = small(hub)
    before = content_of(repo)
    assert run(spec()).code == 0
    repo.push({"w.bin": lfs(400_000)})
    hub.fault("flip", file="w.bin", host="cdn", at=1000, times=None)
    result = run(spec())
    assert result.code == 40, result
    assert volume.files("acme/tiny")["w.bin"] == before["w.bin"]
    assert volume.marker() is None and volume.status()["phase"] == "failed"
    hub.reset()
    assert run(spec()).code == 0
    assert volume.files("acme/tiny") == content_of(repo)


def test_a_branch_that_moves_while_we_run_gives_one_commit_whole(run, hub, volume):
    repo = small(hub)
    first = content_of(repo)
    hub.when(lambda request: repo.push({"config.json": "second", "w.bin": lfs(1)}), path="*/revision/*")
    result = run(spec())
    assert result.code == 0, result
    assert volume.files("acme/tiny") == first


# Again, when somebody meddled.

def delete(path):
    path.unlink()


def truncate(path):
    os.truncate(path, path.stat().st_size - 1)


def append(path):
    with open(path, "ab") as file:
        file.write(b"x")


def change(path):
    with open(path, "r+b") as file:
        file.write(b"\xff")


def empty(path):
    os.truncate(path, 0)


@pytest.mark.parametrize("meddle", [delete, truncate, append, change, empty])
@pytest.mark.parametrize("layout", ["dir", "cache"])
@pytest.mark.parametrize("name", ["config.json", "w.bin"])
def test_a_file_that_changed_after_completion_is_repaired(run, hub, volume, layout, meddle, name):
    repo = small(hub)
    pinned = spec(layout=layout, revision=repo.head().sha)
    assert run(pinned).code == 0
    hub.reset()
    path = volume / place_of(layout, repo) / name
    meddle(path.resolve())
    result = run(pinned)
    assert result.code == 0, result
    assert volume.files(place_of(layout, repo)) == content_of(repo)
    assert files_asked(hub) == {name}
    assert volume.marker()


def test_a_touched_file_is_hashed_and_not_fetched(run, hub, volume):
    repo = small(hub)
    pinned = spec(revision=repo.head().sha)
    assert run(pinned).code == 0
    hub.reset()
    os.utime(volume / "acme/tiny/w.bin")
    result = run(pinned)
    assert result.code == 0, result
    assert files_asked(hub) == set()
    hub.reset()
    assert run(pinned).code == 0
    assert hub.count() == 0


@pytest.mark.parametrize("missing", ["snapshots/{sha}/w.bin", "snapshots/{sha}", "refs/main", "refs", "blobs", "snapshots"])
def test_what_is_missing_from_a_complete_cache_is_put_back(run, hub, volume, missing):
    repo = small(hub)
    sha = repo.head().sha
    assert run(spec(layout="cache")).code == 0
    gone = volume / "models--acme--tiny" / missing.format(sha=sha)
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    hub.reset()
    result = run(spec(layout="cache"))
    assert result.code == 0, result
    assert volume.files(place_of("cache", repo)) == content_of(repo)
    assert (volume / "models--acme--tiny/refs/main").read_text() == sha
    assert missing == "blobs" or hub.bytes_sent(host="cdn") == 0


def test_a_ref_that_another_tool_moved_is_put_right(run, hub, volume):
    repo = small(hub)
    assert run(spec(layout="cache")).code == 0
    (volume / "models--acme--tiny/refs/main").write_text("0" * 40)
    assert run(spec(layout="cache")).code == 0
    assert (volume / "models--acme--tiny/refs/main").read_text() == repo.head().sha


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\0" * 100, b"null", b'{"schema": "hf-init/complete/v2"}',
                                  b'{"schema": "hf-init/complete/v1", "repos": 7}', b"[" * 100_000, b"x" * 20_000_000])
@pytest.mark.parametrize("name", ["default.complete.json", "default.status.json"])
def test_a_marker_or_status_that_is_not_ours_is_ignored(run, hub, volume, name, text):
    repo = small(hub)
    (volume / ".hf-init").mkdir(parents=True)
    (volume / ".hf-init" / name).write_bytes(text)
    result = run(spec())
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo)
    assert volume.marker()["repos"][0]["commit"] == repo.head().sha
    assert volume.status()["phase"] == "complete"


@pytest.mark.parametrize("text", [b"", b"garbage\n" * 1000, b"hf-init inventory 9\n", b"\xff\0\n" * 999])
def test_an_inventory_that_is_not_ours_costs_a_hash_and_no_byte(run, hub, volume, text):
    repo = small(hub)
    assert run(spec()).code == 0
    for path in (volume / ".hf-init/inventory").iterdir():
        path.write_bytes(text)
    hub.reset()
    result = run(spec())
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo)
    assert files_asked(hub) == set()


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"format_version": 7, "files": {}}', '{"format_version": 1, "files": {}}',
                                  '{"format_version": 1, "files": {"../../x": {"size": 1, "blob_id": "' + "0" * 40 + '"}}}'])
def test_a_stored_listing_that_makes_no_sense_is_fetched_anew(run, hub, volume, text):
    repo = small(hub)
    pinned = spec(layout="cache", revision=repo.head().sha)
    assert run(pinned).code == 0
    (volume / "models--acme--tiny/trees" / (repo.head().sha + ".json")).write_text(text)
    (volume / place_of("cache", repo) / "config.json").unlink()
    result = run(pinned)
    assert result.code == 0, result
    assert volume.files(place_of("cache", repo)) == content_of(repo)


def test_a_changed_spec_takes_the_marker_away_and_sets_it_again(run, start, hub, volume):
    small(hub)
    assert run(spec(allow=["*.json"])).code == 0
    first = volume.marker()
    gate = hub.gate(file="w.bin", host="cdn")
    running = start(spec())
    assert gate.wait()
    assert volume.marker() is None
    gate.release()
    assert running.wait().code == 0
    assert volume.marker()["specDigest"] != first["specDigest"]


def test_settings_that_do_not_change_the_volume_do_not_change_the_digest(run, hub, volume):
    repo = small(hub)
    assert run(spec(revision=repo.head().sha)).code == 0 and volume.marker()
    hub.reset()
    other = spec(revision=repo.head().sha, log={"level": "debug"}, timeouts={"stall": "20s"})
    other["concurrency"] = {"connections": 7}
    assert run(other).code == 0
    assert hub.count() == 0


# Nothing there, and nobody to ask.

def test_an_empty_repo_is_refused_with_a_reason(run, hub, volume, tmp_path):
    hub.model("acme/tiny", {})
    result = run(spec())
    assert result.code == 12, result
    assert json.loads((tmp_path / "termination").read_text())["reason"] == "NothingSelected"
    assert volume.marker() is None


def test_a_complete_volume_serves_while_the_hub_is_down(run, hub, volume):
    repo = small(hub)
    assert run(spec()).code == 0
    hub.down()
    result = run(spec(retry={"attempts": 1, "maxWait": "1s"}))
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo)
    assert volume.status()["repos"][0]["fromExisting"] is True
    assert run(spec(onUnreachable="fail", retry={"attempts": 1, "maxWait": "1s"})).code == 30


@pytest.mark.parametrize("code, env", [(30, {}), (60, {"HF_HUB_OFFLINE": "1"})])
def test_what_a_folder_holds_of_one_repo_is_not_served_as_another(run, hub, volume, code, env):
    """When the model of a fixed folder is exchanged while the Hub is down."""
    hub.model("acme/tiny", {"config.json": "tiny"})
    hub.model("acme/other", {"config.json": "other"})
    tiny, other = ({"repos": [{"id": id, "path": "m"}], "retry": {"attempts": 1, "maxWait": "1s"}}
                   for id in ("acme/tiny", "acme/other"))
    assert run(tiny).code == 0
    hub.down()
    result = run(other, **env)
    assert result.code == code, result
    assert volume.marker() is None and volume.status()["phase"] == "failed"
    assert run(tiny, **env).code == 0 and volume.marker()["repos"][0]["id"] == "acme/tiny"


def test_offline_a_complete_volume_is_enough_and_an_incomplete_one_is_exit_60(run, hub, volume):
    repo = small(hub)
    assert run(spec(), HF_HUB_OFFLINE="1").code == 60
    assert run(spec()).code == 0
    hub.reset()
    assert run(spec(), HF_HUB_OFFLINE="1").code == 0
    (volume / "acme/tiny/w.bin").unlink()
    assert run(spec(), HF_HUB_OFFLINE="1").code == 60
    assert hub.count() == 0
    assert set(volume.files("acme/tiny")) == set(repo.head().files) - {"w.bin"}


@pytest.mark.parametrize("more", [[], [{"id": "acme/none", "optional": True}]])
@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_a_whole_volume_keeps_its_marker_when_the_hub_does_not_answer(run, hub, volume, layout, more):
    repo = hub.model("acme/tiny", {"a.txt": "a", "b.txt": "b"})
    spec = {"layout": layout, "onUnreachable": "fail", "retry": {"attempts": 1, "maxWait": "1s"},
            "repos": [{"id": "acme/tiny"}, *more]}
    assert run(spec).code == 0
    hub.down()
    assert run(spec).code == 30
    assert volume.marker()["repos"][0]["commit"] == repo.head().sha


def test_a_volume_that_lost_a_file_loses_its_marker_even_when_the_hub_does_not_answer(run, hub, volume):
    hub.model("acme/tiny", {"a.txt": "a", "b.txt": "b"})
    spec = {"onUnreachable": "fail", "retry": {"attempts": 1, "maxWait": "1s"}, "repos": [{"id": "acme/tiny", "path": "t"}]}
    assert run(spec).code == 0
    (volume / "t/b.txt").unlink()
    hub.down()
    assert run(spec).code == 30
    assert volume.marker() is None


def test_a_volume_that_cannot_be_looked_at_has_no_marker(run, hub, volume):
    hub.model("acme/tiny", {"a.txt": "a", "b.txt": "b"})
    spec = {"repos": [{"id": "acme/tiny", "path": "t"}]}
    assert run(spec).code == 0
    (volume / "t/b.txt").unlink()
    (volume / "t/b.txt").mkdir()
    result = run(spec)
    assert result.code == 21 and "b.txt" in result.stderr, result
    assert volume.marker() is None


def test_status_of_another_spec_is_not_ours(run, hub, volume):
    hub.model("acme/tiny", {"a.txt": "a"})
    assert run({"repos": [{"id": "acme/tiny"}]}).code == 0
    assert run({"repos": [{"id": "acme/tiny"}]}, command="status").code == 0
    assert run({"repos": [{"id": "acme/other"}]}, command="status").code == 3
    assert run(None, "--target", str(volume.path), command="status").code == 0


def test_progress_on_a_slow_line_survives_a_kill(start, run, hub, volume, until):
    hub.model("acme/tiny", {"w.bin": lfs(16 << 20)})
    hub.throttle(600_000, host="cdn", per="connection")
    running = start({"repos": [{"id": "acme/tiny"}], "concurrency": {"connections": 2}})
    until(lambda: volume.path.joinpath(".hf-init/default.status.json").exists() and
          volume.status()["totals"]["bytes"]["done"] > 4_000_000, seconds=20)
    running.kill()
    hub.reset()
    assert run({"repos": [{"id": "acme/tiny"}]}).code == 0
    assert volume.status()["totals"]["bytes"]["present"] > 500_000
