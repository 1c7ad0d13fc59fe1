"""What is on disk before what, read off the system calls of runs that go well.

A power cut takes what was not synced, and may take the later of two calls and leave the earlier one, or the other way
round. The tests of test/torture cut the power for real; these see each sync that is left out."""
import os
import re
import shutil

import pytest
from conftest import BIN
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
    """calls_of(spec): [(call, path, path)] of a run that succeeds, in order; paths below the volume, or "". The refused
    calls end with EPERM."""

    def begin(spec, refused=(), **env):
        trace = tmp_path / "calls"
        rules = [word for call in refused for word in ("-e", f"inject={call}:error=EPERM")]
        watched = "trace=" + ",".join([*SYNCS, *WRITES, *NAMES, *refused])
        result = start(spec, prefix=("strace", "-f", "-y", "-qq", "-o", str(trace), "-e", watched, *rules), **env).wait()
        assert result.code == 0, result
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


def test_a_share_is_on_disk_before_another_shard_may_mark(calls_of, hub, volume):
    hub.model("acme/tiny", FILES)
    calls = calls_of({**ONE, "shard": {"count": 2}}, JOB_COMPLETION_INDEX=0)
    assert volume.marker() is None
    for n, _, name in published(calls):
        assert ("fsync", os.path.dirname(name), "") in calls[n:], name


def test_a_marker_is_gone_from_the_disk_before_a_file_changes(calls_of, hub):
    repo = hub.model("acme/tiny", FILES)
    calls_of(ONE)
    repo.push({"config.json": '{"other": 1}'})
    calls = calls_of(ONE)
    removed = calls.index(("unlinkat", ".hf-init/default.complete.json", ""))
    assert ("fsync", ".hf-init", "") in calls[removed:published(calls)[0][0]], calls
