"""Who holds a lease gives signs of life whatever it does, and who has lost it takes nothing from its successor."""
import os
import pathlib
import re
import shutil
import signal
import time

import pytest
from conftest import BIN, SEAMS, content_of, product
from disk_world import inject, place_of
from standin import xet

LAYOUTS = pytest.mark.parametrize("layout", ["dir", "cache"])
traced = pytest.mark.skipif(not shutil.which("strace") or "asan" in BIN, reason="needs strace, and no other tracer")
MIB = 1 << 20
FILES = {"config.json": "{}", "a/notes.txt": "hello", "model.safetensors": xet(2 * MIB)}


def spec(layout="dir", **more):
    return {"repos": [{"id": "acme/tiny"}], "layout": layout, **more}


@pytest.fixture
def replaced(start, run, volume, until):
    """replaced(spec, nth, meanwhile) is (late, successor), or None if the run came to its end before its nth sync: there
    it stands still for more than two minutes, by its clocks and by the volume's, and another one takes its place."""

    def once(whole, nth, meanwhile):
        running = start(whole, bin=SEAMS, HF_SEAM_SYNC=f"{nth}:+150:stop")

        def state():
            return pathlib.Path(f"/proc/{running.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]

        until(lambda: running.process.poll() is not None or state() in "TZ")
        if running.process.poll() is not None or state() != "T":
            assert running.wait().code == 0
            return None
        for lease in (volume / ".hf-init/leases").glob("*.lease"):
            os.utime(lease, (time.time() - 150,) * 2)
        meanwhile()
        successor = run(whole)
        running.signal(signal.SIGCONT)
        return running.wait(), successor

    return once


@LAYOUTS
def test_who_was_replaced_at_any_sync_takes_nothing_from_its_successor(hub, run, volume, replaced, layout):
    """The successor finds a newer commit; files, ref and marker are its own when both have ended."""
    codes = set()
    for nth in range(1, 100):
        shutil.rmtree(volume.path, ignore_errors=True)
        repo = hub.model("acme/tiny", FILES)
        pair = replaced(spec(layout), nth, lambda: repo.push({"config.json": str(nth)}))
        if not pair:
            break
        late, successor = pair
        codes.add(late.code)
        assert successor.code == 0 and late.code in (0, 50), (nth, late)
        assert volume.files(place_of(layout, repo)) == content_of(repo), (nth, late)
        assert volume.marker()["repos"][0]["commit"] == repo.head().sha, (nth, late)
        if layout == "cache":
            assert (volume / "models--acme--tiny/refs/main").read_text() == repo.head().sha
        hub.reset()
        assert run(spec(layout)).code == 0 and hub.bytes_sent(host="cdn") == 0
    assert nth > 5 and 50 in codes


@traced
def test_a_waiter_that_gets_no_lease_leaves_the_marker_of_the_one_it_waited_for(start, hub, volume, until, tmp_path):
    repo = hub.model("acme/tiny", FILES)
    gate = hub.gate(file="model.safetensors", host="cdn", at=MIB)
    holder = start(spec())
    assert gate.wait()
    log = tmp_path / "log"
    waiter = start(spec(), prefix=("sh", "-c", f'exec "$@" 2> {log}', "sh", *inject("pwrite64", "error=ENOSPC")))
    until(lambda: log.exists() and "waiting for another writer" in log.read_text())
    gate.release()
    assert holder.wait().code == 0
    assert waiter.wait().code == 20, log.read_text()
    assert volume.marker() and volume.files("acme/tiny") == content_of(repo)


@pytest.fixture
def stopped_amid(start, until, tmp_path):
    """stopped_amid(spec, calls, n) is a run on a slow volume that gets SIGTERM once it has made n of these calls, and how
    many it made in all."""

    def stop(whole, calls, n):
        trace = tmp_path / "trace"
        running = start(whole, prefix=("strace", "-f", "-qq", "-o", str(trace), "-e", "trace=" + calls,
                                       "-e", f"inject={calls}:delay_exit=4000"))

        def seen():
            return re.findall(r"^(\d+) +\w+\(", trace.read_text(), re.M) if trace.exists() else []

        until(lambda: len(seen()) > n)
        os.kill(int(seen()[0]), signal.SIGTERM)
        return running.wait(), len(seen())

    return stop


@product
@traced
@LAYOUTS
def test_a_signal_is_heard_while_the_volume_is_looked_at(run, hub, volume, message, stopped_amid, layout):
    hub.model("acme/tiny", {f"{n // 100}/{n}": str(n) for n in range(2000)})
    assert run(spec(layout)).code == 0
    os.unlink(volume / ".hf-init/default.complete.json")
    result, calls = stopped_amid(spec(layout), "newfstatat", 100)
    assert result.code == 143 and volume.status()["phase"] == "cancelled", result
    assert message()["reason"] == "Terminated" and calls < 1000
    assert run(spec(layout)).code == 0


@product
@traced
def test_a_signal_is_heard_while_kept_files_get_the_new_commit(run, hub, volume, message, stopped_amid):
    repo = hub.model("acme/tiny", {f"{n // 100}/{n}": str(n) for n in range(600)})
    assert run(spec()).code == 0
    repo.push({"0/0": "new"})
    result, calls = stopped_amid(spec(), "renameat2,renameat", 100)
    assert result.code == 143 and volume.status()["phase"] == "cancelled", result
    assert message()["reason"] == "Terminated" and calls < 400
    assert volume.marker() is None
    assert run(spec()).code == 0 and volume.files("acme/tiny") == content_of(repo)
