"""A volume to prune: specs that moved on, what prune said of it, and whether what they name is still whole."""
import hashlib
import json
import os
import pathlib

import jsonschema
import pytest
from conftest import ROOT, content_of
from huggingface_hub import scan_cache_dir
from standin import lfs

MB = 1 << 20
SCHEMA = json.loads((ROOT / "manifests" / "prune.schema.json").read_text())
FILES = {"config.json": b"{}", "sub/same.txt": b"the same in both", "w.bin": lfs(3 * MB)}
KEY = hashlib.sha256(b"prune").hexdigest()[:32]             # what the lease is called of whoever prunes,
PLACE = hashlib.sha256(b"models--acme--tiny").hexdigest()[:32]  # and of whoever fills this place in the cache


def spec(layout="cache", name="default", **repo):
    return {"name": name, "layout": layout, "repos": [{"id": "acme/tiny", **repo}]}


def picture(folder):
    """All that lies below: names, kinds, links, times."""
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        st = path.lstat()
        found[str(path.relative_to(folder))] = (st.st_mode, st.st_size, st.st_mtime_ns, os.readlink(path) if path.is_symlink() else "")
    return found


@pytest.fixture
def prune(run, volume):
    """prune(*args): what it said, as JSON that obeys the schema; .kept() the reasons by name, .removed() the names."""

    class Said(dict):
        def kept(self):
            return {item["name"]: item["because"] for item in self["kept"]}

        def removed(self):
            return sorted(item["name"] for item in self["removed"])

    def call(*args, code=0, target=None, **how):
        result = run(None, "--target", str(target or volume.path), "--json", *args, command="prune", **how)
        assert result.code == code, result
        if not result.stdout:
            return result
        said = Said(json.loads(result.stdout))
        jsonschema.Draft202012Validator(SCHEMA).validate(said)
        return said
    return call


@pytest.fixture
def moved(run, hub, volume):
    """moved(layout): (repo, the old commit, the new one) of a volume on which main moved once."""
    def make(layout="cache"):
        repo = hub.model("acme/tiny", FILES)
        old = repo.head().sha
        assert run(spec(layout)).code == 0
        repo.push({"w.bin": lfs(2 * MB), "more.txt": "more", "config.json": None})
        assert run(spec(layout)).code == 0
        return repo, old, repo.head().sha
    return make


def blobs(volume, repo="models--acme--tiny"):
    return sorted(path.name for path in (volume / repo / "blobs").iterdir())


def snapshots(volume, repo="models--acme--tiny"):
    return sorted(path.name for path in (volume / repo / "snapshots").iterdir())


def python_sees_no_damage(volume, repo="models--"):
    return not [w for w in scan_cache_dir(volume.path).warnings if repo in str(w)]


def still_whole(run, volume, repo, layout="cache", **more):
    """What the marker promises is there, and another run fetches nothing."""
    result = run(spec(layout, **more), command="verify")
    assert result.code == 0, result
    place = f"models--acme--tiny/snapshots/{repo.head().sha}" if layout == "cache" else repo.id
    found = volume.files(place)
    assert {path: found.get(path) for path in content_of(repo)} == content_of(repo)
