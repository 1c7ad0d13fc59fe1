"""What is on disk before what, read off the system calls of runs that go well.

A power cut takes what was not synced, and may take the later of two calls and leave the earlier one, or the other way
round. The tests of test/torture cut the power for real; these see each sync that is left out."""
import os
import re
import shutil
import subprocess

import pytest
from conftest import BIN, ROOT
from disk_world import FILES, ONE
from standin import lfs

pytestmark = pytest.mark.skipif(not shutil.which("strace") or "asan" in BIN, reason="needs strace, and no loader to trace")
TWIN = b"twin" * 300_000
SYNCS = ("fsync", "fdatasync")
WRITES = ("pwrite64", "write", "ioctl")  # which clones
CHEAP = (".metadata", "CACHEDIR.TAG", ".gitignore")  # what reads them stands it if they are empty
NAMES = ("renameat", "renameat2", "unlinkat")


@pytest.fixture
def calls_of(start, tmp_path):
    """calls_of(spec): [(call, path, path)] of a run that ends so, in order; paths below the volume, or "". The refused
    calls end with EPERM."""

    def begin(spec, refused=(), code=0, **env):
        trace = tmp_path / "calls"
        rules = [word for call in refused for word in ("-e", f"inject={call}:error=EPERM")]
        watched = "trace=" + ",".join([*SYNCS, *WRITES, *NAMES, *refused])
        result = start(spec, prefix=("strace", "-f", "-y", "-qq", "-o", str(trace), "-e", watched, *rules), **env).wait()
        assert result.code == code, result
        calls = []
        for line in trace.read_text().splitlines():
            found = re.match(r"\d+ +(\w+)\(", line)
            name = ', "([^"]*)"' if found and found[1] in NAMES else "()"
            places = re.findall(rf"\d+<[^>]*?/volume/?([^>]*)>{name}", line)
            if places and "(INJECTED)" not in line:
                first, second = (["/".join(filter(None, place)) for place in places] + [""])[:2]
                calls.append((found[1].removesuffix("2"), first, second))
        return calls

    return begin


def published(calls):
    """[(when, from, to)] of what was renamed to where readers look."""
    found = [(n, a, b) for n, (call, a, b) in enumerate(calls) if call == "renameat" and b and not b.startswith(".hf-init")]
    assert found, calls
    return found


def all_had_their_data(calls):
    """Everything that was written here was synced between its last byte and its name."""
    for n, temp, name in published(calls):
        written = [k for k, (call, *paths) in enumerate(calls[:n]) if call in WRITES and temp in paths]
        if written and not name.endswith(CHEAP):
            assert any(call in SYNCS and path == temp for call, path, _ in calls[written[-1]:n]), name


def last_word_is_on_disk(calls, place):
    """Was something written there, and synced after the last byte?"""
    last = max(n for n, (call, path, _) in enumerate(calls) if call in WRITES and path.startswith(place))
    return any(call in SYNCS and path == calls[last][1] for call, path, _ in calls[last:])


@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_whatever_gets_a_name_has_its_data_on_disk(calls_of, hub, layout):
    hub.model("acme/tiny", {**FILES, "twin.bin": lfs(TWIN), "twin-too.bin": lfs(TWIN)})
    all_had_their_data(calls_of({**ONE, "layout": layout}))


def test_a_name_that_gets_bytes_of_its_own_has_them_on_disk(calls_of, hub):
    """In a cache that has lost its links of either kind, when a new commit names a blob of the old one."""
    repo = hub.model("acme/tiny", FILES)
    calls_of({**ONE, "layout": "cache"})
    commit = repo.push({"new.txt": b"new"})
    calls = calls_of({**ONE, "layout": "cache"}, refused=("symlinkat", "linkat"))
    all_had_their_data(calls)
    copied = {name for _, temp, name in published(calls) if temp.startswith(".hf-init/temp/")}
    assert f"models--acme--tiny/snapshots/{commit.sha}/model.bin" in copied


def test_a_ref_gets_to_the_disk_after_the_names_it_leads_to(calls_of, hub):
    repo = hub.model("acme/tiny", FILES)
    calls = calls_of({**ONE, "layout": "cache"})
    place = "models--acme--tiny"
    ref = next(n for n, _, name in published(calls) if name == f"{place}/refs/main")
    last = max(n for n, _, name in published(calls) if name.startswith(f"{place}/blobs/"))
    for folder in (f"{place}/blobs", f"{place}/snapshots/{repo.head().sha}", place, ""):
        assert ("fsync", folder, "") in calls[last:ref], folder


def test_a_share_is_on_disk_before_another_shard_may_mark(calls_of, hub, volume):
    hub.model("acme/tiny", FILES)
    calls = calls_of({**ONE, "shard": {"count": 2}}, JOB_COMPLETION_INDEX=0)
    assert volume.marker() is None
    for n, _, name in published(calls):
        assert ("fsync", os.path.dirname(name), "") in calls[n:], name
    assert last_word_is_on_disk(calls, ".hf-init/inventory/")


def test_a_listing_that_is_our_own_is_on_disk_before_the_marker(calls_of, hub):
    """Without it nobody can say offline, nor verify, what the marker speaks of."""
    hub.model("acme/tiny", FILES)
    calls = calls_of({"repos": [{"id": "acme/tiny", "allow": ["*.bin"]}]})
    named = [(n, a, b) for n, (call, a, b) in enumerate(calls) if call == "renameat"]
    n, temp = next((n, a) for n, a, b in named if b.startswith(".hf-init/trees/"))
    marked = next(n for n, _, b in named if b == ".hf-init/default.complete.json")
    assert ("fdatasync", temp, "") in calls[:n] and ("fsync", ".hf-init/trees", "") in calls[n:marked]


def test_a_marker_is_gone_from_the_disk_before_a_file_changes(calls_of, hub):
    repo = hub.model("acme/tiny", FILES)
    calls_of(ONE)
    repo.push({"config.json": '{"other": 1}'})
    calls = calls_of(ONE)
    removed = calls.index(("unlinkat", ".hf-init/default.complete.json", ""))
    assert ("fsync", ".hf-init", "") in calls[removed:published(calls)[0][0]], calls


def test_what_was_there_is_on_disk_before_a_marker_vouches_for_it(calls_of, hub, volume):
    repo = hub.model("acme/tiny", FILES)
    for name, file in repo.head().files.items():
        path = volume / "acme/tiny" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content.read())
    calls = calls_of(ONE)
    marked = calls.index(next(c for c in calls if c[0] == "renameat" and c[2] == ".hf-init/default.complete.json"))
    assert not hub.requests(host="cdn")
    for name in repo.head().files:
        assert any(call in SYNCS and path == "acme/tiny/" + name for call, path, _ in calls[:marked]), name


def test_what_a_long_download_has_gets_to_disk_and_then_the_note_of_it(calls_of, hub):
    """And the note is not removed before another one is there: the next run writes its own."""
    hub.model("acme/tiny", {"model.bin": lfs(64 << 20)})
    hub.throttle(6 << 20, host="cdn", per="all")
    spec = {**ONE, "timeouts": {"total": "5s"}, "concurrency": {"partSize": "1MiB"}}
    calls = calls_of(spec, code=33)
    part = next(path for call, path, _ in calls if call in SYNCS and path.endswith(".part"))
    synced = calls.index(("fdatasync", part, ""))
    assert ("fdatasync", part.removesuffix("part") + "journal", "") in calls[synced:]
    assert ("fsync", ".hf-init/partials", "") in calls[synced:]
    calls = calls_of(spec, code=33)
    gone = calls.index(("unlinkat", part.removesuffix("part") + "journal", ""))
    taken_over = next(b for call, a, b in calls[:gone] if call == "renameat" and a == part)
    synced = calls.index(("fdatasync", taken_over.removesuffix("part") + "journal", ""))
    assert ("fsync", ".hf-init/partials", "") in calls[synced:gone]


def test_a_journal_that_is_written_anew_is_on_disk_before_the_old_one_goes(tmp_path):
    """Seen in the unit test, for it takes some 75 GB to make one so long."""
    trace = tmp_path / "calls"
    done = subprocess.run(["strace", "-y", "-qq", "-o", str(trace), "-e", "trace=fdatasync,renameat,renameat2",
                           str(ROOT / "build/musl/unit/test_store_partial")], env={"TMPDIR": str(tmp_path)},
                          capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines, seen, again = trace.read_text().splitlines(), set(), 0
    for n, line in enumerate(lines):
        renamed = re.search(r'temp>, "([^"]+)", \d+<[^>]*>, "([^"]+[.]journal)"', line)
        if renamed and renamed[2] in seen:
            again += 1
            assert re.search(rf"fdatasync\(\d+<[^>]*/{re.escape(renamed[1])}>", lines[n - 1]), lines[n - 1:n + 1]
        elif renamed:
            seen.add(renamed[2])
    assert again
