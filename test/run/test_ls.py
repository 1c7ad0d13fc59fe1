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


def test_names_do_not_turn_the_line_around(ls, hub):
    names = ["a\u202egnp.bin", "b\u2066c\u200f.txt", "d\u0085e"]
    hub.model("acme/tiny", {name: "x" for name in names})
    result = ls("acme/tiny")
    assert result.code == 0 and [line.split()[-1] for line in result.stdout.splitlines()[1:]] == ["a?gnp.bin", "b?c?.txt", "d?e"]
    result = ls("acme/tiny", "--json")
    assert [json.loads(line)["path"] for line in result.stdout.splitlines()] == names and result.stdout.isascii()


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


@pytest.mark.parametrize("word,paths", [
    ("hf://models/acme/tiny", sorted(FILES)), ("models/acme/tiny", sorted(FILES)), ("hf://acme/tiny@v1", sorted(FILES)),
    ("hf://models/acme/tiny@v1/config.json", ["config.json"]), ("hf://acme/tiny/sub/", ["sub/name with blanks.txt"]),
    ("hf://acme/tiny/sub/name with blanks.txt", ["sub/name with blanks.txt"]), ("hf://acme/tiny@refs/pr/7", sorted([*FILES, "new.txt"])),
    ("hf://acme/tiny@refs/pr/7/new.txt", ["new.txt"]), ("hf://acme/tiny@feature%2Fx", sorted(FILES))])
def test_it_takes_the_uris_that_download_takes(ls, hub, word, paths):
    repo = hub.model("acme/tiny", FILES)
    repo.tag("v1")
    repo.branch("feature/x")
    repo.pull_request(7, {"new.txt": "new"})
    assert [json.loads(line)["path"] for line in ls(word, "--json").stdout.splitlines()] == paths


def test_several_repos_are_listed_one_after_the_other(ls, hub):
    hub.model("acme/tiny", {"a.txt": "a"})
    hub.dataset("acme/data", {"b.csv": "b"})
    listed = [json.loads(line) for line in ls("acme/tiny", "hf://datasets/acme/data", "--json").stdout.splitlines()]
    assert [(f["repo"], f["path"]) for f in listed] == [("acme/tiny", "a.txt"), ("acme/data", "b.csv")]
    mixed = ls("acme/tiny", "hf://datasets/acme/data/b.csv")
    assert mixed.code == 2 and "names a file" in mixed.stderr


@pytest.mark.parametrize("word", ["hf://", "hf://buckets/acme/x", "hf:///x", "hf://" + "a" * 600])
def test_what_is_no_repo_is_exit_2(ls, word):
    result = ls(word)
    assert result.code == 2 and result.stdout == ""


def test_a_repo_that_is_not_there_is_exit_12(ls):
    result = ls("acme/nothing")
    assert result.code == 12 and result.stdout == ""


@pytest.mark.parametrize("words", [("hf://acme/tiny/nope",), ("hf://acme/tiny/sub",), ("acme/tiny", "--allow", "zzz"), ("acme/tiny", "--allow", "zzz", "--json")])
def test_what_selects_no_file_is_exit_12(ls, hub, words):
    hub.model("acme/tiny", FILES)
    result = ls(*words)
    assert result.code == 12 and "no file of the repo is selected" in result.stderr and result.stdout == "", result
