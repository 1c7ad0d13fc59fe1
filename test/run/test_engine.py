"""What a review of the engine found: each of these failed, hung or lied once."""
import os
import shutil
import signal
import subprocess

import pytest
from standin import lfs, xet

MIB = 1 << 20
ONE = {"repos": [{"id": "acme/tiny"}]}


def test_a_copy_that_fails_in_an_optional_repo_ends_nothing_else(start, hub, volume, until):
    """Twins of a failed twin were counted twice, and the run was over, and marked, before the other repo was there."""
    hub.model("acme/side", {f"{n}/w.bin": lfs(b"same" * MIB) for n in "abcd"})
    hub.model("acme/tiny", {"m1.bin": xet(3 * MIB), "m2.bin": xet(3 * MIB)})
    ahead, held = hub.gate(file="a/w.bin", at=1000), hub.gate(file="m2.bin", at=1000)
    running = start({"repos": [{"id": "acme/side", "optional": True}, {"id": "acme/tiny"}]})
    assert ahead.wait() and held.wait()
    (volume / "acme/side").mkdir(parents=True, exist_ok=True)
    (volume / "acme/side/c").write_text("stands where a folder must be")
    ahead.release()
    until(lambda: (volume / "acme/side/d/w.bin").exists() or (volume / "acme/side/b/w.bin").exists())
    held.release()
    result = running.wait()
    assert result.code == 0, result
    assert (volume / "acme/tiny/m2.bin").stat().st_size == 3 * MIB
    assert [r["state"] for r in volume.status()["repos"]] == ["failed", "complete"]


@pytest.mark.parametrize("kind, settings", [("json-cut", {}), ("cut", {"at": 5})])
def test_a_listing_that_always_breaks_off_is_given_up(run, hub, kind, settings):
    """Bytes that every attempt begins with anew counted as progress."""
    hub.model("acme/tiny", {"config.json": "{}"})
    hub.fault(kind, path="*/tree/*", times=None, **settings)
    result = run({**ONE, "retry": {"attempts": 2, "maxWait": "1s"}}, timeout=20)
    assert result.code in (30, 32), result
    assert hub.count(path="*/tree/*") <= 3


def test_a_server_that_ignores_ranges_and_breaks_off_is_given_up(run, hub, failed):
    """Each time the file began anew, and so did the count of failures."""
    hub.model("acme/tiny", {"w.bin": xet(3 * MIB)})
    hub.fault("ignore-range", host="cdn", times=None)
    hub.fault("cut", host="cdn", at=MIB, times=None)
    result = run({**ONE, "retry": {"attempts": 2, "maxWait": "1s"}}, timeout=30)
    failed(result, 32, "BadAnswer", "w.bin", "begun anew")


@pytest.mark.parametrize("kind, settings", [("html", {}), ("status", {"code": 200, "body": "one moment"}),
                                            ("chunked", {}), ("wrong-length", {"by": 5})],
                         ids=["page", "text", "page-without-length", "range-of-another-length"])
def test_an_answer_that_is_not_the_file_costs_nothing_of_what_is_there(run, hub, complete, kind, settings):
    """Any 200 to a range was taken for a server that ignores ranges, a range of another length for another file: both
    began the file anew."""
    repo = hub.model("acme/tiny", {"w.bin": xet(24 * MIB)})
    late = {"host": "cdn", "range": f"bytes={20 * MIB}-*", "times": 1}
    if kind == "chunked":
        hub.fault("html", **late)
    fault = hub.fault(kind, **late, **settings)
    complete(run({**ONE, "concurrency": {"connections": 2, "partSize": "1MiB"}}), repo)
    assert fault.hits == 1
    assert hub.bytes_sent("w.bin", host="cdn") <= 25 * MIB


def test_an_unclean_end_after_the_last_byte_is_no_failure(run, hub, complete):
    """The retry asked for a range without bytes, and the process aborted."""
    repo = hub.model("acme/tiny", {"w.bin": xet(3 * MIB)})
    hub.fault("chunked", host="cdn", unfinished=True, times=None)
    complete(run(ONE), repo)


def test_a_token_rotated_under_many_requests_is_read_once_for_all(start, hub, tmp_path, complete):
    """Only the first of them found the file changed; the others failed the run."""
    repo = hub.model("acme/tiny", {f"f{n:03}.json": f"x{n}" for n in range(100)})
    token = tmp_path / "token"
    token.write_text(hub.token)
    hub.fault("delay", path="*/resolve/*", seconds=0.5, times=60)
    running = start({**ONE, "token": {"file": str(token)}})
    assert hub.log.wait(2, path="*/resolve/*")
    hub.accounts.add("other", "hf_" + "n" * 34)
    token.write_text("hf_" + "n" * 34)
    hub.accounts.revoke(hub.token)
    complete(running.wait(), repo)


def test_sigterm_is_heard_while_files_are_hashed(start, hub, volume, until):
    """Once the last file had been taken, nobody looked at signals, leases and the status until it was hashed."""
    hub.model("acme/tiny", {"w.bin": xet(4096 * MIB)})
    (volume / "acme/tiny").mkdir(parents=True)
    with open(volume / "acme/tiny/w.bin", "wb") as file:
        file.truncate(4096 * MIB)
    running = start(ONE)
    until(lambda: (volume / ".hf-init/default.status.json").exists() and volume.status()["phase"] == "verifying", 30)
    running.signal(signal.SIGTERM)
    result = running.wait(10)
    assert result.code == 143 and "did not stop" not in result.stderr, result
    assert volume.status()["phase"] == "cancelled"


def test_no_more_connections_than_asked_for(run, hub, complete):
    """Small and large files had that many each."""
    repo = hub.model("acme/tiny", {**{f"s{n:02}": f"x{n}" for n in range(30)},
                                    **{f"w{n}.bin": xet(8 * MIB) for n in range(3)}})
    hub.latency(0.05)
    complete(run({**ONE, "concurrency": {"connections": 1, "partSize": "1MiB"}}), repo)
    assert hub.max_active("api") == 1 and hub.max_active("cdn") == 1


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs mounts of its own")
def test_another_boot_goes_on_with_what_was_synced(start, run, hub, tmp_path, complete):
    """Nothing of a partial was ever synced, so a reboot, or a move to another node, cost all of it."""
    probe = subprocess.run(["unshare", "-m", "true"], capture_output=True)
    if probe.returncode != 0:
        pytest.skip("no mounts of our own here")
    repo = hub.model("acme/tiny", {"w.bin": xet(48 * MIB)})
    hub.throttle(6 * MIB, per="all", host="cdn")
    running = start(ONE)
    assert hub.log.wait(1, host="cdn")
    with pytest.raises(subprocess.TimeoutExpired):
        running.process.wait(5)
    running.signal(signal.SIGTERM)
    assert running.wait().code == 143
    hub.reset()
    boot = tmp_path / "boot_id"
    boot.write_text("11111111-2222-3333-4444-555555555555\n")
    other = ("unshare", "-m", "sh", "-c", f'mount --bind {boot} /proc/sys/kernel/random/boot_id && exec "$@"', "-")
    complete(run(ONE, prefix=other, PATH=os.environ["PATH"]), repo)
    assert hub.bytes_sent("w.bin", host="cdn") < 42 * MIB
