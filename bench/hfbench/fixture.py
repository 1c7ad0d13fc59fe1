"""The repositories that are fetched: incompressible files below build/bench/fixtures, made once for every size.

    repo = fixture.get("s2", scale=1.0)      repo.files: [File(path, size, oid, sha256)], repo.commit, repo.folder
"""
import hashlib
import json
import subprocess
from dataclasses import dataclass

from . import GB, MB, WORK, write_json

# name -> (number of files, bytes of each, stored as LFS objects)
SHAPES = {
    "s1": (1, 4 * GB, True),
    "s2": (8, 1 * GB, True),
    "s3": (5000, 20_000, False),
    "s9": (8, 256 * MB, True),
}


@dataclass
class File:
    path: str
    size: int
    oid: str      # git blob sha1; of an LFS file, that of its pointer
    sha256: str   # of the content; "" unless LFS


class Repo:
    def __init__(self, name, folder, files):
        self.name, self.folder, self.files = name, folder, files
        self.id = "bench/" + folder.name
        self.commit = hashlib.sha1("".join(f.oid for f in files).encode()).hexdigest()
        self.bytes = sum(f.size for f in files)
        self.lfs = SHAPES[name][2]

    def path(self, file):
        return self.folder / file.path


def pseudo_random(path, size, seed):
    """`size` bytes of AES-CTR under the seed: as fast as the disk, and no two files alike."""
    key = hashlib.sha256(seed.encode()).hexdigest()[:32]
    command = f"head -c {size} /dev/zero | openssl enc -aes-128-ctr -K {key} -iv {'0' * 32} -nosalt"
    with open(path, "wb") as out:
        subprocess.run(["sh", "-c", command], check=True, stdout=out)
    assert path.stat().st_size == size


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def pointer_of(sha256, size):
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def blob_oid(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def large_file(folder, path, size, seed):
    pseudo_random(folder / path, size, seed)
    sha256 = sha256_of(folder / path)
    return File(path, size, blob_oid(pointer_of(sha256, size)), sha256)


def small_files(folder, count, size, seed):
    key = hashlib.sha256(seed.encode()).digest()
    for i in range(count):
        content = hashlib.shake_128(key + i.to_bytes(4, "big")).digest(size)
        path = f"shard-{i // 100:02d}/part-{i:05d}.json"
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content)
        yield File(path, size, blob_oid(content), "")


def get(name, scale=1.0):
    """The repo of that name, large files or the number of small ones scaled; made if it is not there."""
    count, size, lfs = SHAPES[name]
    if lfs:
        size = int(size * scale)
    else:
        count = max(1, int(count * scale))
    folder = WORK / "fixtures" / f"{name}-{count}x{size}"
    index = folder.with_suffix(".json")
    if not index.exists():
        print(f"  fixture {folder.name}", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        if lfs:
            files = [large_file(folder, f"model-{i + 1:05d}-of-{count:05d}.safetensors", size, f"{name}{i}")
                     for i in range(count)]
        else:
            files = list(small_files(folder, count, size, name))
        write_json(index, [vars(f) for f in files])
    return Repo(name, folder, [File(**f) for f in json.loads(index.read_text())])
