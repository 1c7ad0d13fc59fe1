"""Repositories of very many files: listing, planning and looking again stay small. The limit is on the address space,
so that what is promised of resident memory holds all the more, and however the kernel counts."""
import hashlib
import http.server
import json
import os
import sys
import threading

import pytest

MB = 1 << 20
COMMIT = "9c3f0a7be51d4c2f8a6e0b1d2c3e4f5061728394"
PAGE = 1000
LIMIT = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_AS, 2 * (int(sys.argv[1]),)); " \
        "os.execv(sys.argv[2], sys.argv[2:])"

pytestmark = pytest.mark.skipif("asan" in os.environ.get("HF_INIT_BIN", "") or "tsan" in os.environ.get("HF_INIT_BIN", ""),
                                reason="a sanitizer reserves terabytes of address space")


def within(limit_bytes):
    return (sys.executable, "-c", LIMIT, str(limit_bytes))


def path_of(i):
    return f"data/part-{i // 3700 % 37:02d}/split-{i // 100:05d}/sample-{i:07d}." + ("bin" if i % 3 else "json")


def content_of(i):
    return b"%07d" % i


def entry_of(i):
    """As the Hub writes it; two files of three lie in LFS and Xet, which is what costs most."""
    content = content_of(i)
    sha1 = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    entry = {"type": "file", "oid": sha1, "size": len(content), "path": path_of(i)}
    if i % 3:
        sha256 = hashlib.sha256(content).hexdigest()
        entry.update(lfs={"oid": sha256, "size": len(content), "pointerSize": 134}, xetHash=sha256[::-1])
    return entry


class Listing:
    """A Hub that knows one commit of one repo, page by page, and remembers who asked."""

    def __init__(self, count):
        files = [entry_of(i) for i in range(count)]
        self.pages = [json.dumps(files[i:i + PAGE]).encode() for i in range(0, count, PAGE)]
        self.asked, self.connections = [], 0
        listing = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                listing.connections += 1

            def do_GET(self):
                listing.asked.append(self.path)
                page = int(self.path.rpartition("cursor=")[2]) if "cursor=" in self.path else 0
                found = f"/api/models/acme/many/tree/{COMMIT}?" in self.path
                body = listing.pages[page] if found else b"{}"
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", len(body))
                if found and page + 1 < len(listing.pages):
                    url = f"{listing.endpoint}/api/models/acme/many/tree/{COMMIT}?recursive=true&cursor={page + 1}"
                    self.send_header("Link", f'<{url}>; rel="next"')
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


REPO = {"id": "acme/many", "revision": COMMIT}


def test_a_hundred_thousand_files_are_planned_within_64_mib(run):
    with Listing(100_000) as hub:
        result = run({"repos": [REPO], "endpoint": hub.endpoint}, "--json", command="plan", hub=None, prefix=within(64 * MB))
    assert result.code == 0, result
    totals = json.loads(result.stdout)["totals"]
    assert totals["files"] == 100_000 and totals["bytesToFetch"] == 7 * 100_000
    assert len(hub.asked) == 100 and hub.connections == 1


def put(volume, layout, count):
    """What somebody else fetched: the bytes at their places, without a word about them."""
    for i in range(count):
        entry = entry_of(i)
        path = volume / "many" / path_of(i)
        if layout == "cache":
            path = volume / "models--acme--many" / "blobs" / (entry["lfs"]["oid"] if "lfs" in entry else entry["oid"])
        if i % 100 == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content_of(i))


@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_a_complete_volume_of_many_files_asks_nobody_and_stays_small(run, volume, layout):
    repo = {**REPO, "path": "many", "hubMetadata": False} if layout == "dir" else REPO
    spec = {"repos": [repo], "layout": layout}
    put(volume, layout, 10_000)
    with Listing(10_000) as hub:
        first = run({**spec, "endpoint": hub.endpoint}, hub=None, prefix=within(64 * MB))
        assert first.code == 0 and len(hub.asked) == 10, first
        second = run({**spec, "endpoint": hub.endpoint}, hub=None, prefix=within(14 * MB))
    assert second.code == 0 and len(hub.asked) == 10, second
    assert volume.status()["phase"] == "complete"
