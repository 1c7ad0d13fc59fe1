"""What takes minutes and hours, in virtual time (test/seams/seams.h): waits are as long as promised. And clocks that are
wrong, or leap, do no harm."""
import json
import os
import time

import pytest
from conftest import SEAMS, content_of
from standin import Hub, Tls, lfs

MIB = 1 << 20
YEARS = 5 * 365 * 86400
ONE = {"repos": [{"id": "acme/tiny"}]}
STUBBORN = {**ONE, "retry": {"attempts": 1000, "maxWait": "60s"}}


def tiny(hub, size=3000):
    return hub.model("acme/tiny", {"config.json": "{}", "w.bin": lfs(size)})


@pytest.fixture
def asked(hub, virtual):
    """asked(path) notes the moments, in virtual time, at which such requests come."""

    def note(path):
        moments = []
        hub.when(lambda request: moments.append(virtual.now()), path=path, times=None)
        return moments

    return note


def gaps(moments):
    return [b - a for a, b in zip(moments, moments[1:])]


def said(result, *messages):
    return [line for line in result.lines if line["msg"] in messages]


# Waits.

@pytest.mark.parametrize("path", ["*/revision/*", "*/tree/*", "*/resolve/*"])
def test_a_wait_of_five_minutes_that_the_hub_names_is_kept_to_the_second(virtual, hub, asked, volume, complete, path):
    repo = hub.model("acme/tiny", {"w.bin": lfs(3000)})
    moments = asked(path)
    hub.fault("rate-limit", path=path, wait=300)
    result = virtual(ONE)
    complete(result, repo)
    wait_s = max(line["wait_ms"] for line in said(result, "rate limit reached, waiting", "trying again")) / 1000
    assert 300 <= wait_s <= 330, "and up to a tenth more, so that a fleet does not come back in one second"
    assert wait_s - 0.1 <= gaps(moments)[0] < wait_s + 1
    assert volume.status()["elapsedMs"] >= 300_000


def test_a_wait_of_an_hour_is_asked_about_every_five_minutes(virtual, hub, asked, complete):
    repo = tiny(hub)
    moments = asked("*/tree/*")
    hub.fault("rate-limit", path="*/tree/*", wait=3600, times=4)
    complete(virtual(ONE), repo)
    assert len(moments) == 5 and all(299.9 <= gap <= 331 for gap in gaps(moments))


@pytest.mark.parametrize("struck", [lambda r: "/api/" in r.path, lambda r: "/resolve/" in r.path, lambda r: r.record.host == "cdn"],
                         ids=["api", "resolve", "cdn"])
def test_a_storm_of_a_minute_passes(virtual, hub, volume, complete, struck):
    repo = hub.model("acme/tiny", {f"{n}.bin": lfs(3000 + n) for n in range(4)})
    first = []

    def storm(request):
        if not struck(request):
            return False
        first.append(virtual.now())
        return virtual.now() < first[0] + 60

    fault = hub.fault("status", storm, code=503, times=None)
    complete(virtual({**ONE, "retry": {"attempts": 20, "maxWait": "60s"}}), repo)
    assert volume.status()["elapsedMs"] >= 60_000
    assert fault.hits <= 4 * 21, "no more than the attempts that each file has"


def test_backoff_grows_to_its_ceiling_and_is_spread(virtual, hub, asked, failed):
    tiny(hub)
    moments = asked("*/revision/*")
    hub.fault("status", path="*/revision/*", code=503, times=None)
    failed(virtual({**ONE, "retry": {"attempts": 40, "maxWait": "60s"}}), 32, "ServerError")
    waits = gaps(moments)
    assert len(waits) == 40
    for n, wait in enumerate(waits):
        assert wait <= min(60, 2 ** n) + 0.5
    assert max(waits) > 20 and len({round(wait) for wait in waits}) > 5


def test_a_deadline_hours_away_is_kept(virtual, hub, failed):
    tiny(hub)
    fault = hub.fault("status", path="*/revision/*", code=503, times=None)
    told = failed(virtual({**STUBBORN, "timeouts": {"total": "2h"}}), 33, "DeadlineExceeded", "2h")
    assert 7200 <= told["seconds"] < 7205
    assert fault.hits >= 7200 / 60


def test_silence_in_the_middle_of_a_file_is_forgiven_after_half_a_minute(virtual, hub, volume, complete):
    repo = tiny(hub, 4 * MIB)
    stall = hub.fault("stall", host="cdn", at=MIB)
    result = virtual({**ONE, "concurrency": {"connections": 1, "partSize": "64MiB"}})
    complete(result, repo)
    line, = said(result, "trying again")
    assert stall.hits == 1 and line["reason"] == "Stalled" and "30 s" in line["error"]
    assert 30_000 <= volume.status()["elapsedMs"] < 45_000
    assert hub.bytes_sent("w.bin", host="cdn") <= 4 * MIB + 65536, "what came before is kept"


def test_a_server_that_never_answers_is_given_up_after_nine_times_half_a_minute(virtual, hub, volume, failed):
    tiny(hub)
    stall = hub.fault("stall", path="*/revision/*", times=None)
    failed(virtual({**ONE, "retry": {}}), 30, "Stalled")
    assert stall.hits == 9
    assert 9 * 30_000 <= volume.status()["elapsedMs"] < 9 * 31_000 + 8 * 60_000


def test_nothing_looks_late_that_comes_in_good_time(virtual, hub, volume, complete):
    """Virtual time itself: the answers of a busy server are waited for in real time."""
    repo = hub.model("acme/tiny", {f"{n:03}.bin": lfs(20_000) for n in range(100)})
    hub.latency(0.05)
    complete(virtual(ONE), repo)
    assert volume.status()["totals"]["retries"] == 0


# Leases.

def test_a_holder_that_lives_is_waited_for_an_hour(start, virtual, hub, volume, tmp_path):
    tiny(hub)
    gate = hub.gate(file="w.bin", host="cdn")
    holder = start({**ONE, "name": "one"}, HOSTNAME="pod-a")
    assert gate.wait()
    result = virtual({**ONE, "name": "two"})
    told = json.loads((tmp_path / "termination").read_text())
    assert result.code == 50, result
    assert told["reason"] == "LockTimeout" and "3600 s" in told["message"] and "pod-a" in told["message"]
    assert 3600 <= told["seconds"] < 3605
    assert len(said(result, "waiting for another writer")) in range(350, 370), "a line every ten seconds"
    gate.release()
    assert holder.wait().code == 0


@pytest.fixture
def dead_lease(start, hub, volume):
    """dead_lease(age_s): the lease of a holder on another node that died, with that age by the volume's clock."""

    def leave(age_s):
        gate = hub.gate(file="w.bin", host="cdn")
        holder = start({**ONE, "name": "gone"})
        assert gate.wait()
        holder.kill()
        gate.release()
        lease, = (volume / ".hf-init/leases").glob("*.lease")
        claim = json.loads(lease.read_text())
        lease.write_text(json.dumps({**claim, "boot_id": "0" * 8, "host": "node-2"}))
        os.utime(lease, (time.time() - age_s,) * 2)

    return leave


@pytest.mark.parametrize("skew", ["+0", "+3600", "-3600"])
def test_a_dead_holder_is_replaced_after_two_minutes_whatever_the_nodes_clock_says(run, hub, volume, complete, dead_lease, skew):
    repo = tiny(hub)
    dead_lease(age_s=117)
    result = run(ONE, bin=SEAMS, HF_SEAM_CLOCK=skew)
    complete(result, repo)
    assert said(result, "waiting for another writer")[0]["host"] == "node-2"
    assert volume.status()["phaseMs"]["waiting"] >= 2000, "not before"


@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_nodes_whose_clocks_are_two_hours_apart_fetch_once(start, hub, volume, layout):
    """Locks that lie: only the claims, and the volume's own clock, tell who lives."""
    repo = tiny(hub, 4 * MIB)
    hub.throttle(4 * MIB, host="cdn", per="all")
    whole = {**ONE, "layout": layout}
    runs = [start(whole, bin=SEAMS, HF_SEAM_LOCKS="noop", HF_SEAM_CLOCK=skew) for skew in ("+3600", "-3600")]
    for running in runs:
        result = running.wait()
        assert result.code == 0, result
    place = "acme/tiny" if layout == "dir" else "models--acme--tiny/snapshots/" + repo.head().sha
    assert volume.files(place) == content_of(repo)
    assert hub.bytes_sent("w.bin", host="cdn") < 5 * MIB, "once, but for what two connections brought of the same"


# Clocks that leap.

@pytest.mark.parametrize("leap", [f"+{YEARS}@0.5", f"-{YEARS}@0.5", "sleep+7200@0.5"])
def test_a_clock_that_leaps_in_the_middle_of_a_run_does_no_harm(run, hub, volume, complete, leap):
    repo = tiny(hub, 6 * MIB)
    hub.throttle(4 * MIB, host="cdn", per="all")
    complete(run({**ONE, "concurrency": {"partSize": "1MiB"}}, bin=SEAMS, HF_SEAM_CLOCK=leap), repo)
    assert volume.status()["elapsedMs"] >= 1000, "the leap came in the middle"
    assert volume.status()["totals"]["retries"] == 0
    assert hub.bytes_sent("w.bin", host="cdn") == 6 * MIB


@pytest.mark.parametrize("skew, words", [(f"+{20 * YEARS}", "expired on"), (f"-{YEARS}", "is not valid before")])
def test_a_wrong_clock_is_named_when_certificates_seem_out_of_date(run, volume, failed, skew, words):
    with Hub(tls=Tls()) as hub:
        tiny(hub)
        spec = {**ONE, "tls": {"caFile": str(hub.ca_path)}}
        told = failed(run(spec, hub=hub, bin=SEAMS, HF_SEAM_CLOCK=skew), 13, "TlsUntrusted", words, "this node's clock says")
        assert "clock" in told["hint"]
        assert run(spec, hub=hub, bin=SEAMS).code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes time namespaces")
def test_a_machine_that_has_run_for_years_or_was_moved_is_like_any_other(run, hub, volume, complete):
    repo = tiny(hub)
    prefix = ("unshare", "--time", "--monotonic", str(YEARS), "--boottime", str(2 * YEARS))
    complete(run(ONE, prefix=prefix), repo)
    assert volume.status()["elapsedMs"] < 60_000
