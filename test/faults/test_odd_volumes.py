"""Volumes as they are not supposed to be, but are: that fold names, count wrong, move little at a time, die.

All of them are fusefs.py, a file system in memory that goes wrong as told."""

import json
import os
import shutil
import signal
import time

import pytest
from conftest import content_of
from disk_world import FILES, MIB, ONE, place_of, stray, wrong
from standin import lfs


@pytest.fixture
def volume(odd):
    return odd.volume


@pytest.fixture
def tiny(hub):
    return hub.model("acme/tiny", FILES)


LAYOUTS = pytest.mark.parametrize("layout", ["dir", "cache"])


@pytest.fixture
def held(start, hub):
    """held(spec) begins a run and stops it in the middle of model.bin; release() lets it go on."""

    def begin(spec=ONE, **options):
        gate = hub.gate(file="model.bin", host="cdn", at=MIB)
        running = start(spec, **options)
        assert gate.wait()
        return running, gate.release

    return begin


def asked_for(hub, name):
    return [r for r in hub.requests() if r.file == name]


@LAYOUTS
def test_a_volume_in_user_space_is_filled_as_any_other(run, volume, tiny, complete, layout):
    complete(run({**ONE, "layout": layout}), tiny, below=place_of(layout, tiny))
    assert stray(volume) == []


# Names.


@LAYOUTS
def test_twins_but_for_case_are_refused_where_case_does_not_count(run, hub, odd, volume, failed, layout):
    odd.rules(fold="case")
    hub.model("acme/tiny", {"LICENSE": "one", "license": "other", "a/b.txt": "b"})
    failed(run({**ONE, "layout": layout}), 42, "UnsafeName", "LICENSE", "license", "one name")
    assert volume.files() == {} and not asked_for(hub, "LICENSE") and stray(volume) == []


def test_twins_in_an_optional_repo_do_not_stop_the_others(run, hub, odd, volume, tiny):
    odd.rules(fold="case")
    hub.model("acme/twins", {"Sub/x": "one", "sub/X": "other"})
    result = run({"repos": [{"id": "acme/twins", "optional": True}, {"id": "acme/tiny"}]})
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(tiny)


@LAYOUTS
def test_one_of_twins_may_be_left_out(run, hub, odd, volume, layout):
    odd.rules(fold="case")
    repo = hub.model("acme/tiny", {"LICENSE": "one", "license": "other", "a/b.txt": "b"})
    result = run({"layout": layout, "repos": [{"id": "acme/tiny", "ignore": ["license"]}]})
    assert result.code == 0, result
    assert volume.files(place_of(layout, repo)) == {k: v for k, v in content_of(repo).items() if k != "license"}


@LAYOUTS
def test_folders_that_differ_in_case_are_one_and_hold_the_files_of_both(run, hub, odd, volume, layout):
    odd.rules(fold="case")
    repo = hub.model("acme/tiny", {"Sub/x": "one", "sub/y": "other"})
    assert run({**ONE, "layout": layout}).code == 0
    base = volume / place_of(layout, repo)
    assert (base / "Sub/x").read_text() == "one" and (base / "sub/y").read_text() == "other"


@LAYOUTS
def test_twins_are_files_of_their_own_where_case_counts(run, hub, volume, complete, layout):
    repo = hub.model("acme/tiny", {"LICENSE": "one", "license": "other", "Sub/x": "3", "sub/X": "4"})
    complete(run({**ONE, "layout": layout}), repo, below=place_of(layout, repo))


# Room.


@pytest.mark.parametrize("full, reason", [("ENOSPC", "InsufficientDisk"), ("EDQUOT", "QuotaExceeded")])
@pytest.mark.parametrize("preallocates", [True, False])
@LAYOUTS
def test_room_that_was_promised_and_is_not_there_is_exit_20(
    run, odd, volume, tiny, message, complete, layout, full, reason, preallocates
):
    odd.rules(budget=2 * MIB, full=full, free=1 << 40, fail={} if preallocates else {"fallocate": ["EOPNOTSUPP", None]})
    result = run({**ONE, "layout": layout})
    assert (result.code, message()["reason"]) == (20, reason) and volume.marker() is None, result
    assert wrong(volume, tiny, layout) == []
    odd.rules(budget=None)
    complete(run({**ONE, "layout": layout}), tiny, below=place_of(layout, tiny))
    assert stray(volume) == []


def test_a_volume_that_counts_nothing_is_not_taken_for_a_full_one(run, odd, tiny, complete):
    odd.rules(free="none")
    complete(run(ONE), tiny)


def test_a_file_larger_than_the_volume_takes_is_refused_before_it_is_fetched(run, hub, odd, tiny, failed):
    odd.rules(largest=MIB)
    failed(run(ONE), 20, "TooLarge", "model.bin")
    assert not asked_for(hub, "model.bin")


# Calls that a volume lacks.


@pytest.mark.parametrize(
    "lacks, errors",
    [
        (["symlink"], "EPERM ENOSYS EOPNOTSUPP"),
        (["link"], "EPERM ENOSYS EOPNOTSUPP"),
        (["symlink", "link"], "EPERM ENOSYS EOPNOTSUPP"),
        (["fallocate"], "EPERM ENOSYS EOPNOTSUPP"),
        (["fsync", "fsyncdir"], "ENOSYS EOPNOTSUPP EINVAL"),
        (["statfs"], "EPERM ENOSYS EOPNOTSUPP"),
    ],
)
@LAYOUTS
def test_what_a_volume_lacks_is_done_without(run, odd, volume, tiny, complete, lacks, errors, layout):
    for error in errors.split():
        odd.rules(fail={name: [error, None] for name in lacks})
        complete(run({**ONE, "layout": layout}), tiny, below=place_of(layout, tiny))
        assert stray(volume) == []
        odd.rules(fail=None)
        for path in volume.path.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@LAYOUTS
def test_reads_and_writes_that_stop_short_go_on(run, odd, volume, tiny, complete, layout):
    odd.rules(short=4099)
    complete(run({**ONE, "layout": layout}), tiny, below=place_of(layout, tiny))


@LAYOUTS
@pytest.mark.parametrize("nth", range(0, 14, 1))
def test_a_rename_whose_answer_is_lost_was_done(run, odd, volume, tiny, layout, nth):
    odd.rules(lost={"rename": nth, "rename2": nth})
    result = run({**ONE, "layout": layout})
    assert result.code == 0, result
    assert volume.files(place_of(layout, tiny)) == content_of(tiny) and volume.marker()
    assert stray(volume) == []


def test_what_is_replaced_while_it_is_read_is_read_again(run, odd, tiny, complete):
    """NFS: the handle of a file that another node's rename has replaced is stale; a status is replaced every second."""
    complete(run(ONE), tiny)
    odd.rules(short=1 << 16)  # past the page cache, which would ask again by itself
    for command in ("status", "wait"):
        odd.rules(fail={"read": ["ESTALE", 1]})
        result = run(ONE, command=command)
        assert result.code == 0, result
        odd.rules(fail={"read": ["ESTALE", None]})
        result = run(ONE, command=command)
        assert result.code == 21, result


@LAYOUTS
def test_a_prune_knows_a_place_that_is_written_otherwise_today(run, hub, odd, volume, tiny, complete, layout):
    """Or it would take from under a spec what that has changed the case of."""
    odd.rules(fold="case")
    hub.alias("Acme/Tiny", "acme/tiny")
    before, today = ({"layout": layout, "repos": [{"id": id}]} for id in ("acme/tiny", "Acme/Tiny"))
    assert run(before).code == 0
    complete(run(today), tiny, below=place_of(layout, tiny))
    pid = str(odd.server.pid)  # confined, it may not go by /proc
    target = str(volume.path).removeprefix(f"/proc/{pid}/root")
    result = run(None, "--target", target, "--json", command="prune", prefix=("nsenter", "-t", pid, "-m"))
    assert result.code == 0 and json.loads(result.stdout)["removed"] == [], result
    assert volume.files(place_of(layout, tiny)) == content_of(tiny)
    assert run(today, command="verify").code == 0


# Volumes that go away.


@pytest.mark.parametrize(
    "error, code, reason", [("ESTALE", 21, "IoError"), ("EIO", 21, "IoError"), ("EROFS", 22, "ReadOnly")]
)
@LAYOUTS
def test_a_volume_that_fails_in_the_middle_is_told_and_gone_on_with_later(
    run, held, odd, volume, tiny, message, complete, layout, error, code, reason
):
    spec = {**ONE, "layout": layout}
    running, release = held(spec)
    calls = [
        "write",
        "create",
        "fallocate",
        "setattr",
        "fsync",
        "rename",
        "rename2",
        "unlink",
        "mkdir",
        "symlink",
        "link",
    ]
    odd.rules(fail={name: [error, None] for name in (calls if error == "EROFS" else ["all"])})
    release()
    result = running.wait(20)
    assert result.code == code, result
    assert message()["reason"] == reason
    odd.rules(fail=None)
    assert volume.marker() is None and wrong(volume, tiny, layout) == []
    complete(run(spec), tiny, below=place_of(layout, tiny))
    assert stray(volume) == []


@LAYOUTS
def test_a_repair_for_which_there_is_no_room_leaves_the_marker(run, odd, volume, tiny, layout):
    """Not even for its lease: it has not looked at anything."""
    spec = {**ONE, "layout": layout}
    assert run(spec).code == 0
    odd.rules(fail={"create": ["ENOSPC", None]})
    result = run(spec, "--repair", command="verify")
    assert result.code == 20 and volume.marker(), result
    assert run(spec).code == 0


def test_a_volume_whose_server_died_ends_the_run(held, odd, tiny, message):
    running, release = held()
    odd.die()
    release()
    result = running.wait(20)
    assert result.code == 21, result
    assert message()["reason"] == "IoError" and "not connected" in message()["message"]


@pytest.mark.parametrize("moved", [0, 1])
def test_a_lock_that_is_free_proves_nothing_of_who_holds_it_by_another_mount(start, held, odd, volume, tiny, until, moved):
    """Each pod may have a mount of its own, and the kernel keeps their locks apart."""
    running, release = held()
    running.kill()
    release()
    lease, = (volume / ".hf-init/leases").glob("*.lease")
    claim = json.loads(lease.read_text())
    assert claim["mount"]
    claim["mount"] += moved
    lease.write_text(json.dumps(claim))
    other = start({**ONE, "name": "other"})
    if moved:
        status = volume / ".hf-init/other.status.json"
        until(lambda: status.exists() and volume.status("other")["phase"] == "waiting")
        os.utime(lease, (time.time() - 150,) * 2)
    result = other.wait()
    assert result.code == 0 and volume.files(tiny.id) == content_of(tiny), result
    assert ("waiting for another writer" in result.stderr) == bool(moved)


def test_a_slow_sync_holds_up_nothing_but_its_file(start, odd, volume, tiny, complete, until):
    odd.rules(slow={"fsync": 4})
    running = start(ONE)
    until(lambda: volume.partials())
    beats, end = set(), time.monotonic() + 3.5
    while time.monotonic() < end:
        beats.add(volume.status()["heartbeat"])
        time.sleep(0.2)
    assert volume.files("acme/tiny") == {} and volume.status()["phase"] == "downloading"
    odd.rules(slow=None)
    complete(running.wait(), tiny)
    assert len(beats) >= 3, "the status was written while the disk was slow"


def test_sigterm_is_obeyed_while_a_large_twin_is_copied(start, hub, odd, volume, until):
    """The whole copy, and its hash, were waited for: it was left at once after two seconds, its lease and all."""
    hub.model("acme/tiny", {name: lfs(b"same" * (8 * MIB)) for name in ("a.bin", "b.bin")})
    odd.rules(slow={"read": 0.05})
    running = start(ONE)
    until(lambda: any((volume / "acme/tiny" / name).exists() for name in ("a.bin", "b.bin")), 30)
    until(lambda: any(volume.path.glob(".hf-init/temp/*")))
    running.signal(signal.SIGTERM)
    result = running.wait(20)
    assert result.code == 143 and "did not stop" not in result.stderr, result
    assert not any(volume.path.glob(".hf-init/leases/*")) and volume.status()["phase"] == "cancelled"


def test_sigterm_is_obeyed_while_the_disk_does_not_answer(run, start, odd, volume, tiny, complete, until):
    odd.rules(slow={"fsync": 30})
    running = start(ONE)
    until(lambda: volume.partials())
    time.sleep(0.5)
    began = time.monotonic()
    running.process.terminate()
    result = running.wait(10)
    assert result.code == 143 and time.monotonic() - began < 3, result
    odd.rules(slow=None)
    complete(run(ONE), tiny)
    assert stray(volume) == []
