"""What `hf-init prune` promises when it does not come to its end: it stops where others may have taken over or a signal
came, and what it said it removed, no more and no less, is gone."""
import json
import shutil
import subprocess

import jsonschema
import pytest
from conftest import SEAMS, content_of
from prune_world import FILES, MB, SCHEMA, prune, snapshots, spec, still_whole
from standin import lfs


@pytest.fixture
def grown(run, hub, volume, tmp_path):
    """grown(layout) makes a volume with two revisions, and one repo, that no spec names any more: (the repo that is
    named, anew(), which puts the volume back as it was)."""
    def make(layout):
        repo = hub.model("acme/tiny", FILES)
        hub.model("acme/other", {"a.txt": "a", "b.bin": lfs(MB)})
        both = {"name": "both", "layout": layout, "repos": [{"id": "acme/tiny"}, {"id": "acme/other"}]}
        assert run(both).code == 0
        for change in ({"w.bin": lfs(2 * MB), "config.json": None}, {"w.bin": lfs(4 * MB), "more.txt": "more"}):
            repo.push(change)
            assert run(spec(layout)).code == 0
        for path in (volume / ".hf-init").glob("both.*"):
            path.unlink()
        whole = tmp_path / "whole"
        subprocess.run(["cp", "-a", volume.path, whole], check=True)

        def anew():
            shutil.rmtree(volume.path)
            subprocess.run(["cp", "-a", whole, volume.path], check=True)
        return repo, anew
    return make


def sizes(volume):
    """The files that hold the bytes of repos, and how many they take on the disk."""
    found = {}
    for path in volume.path.rglob("*"):
        rel = path.relative_to(volume.path)
        if path.is_file() and not path.is_symlink() and not {".hf-init", ".cache", ".locks", "refs", "trees"} & set(rel.parts):
            found[str(rel)] = path.lstat().st_blocks * 512
    return found


def check_account(said, before, volume, repo, layout):
    """What was said to be gone is, and all else is there."""
    gone = {path: size for path, size in before.items() if path not in sizes(volume)}
    assert sum(item["bytes"] for item in said["removed"]) == said["bytesFreed"]
    assert said["bytesFreed"] // MB == sum(gone.values()) // MB, "links take a block or none"
    if layout == "dir":
        for item in said["removed"]:
            assert len([path for path in gone if path.startswith(item["name"] + "/")]) == item["files"]
        assert sum(item["files"] for item in said["removed"]) == len(gone)
        return
    for item in said["removed"]:
        assert not (volume / item["name"]).exists()
    left = snapshots(volume) if (volume / "models--acme--tiny").exists() else []
    assert len(left) + len([item for item in said["removed"] if "--tiny/" in item["name"]]) == 3
    for sha in left:
        assert volume.files(f"models--acme--tiny/snapshots/{sha}") == content_of(repo, sha), "whole, or not there"


@pytest.mark.parametrize("layout", ["dir", "cache"])
@pytest.mark.parametrize("what, code, words", [("term", 143, "stopped by SIGTERM; the rest stays until the next prune"),
                                               ("+61", 50, "stood still for a minute, and others may be at work")])
def test_stopped_at_any_moment_it_tells_exactly_what_went(run, volume, prune, grown, layout, what, code, words):
    repo, anew = grown(layout)
    stops = partly = 0
    for nth in range(1, 200):
        anew()
        before = sizes(volume)
        result = run(None, "--target", str(volume.path), "--json", command="prune", bin=SEAMS, HF_SEAM_REMOVAL=f"{nth}:{what}")
        said = json.loads(result.stdout or '{"removed": [], "bytesFreed": 0}')
        check_account(said, before, volume, repo, layout)
        if result.code == 0:
            break
        assert result.code == code and words in result.stderr, result
        if result.stdout:
            jsonschema.Draft202012Validator(SCHEMA).validate(said)
        stops += 1
        rest = prune()
        partly += bool(said["removed"] and rest["removed"])
        still_whole(run, volume, repo, layout)
        assert not list((volume / ".hf-init/temp").iterdir())
    assert result.code == 0 and stops >= 3 and partly, "it was stopped in between, and in the end it was not"


def test_a_pause_that_nobody_can_have_used_does_not_end_it(run, volume, grown):
    repo, anew = grown("cache")
    result = run(None, "--target", str(volume.path), "--json", command="prune", bin=SEAMS, HF_SEAM_REMOVAL="9:+30")
    assert result.code == 0 and len(json.loads(result.stdout)["removed"]) == 3, result
    assert snapshots(volume) == [repo.head().sha]
