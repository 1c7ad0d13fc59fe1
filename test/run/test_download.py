"""What `hf-init download` promises: the arguments of `hf download`, its places, and its last line."""
import json
import os
import pathlib
import subprocess

import pytest
from conftest import BIN, content_of, sha256
from standin import lfs

MB = 1 << 20
FILES = {"config.json": b"{}", "tokenizer.json": b"[]", "sub/a.txt": b"a", "sub/deep/b.txt": b"b", "w.bin": lfs(MB)}


@pytest.fixture
def download(hub, tmp_path):
    """download(*words, **env): a Result-like of `hf-init download` with a home of its own."""
    def call(*words, program=(BIN, "download"), **env):
        done = subprocess.run([*program, *words], capture_output=True, text=True, timeout=60, cwd=tmp_path,
                              env={"HOME": str(tmp_path / "home"), "HF_ENDPOINT": hub.endpoint, **env})
        done.path = pathlib.Path(done.stdout.splitlines()[-1]) if done.returncode == 0 and done.stdout else None
        return done
    return call


@pytest.fixture
def repo(hub):
    return hub.model("acme/tiny", FILES)


def found(folder):
    return {str(p.relative_to(folder)): sha256(p) for p in folder.rglob("*")
            if p.is_file() and not {".cache", ".hf-init"} & set(p.relative_to(folder).parts)}


def test_without_a_place_it_goes_into_the_cache_of_huggingface_hub(download, repo, tmp_path):
    done = download("acme/tiny")
    assert done.returncode == 0, done.stderr
    assert done.path == tmp_path / "home/.cache/huggingface/hub/models--acme--tiny/snapshots" / repo.head("main").sha
    assert found(done.path) == content_of(repo)
    assert len(done.stdout.splitlines()) == 1, "the path and nothing else"


@pytest.mark.parametrize("variable,below", [("HF_HUB_CACHE", ""), ("HF_HOME", "hub")])
def test_the_cache_is_where_the_variables_say(download, repo, tmp_path, variable, below):
    done = download("acme/tiny", **{variable: str(tmp_path / "elsewhere")})
    assert done.path.is_relative_to(tmp_path / "elsewhere" / below / "models--acme--tiny")


def test_one_file_gives_the_path_of_the_file(download, repo):
    done = download("acme/tiny", "sub/a.txt")
    assert done.path.name == "a.txt" and done.path.read_bytes() == b"a"
    assert sorted(found(done.path.parents[1])) == ["sub/a.txt"]


def test_local_dir_has_plain_files(download, repo, tmp_path):
    done = download("acme/tiny", "--local-dir", "here")
    assert done.path == tmp_path / "here" and found(done.path) == content_of(repo)
    one = download("acme/tiny", "config.json", "--local-dir", "there")
    assert one.path == tmp_path / "there/config.json"


@pytest.mark.parametrize("words,paths", [
    (["--include", "*.json"], ["config.json", "tokenizer.json"]),
    (["--include", "*.json", "--include", "*.bin", "--exclude", "tok*"], ["config.json", "w.bin"]),
    (["--exclude", "sub/*", "--exclude=*.bin"], ["config.json", "tokenizer.json"]),
    (["sub/"], ["sub/a.txt", "sub/deep/b.txt"]),
    (["sub/", "config.json"], ["config.json", "sub/a.txt", "sub/deep/b.txt"]),
    (["config.json", "sub/deep/"], ["config.json", "sub/deep/b.txt"]),
    (["sub/deep/", "no/", "sub/"], ["sub/a.txt", "sub/deep/b.txt"]),
    (["config.json", "sub/a.txt"], ["config.json", "sub/a.txt"]),
    (["config.json", "w.bin", "--include", "tok*"], ["config.json", "w.bin"]),   # names win, as there
], ids=" ".join)
def test_selections(download, repo, words, paths):
    done = download("acme/tiny", *words, "--local-dir", "here")
    assert done.returncode == 0, done.stderr
    assert sorted(found(done.path)) == paths


@pytest.mark.parametrize("uri,name", [("hf://acme/tiny", None), ("hf://models/acme/tiny@v1", None), ("hf://acme/tiny/sub/a.txt", "sub/a.txt"),
                                      ("hf://acme/tiny@v1/config.json", "config.json"), ("hf://datasets/acme/data/a.csv", "a.csv"),
                                      ("hf://acme/tiny@refs/pr/7/config.json", "config.json"), ("hf://acme/tiny@feature%2Fx", None)])
def test_uris(download, repo, hub, uri, name):
    repo.tag("v1")
    repo.branch("feature/x")
    repo.pull_request(7, {"new.txt": "new"})
    hub.dataset("acme/data", {"a.csv": "a"})
    done = download(uri)
    assert done.returncode == 0, done.stderr
    assert done.path.is_file() if name else done.path.is_dir()
    assert not name or str(done.path).endswith(name)


def test_datasets_and_revisions(download, hub, repo):
    hub.dataset("acme/data", {"a.csv": "a"})
    assert "datasets--acme--data" in str(download("acme/data", "--repo-type", "dataset").path)
    repo.push({"config.json": b"{ }"}, branch="next")
    assert (download("acme/tiny", "--revision", "next").path / "config.json").read_bytes() == b"{ }"


def test_json_and_dry_run(download, repo, tmp_path):
    done = download("acme/tiny", "--json", "--local-dir", "here")
    assert json.loads(done.stdout) == {"path": str(tmp_path / "here")}
    plan = download("acme/tiny", "--dry-run", "--json", "--local-dir", "new")
    assert json.loads(plan.stdout)["totals"]["files"] == 5 and not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["hf", "huggingface-cli"])
def test_under_the_name_of_the_other(download, repo, tmp_path, name):
    os.symlink(BIN, tmp_path / name)
    assert download("acme/tiny", "config.json", program=(str(tmp_path / name), "download")).path.name == "config.json"


def test_force_download_finds_what_is_wrong(download, repo, tmp_path):
    path = download("acme/tiny", "--local-dir", "here").path / "w.bin"
    times = os.stat(path)
    path.write_bytes(b"x" * MB)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert download("acme/tiny", "--local-dir", "here", "--force-download").returncode == 0
    assert sha256(path) == content_of(repo)["w.bin"]


def test_force_download_follows_a_branch_that_moved(download, repo):
    first = download("acme/tiny").path
    repo.push({"config.json": b"{ }"})
    again = download("acme/tiny", "--force-download").path
    assert again != first and again.name == repo.head("main").sha and (again / "config.json").read_bytes() == b"{ }"


def test_two_repos_at_once_do_not_meet(hub, repo, tmp_path):
    other = hub.model("acme/other", {"x.bin": lfs(MB)})
    env = {"HOME": str(tmp_path / "home"), "HF_ENDPOINT": hub.endpoint}
    both = [subprocess.Popen([BIN, "download", name, "-q"], env=env, stdout=subprocess.PIPE, text=True) for name in ("acme/tiny", "acme/other")]
    paths = [pathlib.Path(p.communicate(timeout=60)[0].strip()) for p in both]
    assert [p.returncode for p in both] == [0, 0]
    assert found(paths[0]) == content_of(repo) and found(paths[1]) == content_of(other)


@pytest.mark.parametrize("words,code,text", [
    ([], 2, "needs a repo"),
    (["acme/none"], 12, "acme/none"),
    (["acme/tiny", "no.txt"], 12, "no.txt"),
    (["acme/tiny", "--local-dir", "a", "--cache-dir", "b"], 2, "only one"),
    (["acme/tiny", "sub/", "--include", "*"], 2, "cannot be combined"),
    (["acme/tiny", "--token", "hf_x"], 2, "--token is refused"),
    (["acme/tiny", "--include"], 2, "needs a value"),
    (["acme/tiny", "--include", "*.json", "--exclude"], 2, "needs a value"),
    (["acme/tiny", "--endpoint", "http://x", "--include", "a", "--bandwidth", "1", "--max-workers"], 2, "needs a value"),
    (["hf://buckets/acme/tiny"], 2, "buckets"),
    (["hf://acme/tiny/a.txt", "b.txt"], 2, "names a file already"),
    (["acme/tiny", "--revison", "main"], 2, "revision"),
], ids=lambda v: " ".join(v) if isinstance(v, list) else None)
def test_errors_have_the_codes_of_all_commands(download, repo, words, code, text):
    done = download(*words)
    assert done.returncode == code and text in done.stderr, done.stderr
    assert done.stdout == ""


def test_two_revisions_of_a_repo_are_two_specs_however_they_are_said(download, repo, tmp_path):
    """Or the second would take the first one's marker, and a prune what the first had fetched."""
    repo.tag("v1")
    repo.push({"config.json": "newer"})
    for words in (("acme/tiny", "--revision", "v1"), ("hf://acme/tiny@v1",), ("acme/tiny",), ("acme/tiny@main",), ("hf://models/acme/tiny",)):
        assert download(*words, "--cache-dir", "cache").returncode == 0, words
    assert len(list((tmp_path / "cache/.hf-init").glob("*.complete.json"))) == 2


def test_one_repo_is_never_optional(download):
    """A script would take the empty line for its path."""
    done = download("acme/none", HF_INIT_OPTIONAL="true")
    assert done.returncode == 12 and done.stdout == "", done
