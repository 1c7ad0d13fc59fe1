"""What lies on the volume afterwards, in both layouts, and that the official client agrees: it reads what hf-init wrote
without asking for a file, and hf-init adopts what it wrote without fetching a byte."""
import json
import os
import shutil
import stat
import subprocess
import sys

import pytest
from conftest import content_of, sha256
from standin import git, lfs, xet

FILES = {
    ".gitattributes": "*.safetensors filter=lfs\n", "config.json": '{"model_type": "x"}', "empty.txt": b"",
    "tokenizer.json": git(200_000), "names/a b/#%?+é.txt": "hi", "zero.bin": lfs(0),
    "model.safetensors": xet(3 << 20), "onnx/model.onnx": lfs(700_000)}
TAG = (b"Signature: 8a477f597d28d172789f06886806bc55\n"
       b"# This file is a cache directory tag created by huggingface_hub.\n"
       b"# For information about cache directory tags, see:\n#\thttps://bford.info/cachedir/\n")


def tiny(hub, files=None):
    return hub.model("acme/tiny", FILES if files is None else files)


def spec(layout="dir", **repo):
    top = {key: repo.pop(key) for key in ("fileMode", "dirMode", "endpoint", "token") if key in repo}
    return {"layout": layout, "repos": [{"id": "acme/tiny", **repo}], **top}


def tree_file(commit):
    """trees/<commit>.json as huggingface_hub writes it."""
    files = {}
    for path in sorted(commit.files):
        file = commit.files[path]
        files[path] = {"size": file.size, "blob_id": file.oid}
        if file.is_lfs:
            files[path].update(lfs_sha256=file.sha256, lfs_size=file.size)
        if file.xet_hash:
            files[path]["xet_hash"] = file.xet_hash
    return json.dumps({"format_version": 1, "files": files}, indent=1)


def everything(folder):
    """{relative path: mode} of all there is below a folder, links as they are."""
    found = {}
    for base, folders, names in os.walk(folder):
        for name in folders + names:
            path = os.path.join(base, name)
            found[os.path.relpath(path, folder)] = os.lstat(path).st_mode
    return found


@pytest.fixture
def python(tmp_path):
    """Runs code with huggingface_hub and returns what it said with say(), one JSON value each."""

    def call(code, **env):
        whole = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING")) and "proxy" not in k.lower()}
        whole.update(HF_HOME=str(tmp_path / "home"), HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_PROGRESS_BARS="1",
                     HF_HUB_DISABLE_TELEMETRY="1", NO_COLOR="1", PYTHONDONTWRITEBYTECODE="1")
        whole.update({k: str(v) for k, v in env.items()})
        prelude = ("import json\nfrom huggingface_hub import *\n"
                   "def say(value): print(json.dumps(value, default=str))\n")
        done = subprocess.run([sys.executable, "-B", "-c", prelude + code], env=whole, cwd=tmp_path, capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return call


# Layout cache, on disk.

def test_cache_has_blobs_links_refs_tree_and_tag_as_python_makes_them(run, hub, volume):
    commit = tiny(hub).head()
    result = run(spec("cache"))
    assert result.code == 0, result
    repo = volume / "models--acme--tiny"
    assert {p.name for p in (repo / "blobs").iterdir()} == {f.etag for f in commit.files.values()}
    for file in commit.files.values():
        assert sha256(repo / "blobs" / file.etag) == file.sha256
    for path, file in commit.files.items():
        link = repo / "snapshots" / commit.sha / path
        assert os.readlink(link) == "../" * (path.count("/") + 2) + "blobs/" + file.etag
    assert (repo / "refs/main").read_bytes() == commit.sha.encode()
    assert (repo / "trees" / (commit.sha + ".json")).read_text() == tree_file(commit)
    assert (volume / "CACHEDIR.TAG").read_bytes() == TAG
    assert {p.name for p in repo.iterdir()} == {"blobs", "refs", "snapshots", "trees"}


@pytest.mark.parametrize("revision, ref", [("refs/pr/7", "refs/refs/pr/7"), ("feat/x", "refs/feat/x"),
                                           ("v1.0", "refs/v1.0"), ("refs/convert/parquet", "refs/refs/convert/parquet")])
def test_cache_keeps_refs_with_slashes_in_folders(run, hub, volume, revision, ref):
    repo = tiny(hub, {"config.json": "{}"})
    repo.tag("v1.0")
    repo.commit({"config.json": "branch"}, branch="feat/x")
    repo.pull_request(7, {"config.json": "pull"})
    repo.convert("parquet", {"data.parquet": "rows"})
    result = run(spec("cache", revision=revision))
    assert result.code == 0, result
    assert (volume / "models--acme--tiny" / ref).read_text() == repo.head(revision).sha
    assert volume.files("models--acme--tiny/snapshots/" + repo.head(revision).sha) == content_of(repo, revision)


def test_cache_of_a_pinned_commit_has_no_ref_but_those_of_ref_alias(run, hub, volume):
    sha = tiny(hub, {"config.json": "{}"}).head().sha
    assert run(spec("cache", revision=sha)).code == 0
    assert not list((volume / "models--acme--tiny").glob("refs/**/*"))
    assert run(spec("cache", revision=sha, refAlias=["main", "release/1"])).code == 0
    refs = volume / "models--acme--tiny/refs"
    assert (refs / "main").read_text() == (refs / "release/1").read_text() == sha
    assert sorted(p.name for p in refs.rglob("*") if p.is_file()) == ["1", "main"]


def test_cache_names_datasets_and_spaces_as_python_does(run, hub, volume):
    rows = hub.dataset("acme/rows", {"data/train.csv": "a,b\n"})
    app = hub.space("acme/app", {"app.py": "pass"})
    result = run({"layout": "cache", "repos": [{"id": "acme/rows", "type": "dataset"}, {"id": "acme/app", "type": "space"}]})
    assert result.code == 0, result
    assert volume.files("datasets--acme--rows/snapshots/" + rows.head().sha) == content_of(rows)
    assert volume.files("spaces--acme--app/snapshots/" + app.head().sha) == content_of(app)


def test_cache_fetches_one_blob_for_equal_contents(run, hub, volume):
    same = b"x" * 500_000
    repo = tiny(hub, {"a.bin": lfs(same), "b/c.bin": lfs(same), "other.bin": lfs(1000)})
    result = run(spec("cache"))
    assert result.code == 0, result
    assert hub.bytes_sent(host="cdn") == 501_000
    assert volume.files("models--acme--tiny/snapshots/" + repo.head().sha) == content_of(repo)
    assert len(list((volume / "models--acme--tiny/blobs").iterdir())) == 2


def test_cache_fetches_for_a_new_commit_only_what_is_new(run, hub, volume):
    repo = tiny(hub)
    old = repo.head()
    assert run(spec("cache")).code == 0
    repo.push({"config.json": "second", "more/extra.txt": "more", "empty.txt": None})
    hub.reset()
    assert run(spec("cache")).code == 0
    assert {r.file for r in hub.requests(status=200) if r.file} == {"config.json", "more/extra.txt"}
    snapshots = volume / "models--acme--tiny/snapshots"
    assert volume.files("models--acme--tiny/snapshots/" + repo.head().sha) == content_of(repo)
    assert sha256(snapshots / old.sha / "config.json") == old.files["config.json"].sha256  # readers of the old commit
    assert (volume / "models--acme--tiny/refs/main").read_text() == repo.head().sha


def test_cache_without_symlinks_has_real_files(run, hub, volume, python):
    repo = tiny(hub)
    result = run(spec("cache"), HF_HUB_DISABLE_SYMLINKS="1")
    assert result.code == 0, result
    snapshot = "models--acme--tiny/snapshots/" + repo.head().sha
    assert volume.files(snapshot) == content_of(repo)
    assert not [p for p, mode in everything(volume / "models--acme--tiny").items() if stat.S_ISLNK(mode)]
    used = subprocess.run(["du", "-s", "--block-size=1", volume / "models--acme--tiny"], capture_output=True, text=True)
    assert int(used.stdout.split()[0]) < 1.2 * sum(f.size for f in repo.head().files.values()) + 200_000  # not twice
    hub.reset()
    assert run(spec("cache"), HF_HUB_DISABLE_SYMLINKS="1").code == 0
    assert hub.bytes_sent(host="cdn") == 0 and hub.count() == 1
    said, = python("say(snapshot_download('acme/tiny', cache_dir=%r))" % str(volume.path), HF_HUB_OFFLINE="1")
    assert said.endswith(snapshot)


# Layout dir, on disk.

def test_dir_has_plain_files_and_the_metadata_of_hf_download(run, hub, volume):
    commit = tiny(hub).head()
    result = run(spec(path="tiny"))
    assert result.code == 0, result
    assert volume.files("tiny") == content_of(hub.catalogue.find("models", "acme/tiny"))
    meta = volume / "tiny/.cache/huggingface"
    for path, file in commit.files.items():
        lines = (meta / "download" / (path + ".metadata")).read_text()
        sha, etag, moment, nothing = lines.split("\n")
        assert (sha, etag, nothing) == (commit.sha, file.etag, "")
        data = (volume / "tiny" / path).lstat()
        assert stat.S_ISREG(data.st_mode) and data.st_mtime - 1 <= float(moment)
    assert (meta / "trees" / (commit.sha + ".json")).read_text() == tree_file(commit)
    assert (meta / ".gitignore").read_bytes() == b"*"
    assert (meta / "CACHEDIR.TAG").read_bytes() == TAG
    assert sorted(p.name for p in meta.iterdir()) == [".gitignore", "CACHEDIR.TAG", "download", "trees"]


def test_dir_puts_a_repo_under_its_id_unless_told_otherwise(run, hub, volume):
    repo = tiny(hub, {"config.json": "{}"})
    assert run(spec()).code == 0
    assert run(spec(path="deep/er/place")).code == 0
    assert volume.files("acme/tiny") == volume.files("deep/er/place") == content_of(repo)


def test_dir_with_path_dot_fills_the_target_itself(run, hub, volume):
    repo = tiny(hub)
    assert run(spec(path=".")).code == 0
    assert volume.files() == content_of(repo)
    assert {p.name for p in volume.path.iterdir()} == {p.split("/")[0] for p in repo.head().files} | {".cache", ".hf-init"}


ROOT_REFUSED = '"%s" is the root of the file system; repos do not belong among its folders'


@pytest.mark.parametrize("root", ["/", "//", "/.", "/.././/"])
@pytest.mark.parametrize("command", ["validate", "plan"])                     # a run would fill the machine if this test failed
def test_the_root_of_the_file_system_is_refused_as_target_wherever_it_is_named(run, hub, root, command):
    for result, place in (
            (run({**spec(), "target": root}, command=command), "target: "),
            (run(spec(), "--target", root, command=command), "--target: "),
            (run(None, "--repos", "acme/tiny", command=command, HF_INIT_TARGET=root), "HF_INIT_TARGET: "),
            (run(None, "--repos", "acme/tiny", "--layout", "cache", command=command, HF_HUB_CACHE=root), "HF_HUB_CACHE: target: ")):
        assert result.code == 2, result
        assert place + ROOT_REFUSED % root in result.stderr and "name a folder of its own, such as /models" in result.stderr
    assert hub.count() == 0


@pytest.mark.parametrize("words", [("--target", "{link}"), ("--target", "{link}/tmp/.."), ("--target", "{up}")])
def test_the_root_of_the_file_system_is_refused_by_other_names_too(run, hub, tmp_path, words):
    tiny(hub)
    link = tmp_path / "link"
    link.symlink_to("/")
    words = [word.format(link=link, up="../" * 64) for word in words]
    result = run(spec(), *words, command="plan")
    assert result.code == 2 and "is the root of the file system" in result.stderr and "such as /models" in result.stderr, result


def test_without_hub_metadata_nothing_but_the_files_is_in_the_folder(run, hub, volume):
    repo = tiny(hub)
    assert run(spec(path="m", hubMetadata=False)).code == 0
    wanted = set(repo.head().files) | {"onnx", "names", "names/a b"}
    assert set(everything(volume / "m")) == wanted
    hub.reset()
    assert run(spec(path="m", hubMetadata=False)).code == 0
    assert hub.count() == 1 and hub.bytes_sent(host="cdn") == 0


def test_two_names_of_one_content_are_fetched_once_in_layout_dir_too(run, hub, volume):
    same = b"x" * 500_000
    repo = tiny(hub, {"a.bin": lfs(same), "b/c.bin": lfs(same)})
    result = run(spec())
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo)
    assert hub.bytes_sent(host="cdn") == 500_000


def test_files_of_others_in_the_folder_are_left_alone(run, hub, volume):
    repo = tiny(hub, {"config.json": "{}"})
    (volume / "acme/tiny").mkdir(parents=True)
    (volume / "acme/tiny/mine.txt").write_text("keep me")
    assert run(spec()).code == 0
    repo.push({"config.json": "second"})
    assert run(spec()).code == 0
    assert (volume / "acme/tiny/mine.txt").read_text() == "keep me"
    assert (volume / "acme/tiny/config.json").read_text() == "second"


# Modes.

@pytest.mark.parametrize("layout, place", [("dir", "acme/tiny"), ("cache", "models--acme--tiny")])
def test_modes_are_those_of_the_spec_whatever_the_umask(run, hub, volume, layout, place):
    tiny(hub)
    old = os.umask(0o077)
    try:
        result = run(spec(layout, fileMode="0664", dirMode="0775"))
    finally:
        os.umask(old)
    assert result.code == 0, result
    for path, mode in everything(volume / place).items():
        if stat.S_ISDIR(mode):
            assert stat.S_IMODE(mode) == 0o775, path
        elif stat.S_ISREG(mode):
            assert stat.S_IMODE(mode) == 0o664, path
    for name in ("default.status.json", "default.complete.json", "default.env"):
        assert (volume / ".hf-init" / name).stat().st_mode & 0o044 == 0o044, name  # a probe may run as another user


def test_the_default_modes_let_everybody_read(run, hub, volume):
    tiny(hub)
    assert run(spec("cache")).code == 0 and volume.marker()
    for path, mode in everything(volume / "models--acme--tiny").items():
        assert stat.S_ISLNK(mode) or stat.S_IMODE(mode) == (0o755 if stat.S_ISDIR(mode) else 0o644), path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may hand a folder to another group")
@pytest.mark.parametrize("layout, place", [("dir", "acme/tiny"), ("cache", "models--acme--tiny")])
def test_setgid_of_the_volume_is_inherited(run, hub, volume, layout, place):
    tiny(hub)
    volume.path.mkdir()
    os.chown(volume.path, 0, 4242)
    os.chmod(volume.path, 0o2777)  # emptyDir with fsGroup
    assert run(spec(layout)).code == 0 and volume.marker()
    for path, mode in everything(volume / place).items():
        assert (volume / place / path).lstat().st_gid == 4242, path
        assert not stat.S_ISDIR(mode) or mode & stat.S_ISGID, path


# Filters.

@pytest.mark.parametrize("repo, wanted", [
    ({"allow": ["*.json"]}, {"config.json", "tokenizer.json"}),
    ({"allow": ["onnx/"]}, {"onnx/model.onnx"}),
    ({"allow": ["*.onnx", "config.json"], "ignore": ["onnx/*"]}, {"config.json"}),
    ({"ignore": ["*.safetensors", "*.onnx", "*.bin"]},
     {".gitattributes", "config.json", "empty.txt", "tokenizer.json", "names/a b/#%?+é.txt"}),
    ({"allow": "names/*"}, {"names/a b/#%?+é.txt"}),
    ({"files": ["config.json", "onnx/model.onnx"]}, {"config.json", "onnx/model.onnx"}),
    ({"allow": ["[ce]*.???"]}, {"empty.txt"})])
@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_only_what_is_selected_is_fetched(run, hub, volume, layout, repo, wanted):
    commit = tiny(hub).head()
    result = run(spec(layout, **repo))
    assert result.code == 0, result
    place = "acme/tiny" if layout == "dir" else "models--acme--tiny/snapshots/" + commit.sha
    assert set(volume.files(place)) == wanted
    assert {r.file for r in hub.requests() if r.file} <= wanted
    assert volume.marker()["repos"][0]["fileCount"] == len(wanted)


def test_a_wider_selection_later_fetches_only_the_rest(run, hub, volume):
    repo = tiny(hub)
    assert run(spec(allow=["*.safetensors"])).code == 0
    hub.reset()
    assert run(spec()).code == 0
    assert volume.files("acme/tiny") == content_of(repo)
    assert hub.bytes_sent("model.safetensors") == 0


@pytest.mark.parametrize("repo, reason, code", [
    ({"files": ["config.json", "nope.json"]}, "EntryNotFound", 12), ({"allow": ["*.gguf"]}, "NothingSelected", 12),
    ({"maxBytes": "1MiB"}, "TooLarge", 20)])
def test_a_selection_that_cannot_be_is_refused_before_a_byte_is_fetched(run, hub, tmp_path, repo, reason, code):
    tiny(hub)
    result = run(spec(**repo))
    assert result.code == code, result
    assert json.loads((tmp_path / "termination").read_text())["reason"] == reason
    assert not [r for r in hub.requests() if r.file]


# The official client reads what hf-init wrote.

READ_CACHE = """
cache = %r
for revision in %r:
    path = snapshot_download("acme/tiny", revision=revision, cache_dir=cache, local_files_only=True)
    say([path, hf_hub_download("acme/tiny", "onnx/model.onnx", revision=revision, cache_dir=cache, local_files_only=True),
         try_to_load_from_cache("acme/tiny", "config.json", revision=revision, cache_dir=cache)])
info = scan_cache_dir(cache)
say([[str(repo.repo_id), sorted(r.commit_hash for r in repo.revisions), repo.nb_files] for repo in info.repos])
"""


def test_python_finds_branch_tag_and_commit_in_the_cache_offline(run, hub, volume, python):
    repo = tiny(hub)
    tagged = repo.tag("v1.0")
    repo.push({"config.json": "second"})
    main = repo.head()
    result = run({"layout": "cache", "repos": [{"id": "acme/tiny"}, {"id": "acme/tiny", "revision": "v1.0"}]})
    assert result.code == 0, result
    hub.reset()
    wanted = [(None, main), ("main", main), ("v1.0", tagged), (main.sha, main), (tagged.sha, tagged)]
    said = python(READ_CACHE % (str(volume.path), [name for name, _ in wanted]), HF_HUB_OFFLINE="1", HF_ENDPOINT=hub.endpoint)
    for (name, commit), (folder, onnx, config) in zip(wanted, said):
        assert folder.endswith("snapshots/" + commit.sha), name
        assert onnx == folder + "/onnx/model.onnx" and config == folder + "/config.json"
        assert sha256(onnx) == commit.files["onnx/model.onnx"].sha256
        assert sha256(config) == commit.files["config.json"].sha256
    assert said[-1] == [["acme/tiny", sorted([main.sha, tagged.sha]), len(FILES) + 1]]
    assert hub.count() == 0


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("optional", [True, False])
def test_two_revisions_in_one_cache_share_what_is_the_same(run, hub, volume, order, optional, links):
    """It is fetched once, unless one revision may fail alone, and the next start finds everything proven."""
    same = bytes(range(256)) * 12_000
    repo = hub.model("acme/tiny", {"w.bin": lfs(same), "config.json": b"{}", "empty.py": b"", "old.bin": lfs(70_000)})
    old = repo.tag("v1")
    new = repo.push({"new.bin": lfs(80_000), "config.json": b"[]", "w-too.bin": lfs(same), "old.bin": None})
    entries = [{"id": "acme/tiny"}, {"id": "acme/tiny", "revision": "v1", "optional": optional}][::order]
    both = {"layout": "cache", "repos": entries}
    env = {} if links else {"HF_HUB_DISABLE_SYMLINKS": "1"}
    result = run(both, **env)
    assert result.code == 0, result
    for commit, revision in ((old, "v1"), (new, "main")):
        assert volume.files("models--acme--tiny/snapshots/" + commit.sha) == content_of(repo, revision)
    if not optional:
        assert sum(hub.bytes_sent(name, host="cdn") for name in ("w.bin", "w-too.bin")) == len(same)
    inventory, = (volume / ".hf-init/inventory").iterdir()
    noted = inventory.read_text()
    assert " r %s main\n" % new.sha in noted and " r %s v1\n" % old.sha in noted
    marked = (volume / ".hf-init/default.complete.json").stat().st_mtime_ns
    hub.reset()
    result = run(both, **env)
    assert result.code == 0 and hub.count() == 2, result
    assert (volume / ".hf-init/default.complete.json").stat().st_mtime_ns == marked
    assert not [line for line in result.lines if "hashing" in line["msg"]]


def test_two_revisions_of_which_a_part_is_wanted_are_known_again(run, hub, volume):
    """Python gets no listing of them, and ours are two as well."""
    repo = hub.model("acme/tiny", {"w.bin": lfs(70_000), "config.json": b"{}"})
    repo.tag("v1")
    repo.push({"config.json": b"[]"})
    both = {"layout": "cache", "retry": {"attempts": 1, "maxWait": "1s"},
            "repos": [{"id": "acme/tiny", "revision": revision, "allow": ["*.json"]} for revision in ("main", "v1")]}
    assert run(both).code == 0
    marked = (volume / ".hf-init/default.complete.json").stat().st_mtime_ns
    hub.reset()
    result = run(both)
    assert result.code == 0 and hub.count() == 2, result
    hub.down()
    assert run(both).code == 0 and run(both, command="verify").code == 0
    assert (volume / ".hf-init/default.complete.json").stat().st_mtime_ns == marked


def test_the_environment_of_the_contract_alone_is_enough_for_python(run, hub, volume, python):
    sha = tiny(hub).head().sha
    assert run(spec("cache", revision=sha, refAlias=["main"])).code == 0
    for revision in ("main", sha):  # as a main container has it, without local_files_only
        said, = python("say(snapshot_download('acme/tiny', revision=%r))" % revision, HF_HUB_CACHE=volume.path,
                       HF_HUB_OFFLINE="1")
        assert said.endswith("snapshots/" + sha)


@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_python_online_asks_for_no_file_that_hf_init_fetched(run, hub, volume, python, layout):
    repo = tiny(hub)
    assert run(spec(layout, **({"path": "tiny"} if layout == "dir" else {}))).code == 0
    hub.reset()
    where = "local_dir=%r" % str(volume / "tiny") if layout == "dir" else "cache_dir=%r" % str(volume.path)
    said, = python("say(snapshot_download('acme/tiny', %s))" % where, HF_ENDPOINT=hub.endpoint)
    place = os.path.relpath(said, volume.path)
    assert volume.files(place) == content_of(repo)
    assert [r.path for r in hub.requests(path="*acme/tiny*")] == ["/api/models/acme/tiny/revision/main"]


@pytest.mark.parametrize("pinned", [False, True])
def test_python_takes_a_selection_as_it_is_when_offline(run, hub, volume, python, pinned):
    sha = tiny(hub).head().sha
    pin = {"revision": sha, "refAlias": ["main"]} if pinned else {}
    assert run(spec("cache", allow=["*.json"], **pin)).code == 0
    code = "say(snapshot_download('acme/tiny', revision=%r, allow_patterns=['*.json']))\n"
    code = code % "main" + (code % sha if pinned else "say(snapshot_download('acme/tiny'))")
    for folder in python(code, HF_HUB_CACHE=volume.path, HF_HUB_OFFLINE="1"):
        assert set(volume.files(os.path.relpath(folder, volume.path))) == {"config.json", "tokenizer.json"}


def test_python_completes_a_selection_when_online(run, hub, volume, python):
    repo = tiny(hub)
    assert run(spec("cache", allow=["*.json"])).code == 0
    said, = python("say(snapshot_download('acme/tiny'))", HF_HUB_CACHE=volume.path, HF_ENDPOINT=hub.endpoint)
    assert volume.files(os.path.relpath(said, volume.path)) == content_of(repo)


# hf-init adopts what the official client wrote.

@pytest.mark.parametrize("without", ["nothing", "trees", "links"])
def test_a_cache_made_by_python_is_adopted_without_fetching_a_byte(run, hub, volume, python, without):
    repo = tiny(hub)
    env = {"HF_HUB_DISABLE_SYMLINKS": "1"} if without == "links" else {}
    said, = python("say(snapshot_download('acme/tiny'))", HF_HUB_CACHE=volume.path, HF_ENDPOINT=hub.endpoint, **env)
    if without == "trees":  # as versions before 1.22 left it
        shutil.rmtree(volume / "models--acme--tiny/trees")
    hub.reset()
    result = run(spec("cache"))
    assert result.code == 0, result
    assert not [r for r in hub.requests() if r.file]
    assert volume.files("models--acme--tiny/snapshots/" + repo.head().sha) == content_of(repo)
    assert volume.status()["totals"]["bytesReceived"] == 0
    hub.reset()
    assert run(spec("cache")).code == 0
    assert hub.count() == 1


def test_a_local_dir_made_by_python_is_adopted_without_fetching_a_byte(run, hub, volume, python):
    repo = tiny(hub)
    python("say(snapshot_download('acme/tiny', local_dir=%r))" % str(volume / "tiny"), HF_ENDPOINT=hub.endpoint)
    hub.reset()
    result = run(spec(path="tiny"))
    assert result.code == 0, result
    assert not [r for r in hub.requests() if r.file]
    assert volume.files("tiny") == content_of(repo)


def test_plain_files_without_any_metadata_are_adopted_by_their_hash(run, hub, volume):
    repo = tiny(hub)
    for path, file in repo.head().files.items():
        (volume / "acme/tiny" / path).parent.mkdir(parents=True, exist_ok=True)
        (volume / "acme/tiny" / path).write_bytes(file.content.read())
    result = run(spec())
    assert result.code == 0, result
    assert not [r for r in hub.requests() if r.file]
    assert volume.files("acme/tiny") == content_of(repo) and volume.marker()


def test_what_python_has_wrong_is_fetched_again(run, hub, volume, python):
    repo = tiny(hub)
    python("say(snapshot_download('acme/tiny'))", HF_HUB_CACHE=volume.path, HF_ENDPOINT=hub.endpoint)
    blob = volume / "models--acme--tiny/blobs" / repo.head().files["model.safetensors"].etag
    with open(blob, "r+b") as file:
        file.seek(1_000_000)
        file.write(b"\0flip\0")
    hub.reset()
    result = run(spec("cache"))
    assert result.code == 0, result
    assert {r.file for r in hub.requests() if r.file} == {"model.safetensors"}
    assert volume.files("models--acme--tiny/snapshots/" + repo.head().sha) == content_of(repo)


def test_partials_of_python_are_neither_used_nor_imitated(run, start, hub, volume):
    repo = tiny(hub)
    file = repo.head().files["model.safetensors"]
    blobs = volume / "models--acme--tiny/blobs"
    blobs.mkdir(parents=True)
    (blobs / (file.etag + ".incomplete")).write_bytes(b"\0" * 1000)
    gate = hub.gate(file="model.safetensors", host="cdn", at=1 << 20)
    running = start(spec("cache"))
    assert gate.wait()
    names = {p.name for p in volume.path.rglob("*") if p.name.endswith(".incomplete")}
    gate.release()
    result = running.wait()
    assert result.code == 0, result
    assert names == {file.etag + ".incomplete"}
    assert volume.files("models--acme--tiny/snapshots/" + repo.head().sha) == content_of(repo)


# What is planted on the volume.

@pytest.mark.parametrize("plant", ["link to a folder", "link to a file", "link to nothing"])
def test_nothing_is_written_through_links_that_lead_out_of_the_target(run, hub, volume, tmp_path, plant):
    tiny(hub)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "config.json").write_text("mine")
    (volume / "acme/tiny").mkdir(parents=True)
    if plant == "link to a folder":
        (volume / "acme/tiny/onnx").symlink_to(outside)
    else:
        name = "config.json" if plant == "link to a file" else "nothing"
        (volume / "acme/tiny/config.json").symlink_to(outside / name)
    result = run(spec())
    assert {p.name: p.read_text() for p in outside.iterdir()} == {"config.json": "mine"}
    assert result.code == 21, result
    assert volume.marker() is None
