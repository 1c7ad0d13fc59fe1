"""Python reads the cache that hf-init made

Layout cache, filled by hf-init alone, and read by each generation of huggingface_hub."""
import os
import subprocess

import pytest
from interop import FOLDER, content_of, fetched, scenario, snapshot, spec, tiny

FOREIGN = "one inconsistency is named: the folder `.hf-init`, which is no repo. Nothing acts on it"
TAG = "it also names `CACHEDIR.TAG`, as it does where later versions of itself wrote that file"


def scan(client, volume):
    """What scan_cache_dir says: {id: {commit: refs}}. Its warnings must be those that the notes tell of."""
    said, warnings = client("""
info = scan_cache_dir(%r)
say({repo.repo_id: {r.commit_hash: sorted(r.refs) for r in repo.revisions} for repo in info.repos})
say([str(warning) for warning in info.warnings])""" % str(volume.path))
    strangers = {name for name in (".hf-init", "CACHEDIR.TAG") if any(str(volume / name) in text for text in warnings)}
    assert len(warnings) == len(strangers), warnings
    if ".hf-init" in strangers:
        client.note(FOREIGN)
    if "CACHEDIR.TAG" in strangers:
        assert client.version < (1, 0), warnings
        client.note(TAG)
    return said


@scenario("`snapshot_download` offline: branch, tag, commit, `refs/pr/1`")
def test_a_snapshot_of_every_kind_of_revision_is_found_offline(run, hub, volume, client):
    repo = tiny(hub)
    commits = {"v1.0": repo.tag("v1.0"), "main": repo.push({"config.json": "second"}),
               "refs/pr/1": repo.pull_request(1, {"config.json": "pull"})}
    result = run(spec("cache", *[{"revision": name} for name in commits]))
    assert result.code == 0, result
    commits.update({commit.sha: commit for commit in list(commits.values())})
    hub.reset()
    code = "for revision in %r:\n    say(snapshot_download('acme/tiny', revision=revision%s))"
    for how, env in ((", local_files_only=True", {}), ("", {"HF_HUB_OFFLINE": "1"})):
        said = client(code % (list(commits), how), HF_HUB_CACHE=volume.path, **env)
        assert said == [str(volume / snapshot(commit)) for commit in commits.values()]
    for commit in commits.values():
        assert volume.files(snapshot(commit)) == content_of(commit)
    assert hub.count() == 0


@scenario("`hf_hub_download` and `try_to_load_from_cache` offline")
def test_single_files_are_found_offline(run, hub, volume, client, reader):
    repo = tiny(hub)
    old = repo.tag("v1.0")
    new = repo.push({"config.json": "second", "onnx/model.onnx": None})
    result = run(spec("cache", {"revision": "v1.0"}, {}))
    assert result.code == 0, result
    hub.reset()
    said = reader("""
for revision in (None, "v1.0", %r):
    for file in ("config.json", "onnx/copy.onnx", "names/a b/#%%?+é.txt"):
        found = try_to_load_from_cache("acme/tiny", file, revision=revision)
        say([hf_hub_download("acme/tiny", file, revision=revision), found])
say([fails(hf_hub_download, "acme/tiny", "onnx/model.onnx"), try_to_load_from_cache("acme/tiny", "onnx/model.onnx")])
""" % old.sha)
    wanted = [str(volume / snapshot(commit) / file) for commit in (new, old, old)
              for file in ("config.json", "onnx/copy.onnx", "names/a b/#%?+é.txt")]
    assert said[:-1] == [[path, path] for path in wanted] and said[-1] == ["LocalEntryNotFoundError", None]
    assert hub.count() == 0


@scenario("online: no file is asked for that is there")
def test_online_no_file_is_asked_for(run, hub, volume, client):
    repo = tiny(hub)
    assert run(spec("cache")).code == 0
    hub.reset()
    said, = client("say(snapshot_download('acme/tiny'))", HF_HUB_CACHE=volume.path)
    assert said == str(volume / snapshot(repo.head()))
    assert hub.requests(path="/api/models/acme/tiny/revision/main") and not hub.requests(path="*/resolve/*")


@scenario("`scan_cache_dir`: repos, revisions, refs, warnings")
def test_a_scan_finds_repos_revisions_and_refs(run, hub, volume, client):
    repo = tiny(hub)
    tagged, main = repo.tag("v1.0"), repo.push({"config.json": "second"})
    pull = repo.pull_request(1, {"config.json": "pull"})
    hub.dataset("acme/rows", {"data/train.csv": "a,b\n"})
    whole = spec("cache", {"revision": "v1.0"}, {}, {"revision": "refs/pr/1"})
    whole["repos"].append({"id": "acme/rows", "type": "dataset"})
    result = run(whole)
    assert result.code == 0, result
    said = scan(client, volume)
    assert said["acme/tiny"] == {tagged.sha: ["v1.0"], main.sha: ["main"], pull.sha: ["refs/pr/1"]}
    assert list(said) and set(said) == {"acme/tiny", "acme/rows"}


@scenario("`hf cache ls` lists it")
def test_the_command_line_lists_it(run, hub, volume, client):
    tiny(hub)
    assert run(spec("cache")).code == 0
    words = ["hf", "cache", "ls", "--cache-dir"]
    if client.version < (1, 0):
        words = ["hf", "cache", "scan", "--dir"] if client.version > (0, 34) else ["huggingface-cli", "scan-cache", "--dir"]
        client.note("`%s` there" % " ".join(words[:-1]))
    done = client.command(*words, volume.path)
    assert done.returncode == 0 and "acme/tiny" in done.stdout, done


@scenario("`hf cache prune` takes nothing that a ref names")
def test_prune_keeps_what_has_a_ref(run, hub, volume, client):
    if client.version < (1, 0):
        client.lacks("has no `prune`")
    repo = tiny(hub)
    sha = repo.tag("v1.0").sha
    repo.push({"config.json": "second"})
    assert run(spec("cache", {"revision": sha, "refAlias": ["v1.0"]}, {})).code == 0
    before = volume.files(FOLDER)
    done = client.command("hf", "cache", "prune", "--yes", "--cache-dir", volume.path)
    assert done.returncode == 0, done
    assert volume.files(FOLDER) == before
    hub.reset()
    assert run(spec("cache", {"revision": sha, "refAlias": ["v1.0"]}, {})).code == 0 and fetched(hub) == set()
    (volume / FOLDER / "refs/v1.0").unlink()
    done = client.command("hf", "cache", "prune", "--yes", "--cache-dir", volume.path)
    assert done.returncode == 0 and not (volume / FOLDER / "snapshots" / sha).exists(), done
    client.note("a commit without a ref is pruned, whoever fetched it: `refAlias` keeps it")


@scenario("`hf cache verify` agrees")
def test_verify_of_the_command_line_agrees(run, hub, volume, client):
    if client.version < (1, 0):
        client.lacks("has no `verify`")
    repo = tiny(hub)
    assert run(spec("cache")).code == 0
    words = ["hf", "cache", "verify", "acme/tiny", "--cache-dir", volume.path]
    words += ["--fail-on-missing-files", "--fail-on-extra-files"]
    done = client.command(*words)
    assert done.returncode == 0, done
    blob = volume / FOLDER / "blobs" / repo.head().files["onnx/model.onnx"].etag
    blob.write_bytes(b"x" * blob.stat().st_size)
    assert client.command(*words).returncode == 1  # it did look


@scenario("a revision deleted by Python comes back, what others use is not fetched again")
def test_what_python_deletes_comes_back(run, hub, volume, client):
    repo = tiny(hub)
    tagged, main = repo.tag("v1.0"), repo.push({"config.json": "second"})
    both = spec("cache", {"revision": "v1.0"}, {})
    assert run(both).code == 0
    client("scan_cache_dir(%r).delete_revisions(%r).execute()" % (str(volume.path), tagged.sha))
    assert not (volume / FOLDER / "snapshots" / tagged.sha).exists()
    assert volume.files(snapshot(main)) == content_of(main)
    hub.reset()
    result = run(both)
    assert result.code == 0, result
    assert fetched(hub) == {"config.json"}
    assert volume.files(snapshot(tagged)) == content_of(tagged) and volume.marker()
    assert scan(client, volume)["acme/tiny"] == {tagged.sha: ["v1.0"], main.sha: ["main"]}


@scenario("a pinned commit with `refAlias: [main]`, for readers that ask for nothing or for `main`")
def test_ref_alias_serves_readers_that_do_not_know_of_the_pin(run, hub, volume, client, reader):
    commit = tiny(hub).head()
    code = "say(fails(snapshot_download, 'acme/tiny'))\nsay(snapshot_download('acme/tiny', revision=%r))" % commit.sha
    assert run(spec("cache", {"revision": commit.sha})).code == 0
    assert reader(code) == ["LocalEntryNotFoundError", str(volume / snapshot(commit))]
    assert run(spec("cache", {"revision": commit.sha, "refAlias": ["main"]})).code == 0
    assert reader(code) == [None, str(volume / snapshot(commit))]
    found, = reader("say(hf_hub_download('acme/tiny', 'config.json'))")
    assert found == str(volume / snapshot(commit) / "config.json")


@scenario("`.no_exist`: what Python learnt is missing stays known, until a commit has it")
def test_no_exist_markers_live_beside_us(run, hub, volume, client, reader):
    repo = tiny(hub)
    old = repo.head()
    assert run(spec("cache")).code == 0
    said, = client("say(fails(hf_hub_download, 'acme/tiny', 'adapter_config.json'))", HF_HUB_CACHE=volume.path)
    assert said.endswith("EntryNotFoundError")
    code = """
from huggingface_hub.file_download import _CACHED_NO_EXIST
for revision in %r:
    found = try_to_load_from_cache("acme/tiny", "adapter_config.json", revision=revision)
    say("known to be missing" if found is _CACHED_NO_EXIST else found)"""
    assert run(spec("cache")).code == 0
    assert reader(code % (["main"],)) == ["known to be missing"]
    new = repo.push({"adapter_config.json": "{}"})
    assert run(spec("cache")).code == 0
    found = str(volume / snapshot(new) / "adapter_config.json")
    assert reader(code % (["main", old.sha],)) == [found, "known to be missing"]
    scan(client, volume)


@scenario("a filtered branch, offline, with any patterns")
def test_a_filtered_branch_is_taken_as_it_is(run, hub, volume, client, reader):
    commit = tiny(hub).head()
    assert run(spec("cache", {"allow": ["*.json"]})).code == 0
    said = reader("""
say(snapshot_download("acme/tiny"))
say(snapshot_download("acme/tiny", allow_patterns=["*.json", "*.onnx"]))
say(hf_hub_download("acme/tiny", "tokenizer.json"))""")
    place = str(volume / snapshot(commit))
    assert said == [place, place, place + "/tokenizer.json"]
    assert set(volume.files(snapshot(commit))) == {"config.json", "tokenizer.json"}
    client("say(snapshot_download('acme/tiny'))", HF_HUB_CACHE=volume.path)  # online it completes what is there
    assert volume.files(snapshot(commit)) == content_of(commit)
    hub.reset()
    assert run(spec("cache")).code == 0 and fetched(hub) == set()


@scenario("a filtered commit, offline, with the same patterns")
def test_a_filtered_commit_is_found_by_who_asks_with_the_same_patterns(run, hub, volume, client, reader):
    commit = tiny(hub).head()
    assert run(spec("cache", {"allow": ["*.json"], "revision": commit.sha, "refAlias": ["main"]})).code == 0
    place = str(volume / snapshot(commit))
    said = reader("""
for revision in ("main", %r):
    say(snapshot_download("acme/tiny", revision=revision, allow_patterns=["*.json"]))
say(hf_hub_download("acme/tiny", "config.json", revision=%r))
say(fails(snapshot_download, "acme/tiny"))""" % ((commit.sha,) * 2))
    assert said[:3] == [place, place, place + "/config.json"]
    assert said[3] in (None, "IncompleteSnapshotError")
    if said[3]:
        client.note("who asks for more gets IncompleteSnapshotError: `trees/COMMIT.json` lists more than was fetched")


@scenario("datasets and spaces")
def test_datasets_and_spaces(run, hub, volume, client, reader):
    rows = hub.dataset("acme/rows", {"data/train.csv": "a,b\n", "big.bin": "x" * 10_000})
    app = hub.space("acme/app", {"app.py": "pass"})
    hub.model("acme/rows", {"config.json": "{}"})  # of the same name
    result = run({"layout": "cache", "repos": [{"id": "acme/rows", "type": "dataset"}, {"id": "acme/app", "type": "space"},
                                               {"id": "acme/rows"}]})
    assert result.code == 0, result
    said = reader("""
say(snapshot_download("acme/rows", repo_type="dataset"))
say(snapshot_download("acme/app", repo_type="space"))
say(hf_hub_download("acme/rows", "data/train.csv", repo_type="dataset"))""")
    data, code = snapshot(rows.head(), "datasets--acme--rows"), snapshot(app.head(), "spaces--acme--app")
    assert said == [str(volume / data), str(volume / code), str(volume / data / "data/train.csv")]
    assert volume.files(data) == content_of(rows.head()) and volume.files(code) == content_of(app.head())


MOUNT = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'


@pytest.fixture
def read_only(volume):
    """What to put before a command to have the volume read-only: a mount if we may make one, else no permission."""
    if os.geteuid() == 0:
        yield ["unshare", "-m", "--propagation", "private", "sh", "-c", MOUNT, str(volume.path)]
        return
    folders = [volume.path, *(path for path in volume.path.rglob("*") if path.is_dir() and not path.is_symlink())]
    for folder in folders:
        folder.chmod(0o555)
    yield []
    for folder in folders:
        folder.chmod(0o755)


@scenario("a read-only mount")
def test_a_read_only_mount_is_enough(run, hub, volume, client, request):
    commit = tiny(hub).head()
    assert run(spec("cache", {"revision": commit.sha, "refAlias": ["main"]})).code == 0
    prefix = request.getfixturevalue("read_only")
    said = client("""
say(fails(open, os.path.join(%r, "x"), "w"))
say(snapshot_download("acme/tiny"))
say(hf_hub_download("acme/tiny", "onnx/model.onnx", revision=%r))
say(try_to_load_from_cache("acme/tiny", "config.json"))
say([repo.repo_id for repo in scan_cache_dir().repos])
""" % (str(volume.path), commit.sha), prefix, HF_HUB_CACHE=volume.path, HF_HUB_OFFLINE="1")
    place = str(volume / snapshot(commit))
    assert said == [said[0], place, place + "/onnx/model.onnx", place + "/config.json", ["acme/tiny"]]
    assert said[0] in ("OSError", "PermissionError")


@scenario("real files, for volumes without links")
def test_a_cache_of_real_files_is_read(run, hub, volume, client, reader):
    repo = tiny(hub)
    assert run(spec("cache"), HF_HUB_DISABLE_SYMLINKS="1").code == 0
    assert not [path for path in (volume / FOLDER).rglob("*") if path.is_symlink()]
    assert reader("say(snapshot_download('acme/tiny'))") == [str(volume / snapshot(repo.head()))]
    assert volume.files(snapshot(repo.head())) == content_of(repo.head())
    assert scan(client, volume)["acme/tiny"] == {repo.head().sha: ["main"]}


@scenario("the lines of `.hf-init/NAME.env` are all the environment that is needed")
def test_the_lines_of_the_environment_are_enough(run, hub, volume, client):
    repo = tiny(hub)
    assert run(spec("cache")).code == 0
    code = "import huggingface_hub as hub\nprint(hub.snapshot_download('acme/tiny'))"
    done = subprocess.run(["sh", "-c", 'set -a && . "$0" && exec "$@"', str(volume / ".hf-init/default.env"),
                           client.python, "-B", "-c", code], env=client.environment(), capture_output=True, text=True,
                          timeout=300)
    assert done.stdout.strip() == str(volume / snapshot(repo.head())), done
