"""Loaders

Libraries that read models and data from what hf-init fetched, without the Hub, and other programs that know the cache."""
import json
import os
import pathlib
import shlex
import struct

import pytest
from interop import fetched, scenario, snapshot
from standin import xet

VOCABULARY = {"[UNK]": 0, "hello": 1, "world": 2}
MODEL = {
    "config.json": json.dumps({
        "model_type": "bert", "architectures": ["BertModel"], "hidden_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 1, "intermediate_size": 16, "vocab_size": 3}),
    "tokenizer_config.json": json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}),
    "tokenizer.json": json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": VOCABULARY, "unk_token": "[UNK]"}})}
READ_MODEL = """
from transformers import AutoConfig, AutoTokenizer
for name, more in %r:
    config, tokenizer = AutoConfig.from_pretrained(name, **more), AutoTokenizer.from_pretrained(name, **more)
    say([config.model_type, config.hidden_size, tokenizer("hello there world")["input_ids"]])"""
READ = ["bert", 8, [1, 0, 2]]


def tensors(**named):
    """A file of safetensors: an array of 32-bit floats for every name."""
    head, body = {}, b""
    for name, values in named.items():
        data = struct.pack("<%df" % len(values), *values)
        head[name] = {"dtype": "F32", "shape": [len(values)], "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + body


@scenario("a configuration and a tokenizer by name, from layout cache: branch and pinned commit", client="transformers")
def test_transformers_finds_a_model_by_name(run, hub, volume, client, reader):
    sha = hub.model("acme/bert", MODEL).head().sha
    result = run({"layout": "cache", "repos": [{"id": "acme/bert", "revision": sha, "refAlias": ["main"]}]})
    assert result.code == 0, result
    hub.reset()
    assert reader(READ_MODEL % ([("acme/bert", {}), ("acme/bert", {"revision": sha})],)) == [READ, READ]
    assert hub.count() == 0


@scenario("the same by path, from layout dir", client="transformers")
def test_transformers_reads_a_folder(run, hub, volume, client, reader):
    hub.model("acme/bert", MODEL)
    assert run({"repos": [{"id": "acme/bert", "path": "bert"}]}).code == 0
    hub.reset()
    assert reader(READ_MODEL % ([(str(volume / "bert"), {})],)) == [READ] and hub.count() == 0


@scenario("by name and online: no file is fetched again", client="transformers")
def test_transformers_online_fetches_nothing_again(run, hub, volume, client):
    hub.model("acme/bert", MODEL)
    assert run({"layout": "cache", "repos": [{"id": "acme/bert"}]}).code == 0
    hub.reset()
    assert client(READ_MODEL % ([("acme/bert", {})],), HF_HUB_CACHE=volume.path) == [READ]
    assert fetched(hub) & set(MODEL) == set()


@scenario("tensors of two shards and their index, from layout cache", client="safetensors")
def test_safetensors_reads_the_shards(run, hub, volume, client, reader):
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    hub.model("acme/shards", {"model.safetensors.index.json": json.dumps(index),
                              "model-00001-of-00002.safetensors": xet(tensors(a=[1.0, 2.0])),
                              "model-00002-of-00002.safetensors": xet(tensors(b=[3.5]))})
    assert run({"layout": "cache", "repos": [{"id": "acme/shards"}]}).code == 0
    said = reader("""
from safetensors import safe_open
with open(hf_hub_download("acme/shards", "model.safetensors.index.json")) as file:
    shards = json.load(file)["weight_map"]
for name, shard in shards.items():
    with safe_open(hf_hub_download("acme/shards", shard), framework="numpy") as file:
        say([name, file.get_tensor(name).tolist()])""")
    assert said == [["a", [1.0, 2.0]], ["b", [3.5]]]


@pytest.fixture
def rows(hub, client, tmp_path):
    """A dataset of parquet and of JSON lines."""
    made = tmp_path / "rows.parquet"
    client("""
import pyarrow.parquet
pyarrow.parquet.write_table(pyarrow.table({"n": [1, 2, 3], "t": ["a", "b", "c"]}), %r)""" % str(made))
    return hub.dataset("acme/rows", {"README.md": "# rows\n", "data/train.parquet": xet(made.read_bytes()),
                                     "lines/test.jsonl": '{"n": 4, "t": "d"}\n'})


READ_ROWS = """
from datasets import load_dataset
folder = %r or snapshot_download("acme/rows", repo_type="dataset")
say(load_dataset("parquet", data_files=folder + "/data/train.parquet", split="train")[:])
say(load_dataset(folder, data_files={"test": "lines/*.jsonl"}, split="test")[:])
say(load_dataset(folder, data_dir="data", split="train")[:])"""
ROWS = [{"n": [1, 2, 3], "t": ["a", "b", "c"]}, {"n": [4], "t": ["d"]}, {"n": [1, 2, 3], "t": ["a", "b", "c"]}]


@scenario("parquet and JSON lines by path, from layout dir", client="datasets")
def test_datasets_reads_a_folder(run, hub, volume, client, reader, rows, tmp_path):
    assert run({"repos": [{"id": "acme/rows", "type": "dataset", "path": "rows"}]}).code == 0
    hub.reset()
    assert reader(READ_ROWS % str(volume / "rows"), HF_DATASETS_CACHE=tmp_path / "arrow") == ROWS and hub.count() == 0


@scenario("the same from layout cache, by the folder that `snapshot_download` gives", client="datasets")
def test_datasets_reads_a_snapshot(run, hub, volume, client, reader, rows, tmp_path):
    assert run({"layout": "cache", "repos": [{"id": "acme/rows", "type": "dataset"}]}).code == 0
    hub.reset()
    assert reader(READ_ROWS % "", HF_DATASETS_CACHE=tmp_path / "arrow") == ROWS and hub.count() == 0
    by_name = "from datasets import load_dataset\nsay(fails(load_dataset, 'acme/rows'))"
    said, = reader(by_name, HF_DATASETS_CACHE=tmp_path / "none")
    if said:
        client.note("by name it needs the Hub even where the cache has everything: give it the folder")


@scenario("`scanCacheDir`: repos, revisions, refs, files", client="@huggingface/hub")
def test_javascript_scans_the_cache(run, hub, volume, client):
    repo = hub.model("acme/bert", MODEL)
    tagged, main = repo.tag("v1.0"), repo.push({"config.json": "{}"})
    rows = hub.dataset("acme/rows", {"train.csv": "a,b\n"})
    result = run({"layout": "cache", "repos": [{"id": "acme/bert"}, {"id": "acme/bert", "revision": "v1.0"},
                                               {"id": "acme/rows", "type": "dataset"}]})
    assert result.code == 0, result
    said, warnings = client.javascript("""
const info = await scanCacheDir(process.argv.at(-1));
const files = (revision) => revision.files.map((file) => [file.path, file.blob.path]).sort();
say(info.repos.flatMap(({ id, revisions }) => revisions.map((r) => [id.type, id.name, r.commitOid, r.refs, files(r)])));
say(info.warnings.map(String));""", volume.path)

    def wanted(kind, name, commit, ref):
        folder = "%ss--%s" % (kind, name.replace("/", "--"))
        return [kind, name, commit.sha, [ref], sorted(
            [str(volume / snapshot(commit, folder) / path), str(volume / folder / "blobs" / file.etag)]
            for path, file in commit.files.items())]

    assert sorted(said) == sorted([wanted("model", "acme/bert", tagged, "v1.0"), wanted("model", "acme/bert", main, "main"),
                                   wanted("dataset", "acme/rows", rows.head(), "main")])
    assert len(warnings) == 1 and ".hf-init" in warnings[0], warnings
    client.note("one warning, about the folder `.hf-init`, which is no repo")


@scenario("a pinned commit with `refAlias`", client="@huggingface/hub")
def test_javascript_wants_a_ref(run, hub, volume, client):
    sha = hub.model("acme/bert", MODEL).head().sha
    code = """
const { repos } = await scanCacheDir(process.argv.at(-1));
say(repos.map((repo) => repo.revisions.map((revision) => [revision.commitOid, revision.refs])));"""
    assert run({"layout": "cache", "repos": [{"id": "acme/bert", "revision": sha}]}).code == 0
    if client.javascript(code, volume.path) == [[]]:
        client.note("a repo without any ref is none to it, whoever fetched it")
    assert run({"layout": "cache", "repos": [{"id": "acme/bert", "revision": sha, "refAlias": ["main"]}]}).code == 0
    assert client.javascript(code, volume.path) == [[[[sha, ["main"]]]]]


# llama.cpp is not run: what follows are the rules by which it looks for a model when it is offline.

def llama_root(env):
    """The cache that llama.cpp takes, by the first of these that is set."""
    for name, below in (("LLAMA_CACHE", ""), ("HF_HUB_CACHE", ""), ("HUGGINGFACE_HUB_CACHE", ""), ("HF_HOME", "hub"),
                        ("XDG_CACHE_HOME", "huggingface/hub")):
        if env.get(name):
            return os.path.normpath(os.path.join(env[name], below))
    return os.path.join(env["HOME"], ".cache/huggingface/hub")


def llama_files(root, repo):
    """{path: content} of what it finds of OWNER/NAME: of the commit that a regular file directly in refs/ names, main
    before any other."""
    folder = pathlib.Path(root) / ("models--" + repo.replace("/", "--"))
    refs = sorted((path for path in folder.glob("refs/*") if path.is_file()), key=lambda path: path.name != "main")
    if not refs:
        return {}
    base = folder / "snapshots" / refs[0].read_text()
    return {str(path.relative_to(base)): path.read_bytes() for path in base.rglob("*") if path.is_file()}


@scenario("its rules for a cache offline: which specs it finds, with which files", client="llama.cpp")
def test_llama_cpp_would_find_it(run, hub, tmp_path, client):
    repo = hub.model("acme/gguf", {"tiny-Q4_K_M.gguf": xet(b"GGUF 4"), "tiny-Q8_0.gguf": xet(b"GGUF 8"),
                                   "split/tiny-Q2-00001-of-00002.gguf": xet(b"GGUF 1/2"),
                                   "split/tiny-Q2-00002-of-00002.gguf": xet(b"GGUF 2/2")})
    tagged = repo.tag("v1.0")
    repo.pull_request(1, {"note": "x"})
    four = {"tiny-Q4_K_M.gguf": b"GGUF 4"}
    split = {"split/tiny-Q2-0000%d-of-00002.gguf" % n: b"GGUF %d/2" % n for n in (1, 2)}
    for number, (settings, wanted) in enumerate([
            ({"allow": ["*Q4_K_M*"]}, four),
            ({"allow": ["*Q2-*"]}, split),
            ({"allow": ["*Q4_K_M*"], "revision": "v1.0"}, four),
            ({"allow": ["*Q4_K_M*"], "revision": tagged.sha}, {}),   # no ref at all
            ({"allow": ["*Q4_K_M*"], "revision": tagged.sha, "refAlias": ["main"]}, four),
            ({"allow": ["*Q4_K_M*"], "revision": "refs/pr/1"}, {}),  # refs/refs/pr/1 is not directly in refs/
            ({"allow": ["*Q4_K_M*", "note"], "revision": "refs/pr/1", "refAlias": ["main"]}, {**four, "note": b"x"})]):
        target = tmp_path / ("cache-%d" % number)
        result = run({"target": str(target), "layout": "cache", "repos": [{"id": "acme/gguf", **settings}]})
        assert result.code == 0, result
        lines = (target / ".hf-init/default.env").read_text()
        env = dict(word.split("=", 1) for word in shlex.split(lines, comments=True))
        assert llama_root({"HOME": "/home/nobody", **env}) == str(target)
        assert llama_files(str(target), "acme/gguf") == wanted, settings
    client.note("a table of its rules, the program is not run; a pin, or `refs/pr/N`, needs `refAlias: [main]`")
