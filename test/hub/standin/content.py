"""The bytes of files: stored ones, computed ones, and ones that lie on disk.

Every content answers four questions: `size`, `sha256`, `git_sha1`, and `pieces(begin, end)`, which yields
memoryviews that together are the bytes [begin, end). A synthetic content is a pure function of (seed, offset):
256 MB of it cost no memory, and any range can be served without touching the rest.
"""
from __future__ import annotations

import hashlib
import mmap
import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor

CHUNK = 256 * 1024
STAMP = hashlib.sha256().digest_size

# Twice a chunk, so that a chunk may begin at any offset below CHUNK without wrapping around. The generator's
# output for a given integer seed has been the same since Python 3.2.
_NOISE = memoryview(random.Random(20240229).getrandbits(8 * 2 * CHUNK).to_bytes(2 * CHUNK, "little"))

_shared: dict = {}


class _Memo:
    """Digests by name; each is computed once, even when many threads ask at the same time."""

    def __init__(self):
        self._lock = threading.Lock()
        self._known = {}

    def get(self, name, compute):
        with self._lock:
            if name not in self._known:
                self._known[name] = compute()
            return self._known[name]

    def put(self, name, value):
        self._known[name] = value


class Content:
    """What is common to all contents. `size` is in bytes; ranges are half open."""

    def __init__(self, size, memo=None):
        self.size = size
        self._memo = memo or _Memo()

    def pieces(self, begin, end):
        raise NotImplementedError

    def _hash(self, name, head=b""):
        digest = hashlib.new(name)
        digest.update(head)
        for piece in self.pieces(0, self.size):
            digest.update(piece)
        return digest.hexdigest()

    @property
    def sha256(self):
        return self._memo.get("sha256", lambda: self._hash("sha256"))

    @property
    def git_sha1(self):
        """The id git gives a blob: SHA1("blob " + decimal length + NUL + content)."""
        return self._memo.get("git", lambda: self._hash("sha1", b"blob %d\0" % self.size))

    def read(self, begin=0, end=None):
        return b"".join(self.pieces(begin, self.size if end is None else end))


class Stored(Content):
    """Bytes held in memory."""

    def __init__(self, data):
        self._data = data.encode() if isinstance(data, str) else bytes(data)
        super().__init__(len(self._data))

    def pieces(self, begin, end):
        if begin < end:
            yield memoryview(self._data)[begin:end]


class Synthetic(Content):
    """`size` bytes computed from `seed`. No two chunks are alike, so a block written at the wrong offset shows,
    and nothing compresses. A chunk is a 32-byte stamp of (seed, chunk number) followed by a window of noise."""

    def __init__(self, size, seed="", sha256=None):
        self.seed = str(seed)
        super().__init__(size, _shared.setdefault((size, self.seed), _Memo()))
        if sha256:
            self._memo.put("sha256", sha256)

    def pieces(self, begin, end):
        number, skip = divmod(begin, CHUNK)
        seed = self.seed.encode("utf-8", "surrogateescape")
        while begin < end:
            stamp = hashlib.sha256(b"%s:%d" % (seed, number)).digest()
            turn = int.from_bytes(stamp[:4], "little") % CHUNK
            stop = min(CHUNK, skip + end - begin)
            if skip < STAMP:
                yield memoryview(stamp)[skip:min(STAMP, stop)]
            if stop > STAMP:
                yield _NOISE[turn + max(STAMP, skip):turn + stop]
            begin += stop - skip
            number, skip = number + 1, 0


class OnDisk(Content):
    """A file of this machine, mapped when it is read."""

    def __init__(self, path):
        self._path = os.fspath(path)
        super().__init__(os.path.getsize(self._path))

    def pieces(self, begin, end):
        if begin >= end:
            return
        with open(self._path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            while begin < end:
                stop = min(end, begin + CHUNK)
                yield memoryview(view[begin:stop])
                begin = stop


def content_of(value, seed=""):
    """Turns what a test writes down into a content: bytes and text as they are, an int as so many synthetic bytes."""
    if isinstance(value, Content):
        return value
    if isinstance(value, bool) or value is None:
        raise TypeError("a file's content is bytes, text, a size, or a Content, not %r" % (value,))
    if isinstance(value, int):
        return Synthetic(value, seed)
    if isinstance(value, os.PathLike):
        return OnDisk(value)
    return Stored(value)


def hash_in_parallel(jobs):
    """Runs the given hash getters; large contents on all cores, since hashlib lets go of the interpreter lock."""
    jobs = list(jobs)
    if len(jobs) < 2:
        for job in jobs:
            job()
        return
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        list(pool.map(lambda job: job(), jobs))
