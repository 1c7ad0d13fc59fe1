"""Stands where a model server would: reads a model offline with huggingface_hub, from a folder or from the Hub cache
that HF_HUB_CACHE names, and prints what it found as one JSON object.

    reader.py --model FOLDER     files, and the commit and ETag that huggingface_hub's own metadata says they are
    reader.py --model ORG/NAME   the same of a repo in the cache
"""
import argparse
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub._local_folder import read_download_metadata


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    model = parser.parse_args().model
    folder = Path(model if os.path.isabs(model) else snapshot_download(model))
    files, commits = {}, set()
    # huggingface_hub takes a lock to read its own metadata, and a read-only volume has no place for one.
    view = Path(tempfile.mkdtemp())
    if os.path.isabs(model):
        shutil.copytree(folder / ".cache", view / ".cache")
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or name.startswith(".cache/"):
            continue
        files[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        if os.path.isabs(model):
            (view / name).symlink_to(path)
            metadata = read_download_metadata(view, name)
            commits.add(metadata.commit_hash if metadata else None)
    print(json.dumps({"files": files, "commits": sorted(map(str, commits)), "folder": str(folder), "uid": os.getuid()}))


if __name__ == "__main__":
    main()
