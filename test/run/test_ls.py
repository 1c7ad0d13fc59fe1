"""What `hf-init ls` promises: what the Hub says a repo holds, and nothing is touched."""
import json

import pytest
from standin import git, lfs, xet

FILES = {"config.json": b"{}", "sub/name with blanks.txt": b"hello\n", "old.bin": lfs(3000), "new.bin": xet(5000)}


@pytest.fixture
def ls(run, hub, tmp_path):
    def call(*words, **env):
        return run(None, *words, "--endpoint", hub.endpoint, command="ls", **env)
    return call


def test_every_file_has_size_kind_hash_and_path(ls, hub, tmp_path):
    repo = hub.model("acme/tiny", FILES)
    files = repo.head("main").files
    found = [json.loads(line) for line in ls("acme/tiny", "--json").stdout.splitlines()]
    assert [f["path"] for f in found] == sorted(FILES)
    assert {f["path"]: (f["bytes"], f["kind"]) for f in found} == {
        "config.json": (2, "git"), "sub/name with blanks.txt": (6, "git"), "old.bin": (3000, "lfs"), "new.bin": (5000, "xet")}
    for f in found:
        assert f["hash"] == (files[f["path"]].oid if f["kind"] == "git" else files[f["path"]].content.sha256)
    text = ls("acme/tiny").stdout.splitlines()
    assert text[0].split() == ["SIZE", "KIND", "HASH", "PATH"] and len(text) == 5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["termination"], "nothing is written"


def test_patterns_and_revisions_select(ls, hub):
    repo = hub.model("acme/tiny", FILES)
    repo.push({"config.json": b"{ }"}, branch="next")
    paths = [json.loads(line)["path"] for line in ls("acme/tiny", "--allow", "*.bin", "--json").stdout.splitlines()]
    assert paths == ["new.bin", "old.bin"]
    assert '"bytes":3,' in ls("acme/tiny@next", "--json").stdout
    assert '"bytes":3,' in ls("acme/tiny", "--revision", "next", "--json").stdout


def test_datasets_and_uris_are_named_as_everywhere(ls, hub):
    hub.dataset("acme/data", {"a.csv": "a"})
    for words in (("datasets/acme/data",), ("hf://datasets/acme/data",), ("acme/data", "--repo-type", "dataset")):
        assert "a.csv" in ls(*words).stdout


def test_a_repo_that_is_not_there_is_exit_12(ls):
    result = ls("acme/nothing")
    assert result.code == 12 and result.stdout == ""
