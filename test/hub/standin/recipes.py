"""Repositories written down as JSON, for people with a shell; and the ones `serve` starts with.

    {"repos": [{"type": "model", "id": "acme/tiny", "private": false, "gated": false,
                "files": {"config.json": "{}", "w.bin": 1000,
                          "model.safetensors": {"size": 268435456, "kind": "xet", "seed": "s"}},
                "commits": [{"branch": "main", "files": {"config.json": "[]", "w.bin": null}}],
                "tags": {"v1.0": "main"}, "pulls": {"1": {"config.json": "{}"}}, "converts": {"parquet": {}}}]}

A file is text, a number of synthetic bytes, or an object with one of text, base64, size, path (on this machine), and
`kind` git, lfs or xet.
"""
from __future__ import annotations

import base64
import json
from pathlib import Path

from .content import Synthetic
from .repos import File, git, xet


def file_from(spec):
    if spec is None:
        return None
    if not isinstance(spec, dict):
        return git(spec)
    if "size" in spec:
        value = Synthetic(spec["size"], spec["seed"]) if "seed" in spec else int(spec["size"])
    elif "path" in spec:
        value = Path(spec["path"])
    else:
        value = base64.b64decode(spec["base64"]) if "base64" in spec else spec["text"]
    return File(spec.get("kind", "git"), value)


def files_from(specs):
    return {path: file_from(spec) for path, spec in specs.items()}


def add_repo(hub, spec):
    settings = {k: spec[k] for k in ("private", "gated", "disabled", "readers", "accepted") if k in spec}
    repo = hub.repo(spec.get("type", "model"), spec["id"], files_from(spec.get("files", {})), **settings)
    for commit in spec.get("commits", ()):
        repo.commit(files_from(commit["files"]), commit.get("branch", "main"))
    for name, at in spec.get("tags", {}).items():
        repo.tag(name, at)
    for number, files in spec.get("pulls", {}).items():
        repo.pull_request(number, files_from(files))
    for name, files in spec.get("converts", {}).items():
        repo.convert(name, files_from(files))
    return repo


def load(hub, path):
    """Adds the repositories of a JSON file."""
    with open(path, encoding="utf-8") as file:
        return [add_repo(hub, spec) for spec in json.load(file)["repos"]]


def add_demo(hub):
    """Two repositories that show what there is, and three that refuse."""
    card = "# A model that is not there\n\nIts weights are computed noise.\n"
    tiny = hub.model("demo/tiny-model", {
        ".gitattributes": "*.safetensors filter=lfs diff=lfs merge=lfs -text\n", "README.md": card,
        "config.json": json.dumps({"model_type": "llama", "hidden_size": 64}, indent=2),
        "tokenizer.json": git(40_000), "empty.txt": b"",
        "model-00001-of-00002.safetensors": xet(24 << 20), "model-00002-of-00002.safetensors": xet(9_000_001),
        "onnx/model.onnx": xet(5_000_000), "notes/a b & c#1%.md": "Names may hold anything.\n"})
    tiny.tag("v1.0")
    tiny.push({"README.md": card + "\nSecond edition.\n"})
    tiny.pull_request(1, {"config.json": json.dumps({"model_type": "llama", "hidden_size": 128})})
    rows = {"README.md": "# Rows\n"}
    rows.update({"data/%03d.jsonl" % n: "".join('{"row": %d, "shard": %d}\n' % (i, n) for i in range(40))
                 for n in range(60)})
    hub.dataset("demo/rows", rows).convert("parquet", {"default/train/0000.parquet": xet(1_000_000)})
    hub.model("demo/private", {"config.json": "{}"}, private=True)
    hub.model("demo/gated", {"config.json": "{}", "model.safetensors": xet(1_000_000)}, gated="manual")
    hub.model("demo/disabled", {"config.json": "{}"}, disabled=True)
    hub.alias("demo/old-name", "demo/tiny-model")
