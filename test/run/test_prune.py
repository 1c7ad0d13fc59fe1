"""What `hf-init prune` promises: what no spec on a volume names any more goes; what anybody may still want stays, and
prune says why."""
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import zlib

import pytest
from conftest import content_of
from prune_world import (FILES, KEY, MB, PLACE, blobs, moved, picture, prune, python_sees_no_damage, snapshots, spec,
                         still_whole)
from standin import lfs

# The cache.

def test_a_revision_that_no_spec_names_goes_with_what_only_it_refers_to(run, hub, volume, prune, moved):
    repo, old, new = moved()
    before = picture(volume.path)
    planned = prune("--dry-run")
    assert picture(volume.path) == before, "a dry run touches nothing"
    said = prune()
    assert said["removed"] == planned["removed"] and said["bytesFreed"] == planned["bytesFreed"]
    assert said.removed() == [f"models--acme--tiny/snapshots/{old}"] and 3 * MB <= said["bytesFreed"] < 3.1 * MB
    assert snapshots(volume) == [new]
    assert blobs(volume) == sorted({file.etag for file in repo.head().files.values()})
    assert not (volume / f"models--acme--tiny/trees/{old}.json").exists()
    still_whole(run, volume, repo)
    hub.reset()
    assert run(spec()).code == 0 and not [r for r in hub.requests() if r.file]
    assert prune()["removed"] == [] and python_sees_no_damage(volume)


def test_a_tag_that_the_spec_left_goes_with_its_ref(run, hub, volume, prune):
    repo = hub.model("acme/tiny", FILES)
    repo.tag("v1")
    old = repo.head().sha
    assert run(spec(revision="v1")).code == 0
    repo.push({"w.bin": lfs(2 * MB)})
    repo.tag("v2")
    assert run(spec(revision="v2")).code == 0
    assert prune().removed() == [f"models--acme--tiny/snapshots/{old}"]
    assert [p.name for p in (volume / "models--acme--tiny/refs").iterdir()] == ["v2"]
    assert python_sees_no_damage(volume)


def test_aliases_of_a_pinned_commit_are_ours_to_remove(run, hub, volume, prune):
    repo = hub.model("acme/tiny", FILES)
    old = repo.head().sha
    assert run(spec(revision=old, refAlias=["stable"])).code == 0
    repo.push({"w.bin": lfs(2 * MB)})
    assert run(spec(revision=repo.head().sha)).code == 0
    assert prune().removed() == [f"models--acme--tiny/snapshots/{old}"]
    assert list((volume / "models--acme--tiny/refs").iterdir()) == []


def test_what_several_specs_name_stays(run, hub, volume, prune):
    repo = hub.model("acme/tiny", FILES)
    repo.tag("v1")
    old = repo.head().sha
    assert run(spec(name="one", revision="v1")).code == 0
    repo.push({"w.bin": lfs(2 * MB)})
    assert run(spec(name="two")).code == 0
    before = picture(volume / "models--acme--tiny")
    said = prune()
    assert said["removed"] == said["kept"] == []
    assert picture(volume / "models--acme--tiny") == before
    for path in (volume / ".hf-init").glob("one.*"):        # the spec is let go of
        path.unlink()
    assert prune().removed() == [f"models--acme--tiny/snapshots/{old}"]
    still_whole(run, volume, repo, name="two")


def test_a_repo_that_no_spec_names_goes_as_a_whole(run, hub, volume, prune):
    hub.model("acme/tiny", FILES)
    other = hub.model("acme/other", {"a.txt": "a"})
    assert run(spec()).code == 0
    assert run({"layout": "cache", "repos": [{"id": "acme/other"}]}).code == 0
    prune()
    assert not (volume / "models--acme--tiny").exists()
    assert snapshots(volume, "models--acme--other") == [other.head().sha]
    assert len(list((volume / ".hf-init/inventory").iterdir())) == 1
    assert run(spec(name="again")).code == 0, "and it can come back"


def test_without_symbolic_links_the_same_goes(run, hub, volume, prune):
    repo = hub.model("acme/tiny", FILES)
    whole = spec()
    assert run(whole, HF_HUB_DISABLE_SYMLINKS="1").code == 0
    repo.push({"w.bin": lfs(2 * MB)})
    assert run(whole, HF_HUB_DISABLE_SYMLINKS="1").code == 0
    assert not any(p.is_symlink() for p in (volume / "models--acme--tiny/snapshots").rglob("*"))
    planned, said = prune("--dry-run"), prune()
    assert said["bytesFreed"] == planned["bytesFreed"] >= 3 * MB
    assert snapshots(volume) == [repo.head().sha]
    still_whole(run, volume, repo)


# Python's.

def test_a_ref_of_somebody_else_keeps_its_revision(volume, prune, moved):
    repo, old, new = moved()
    (volume / "models--acme--tiny/refs/mine").write_text(old)
    assert "did not write" in prune().kept()[f"models--acme--tiny/snapshots/{old}"]
    assert old in snapshots(volume)


def test_a_revision_that_python_made_stays(volume, prune, moved):
    repo, old, new = moved()
    root = volume / "models--acme--tiny"
    theirs = root / "snapshots" / ("e" * 40)
    theirs.mkdir()
    (root / "blobs" / ("f" * 64)).write_bytes(b"theirs")
    (theirs / "config.json").symlink_to(f"../../blobs/{'f' * 64}")
    (theirs / "same.txt").symlink_to(f"../../blobs/{repo.head(old).files['w.bin'].etag}")
    said = prune()
    assert "not all of it is hf-init's" in said.kept()[f"models--acme--tiny/snapshots/{'e' * 40}"]
    assert said.removed() == [f"models--acme--tiny/snapshots/{old}"]
    assert (theirs / "config.json").read_bytes() == b"theirs" and (theirs / "same.txt").exists(), "shared blobs stay, too"


def test_repos_that_hf_init_never_touched_stay(run, volume, prune, moved):
    moved()
    root = volume / "datasets--acme--theirs"
    (root / "blobs").mkdir(parents=True)
    (root / "blobs" / ("a" * 40)).write_text("x")
    (root / "snapshots").mkdir()
    assert "never put anything" in prune().kept()[""]
    assert "  repos (1): hf-init never put" in run(None, "--target", str(volume.path), command="prune").stdout
    assert (root / "blobs" / ("a" * 40)).exists()


@pytest.mark.parametrize("sign", ["lock", "incomplete"])
def test_where_huggingface_hub_is_at_work_nothing_is_touched(volume, prune, moved, sign):
    moved()
    locks = volume / ".locks/models--acme--tiny"
    locks.mkdir(parents=True)
    lock = open(locks / ("b" * 64 + ".lock"), "w")
    if sign == "lock":
        fcntl.flock(lock, fcntl.LOCK_EX)
    else:
        (volume / "models--acme--tiny/blobs" / ("b" * 64 + ".0123abcd.incomplete")).write_bytes(b"half")
    before = picture(volume / "models--acme--tiny")
    assert "huggingface_hub is at work" in prune().kept()["models--acme--tiny"]
    assert picture(volume / "models--acme--tiny") == before
    lock.close()                                            # flock goes with it
    for path in volume.path.rglob("*.incomplete"):
        path.unlink()
    assert len(prune()["removed"]) == 1
    assert [p.name for p in locks.iterdir()] == ["b" * 64 + ".lock"], "theirs stays, ours are gone"


def test_blobs_without_a_revision_go_once_they_are_old(volume, prune, moved):
    moved()
    prune()
    blob = volume / "models--acme--tiny/blobs" / ("c" * 64)
    blob.write_bytes(b"x" * 5000)                           # Python, between rename and link
    assert "younger than a day" in prune().kept()["models--acme--tiny"]
    assert blob.exists()


# Folders.

def test_a_folder_that_no_spec_names_goes(run, hub, volume, prune):
    repo = hub.model("acme/tiny", FILES)
    assert run(spec("dir", path="deep/old")).code == 0
    assert run(spec("dir", path="new")).code == 0
    before = picture(volume.path)
    planned = prune("--dry-run")
    assert picture(volume.path) == before
    said = prune()
    assert said["removed"] == planned["removed"] and said.removed() == ["deep/old"]
    assert 3 * MB <= said["bytesFreed"] == planned["bytesFreed"]
    assert not (volume / "deep").exists()
    assert volume.files("new") == content_of(repo) and run(spec("dir", path="new"), command="verify").code == 0


def test_what_others_put_into_such_a_folder_or_changed_stays(run, hub, volume, prune):
    hub.model("acme/tiny", FILES)
    assert run(spec("dir", path="old")).code == 0
    assert run(spec("dir", path="new")).code == 0
    (volume / "old/notes.txt").write_text("mine")
    (volume / "old/config.json").write_text("changed")
    said = prune()
    assert "changed" in said.kept()["old"]
    assert sorted(volume.files("old")) == ["config.json", "notes.txt"]


def test_files_that_the_commit_has_no_more_go_and_those_left_out_stay(run, hub, volume, prune):
    repo = hub.model("acme/tiny", FILES)
    assert run(spec("dir")).code == 0
    repo.push({"w.bin": lfs(2 * MB), "config.json": None})
    assert run(spec("dir", allow=["w.bin"])).code == 0
    said = prune()
    assert said.removed() == ["acme/tiny"] and said["removed"][0]["files"] == 1
    assert sorted(volume.files("acme/tiny")) == ["sub/same.txt", "w.bin"]
    assert not (volume / "acme/tiny/.cache/huggingface/download/config.json.metadata").exists()
    assert run(spec("dir", allow=["w.bin"]), command="verify").code == 0


def test_without_metadata_of_the_hub_the_same_goes(run, hub, volume, prune):
    repo = hub.model("acme/tiny", FILES)
    assert run(spec("dir", hubMetadata=False)).code == 0
    repo.push({"config.json": None})
    assert run(spec("dir", hubMetadata=False)).code == 0
    assert prune()["removed"][0]["files"] == 1
    assert sorted(volume.files("acme/tiny")) == ["sub/same.txt", "w.bin"]


def test_a_folder_inside_one_that_is_named_stays(run, hub, volume, prune):
    hub.model("acme/tiny", FILES)
    hub.model("acme/other", {"a.txt": "a"})
    assert run({"name": "inner", "repos": [{"id": "acme/other", "path": "whole/inner"}]}).code == 0
    assert run(spec("dir", name="outer", path="whole")).code == 0
    for path in (volume / ".hf-init").glob("inner.*"):
        path.unlink()
    prune()
    assert (volume / "whole/inner/a.txt").exists()


def test_without_the_listing_of_the_commit_nothing_is_called_left_over(run, hub, volume, prune):
    repo = hub.model("acme/tiny", FILES)
    assert run(spec("dir")).code == 0
    repo.push({"config.json": None})
    assert run(spec("dir")).code == 0
    for tree in volume.path.glob("**/trees/*.json"):
        tree.unlink()
    assert "listing" in prune().kept()["acme/tiny"]
    assert (volume / "acme/tiny/config.json").exists()


# Runs that live, that are dead, that are yet to come.

@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_what_a_living_run_holds_is_not_touched(start, run, hub, volume, prune, moved, layout):
    repo, old, new = moved(layout)
    repo.push({"w.bin": lfs(4 * MB)})
    gate = hub.gate(file="w.bin", host="cdn", at=MB)
    running = start(spec(layout), HOSTNAME="pod-a")
    assert gate.wait()
    partials = volume.partials()
    assert partials
    said = prune()
    assert said["removed"] == [] and "pod-a is at work" in next(iter(said.kept().values()))
    assert volume.partials() == partials
    gate.release()
    assert running.wait().code == 0
    still_whole(run, volume, repo, layout)
    assert len(prune()["removed"]) == (1 if layout == "dir" else 2)


@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_what_a_killed_run_goes_on_with_stays_and_goes_once_nobody_wants_it(start, run, hub, volume, prune, until, layout):
    hub.model("acme/tiny", {"w.bin": lfs(16 * MB)})
    hub.model("acme/other", {"a.txt": "a"})
    one = {**spec(layout, name="one"), "concurrency": {"connections": 1, "partSize": "4MiB"}}
    gate = hub.gate(file="w.bin", host="cdn", file_at=9 * MB)
    running = start(one)
    assert gate.wait()
    until(lambda: volume.status("one")["totals"]["bytesReceived"] >= 8 * MB)
    running.kill()
    gate.release()
    assert hub.left()
    assert run({"name": "two", "layout": layout, "repos": [{"id": "acme/other"}]}).code == 0
    partials = volume.partials()
    assert partials
    said = prune()
    assert volume.partials() == partials
    assert "has not finished" in str(said.kept()) and "go on with it" in str(said.kept())
    for path in (volume / ".hf-init").glob("one.*"):        # nobody wants it any more
        path.unlink()
    said = prune()
    assert volume.partials() == [] and said["bytesFreed"] >= 8 * MB
    assert [item["kind"] for item in said["removed"]][0] == "partial"


class Pruner:
    """A prune at work, or another holder of a lease, as others see it: its lease, and the lock on it."""

    def __init__(self, volume, key=KEY, pod="pod-p"):
        self.path = volume / ".hf-init/leases" / (key + ".lease")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        boot_id = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self.file = open(self.path, "w")
        self.file.write(json.dumps({"instance": "0" * 16, "host": "node", "pod": pod, "boot_id": boot_id, "pid": 1, "status": ""}))
        self.file.flush()
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def end(self):
        self.path.unlink()
        self.file.close()


@pytest.mark.parametrize("layout", ["dir", "cache"])
@pytest.mark.parametrize("why", ["main moved", "a file is gone"])
def test_a_run_that_comes_while_a_prune_is_at_work_waits_for_it(start, run, hub, volume, until, moved, layout, why):
    repo, old, new = moved(layout)
    if why == "main moved":
        repo.push({"w.bin": lfs(4 * MB)})
    else:                                                   # then it has looked, and opened the folder, before it waits
        (volume / (f"models--acme--tiny/snapshots/{new}/w.bin" if layout == "cache" else "acme/tiny/w.bin")).unlink()
    pruner = Pruner(volume)
    running = start(spec(layout))
    until(lambda: volume.status().get("waitingFor") == "pod-p, which is pruning the volume")
    place = volume / ("models--acme--tiny" if layout == "cache" else "acme/tiny")
    shutil.rmtree(place)                                    # as if nobody had named it
    pruner.end()
    result = running.wait()
    assert result.code == 0, result
    still_whole(run, volume, repo, layout)


def test_one_prune_at_a_time(volume, prune, moved):
    moved()
    pruner = Pruner(volume)
    result = prune(code=50)
    assert "pod-p is pruning this volume already" in result.stderr
    pruner.end()
    assert len(prune()["removed"]) == 1


def test_what_stands_in_a_lease_does_not_reach_the_terminal_raw(run, hub, volume, prune):
    hub.model("acme/tiny", FILES)
    volume.path.mkdir()
    download = ("acme/tiny", "--cache-dir", str(volume.path), "--lock-wait", "1s")
    for key, command in ((KEY, "prune"), (KEY, "download"), (PLACE, "download")):
        other = Pruner(volume, key, "pod\n\x1b[2JERROR: all is lost \u009b2J \u202e")
        if command == "prune":
            result = prune(code=50)
        else:
            result = run(None, *download, command="download", HF_ENDPOINT=hub.endpoint, HOME=volume.path)
        other.end()
        assert result.code == 50 and "hf-init: " in result.stderr, result
        assert "pod ?[2JERROR: all is lost ?2J ? " in result.stderr, result
        assert not set("\x1b\u009b\u202e") & set(result.stderr)


def test_a_spec_that_is_given_counts_as_named(run, hub, volume, prune, tmp_path):
    hub.model("acme/tiny", FILES)
    hub.model("acme/other", {"a.txt": "a"})
    assert run(spec("dir", name="one")).code == 0
    assert run({"name": "two", "repos": [{"id": "acme/other"}]}).code == 0
    for path in (volume / ".hf-init").glob("one.*"):
        path.unlink()
    assert "no run of it has finished" in prune("--repos", "acme/tiny").kept()["acme/tiny"]
    assert (volume / "acme/tiny/w.bin").exists()
    assert prune().removed() == ["acme/tiny"]


# Doubt.

def test_without_marker_and_status_nothing_is_taken_for_unwanted(volume, prune, moved):
    moved()
    for path in volume.path.glob(".hf-init/default.*"):
        path.unlink()
    before = picture(volume / "models--acme--tiny")
    said = prune()
    assert said["removed"] == [] and "no spec has left a marker" in str(said.kept())
    assert picture(volume / "models--acme--tiny") == before


def test_a_spec_that_lost_marker_and_status_keeps_everything(run, hub, volume, prune, moved):
    """A volume that fills up in the middle of an update may lose both; the lines for a shell are still there."""
    moved("cache")
    hub.model("acme/other", {"a.txt": "a"})
    assert run({"name": "other", "layout": "cache", "repos": [{"id": "acme/other"}]}).code == 0
    for kind in ("complete", "status"):
        (volume / f".hf-init/default.{kind}.json").unlink()
    before = picture(volume / "models--acme--tiny")
    said = prune()
    assert said["removed"] == [] and "default has lost its marker and its status" in next(iter(said.kept().values()))
    assert picture(volume / "models--acme--tiny") == before


def test_shards_without_a_marker_have_not_lost_their_status(run, hub, volume, prune, moved):
    repo, old, new = moved("cache")
    hub.model("acme/other", {"a.txt": "a", "b.txt": "b"})
    for index in range(2):
        shard = {"name": "other", "layout": "cache", "repos": [{"id": "acme/other"}], "shard": {"index": index, "count": 2}}
        assert run(shard).code == 0
    (volume / ".hf-init/other.complete.json").unlink()
    assert prune().removed() == [f"models--acme--tiny/snapshots/{old}"]
    assert len(list(volume.path.glob("models--acme--other/snapshots/*/*"))) == 2


def test_of_two_at_work_under_one_name_the_status_tells_of_one_only_so_everything_stays(start, hub, volume, prune, moved):
    moved("cache")
    hub.model("acme/other", {"w.bin": lfs(4 * MB)})
    gate = hub.gate(file="w.bin", host="cdn", at=MB)
    running = start({"layout": "cache", "repos": [{"id": "acme/other"}]}, HOSTNAME="pod-b")
    assert gate.wait()
    status = volume / ".hf-init/default.status.json"
    running.signal(signal.SIGSTOP)
    theirs = json.loads(status.read_text())
    status.write_text(json.dumps({**theirs, "instance": "0123456789abcdef"}))
    before = picture(volume / "models--acme--tiny")
    try:
        said = prune()
    finally:
        running.signal(signal.SIGCONT)
    assert said["removed"] == [] and any("pod-b is at work and does not say" in why for why in said.kept().values())
    assert picture(volume / "models--acme--tiny") == before
    gate.release()
    assert running.wait().code == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "hf-init/complete/v2"}', '{"schema": "hf-init/complete/v1", "layout": "cache", "repos": [{"id": "../x", "type": "model"}]}'])
def test_a_marker_that_is_not_understood_keeps_everything(volume, prune, moved, text):
    repo, old, new = moved()
    (volume / ".hf-init/other.complete.json").write_text(text)
    said = prune()
    assert said["removed"] == [] and "other.complete.json cannot be read" in said.kept()[f"models--acme--tiny/snapshots/{old}"]
    assert old in snapshots(volume)


def test_a_volume_that_hf_init_never_saw_is_left_as_it_is(prune, tmp_path):
    (tmp_path / "plain/models--acme--tiny/blobs").mkdir(parents=True)
    before = picture(tmp_path / "plain")
    assert prune(target=tmp_path / "plain") == {"schema": "hf-init/prune/v1", "dryRun": False, "bytesFreed": 0, "removed": [], "kept": []}
    assert picture(tmp_path / "plain") == before
    assert "No such file" in prune(target=tmp_path / "missing", code=21).stderr
    assert not (tmp_path / "missing").exists()


# Hostile volumes.

@pytest.fixture
def outside(tmp_path):
    """A folder that nothing may touch, with its looks before."""
    folder = tmp_path / "outside"
    (folder / ("d" * 40)).mkdir(parents=True)
    (folder / "w.bin").write_bytes(b"precious")
    (folder / ("d" * 40) / "config.json").write_text("precious")
    before = picture(folder)
    yield folder
    assert picture(folder) == before


@pytest.mark.parametrize("what", ["snapshots", "blobs", "refs", "snapshots/OLD", "repo", "locks"])
def test_links_planted_in_the_cache_lead_nowhere(volume, prune, moved, outside, what):
    repo, old, new = moved()
    root = volume / "models--acme--tiny"
    path = {"repo": root, "locks": volume / ".locks/models--acme--tiny"}.get(what, root / what.replace("OLD", old))
    if what == "locks":
        path.parent.mkdir()
    else:
        path.rename(volume / "aside")
    path.symlink_to(outside)
    said = prune()
    assert said["kept"], "it is told of"
    assert path.is_symlink()


def test_links_planted_in_folders_and_in_our_own_lead_nowhere(run, hub, volume, prune, outside):
    hub.model("acme/tiny", FILES)
    assert run(spec("dir", path="old")).code == 0
    assert run(spec("dir", path="new")).code == 0
    shutil.copy2(volume / "old/sub/same.txt", outside / "same.txt")     # same size, same time
    before = picture(outside)
    shutil.rmtree(volume / "old/sub")
    (volume / "old/sub").symlink_to(outside)
    temp = volume / ".hf-init/temp" / ("1" * 16 + ".0")
    temp.symlink_to(outside)
    prune()
    assert picture(outside) == before and not temp.is_symlink()
    assert (volume / "old/sub").is_symlink()
    (outside / "same.txt").unlink()


@pytest.mark.parametrize("place", ["dir ../outside", "dir /etc", "dir new/../../outside", "dir .hf-init", "dir", "cache x"])
def test_an_inventory_that_tells_of_another_place_is_not_believed(run, hub, volume, prune, outside, place):
    hub.model("acme/tiny", FILES)
    assert run(spec("dir", path="new")).code == 0

    def line(text):
        return b"%08x " % zlib.crc32(text) + text + b"\n"

    st = (outside / "w.bin").stat()
    text = b"hf-init inventory 1\n" + line(b"p " + place.encode()) + line(
        b"f %s %d %d w.bin" % (hashlib.sha256(b"precious").hexdigest().encode(), st.st_size, st.st_mtime_ns))
    for name in (hashlib.sha256(b"dir:" + place[4:].encode()).hexdigest()[:32], "0" * 32):
        (volume / ".hf-init/inventory" / name).write_bytes(text)
    prune()
    assert run(spec("dir", path="new"), command="verify").code == 0


def test_a_marker_that_is_a_link_is_none_that_is_believed(volume, prune, moved, tmp_path):
    repo, old, new = moved()
    marker = volume / ".hf-init/default.complete.json"
    marker.rename(tmp_path / "marker")
    marker.symlink_to(tmp_path / "marker")
    assert prune()["removed"] == [] and old in snapshots(volume)


# Where it runs, how it ends, what it says.

def test_a_read_only_mount_can_be_asked_and_says_so_when_it_is_pruned(run, volume, prune, moved, mounts):
    moved()
    mounts.call("mount", "--bind", volume.path, volume.path)
    mounts.call("mount", "-o", "remount,ro,bind", volume.path)
    assert len(prune("--dry-run", prefix=mounts.prefix)["removed"]) == 1
    result = prune(code=22, prefix=mounts.prefix)
    assert "Read-only" in result.stderr


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_killed_at_any_moment_it_leaves_what_the_markers_promise(run, start, hub, volume, prune, layout, tmp_path):
    repo = hub.model("acme/tiny", FILES)
    hub.model("acme/other", {"a.txt": "a", "b.bin": lfs(MB)})
    both = {"name": "both", "layout": layout, "repos": [{"id": "acme/tiny"}, {"id": "acme/other"}]}
    assert run(both).code == 0
    repo.push({"config.json": None, "w.bin": lfs(2 * MB)})
    assert run(spec(layout)).code == 0
    for path in (volume / ".hf-init").glob("both.*"):
        path.unlink()
    whole = tmp_path / "whole"
    subprocess.run(["cp", "-a", volume.path, whole], check=True)
    deaths = 0
    for nth in range(1, 200):
        shutil.rmtree(volume.path)
        subprocess.run(["cp", "-a", whole, volume.path], check=True)
        kill = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=unlinkat,renameat,renameat2,linkat,mkdirat",
                "-e", f"inject=unlinkat,renameat,renameat2,linkat,mkdirat:signal=SIGKILL:when={nth}")
        result = start(None, "--target", str(volume.path), command="prune", prefix=kill).wait()
        still_whole(run, volume, repo, layout)
        if layout == "cache":
            assert python_sees_no_damage(volume, "models--acme--tiny")
            for sha in snapshots(volume):
                assert volume.files(f"models--acme--tiny/snapshots/{sha}") == content_of(repo, sha), "whole, or not there"
        if result.code == 0:
            break
        deaths += 1
        prune()
        still_whole(run, volume, repo, layout)
        place = volume / ("models--acme--other/blobs" if layout == "cache" else "acme/other")
        assert not place.exists() or not any(p.is_file() for p in place.rglob("*")), "the next one ends what was begun"
        assert not list((volume / ".hf-init/temp").iterdir())
    assert result.code == 0 and deaths >= 5, "it was killed in between, and in the end it was not"


def test_people_read_what_went_what_stayed_and_the_sum_last(run, volume, moved):
    repo, old, new = moved()
    (volume / "models--acme--tiny/refs/mine").write_text(old)
    text = run(None, "--target", str(volume.path), command="prune").stdout
    assert "Kept:\n  revision models--acme--tiny/snapshots/" in text and text.endswith("0 B freed\n")
    (volume / "models--acme--tiny/refs/mine").unlink()
    text = run(None, "--target", str(volume.path), "--dry-run", command="prune").stdout.splitlines()
    assert text[0].split() == ["SIZE", "FILES", "KIND", "WHAT"] and text[-1] == "3.0 MiB would be freed"
    text = run(None, "--target", str(volume.path), command="prune").stdout.splitlines()
    assert text[1].split()[:5] == ["3.0", "MiB", "3", "revision", f"models--acme--tiny/snapshots/{old}"]
    assert text[-1] == "3.0 MiB freed"


@pytest.mark.parametrize("args", [(), ("--target", "x", "more"), ("--target", "x", "--repair"), ("--target", "x", "--format", "k8s")])
def test_slips_are_exit_2(run, args):
    assert run(None, *args, command="prune").code == 2


def test_its_help_has_examples(run):
    assert "hf-init prune --target" in run(None, "--help", command="prune").stdout.split("Examples:")[1]
