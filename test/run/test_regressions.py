"""Mistakes that downloaders made before this one, each under its letter: the promise that rules it out, kept by the real
binary. Every docstring says in words what went wrong elsewhere."""
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import termios
import time

import pytest
from conftest import BIN, content_of
from standin import git, lfs

MB = 1 << 20
TINY = {"id": "acme/tiny"}
ONE = {"repos": [TINY]}


def many(count, size=100):
    return {f"{n:03}.txt": f"{n}".rjust(size) for n in range(count)}


# A

@pytest.mark.parametrize("kind", [git, lfs])
@pytest.mark.parametrize("size, cut", [(200_000, 120_000), (3 * MB, 2 * MB + 1)])
def test_a_body_that_was_cut_goes_on_where_it_ended(run, hub, complete, kind, size, cut):
    """A: the retry after a cut body used the old offset on a file opened for appending: 320,000 bytes for 200,000."""
    repo = hub.model("acme/tiny", {"w.bin": kind(size)})
    fault = hub.fault("cut", file="w.bin", status=(200, 206), at=cut)
    complete(run(ONE), repo)
    assert fault.hits == 1
    assert hub.requests(file="w.bin", range=f"bytes={cut}-{size - 1}", status=206), hub.requests(file="w.bin")


# B

@pytest.mark.parametrize("there", [b"x" * 1000, b"x" * 400, b"x" * 2000, b""],
                         ids=["wrong bytes", "too short", "too long", "empty"])
@pytest.mark.parametrize("kind", [git, lfs])
def test_a_file_that_lies_there_is_not_believed(run, hub, volume, complete, kind, there):
    """B: in a plain folder, a wrong, truncated or stale file was accepted without a request."""
    repo = hub.model("acme/tiny", {"w.bin": kind(1000)})
    (volume / "acme/tiny").mkdir(parents=True)
    (volume / "acme/tiny/w.bin").write_bytes(there)
    complete(run(ONE), repo)


def test_a_file_of_an_older_commit_is_replaced(run, hub, complete):
    """B: in a plain folder, a stale file was accepted without a request."""
    repo = hub.model("acme/tiny", {"config.json": b'{"a":1}', "w.bin": lfs(b"old" * 100), "same.txt": "same"})
    complete(run(ONE), repo)
    repo.push({"config.json": b'{"a":2}', "w.bin": lfs(b"new" * 100)})
    hub.reset()
    complete(run(ONE), repo)
    assert hub.count(file="same.txt") == 0


# C

def silent_listing(hub):
    return hub.fault("stall", path="*/tree/*")


def silent_file(hub):
    return hub.fault("stall", file="w.bin", status=200, at=1000)


def silent_door(hub):
    return hub.door("stall")


def long_wait(hub):
    return hub.fault("status", file="w.bin", code=503, headers={"Retry-After": "60"}, times=None)


def closed_gate(hub):
    return hub.fault("rate-limit", path="*/tree/*", wait=60, times=None)


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("trouble", [silent_listing, silent_file, silent_door, long_wait, closed_gate])
def test_a_signal_ends_the_run_at_once_whatever_it_waits_for(start, hub, volume, message, until, trouble, number, code):
    """C: after a cancel the collector waited for results that never came, until the kubelet's SIGKILL."""
    hub.model("acme/tiny", {"w.bin": lfs(100_000)})
    fault = trouble(hub)
    running = start(ONE)
    assert fault.wait()
    until(lambda: (volume / ".hf-init/default.status.json").exists())
    began = time.monotonic()
    running.signal(number)
    assert running.wait(10).code == code
    assert time.monotonic() - began < 2
    assert volume.status()["phase"] == "cancelled" and message()["exitCode"] == code


# D

def test_what_a_redirect_to_the_cdn_says_is_not_taken_for_the_file(run, hub, volume, complete):
    """D: identity was read after the redirect to another host: every LFS file failed in the cache layout; in a folder
    the CDN's ETag was recorded, the sha256 skipped, and the commit called "main"."""
    repo = hub.model("acme/tiny", {"w.bin": lfs(3 * MB), "config.json": b"{}"})
    sha, oid = repo.head().sha, repo.head().files["w.bin"].sha256
    complete(run(ONE), repo)
    assert hub.count(host="cdn", file="w.bin") > 0
    lines = (volume / "acme/tiny/.cache/huggingface/download/w.bin.metadata").read_text().split("\n")
    assert lines[:2] == [sha, oid]

    shutil.rmtree(volume.path)
    assert run({**ONE, "layout": "cache"}).code == 0
    folder = volume / "models--acme--tiny"
    assert (folder / "blobs" / oid).stat().st_size == 3 * MB
    assert (folder / "snapshots" / sha / "w.bin").resolve() == (folder / "blobs" / oid).resolve()
    assert os.listdir(folder / "snapshots") == [sha]


# E

@pytest.mark.parametrize("drop", [[], ["Content-Length"]], ids=["", "no length"])
def test_empty_files_are_files(run, hub, complete, drop):
    """E: zero-byte files failed with "does not have a Content-Length"."""
    repo = hub.model("acme/tiny", {"__init__.py": b"", "sub/empty.bin": lfs(b""), "config.json": b"{}"})
    hub.drop_headers = drop
    complete(run(ONE), repo)


# F

def test_a_listing_is_read_to_its_last_page(run, hub, complete):
    """F: pages after the first were ignored, and their files silently missing."""
    repo = hub.model("acme/tiny", many(20))
    hub.page_size, hub.shuffle_tree = 3, True
    complete(run(ONE), repo)
    assert hub.count(path="*/tree/*") == 7


# G

@pytest.mark.parametrize("kind", [git, lfs])
def test_a_whole_file_in_place_of_a_range_is_not_appended(run, hub, complete, kind):
    """G: 200 in answer to a range was appended: 1,400 bytes for 1,000, and no error."""
    repo = hub.model("acme/tiny", {"w.bin": kind(1000)})
    hub.fault("cut", file="w.bin", status=200, at=400)
    hub.fault("ignore-range", range=True, times=None)
    result = run(ONE)
    complete(result, repo)
    assert "do not match" not in result.stderr, "it shows before a byte is written"


# H

def test_patterns_mean_what_they_mean_to_hugging_face(run, hub, volume):
    """H: `*.safetensors` missed those in folders, and the ignore pattern `bin` dropped binary_config.json."""
    hub.model("acme/tiny", {"a.safetensors": "a", "sub/b.safetensors": "b", "binary_config.json": "c", "bin": "d",
                            "x/bin/e.json": "e", "notes.md": "f"})
    assert run({"repos": [{**TINY, "allow": ["*.safetensors", "*.json"], "ignore": ["bin"]}]}).code == 0
    assert sorted(volume.files("acme/tiny")) == ["a.safetensors", "binary_config.json", "sub/b.safetensors",
                                                 "x/bin/e.json"]


# I

@pytest.mark.parametrize("name", ["../../escaped.txt", "../volume-evil/x", "/tmp/hf-init-escaped", "a/../../b", "..",
                                  ".", "a//b", "", "a/", "nul\0byte", "a/./b"])
@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_names_from_the_hub_never_leave_the_target(run, hub, volume, tmp_path, failed, name, layout):
    """I: `../../escaped.txt` in the listing was written outside of the destination."""
    hub.model("acme/tiny", {"config.json": b"{}"})
    hub.fault("list-add", path="*/tree/*", names=[name], times=None)
    hub.fault("status", path="*escaped*", code=200, body="x", times=None)
    failed(run({**ONE, "layout": layout}), 42, "UnsafeName")
    assert volume.files() == {}
    assert not [p for p in tmp_path.rglob("*escaped*")] and not os.path.exists("/tmp/hf-init-escaped")
    assert hub.count(path="*/resolve/*") == 0


# J

def test_a_missing_revision_is_called_a_missing_revision(run, hub, failed):
    """J: a revision that does not exist was reported as a missing entry with an empty path."""
    hub.model("acme/tiny", {"config.json": b"{}"})
    failed(run({"repos": [{**TINY, "revision": "v9"}]}), 12, "RevisionNotFound", "v9", "acme/tiny")


def test_a_missing_commit_is_called_a_missing_revision(run, hub, failed):
    """J: the same, where the revision is a commit and is never looked up."""
    hub.model("acme/tiny", {"config.json": b"{}"})
    failed(run({"repos": [{**TINY, "revision": "0" * 40}]}), 12, "RevisionNotFound", "0" * 40, "acme/tiny")


def test_a_missing_file_is_called_a_missing_file(run, hub, failed):
    """J: the other half, a file asked for by name."""
    hub.model("acme/tiny", {"config.json": b"{}"})
    failed(run({"repos": [{**TINY, "files": ["config.json", "tokenizer.model"]}]}), 12, "EntryNotFound",
           "tokenizer.model", "acme/tiny")


# K

@pytest.mark.parametrize("path", ["*/revision/*", "*/tree/*", "*/resolve/*"])
def test_an_unasked_304_is_no_answer(run, hub, volume, failed, path):
    """K: 304 led to the revision's name being taken for a commit, and a bogus snapshots/main/."""
    repo = hub.model("acme/tiny", {"config.json": b"{}"})
    hub.fault("status", path=path, code=304, times=None)
    failed(run({**ONE, "layout": "cache", "retry": {"attempts": 1, "maxWait": "1s"}}), 32, "BadAnswer", "304")
    snapshots = volume / "models--acme--tiny/snapshots"
    assert not snapshots.exists() or set(os.listdir(snapshots)) <= {repo.head().sha}
    assert not (volume / "models--acme--tiny/refs/main").exists()


# L

def test_the_nearest_token_is_sent_and_no_other(run, hub, tmp_path, complete):
    """L: a token given for one download lost against the general one; two Authorization headers met."""
    repo = hub.model("acme/tiny", {"config.json": b"{}", "w.bin": lfs(1000)}, private=True)
    (tmp_path / "token").write_text(hub.token + "\n")
    complete(run({**ONE, "token": {"file": str(tmp_path / "token")}}, HF_TOKEN=hub.stranger_token), repo)
    for record in hub.requests(host="api"):
        sent = [value for name, value in record.headers.items() if name.lower() == "authorization"]
        assert sent == ["Bearer " + hub.token], record
    assert hub.leaks() == []


# M

def test_progress_never_passes_100_percent(start, hub, volume, complete):
    """M: after A or G the percentage passed 100, and the bar of a terminal crashed on a negative width."""
    repo = hub.model("acme/tiny", {"w.bin": lfs(6 * MB), "g.bin": git(400_000)})
    hub.fault("ignore-range", range=True, times=None)
    hub.fault("cut", file="g.bin", status=200, at=300_000)
    hub.fault("cut", file="w.bin", host="cdn", at=4 * MB)
    hub.fault("flip", file="w.bin", host="cdn", at=5 * MB, after=1)
    hub.throttle(8 * MB, host="cdn")
    running = start({**ONE, "concurrency": {"partSize": "1MiB"}})
    seen = []
    while running.process.poll() is None:
        try:
            seen.append(volume.status()["totals"])
        except FileNotFoundError:
            pass
        time.sleep(0.02)
    complete(running.wait(), repo)
    assert max(t["percent"] for t in seen + [volume.status()["totals"]]) <= 100
    assert all(t["bytes"]["done"] + t["bytes"]["present"] <= t["bytes"]["planned"] or not t["bytes"]["planned"]
               for t in seen)
    assert volume.status()["totals"]["bytes"]["done"] == 6 * MB + 400_000


@pytest.mark.parametrize("columns", [1, 20, 200])
def test_bars_on_a_terminal_survive_bytes_that_come_twice(hub, volume, tmp_path, columns):
    """M: the bar of a terminal crashed on a negative width."""
    repo = hub.model("acme/tiny", {"w.bin": lfs(3 * MB)})
    hub.fault("flip", file="w.bin", host="cdn", at=2 * MB)
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({**ONE, "target": str(volume.path), "endpoint": hub.endpoint, "disk": {"reserve": 0},
                                "retry": {"maxWait": "1s"}, "terminationMessage": ""}))
    process = subprocess.Popen([BIN, "run", "--spec", str(spec)], env={"TERM": "xterm"}, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        end = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < end:
            try:
                shown += os.read(ours, 65536)
            except (BlockingIOError, OSError):
                time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert process.returncode == 0, shown
    assert all(int(p) <= 100 for p in re.findall(rb"(\d+)%", shown)), shown
    assert volume.files("acme/tiny") == content_of(repo)


# N

def test_a_partial_of_full_size_is_not_a_file_yet(start, run, hub, volume, until, complete):
    """N: a partial as long as the file was promoted unchecked."""
    repo = hub.model("acme/tiny", {"w.bin": lfs(3 * MB)})
    gate = hub.gate(file="w.bin", host="cdn", at=2 * MB)
    running = start(ONE)
    assert gate.wait()
    until(lambda: [p for p in volume.path.glob(".hf-init/partials/*.part")])
    running.kill()
    gate.release()
    for part in volume.path.glob(".hf-init/partials/*.part"):
        part.write_bytes(b"x" * 3 * MB)
    complete(run(ONE), repo)


@pytest.mark.parametrize("size", [1000, 2000])
@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_a_partial_of_another_tool_is_not_promoted(run, hub, volume, layout, size):
    """N: an .incomplete of the expected size, or longer, was promoted unchecked."""
    repo = hub.model("acme/tiny", {"w.bin": lfs(1000), "g.bin": git(1000)})
    for file in repo.head().files.values():
        folder = volume / ("models--acme--tiny/blobs" if layout == "cache" else
                           "acme/tiny/.cache/huggingface/download")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{file.etag}.incomplete").write_bytes(b"x" * size)
    assert run({**ONE, "layout": layout}).code == 0
    below = f"models--acme--tiny/snapshots/{repo.head().sha}" if layout == "cache" else "acme/tiny"
    assert volume.files(below) == content_of(repo)


# O

@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_two_runs_on_one_volume_do_not_write_into_each_other(start, hub, volume, layout):
    """O: without a lock, two pods appended to one partial."""
    repo = hub.model("acme/tiny", {"w.bin": lfs(4 * MB), "config.json": b"{}"})
    hub.throttle(6 * MB, host="cdn")
    runs = [start({**ONE, "layout": layout}) for _ in range(3)]
    results = [r.wait() for r in runs]
    assert [r.code for r in results] == [0, 0, 0], results
    below = f"models--acme--tiny/snapshots/{repo.head().sha}" if layout == "cache" else "acme/tiny"
    assert volume.files(below) == content_of(repo)
    assert hub.bytes_sent("w.bin", host="cdn") == 4 * MB, "one fetched, the others waited"


# P

@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_data_is_on_disk_before_it_has_its_name(hub, volume, tmp_path, layout):
    """P: nothing was ever fsynced; a power cut left whole names with holes in them."""
    repo = hub.model("acme/tiny", {"w.bin": lfs(3 * MB), "config.json": b"{}"})
    spec, trace = tmp_path / "spec.json", tmp_path / "trace"
    spec.write_text(json.dumps({**ONE, "layout": layout, "target": str(volume.path), "endpoint": hub.endpoint,
                                "disk": {"reserve": 0}, "terminationMessage": ""}))
    done = subprocess.run(["strace", "-f", "-y", "-qq", "-o", str(trace), "-e", "trace=fsync,fdatasync,syncfs,rename,"
                           "renameat,renameat2,linkat,pwrite64,write,pwritev", BIN, "run", "--spec", str(spec)],
                          env={"ASAN_OPTIONS": "detect_leaks=0"}, capture_output=True, timeout=60)
    if b"PTRACE" in done.stderr:
        pytest.skip("this machine does not let us trace")
    assert done.returncode == 0, done.stderr
    lines = trace.read_text().splitlines()
    moved = {}                                                  # final name → (line, the same file's name before)
    for number, line in enumerate(lines):
        found = re.search(r'renameat2?\(\d+<[^>]*>, "([^"]+)", \d+<([^>]*)>, "([^"]+)"', line)
        if found:
            moved[os.path.join(*found.group(2, 3))] = number, found.group(1)

    def calls(names, file):
        return [n for n, line in enumerate(lines) if re.search(rf"(?:{names})\(\d+<[^>]*{re.escape(file)}>", line)]

    for name, file in repo.head().files.items():
        final = volume / ("models--acme--tiny/blobs/" + file.etag if layout == "cache" else "acme/tiny/" + name)
        renamed, part = moved[str(final)]
        assert [n for n in calls("fsync|fdatasync", part) if max(calls("pwrite64", part)) < n < renamed], name
    durable = ["/.hf-init/default.complete.json"] + (["/models--acme--tiny/refs/main"] if layout == "cache" else [])
    for name in durable:
        renamed, temp = moved[str(volume.path) + name]
        assert [n for n in calls("fsync|fdatasync", temp) if n < renamed], f"{name} is not empty after a power cut"
    marked = moved[str(volume / ".hf-init/default.complete.json")][0]
    for final, (renamed, _) in moved.items():
        if "/.hf-init/" not in final:
            assert [n for n in calls("fsync", os.path.dirname(final)) if renamed < n < marked], final
    assert max(calls("fsync", "/.hf-init")) > marked


# Q

def test_retries_hold_no_connections(run, hub, complete):
    """Q: bodies of failed answers stayed open inside of the retry loop and used up the connections."""
    repo = hub.model("acme/tiny", many(40))
    fault = hub.fault("status", path="/acme/tiny/resolve/*", code=503, body="x" * 200_000, times=1, each="file")
    complete(run({**ONE, "concurrency": {"connections": 8}}), repo)
    assert fault.hits == 40
    assert hub.max_connections("api") <= 9, "eight, and one of the listing that may still be closing"


# R

def test_counts_of_many_threads_add_up(run, hub, volume, complete):
    """R: counters and the random source were shared between workers without a lock."""
    repo = hub.model("acme/tiny", {**many(300), **{f"w{n}.bin": lfs(2 * MB) for n in range(4)}})
    hub.fault("status", bucket="resolvers", code=503, times=50, after=2)  # the scout passes
    complete(run({**ONE, "concurrency": {"connections": 64, "files": 64, "threads": 4, "partSize": "1MiB"}}), repo)
    totals = volume.status()["totals"]
    size = sum(f.size for f in repo.head().files.values())
    assert totals["files"] == {"planned": 304, "present": 0, "done": 304}
    assert totals["bytes"]["planned"] == totals["bytes"]["done"] == size
    assert totals["retries"] == 50


# S

def test_no_request_is_made_for_what_the_listing_says(run, hub, complete):
    """S: one HEAD per file brought 429 before the first byte."""
    repo = hub.model("acme/tiny", many(50))
    complete(run(ONE), repo)
    assert hub.count(method="HEAD") == 0
    assert hub.count(path="/api/models/*") == 2
    assert hub.count(path="/acme/tiny/resolve/*") == 50


# T

def test_a_push_in_the_middle_does_not_mix_commits(run, hub, complete):
    """T: the revision was resolved anew for every file, so that a push in the middle mixed two commits."""
    repo = hub.model("acme/tiny", {**many(20), "w.bin": lfs(1000)})
    old = repo.head().sha
    hub.page_size = 8
    hub.when(lambda _: repo.push({name: "new" for name in many(20)}), path="*/tree/*")
    hub.when(lambda _: repo.push({"w.bin": lfs(999)}), path="*/resolve/*")
    complete(run(ONE), repo, old)
    assert hub.count(path="*/revision/*") == 1
    assert repo.head().sha != old
    assert all(old in r.target for r in hub.requests(host="api") if "/revision/" not in r.target)


# U

def test_refs_are_written_last_and_whole(start, run, hub, volume):
    """U: refs were written before the files were there, and by truncation."""
    repo = hub.model("acme/tiny", {"w.bin": lfs(2 * MB), "config.json": b"{}"})
    ref = volume / "models--acme--tiny/refs/main"
    spec = {**ONE, "layout": "cache"}
    old = None
    for size in (2 * MB, 3 * MB):
        repo.push({"w.bin": lfs(size)})
        gate = hub.gate(file="w.bin", host="cdn", at=MB)
        running = start(spec)
        assert gate.wait()
        assert (ref.read_text() if ref.exists() else None) == old
        gate.release()
        assert running.wait().code == 0
        old = ref.read_text()
        assert old == repo.head().sha
    inode = ref.stat().st_ino
    repo.push({"config.json": b"[]"})
    assert run(spec).code == 0
    assert ref.stat().st_ino != inode, "replaced by rename, never truncated"


# V

def test_dots_inside_of_names_are_just_dots(run, hub, complete):
    """V: every name with ".." in it was refused, and the check was a prefix without a separator."""
    repo = hub.model("acme/tiny", {"a..b": "1", "..hidden": "2", "x..": "3", "d..d/e...f": "4", "...": "5", ".c": "6"})
    complete(run(ONE), repo)


# W

@pytest.mark.parametrize("kind, prefix", [("model", ""), ("dataset", "datasets/"), ("space", "spaces/")])
def test_slashes_are_encoded_in_revisions_and_not_in_ids(run, hub, complete, kind, prefix):
    """W: refs/pr/1 was query-escaped, and the slash of dataset ids became %2F: 404."""
    repo = hub.repo(kind, "acme/rows", {"config.json": b"{}"})
    repo.pull_request(1, {"config.json": b"[1]"})
    repo.commit({"config.json": b"[2]"}, branch="feat/x y#1")
    for revision, encoded in (("refs/pr/1", "refs%2Fpr%2F1"), ("feat/x y#1", "feat%2Fx%20y%231")):
        hub.reset()
        complete(run({"repos": [{"id": "acme/rows", "type": kind, "revision": revision}]}), repo, revision)
        assert [r.target.partition("?")[0] for r in hub.requests(path="*/revision/*")] == [
            f"/api/{kind}s/acme/rows/revision/{encoded}"]
        assert all(r.target.startswith(f"/{prefix}acme/rows/resolve/") for r in hub.requests(path="*/resolve/*"))


# X

@pytest.mark.parametrize("fault", ["short", "long"])
@pytest.mark.parametrize("kind", [git, lfs])
def test_a_file_of_the_wrong_size_is_fetched_again(run, hub, complete, fault, kind):
    """X: files that are not LFS had no check of their size after the copy."""
    repo = hub.model("acme/tiny", {"w.bin": kind(1000)})
    spoilt = hub.fault(fault, file="w.bin", status=200, by=7)
    complete(run(ONE), repo)
    assert spoilt.hits == 1


@pytest.mark.parametrize("fault", ["short", "long"])
@pytest.mark.parametrize("kind", [git, lfs])
def test_a_file_that_stays_of_the_wrong_size_is_never_published(run, hub, volume, failed, fault, kind):
    """X: files that are not LFS had no check of their size after the copy."""
    hub.model("acme/tiny", {"w.bin": kind(1000)})
    hub.fault(fault, file="w.bin", status=(200, 206), by=7, times=None)
    failed(run(ONE), 40, "IntegrityMismatch", "w.bin")
    assert volume.files("acme/tiny") == {}


# Y

def test_one_429_holds_everybody_back(run, hub, complete):
    """Y: each worker waited for itself, so that all the others kept knocking."""
    repo = hub.model("acme/tiny", many(60))
    hub.fault("rate-limit", file="*", wait=2, after=10)
    complete(run({**ONE, "concurrency": {"connections": 4}}), repo)
    refused = hub.requests(status=429)
    assert len(refused) == 1
    said = refused[0].ended_at
    in_time = [r for r in hub.requests(bucket="resolvers") if said + 0.1 < r.began_at < said + 1.95]
    assert in_time == []


# Z

@pytest.mark.parametrize("path", ["*/revision/*", "*/tree/*", "*/resolve/*"])
def test_every_request_has_a_timeout_and_the_token(run, hub, failed, path):
    """Z: the request for metadata had neither a time-out nor, unless it was passed, the token."""
    hub.model("acme/tiny", {"config.json": b"{}"}, private=True)
    silence = hub.fault("stall", path=path, times=None)
    result = run({**ONE, "timeouts": {"stall": "1s"}, "retry": {"attempts": 1, "maxWait": "1s"}}, HF_TOKEN=hub.token)
    failed(result, 30, "Stalled")
    assert silence.hits == 2
    assert all(r.token for r in hub.requests(host="api"))


# AA

def test_probes_of_two_runs_do_not_meet(start, hub, volume):
    """AA: the symlink probe wrote fixed names into the cache, and two processes tripped over each other."""
    repos = [hub.model(f"acme/m{n}", {"config.json": b"{}", "w.bin": lfs(1000 + n)}) for n in range(8)]
    runs = [start({"name": f"n{n}", "layout": "cache", "repos": [{"id": repo.id}]}) for n, repo in enumerate(repos)]
    results = [r.wait() for r in runs]
    assert [r.code for r in results] == [0] * 8, results
    for repo in repos:
        folder = volume / f"models--{repo.id.replace('/', '--')}"
        assert (folder / "snapshots" / repo.head().sha / "w.bin").is_symlink()
        assert sorted(os.listdir(folder)) == ["blobs", "refs", "snapshots", "trees"]
    assert {n for n in os.listdir(volume.path) if not n.startswith(("models--", ".hf-init", ".locks"))} <= {
        "CACHEDIR.TAG"}


# AB

@pytest.mark.skipif(not shutil.which("unshare"), reason="unshare is not installed")
def test_a_repo_on_a_file_system_of_its_own_works(hub, volume, tmp_path):
    """AB: a rename from the partial's file system to another one failed."""
    repo = hub.model("acme/tiny", {"w.bin": lfs(3 * MB), "config.json": b"{}"})
    place, copy, spec = volume / "acme/tiny", tmp_path / "copy", tmp_path / "spec.json"
    place.mkdir(parents=True)
    spec.write_text(json.dumps({**ONE, "target": str(volume.path), "endpoint": hub.endpoint, "disk": {"reserve": 0},
                                "terminationMessage": ""}))
    mount = f"mount -t tmpfs -o size=64m none {place}"
    if subprocess.run(["unshare", "-Urm", "sh", "-c", mount], capture_output=True, timeout=10).returncode:
        pytest.skip("this machine does not let us mount")
    done = subprocess.run(["unshare", "-Urm", "sh", "-c", f"{mount} && {BIN} run --spec {spec} && cp -a {place} {copy}"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    volume.path = copy
    assert volume.files() == content_of(repo)


# AC

def test_a_dead_token_fails_once(run, hub, failed):
    """AC: a failed file did not stop the queue: a token that died gave as many failures as there were files."""
    hub.model("acme/tiny", many(200), private=True)
    hub.when(lambda _: hub.accounts.revoke(hub.token), file="*", after=20)
    result = run({**ONE, "concurrency": {"connections": 4}}, HF_TOKEN=hub.token)
    said = failed(result, 10, "Unauthorized", "HF_TOKEN")
    assert said["httpStatus"] == 401
    assert 1 <= hub.count(status=401) <= 8
    assert len([line for line in result.lines if line["level"] == "error"]) <= 2
