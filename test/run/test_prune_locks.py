"""What `hf-init prune` promises beside huggingface_hub, which locks `.locks/models--ORG--NAME/ETAG.lock` before it links
to a blob that is there, and whose users delete `.locks`."""
import fcntl
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess

import pytest
from conftest import NOBODY, SEAMS
from prune_world import blobs, moved, prune, snapshots, spec, still_whole

REPO = "models--acme--tiny"
NEW = "e" * 40                                              # a revision that Python makes


@pytest.fixture
def stopped_at(start, volume, stands_still):
    """stopped_at(nth): a prune that stands still as it removes its nth name, or None if it came to its end before."""
    def begin(nth):
        running = start(None, "--target", str(volume.path), "--json", command="prune", bin=SEAMS, HF_SEAM_REMOVAL=f"{nth}:stop")
        return running if stands_still(running) else None
    return begin


@pytest.fixture
def stands_still(until):
    """stands_still(running): whether it does, once it either does or has come to its end."""
    def wait(running):
        def state():
            return pathlib.Path(f"/proc/{running.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        until(lambda: running.process.poll() is not None or state() in "TZ", seconds=50)
        return running.process.poll() is None and state() == "T"
    return wait


@pytest.fixture
def stops(volume, stopped_at, tmp_path):
    """For each moment of a prune at which it removes a name: (the prune, standing still), on a volume as it was before."""
    def each():
        whole = tmp_path / "whole"
        subprocess.run(["cp", "-a", volume.path, whole], check=True)
        for nth in range(1, 200):
            shutil.rmtree(volume.path)
            subprocess.run(["cp", "-a", whole, volume.path], check=True)
            running = stopped_at(nth)
            if not running:
                return
            yield running
    return each


def go_on(running):
    running.signal(signal.SIGCONT)
    result = running.wait()
    assert result.code == 0, result
    return {item["name"]: item["because"] for item in json.loads(result.stdout)["kept"]}


def lock_of(volume, blob):
    """As huggingface_hub takes it, but does not wait: None if somebody has it."""
    path = volume / ".locks" / REPO / f"{blob}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = open(path, "a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


@pytest.mark.parametrize("afterwards", ["the lock file stays", "somebody deletes .locks"])
@pytest.mark.parametrize("before", ["no .locks", "an empty .locks", "a lock file"])
def test_a_blob_that_python_links_to_meanwhile_stays(hub, volume, moved, stops, before, afterwards):
    repo, old, new = moved()
    blob = repo.head(old).files["w.bin"].etag
    if before != "no .locks":
        (volume / ".locks" / REPO).mkdir(parents=True)
    if before == "a lock file":
        lock_of(volume, blob).close()
    linked = 0
    for running in stops():
        path = volume / REPO / "blobs" / blob
        lock = lock_of(volume, blob) if path.exists() else None
        if lock:
            link = volume / REPO / "snapshots" / NEW / "w.bin"
            link.parent.mkdir()
            link.symlink_to(f"../../blobs/{blob}")
            lock.close()
            if afterwards != "the lock file stays":
                shutil.rmtree(volume / ".locks")
        has_looked = old not in snapshots(volume)
        go_on(running)
        if lock and not has_looked:                         # of nothing but verified blobs, and nobody names it
            assert not link.is_symlink() or link.exists()
        elif lock:
            assert link.exists(), "what Python linked to is there"
            linked += 1
    assert linked >= 2
    assert blob not in blobs(volume), "and without Python it goes"


def test_a_blob_that_python_has_locked_meanwhile_stays_and_is_told_of(volume, moved, stops):
    repo, old, new = moved()
    blob = repo.head(old).files["w.bin"].etag
    locked = 0
    for running in stops():
        lock = lock_of(volume, blob) if (volume / REPO / "blobs" / blob).exists() and old not in snapshots(volume) else None
        kept = go_on(running)
        if lock:
            lock.close()
            assert blob in blobs(volume) and kept == {REPO: "huggingface_hub is at work on them"}
            locked += 1
    assert locked


def test_a_lock_that_python_takes_the_moment_it_is_made_keeps_its_name(start, volume, moved, stands_still):
    repo, old, new = moved()
    running = start(None, "--target", str(volume.path), "--json", command="prune", bin=SEAMS, HF_SEAM_LOCKS="stop")
    python = None
    while stands_still(running):                            # before it locks what it has made, among others
        made = list((volume / ".locks" / REPO).glob("*.lock"))
        if made and not python:
            path, = made
            python = lock_of(volume, path.stem)
        running.signal(signal.SIGCONT)
    result = running.wait()
    assert result.code == 0 and python, result
    assert path.exists() and lock_of(volume, path.stem) is None, "whoever comes finds it locked"
    assert path.stem in blobs(volume)
    python.close()


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o2775])
def test_locks_are_made_where_there_are_none_for_whoever_may_write_to_the_volume(volume, prune, moved, mode):
    moved()
    os.chmod(volume.path, mode)
    if os.geteuid() == 0:
        os.chown(volume.path, 65534, 65534)
    assert len(prune()["removed"]) == 1
    for folder, like in ((volume / ".locks", volume.path), (volume / ".locks" / REPO, volume / REPO)):
        made, model = folder.stat(), like.stat()
        assert (made.st_uid, made.st_gid) == (model.st_uid, model.st_gid)
        assert stat.S_IMODE(made.st_mode) & 0o777 == stat.S_IMODE(model.st_mode) & 0o777
    assert list((volume / ".locks" / REPO).iterdir()) == [], "the locks themselves are gone"


def test_blobs_that_cannot_be_locked_stay_and_are_told_of(run, volume, prune, moved, public):
    repo, old, new = moved()
    target = public / "volume"
    subprocess.run(["cp", "-a", volume.path, target], check=True)
    (target / ".locks").mkdir()
    for path in [target, *target.rglob("*")]:
        if path.name != ".locks":
            os.chown(path, 65534, 65534, follow_symlinks=False)
    before = sorted(path.name for path in (target / REPO / "blobs").iterdir())
    said = prune(target=target, prefix=NOBODY, bin=str(public / "hf-init"))
    assert said.removed() == [f"{REPO}/snapshots/{old}"]
    assert "Permission denied" in said.kept()[REPO] and ".locks" in said.kept()[REPO]
    assert sorted(path.name for path in (target / REPO / "blobs").iterdir()) == before


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("locks, looks", [("none", 2), ("an empty folder", 1), ("one for each blob", 2)])
def test_links_are_read_once_and_twice_only_if_python_may_have_made_some(run, hub, volume, prune, tmp_path, locks, looks):
    files = 300
    repo = hub.model("acme/tiny", {f"{n}.txt": f"old {n}" for n in range(files)})
    assert run(spec("cache")).code == 0
    repo.push({f"{n}.txt": f"new {n}" for n in range(files)})
    assert run(spec("cache")).code == 0
    if locks != "none":
        (volume / ".locks" / REPO).mkdir(parents=True)
    for blob in blobs(volume) if locks == "one for each blob" else ():
        lock_of(volume, blob).close()
    calls = tmp_path / "calls"
    said = prune(prefix=("strace", "-f", "-qq", "-o", str(calls), "-e", "trace=readlinkat"))
    assert said["removed"][0]["files"] == files and len(blobs(volume)) == files
    assert calls.read_text().count("readlinkat(") == files + looks * files, "those that go, once, and those that stay"
    still_whole(run, volume, repo)
