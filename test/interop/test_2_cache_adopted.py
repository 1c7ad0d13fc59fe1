"""hf-init goes on with a cache that Python made

Layout cache, begun by each generation of huggingface_hub, finished by hf-init, and read by Python again."""
import shutil

from interop import FOLDER, blobs_are_right, content_of, fetched, scenario, snapshot, spec, tiny
from standin import lfs, xet
from test_1_cache_read import scan

MIB = 1 << 20
ALL = "say(snapshot_download('acme/tiny'))"


def read_by_all(reader, volume, client, commit):
    """What a cache must be in the end: complete and right, read offline, without anything that a scan finds wrong."""
    assert reader(ALL) == [str(volume / snapshot(commit))]
    assert volume.files(snapshot(commit)) == content_of(commit)
    assert commit.sha in scan(client, volume)["acme/tiny"] and blobs_are_right(volume.path)


def nothing_is_fetched(run, hub, volume, repo=None):
    hub.reset()
    result = run(spec("cache", repo) if repo else spec("cache"))
    assert result.code == 0 and fetched(hub) == set() and volume.marker(), result


@scenario("a complete cache: not a byte is fetched, and the second run asks once")
def test_a_complete_cache_is_adopted(run, hub, volume, client, reader):
    repo = tiny(hub)
    client(ALL, HF_HUB_CACHE=volume.path)
    nothing_is_fetched(run, hub, volume)
    assert volume.status()["totals"]["bytesReceived"] == 0
    hub.reset()
    assert run(spec("cache")).code == 0 and hub.count() == 1
    read_by_all(reader, volume, client, repo.head())


@scenario("a cache without `trees/`, as before 1.22")
def test_a_cache_without_trees_is_adopted(run, hub, volume, client, reader):
    repo = tiny(hub)
    client(ALL, HF_HUB_CACHE=volume.path)
    shutil.rmtree(volume / FOLDER / "trees", ignore_errors=client.version < (1, 22))
    nothing_is_fetched(run, hub, volume)
    read_by_all(reader, volume, client, repo.head())


@scenario("a cache of real files, made with `HF_HUB_DISABLE_SYMLINKS`")
def test_a_cache_of_real_files_is_adopted(run, hub, volume, client, reader):
    repo = tiny(hub)
    client("from huggingface_hub import file_download\nfile_download.are_symlinks_supported = lambda *_, **__: False\n" + ALL,
           HF_HUB_CACHE=volume.path, HF_HUB_DISABLE_SYMLINKS="1", HF_HUB_DISABLE_SYMLINKS_WARNING="1")
    assert not [path for path in (volume / FOLDER).rglob("*") if path.is_symlink()]
    nothing_is_fetched(run, hub, volume)
    read_by_all(reader, volume, client, repo.head())


@scenario("a partial cache: only what is missing is fetched")
def test_a_partial_cache_is_completed(run, hub, volume, client, reader):
    repo = tiny(hub)
    client("snapshot_download('acme/tiny', allow_patterns=['*.json', 'onnx/*'])\nhf_hub_download('acme/tiny', 'zero.bin')",
           HF_HUB_CACHE=volume.path)
    there = {"config.json", "tokenizer.json", "onnx/model.onnx", "onnx/copy.onnx", "zero.bin"}
    hub.reset()
    result = run(spec("cache"))
    assert result.code == 0 and volume.marker(), result
    # again.onnx has the blob of onnx/copy.onnx, and an empty file needs no request
    assert fetched(hub) == set(repo.head().files) - there - {"again.onnx", "empty.txt"}
    read_by_all(reader, volume, client, repo.head())


@scenario("an interrupted cache: what was whole is kept, the part of a file is left alone")
def test_an_interrupted_cache_is_completed(run, hub, volume, client, reader, until):
    repo = tiny(hub, {"config.json": "{}", "a.bin": lfs(MIB), "model.safetensors": xet(24 * MIB)})
    gate = hub.gate(file="model.safetensors", host="cdn", at=16 * MIB)
    process = client.start("say(hf_hub_download('acme/tiny', 'a.bin'))\n" + ALL, HF_HUB_CACHE=volume.path)
    assert gate.wait()
    until(lambda: len(list((volume / FOLDER / "blobs").glob("*.incomplete"))) == 1)
    part, = (volume / FOLDER / "blobs").glob("*.incomplete")
    process.kill()
    process.communicate()
    gate.release()
    assert hub.left()
    hub.reset()
    before = (part.stat().st_ino, part.stat().st_size, part.stat().st_mtime_ns)
    result = run(spec("cache"))
    assert result.code == 0 and volume.marker(), result
    assert "a.bin" not in fetched(hub) and hub.bytes_sent("model.safetensors", host="cdn") == 24 * MIB
    assert (part.stat().st_ino, part.stat().st_size, part.stat().st_mtime_ns) == before
    read_by_all(reader, volume, client, repo.head())


@scenario("a blob with a wrong byte is fetched again, and only that")
def test_a_wrong_blob_is_replaced(run, hub, volume, client, reader):
    repo = tiny(hub)
    client(ALL, HF_HUB_CACHE=volume.path)
    blob = volume / FOLDER / "blobs" / repo.head().files["model.safetensors"].etag
    with open(blob, "r+b") as file:
        file.seek(MIB)
        file.write(b"\0flip\0")
    hub.reset()
    result = run(spec("cache"))
    assert result.code == 0 and fetched(hub) == {"model.safetensors"}, result
    read_by_all(reader, volume, client, repo.head())


@scenario("a commit that Python has without a ref gets the refs of the spec")
def test_a_pinned_commit_of_python_gets_its_alias(run, hub, volume, client, reader):
    commit = tiny(hub).head()
    client("say(snapshot_download('acme/tiny', revision=%r))" % commit.sha, HF_HUB_CACHE=volume.path)
    nothing_is_fetched(run, hub, volume, {"revision": commit.sha, "refAlias": ["main"]})
    read_by_all(reader, volume, client, commit)


@scenario("a branch that moved: what the new commit shares with the old one is not fetched")
def test_a_moved_branch_fetches_what_is_new(run, hub, volume, client, reader):
    repo = tiny(hub)
    old = repo.head()
    client(ALL, HF_HUB_CACHE=volume.path)
    new = repo.push({"config.json": "second", "empty.txt": None})
    hub.reset()
    result = run(spec("cache"))
    assert result.code == 0 and fetched(hub) == {"config.json"}, result
    assert volume.files(snapshot(old)) == content_of(old)  # its readers still have it
    read_by_all(reader, volume, client, new)


@scenario("a cache whose blobs lie in the store that all repos share")
def test_shared_blobs_are_adopted_where_they_are(run, hub, volume, client, reader):
    if client.version < (2, 0):
        client.lacks("knows no such store")
    repo = tiny(hub)
    file = repo.head().files["model.safetensors"]
    blob = volume / FOLDER / "blobs" / file.etag
    client(ALL, HF_HUB_CACHE=volume.path)
    shared, = client("""
from huggingface_hub.utils._shared_blobs import publish_blob_to_shared_store
say(publish_blob_to_shared_store(blob_path=%r, xet_hash=%r, cache_dir=%r, expected_size=%d))
""" % (str(blob), file.xet_hash, str(volume.path), file.size))
    assert shared and blob.is_symlink()
    nothing_is_fetched(run, hub, volume)
    assert blob.is_symlink() and blob.resolve() == volume.path / "blobs" / file.xet_hash[:2] / file.xet_hash
    result = run(spec("cache"), command="verify")
    assert result.code == 0, result
    read_by_all(reader, volume, client, repo.head())
