"""What a sidecar promises: after a complete run it stays, idle and tiny; it sees when a revision moves and fetches what it
is then; what is there serves on, whatever goes wrong; and it ends well.

Looks come every ten minutes in virtual time, which leaps (test/seams/seams.h). Where a transfer is held in the middle, time
must be real: then they come every ten seconds."""
import json
import pathlib
import re
import signal
import subprocess

import pytest
from conftest import BIN, content_of
from metrics_world import Page, own_address, probe, read_prometheus, scrape
from standin import lfs

MB = 1 << 20
ONE = {"repos": [{"id": "acme/tiny"}]}
STAY = {**ONE, "stay": True}
WATCH = {**ONE, "watch": "10m"}
SANITIZED = "asan" in BIN or "tsan" in BIN


def tiny(hub):
    return hub.model("acme/tiny", {"config.json": "{}", "w.bin": lfs(2 * MB)})


def lines(result, msg):
    return [line for line in result.lines if line["msg"] == msg]


def cache_of(volume, sha):
    """{path: sha256} below a snapshot."""
    return volume.files(f"models--acme--tiny/snapshots/{sha}")


def is_complete(volume, running):
    """This very run has ended, not one before it."""
    if not (volume / ".hf-init/default.status.json").exists():
        return False
    status = volume.status()
    return status["phase"] == "complete" and status["pid"] == running.process.pid


def stop(running, code=0):
    running.signal(signal.SIGTERM)
    result = running.wait(10)
    assert result.code == code, result
    assert "did not stop within" not in result.stderr
    return result


def is_ready_but_while_the_marker_is_gone(address, volume, until, other, listing, weights):
    """`other` waits at both gates, the first before it takes the marker away, the second after."""
    listing.release()
    assert weights.wait() and volume.marker() is None
    until(lambda: probe(address, "/readyz") == 503)
    weights.release()
    assert other.wait().code == 0
    until(lambda: probe(address, "/readyz") == 200)


def test_it_stays_after_a_complete_run_and_ends_well(start, hub, volume, until, message, tmp_path):
    repo = tiny(hub)
    running = start(STAY)
    until(lambda: is_complete(volume, running))
    asked = hub.count()
    assert (tmp_path / "termination").read_text() == "", "who is killed says nothing"
    with pytest.raises(subprocess.TimeoutExpired):
        running.process.wait(1)
    result = stop(running)
    assert volume.files("acme/tiny") == content_of(repo) and hub.count() == asked
    assert message()["exitCode"] == 0 and message()["message"].startswith("complete: 2 files")
    last = json.loads(result.stderr.splitlines()[-1])
    assert last["msg"].startswith("complete: 2 files") and lines(result, "staying until stopped")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_either_signal_ends_an_idle_one_with_0(start, hub, volume, until, number):
    tiny(hub)
    running = start(STAY)
    until(lambda: is_complete(volume, running))
    running.signal(number)
    assert running.wait(10).code == 0


@pytest.mark.parametrize("how", [{"stay": True}, {"watch": "10m"}])
def test_a_run_that_fails_does_not_stay(run, hub, failed, how):
    failed(run({**ONE, **how}), 12, "RepoNotFound")


def test_a_flag_or_a_variable_does_as_well(start, hub, volume, until):
    tiny(hub)
    for args, env in ((["--stay"], {}), ([], {"HF_INIT_STAY": "true"}), (["--watch", "10m"], {})):
        running = start(ONE, *args, **env)
        until(lambda: is_complete(volume, running))
        stop(running)


@pytest.mark.skipif(SANITIZED, reason="a sanitizer needs memory of its own")
def test_an_idle_one_is_tiny(start, hub, until):
    hub.model("acme/tiny", {f"d/{n}.txt": "x" for n in range(2000)} | {"w.bin": lfs(4 * MB)})
    address = own_address()
    running = start({**WATCH, "metrics": {"listen": address}})
    until(lambda: probe(address, "/readyz") == 200, seconds=40)
    status = pathlib.Path(f"/proc/{running.process.pid}/status")
    until(lambda: int(re.search(r"Threads:\s+(\d+)", status.read_text())[1]) == 3)     # main, signals, listener
    assert int(re.search(r"VmRSS:\s+(\d+)", status.read_text())[1]) < 16 * 1024
    stop(running)


# A revision that moves.

@pytest.mark.parametrize("layout", ["cache", "dir"])
def test_a_revision_that_moves_is_fetched(virtual, hub, volume, until, layout):
    repo = tiny(hub)
    old = repo.head().sha
    running = virtual.start({**WATCH, "layout": layout})
    until(lambda: is_complete(volume, running))
    before = content_of(repo)
    new = repo.push({"w.bin": lfs(3 * MB), "more.txt": "more"}).sha
    until(lambda: (m := volume.marker()) and m["repos"][0]["commit"] == new, seconds=30)
    result = stop(running)
    if layout == "cache":
        assert cache_of(volume, new) == content_of(repo)
        assert cache_of(volume, old) == before, "the old one stays beside it"
        assert (volume / "models--acme--tiny/refs/main").read_text() == new
    else:
        assert volume.files("acme/tiny") == content_of(repo)
        assert lines(result, "layout dir: a new revision takes the place of the old one file by file, and the marker is "
                             "away meanwhile; layout cache keeps both side by side")
    moved, = lines(result, "the revision has moved; its new commit is published")
    assert (moved["commit"], moved["before"]) == (new, old)
    assert volume.status()["phase"] == "complete"


def test_a_look_without_news_asks_once_and_changes_nothing(virtual, hub, volume, until, tmp_path):
    tiny(hub)
    file = tmp_path / "hf-init.prom"
    began = virtual.now()
    running = virtual.start({**WATCH, "metrics": {"file": str(file)}})
    until(lambda: is_complete(volume, running))
    status, marker = volume.status(), volume.marker()
    others = len([r for r in hub.requests() if "/revision/" not in r.path])
    until(lambda: hub.count(path="*/revision/*") >= 6 + 1, seconds=30)
    stop(running)
    assert others == len([r for r in hub.requests() if "/revision/" not in r.path]), "one request a look"
    assert (hub.count(path="*/revision/*") - 1) * 600 <= virtual.now() - began
    assert (volume.status(), volume.marker()) == (status, marker)
    page = Page(file.read_text(), read_prometheus)
    assert page.get("hf_init_looks_total", result="unchanged") >= 5 and page.get("hf_init_looks_total", result="failed") == 0
    assert page.get("hf_init_exit_code", reason="Complete") == 0 and page.get("hf_init_received_bytes_total") > 2 * MB


def test_a_commit_is_not_looked_after(virtual, hub, volume, until):
    sha = tiny(hub).head().sha
    running = virtual.start({"repos": [{"id": "acme/tiny", "revision": sha}], "watch": "10m"})
    until(lambda: is_complete(volume, running))
    asked, then = hub.count(), virtual.now() + 3600
    until(lambda: virtual.now() > then, seconds=30)
    result = stop(running)
    assert hub.count() == asked
    assert lines(result, "watch does nothing: every revision of the spec is a commit")


def test_without_the_hub_what_is_there_serves_on(virtual, hub, volume, until, tmp_path):
    repo = tiny(hub)
    file = tmp_path / "hf-init.prom"
    running = virtual.start({**WATCH, "layout": "cache", "onUnreachable": "fail", "retry": {"attempts": 2, "maxWait": "1s"},
                             "metrics": {"file": str(file)}})
    until(lambda: is_complete(volume, running))
    hub.down()
    until(lambda: (Page(file.read_text(), read_prometheus).get("hf_init_looks_total", result="failed") or 0) >= 2, seconds=30)
    assert volume.marker() and volume.status()["phase"] == "complete"
    assert Page(file.read_text(), read_prometheus).get("hf_init_ready") == 1
    new = repo.push({"more.txt": "more"}).sha
    hub.up()
    until(lambda: (m := volume.marker()) and m["repos"][0]["commit"] == new, seconds=30)
    result = stop(running)
    assert lines(result, "the look for a new revision failed; what is there stays")


def test_a_new_revision_that_cannot_be_fetched_leaves_the_old_one_and_says_so(start, hub, volume, until):
    """In layout cache. The marker speaks of what the spec means now, and that is not there: it does not end well."""
    repo = tiny(hub)
    old, before = repo.head().sha, content_of(repo)
    running = start({**ONE, "watch": "10s", "layout": "cache"})
    until(lambda: is_complete(volume, running))
    hub.fault("other-bytes", file="w.bin", host="cdn", times=None)
    repo.push({"w.bin": lfs(3 * MB)})
    until(lambda: volume.marker() is None and volume.status()["phase"] == "failed", seconds=30)
    assert cache_of(volume, old) == before and (volume / "models--acme--tiny/refs/main").read_text() == old
    result = stop(running, 40)
    assert lines(result, "the new revision could not be fetched; the volume is not complete")


@pytest.mark.parametrize("layout", ["cache", "dir"])
def test_while_it_fetches_a_new_revision_the_old_files_serve_and_a_stop_is_a_stop(start, run, hub, volume, until, layout):
    repo = tiny(hub)
    spec = {**ONE, "layout": layout, "watch": "10s"}
    old, before = repo.head().sha, content_of(repo)
    address = own_address()
    running = start({**spec, "metrics": {"listen": address}})
    until(lambda: probe(address, "/readyz") == 200)
    gate = hub.gate(file="w.bin", host="cdn", at=MB)
    repo.push({"w.bin": lfs(3 * MB), "config.json": '{"new": 1}'})
    assert gate.wait(30)
    until(lambda: (p := scrape(address)) and p.phase == "downloading")
    assert volume.marker() is None and probe(address, "/readyz") == 503
    if layout == "cache":
        assert cache_of(volume, old) == before
    else:                       # each file is the old one or the new one, whole
        until(lambda: volume.files("acme/tiny")["config.json"] == content_of(repo)["config.json"])
        assert volume.files("acme/tiny")["w.bin"] == before["w.bin"]
    stop(running, 143)
    gate.release()
    assert hub.left()
    hub.reset()
    assert run({**spec, "watch": 0}).code == 0
    assert (cache_of(volume, repo.head().sha) if layout == "cache" else volume.files("acme/tiny")) == content_of(repo)
    assert hub.bytes_sent("w.bin", host="cdn") < 3 * MB, "what was fetched is kept"


def test_a_marker_that_somebody_takes_away_shows(virtual, hub, volume, until):
    tiny(hub)
    address = own_address()
    running = virtual.start({**STAY, "metrics": {"listen": address}})
    until(lambda: probe(address, "/readyz") == 200)
    (volume / ".hf-init/default.complete.json").unlink()
    until(lambda: probe(address, "/readyz") == 503)
    stop(running)


def test_who_waits_for_another_that_fetches_is_not_ready(start, hub, volume, until):
    """It looked before the other one took the marker away."""
    repo = tiny(hub)
    address = own_address()
    running = start({**ONE, "watch": "10s", "metrics": {"listen": address}})
    until(lambda: is_complete(volume, running) and probe(address, "/readyz") == 200)
    repo.push({"config.json": "[]", "w.bin": lfs(bytes(2 * MB))})
    listing, weights = hub.gate(path="*/tree/*"), hub.gate(file="w.bin", host="cdn", at=MB)
    other = start(ONE)
    assert listing.wait()
    looks = hub.count(path="*/revision/*")
    until(lambda: hub.count(path="*/revision/*") > looks, seconds=30)
    is_ready_but_while_the_marker_is_gone(address, volume, until, other, listing, weights)
    stop(running)


def test_who_begins_by_waiting_for_another_is_ready_no_longer_than_the_marker_is_there(start, run, hub, volume, until):
    repo = tiny(hub)
    address = own_address()
    assert run(ONE).code == 0
    repo.push({"w.bin": lfs(3 * MB)})
    listing, weights = hub.gate(path="*/tree/*"), hub.gate(file="w.bin", host="cdn", at=MB)
    other = start(ONE)
    assert listing.wait()
    running = start({**STAY, "metrics": {"listen": address}})
    until(lambda: (p := scrape(address)) and p.phase == "waiting")
    assert probe(address, "/readyz") == 200 and volume.marker()
    is_ready_but_while_the_marker_is_gone(address, volume, until, other, listing, weights)
    stop(running)


def test_what_another_has_mended_is_no_failure_any_more(start, run, hub, volume, until):
    repo = tiny(hub)
    address = own_address()
    running = start({**ONE, "watch": "10s", "metrics": {"listen": address}})
    until(lambda: probe(address, "/readyz") == 200)
    fault = hub.fault("other-bytes", file="w.bin", host="cdn", times=None)
    repo.push({"w.bin": lfs(3 * MB)})
    until(lambda: (p := scrape(address)) and p.phase == "failed", seconds=30)
    fault.clear()
    assert run(ONE).code == 0
    until(lambda: probe(address, "/readyz") == 200, seconds=30)
    page = until(lambda: (p := scrape(address)) and p.phase == "complete" and p, seconds=30)
    assert page.get("hf_init_exit_code", reason="Complete") == 0
    stop(running)
