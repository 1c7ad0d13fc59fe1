"""The same from both, and layout dir both ways

What hf-init and each generation of huggingface_hub make of one wish, side by side, and each on top of the other."""
import os
import shutil
import subprocess
import time

import pytest
from interop import content_of, fetched, scenario, spec, tiny
from standin import lfs, xet

MIB = 1 << 20
METADATA = ".cache/huggingface/download"


def local_dir(client, folder, **env):
    """`hf download --local-dir`, as a call."""
    return client("say(snapshot_download('acme/tiny', local_dir=%r))" % str(folder), **env)


def metadata(folder):
    """{path: (commit, etag)} of the metadata that lies beside the files, each of three lines and valid for its file."""
    found = {}
    for path in (folder / METADATA).rglob("*.metadata"):
        name = str(path.relative_to(folder / METADATA))[:-len(".metadata")]
        commit, etag, moment, rest = path.read_text().split("\n")
        assert rest == "" and (folder / name).stat().st_mtime - 1 <= float(moment), name
        found[name] = (commit, etag)
    return found


def differences(ours, theirs, *exclude):
    """What diff -r says of two folders, links compared as links: {(whose, path)} for what only one has."""
    done = subprocess.run(["diff", "-r", "--no-dereference", *("--exclude=" + name for name in exclude), ours, theirs],
                          capture_output=True, text=True, env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]})
    found = set()
    for line in done.stdout.splitlines():
        assert line.startswith("Only in "), line
        folder, _, name = line[len("Only in "):].partition(": ")
        whose, base = ("ours", ours) if folder.startswith(str(ours)) else ("theirs", theirs)
        found.add((whose, os.path.normpath(os.path.join(os.path.relpath(folder, base), name))))
    return found


def note_extras(client, extras):
    """Notes what this generation does not write yet; gives the other extras, each side's own bookkeeping."""
    later = {(whose, path) for whose, path in extras if whose == "ours" and path.endswith(("CACHEDIR.TAG", "trees"))}
    if later:
        assert client.version < (1, 22), extras
        names = sorted({path.rpartition("/")[2] for _, path in later})
        client.note("hf-init also writes `%s`, as later versions do" % "` and `".join(names))
    return extras - later


@scenario("the same cache from both, by `diff -r`: blobs, link targets, refs, trees")
def test_both_make_the_same_cache(run, hub, volume, client, tmp_path):
    repo = tiny(hub)
    names = ["v1.0", "main", "refs/pr/1"]
    repo.tag("v1.0")
    repo.push({"config.json": "second"})
    repo.pull_request(1, {"x": "y"})
    assert run(spec("cache", *[{"revision": name} for name in names])).code == 0
    theirs = tmp_path / "theirs"
    client("for revision in %r:\n    snapshot_download('acme/tiny', revision=revision)" % names, HF_HUB_CACHE=theirs)
    assert note_extras(client, differences(volume.path, theirs)) == {("ours", ".hf-init"), ("theirs", ".locks")}


@scenario("the same folder from both, by `diff -r` and by the metadata")
def test_both_make_the_same_folder(run, hub, volume, client, tmp_path):
    commit = tiny(hub).head()
    assert run(spec("dir", {"path": "tiny"})).code == 0
    local_dir(client, tmp_path / "theirs")
    extras = differences(volume / "tiny", tmp_path / "theirs", "*.metadata", "*.lock")
    assert note_extras(client, extras) == set()
    wanted = {path: (commit.sha, file.etag) for path, file in commit.files.items()}
    assert metadata(volume / "tiny") == metadata(tmp_path / "theirs") == wanted


@scenario("a folder made by `--local-dir` is accepted without a byte")
def test_a_folder_of_python_is_accepted(run, hub, volume, client):
    repo = tiny(hub)
    local_dir(client, volume / "tiny")
    hub.reset()
    result = run(spec("dir", {"path": "tiny"}))
    assert result.code == 0 and fetched(hub) == set() and volume.marker(), result
    assert volume.files("tiny") == content_of(repo.head())
    hub.reset()
    assert run(spec("dir", {"path": "tiny"})).code == 0 and hub.count() == 1


@scenario("a folder made by hf-init is accepted by `--local-dir` with one request, the revision")
def test_a_folder_of_ours_is_accepted(run, hub, volume, client):
    repo = tiny(hub)
    assert run(spec("dir", {"path": "tiny"})).code == 0
    before = metadata(volume / "tiny")
    hub.reset()
    assert local_dir(client, volume / "tiny") == [str(volume / "tiny")]
    assert [r.path for r in hub.requests()] == ["/api/models/acme/tiny/revision/main"]
    assert volume.files("tiny") == content_of(repo.head()) and metadata(volume / "tiny") == before


@scenario("files touched later: Python doubts them, hf-init hashes them and puts that right")
def test_files_touched_later_are_hashed_and_their_metadata_renewed(run, hub, volume, client):
    repo = tiny(hub)
    local_dir(client, volume / "tiny")
    for path in repo.head().files:
        os.utime(volume / "tiny" / path, (time.time() + 600,) * 2)
    with pytest.raises(AssertionError):
        metadata(volume / "tiny")
    hub.reset()
    result = run(spec("dir", {"path": "tiny"}))
    assert result.code == 0 and fetched(hub) == set(), result
    hub.reset()
    local_dir(client, volume / "tiny")
    assert [r.path for r in hub.requests()] == ["/api/models/acme/tiny/revision/main"]


@scenario("an interrupted `--local-dir` is completed, the part of a file is left alone")
def test_an_interrupted_folder_is_completed(run, hub, volume, client, until):
    repo = tiny(hub, {"config.json": "{}", "a.bin": lfs(MIB), "model.safetensors": xet(24 * MIB)})
    gate = hub.gate(file="model.safetensors", host="cdn", at=16 * MIB)
    process = client.start("folder = %r\nhf_hub_download('acme/tiny', 'a.bin', local_dir=folder)\n"
                           "snapshot_download('acme/tiny', local_dir=folder)" % str(volume / "tiny"))
    assert gate.wait()
    until(lambda: len(list((volume / "tiny" / METADATA).glob("*.incomplete"))) == 1)
    part, = (volume / "tiny" / METADATA).glob("*.incomplete")
    process.kill()
    process.communicate()
    gate.release()
    assert hub.left()
    hub.reset()
    size = part.stat().st_size
    result = run(spec("dir", {"path": "tiny"}))
    assert result.code == 0 and volume.files("tiny") == content_of(repo.head()), result
    assert "a.bin" not in fetched(hub) and hub.bytes_sent("model.safetensors", host="cdn") == 24 * MIB
    assert part.stat().st_size == size
    hub.reset()
    local_dir(client, volume / "tiny")
    assert fetched(hub) == set()


@scenario("a new commit over a folder of the other: what did not change is not fetched, by neither")
def test_a_new_commit_over_a_folder_of_the_other(run, hub, volume, client):
    repo = tiny(hub)
    assert run(spec("dir", {"path": "tiny"})).code == 0
    repo.push({"config.json": "second"})
    hub.reset()
    local_dir(client, volume / "tiny")
    assert fetched(hub) == {"config.json"} and volume.files("tiny") == content_of(repo.head())
    repo.push({"config.json": "third"})
    hub.reset()
    assert run(spec("dir", {"path": "tiny"})).code == 0
    assert fetched(hub) == {"config.json"} and volume.files("tiny") == content_of(repo.head())
    hub.reset()
    local_dir(client, volume / "tiny")
    assert fetched(hub) == set() and not hub.requests(path="*/resolve/*")


@scenario("`hf cache verify --local-dir` agrees")
def test_verify_of_a_folder_agrees(run, hub, volume, client):
    if client.version < (1, 0):
        client.lacks("has no `verify`")
    tiny(hub)
    assert run(spec("dir", {"path": "tiny"})).code == 0
    words = ["hf", "cache", "verify", "acme/tiny", "--local-dir", volume / "tiny", "--fail-on-missing-files"]
    done = client.command(*words)
    assert done.returncode == 0, done
    (volume / "tiny/config.json").write_text("?")
    assert client.command(*words).returncode == 1


@scenario("from the cache into a folder: Python copies what hf-init fetched")
def test_python_copies_from_our_cache(run, hub, volume, client, tmp_path):
    commit = tiny(hub).head()
    assert run(spec("cache", {"revision": commit.sha})).code == 0
    hub.reset()
    client("snapshot_download('acme/tiny', revision=%r, local_dir=%r)" % (commit.sha, str(tmp_path / "out")),
           HF_HUB_CACHE=volume.path)
    assert fetched(hub) == set()
    shutil.copytree(tmp_path / "out", volume / "out")
    assert volume.files("out") == content_of(commit)
