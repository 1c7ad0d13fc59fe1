"""What the scenarios have in common: the mark, repositories and specs."""
import hashlib
import os
import re

import pytest
from standin import git, lfs, xet

FILES = {
    ".gitattributes": "*.safetensors filter=lfs\n", "config.json": '{"model_type": "x"}', "empty.txt": b"",
    "tokenizer.json": git(200_000), "names/a b/#%?+é.txt": "hi", "zero.bin": lfs(0), "model.safetensors": xet(3 << 20),
    "onnx/model.onnx": lfs(700_000), "onnx/copy.onnx": lfs(b"x" * 300_000), "again.onnx": lfs(b"x" * 300_000)}
FOLDER = "models--acme--tiny"


def scenario(title, client=None):
    """Marks a test as a row of the matrix: for every generation of huggingface_hub, or for the client named."""
    return pytest.mark.scenario(title, client)


def tiny(hub, files=None):
    return hub.model("acme/tiny", FILES if files is None else files)


def spec(layout, *repos):
    """A spec of acme/tiny, once for each dict of settings."""
    return {"layout": layout, "repos": [{"id": "acme/tiny", **repo} for repo in repos or ({},)]}


def content_of(commit):
    """{path: sha256}, as Volume.files gives it."""
    return {path: file.sha256 for path, file in commit.files.items()}


def snapshot(commit, folder=FOLDER):
    """The place of a commit in a cache, relative to it."""
    return "%s/snapshots/%s" % (folder, commit.sha)


def fetched(hub):
    """The files whose content was asked for and sent since the last hub.reset()."""
    return {r.file for r in hub.requests(method="GET", status=(200, 206)) if r.file}


def blobs_are_right(cache):
    """Every blob of a cache has the content that its name says. Parts of downloads have names of another form."""
    for folder, _, names in os.walk(cache):
        for name in names if os.path.basename(folder) == "blobs" else []:
            if not re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", name):
                continue
            with open(os.path.join(folder, name), "rb") as file:
                content = file.read()
            head = b"blob %d\0" % len(content) if len(name) == 40 else b""
            found = (hashlib.sha1 if head else hashlib.sha256)(head + content).hexdigest()
            if found != name:
                return False
    return True
