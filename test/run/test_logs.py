"""What the log of a run tells whoever collects it, and what is said while a run waits. Waits pass in virtual time."""
import re

from standin import lfs

MIB = 1 << 20
ONE = {"repos": [{"id": "acme/tiny"}]}
PATIENT = {**ONE, "retry": {"attempts": 8, "maxWait": "60s"}}
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def tiny(hub, size=3 * MIB):
    return hub.model("acme/tiny", {"config.json": b"{}", "w.bin": lfs(size)})


def said(result, message):
    return [line for line in result.lines if line["msg"] == message]


def beats(result):
    """What is said every ten seconds."""
    return [line["msg"] for line in result.lines if "eta_ms" in line]


# Events.

def test_the_first_line_has_what_was_set_and_nothing_of_the_defaults(run, hub):
    tiny(hub)
    result = run({"repos": [{"id": "acme/tiny", "allow": ["*.json", "w.bin"]}]}, "--bandwidth", "200MiB/s",
                 HF_TOKEN=hub.token)
    first = result.lines[0]
    assert first["msg"] == "start" and first["token"] == "HF_TOKEN" and first["endpoint"] == hub.endpoint
    settings = dict(setting.split("=", 1) for setting in re.split(r", (?=[a-zA-Z.\[\]0-9]+=)", first["settings"]))
    assert settings["bandwidth"] == "200MiB/s" and settings["repos[0].id"] == "acme/tiny"
    assert "*.json" in settings["repos[0].allow"] and "w.bin" in settings["repos[0].allow"]
    assert "pageCache" not in settings and "repos[0].type" not in settings and hub.token not in result.stderr


def test_a_token_in_the_wrong_place_is_not_repeated(run, hub):
    tiny(hub)
    result = run({"repos": [{"id": "acme/tiny", "ignore": ["hf_aBcDeFgHiJkLmNoPqRsTuVwXyZ"]}]})
    assert result.code == 0 and "repos[0].ignore=(redacted)" in result.lines[0]["settings"], result
    assert "hf_aBcD" not in result.stderr


def test_a_thousand_repos_make_no_endless_line(run, hub):
    hub.model("acme/tiny", {"config.json": b"{}"})
    names = {f"acme/tiny-{n}": hub.model(f"acme/tiny-{n}", {"config.json": b"{}"}) for n in range(300)}
    result = run({"repos": [{"id": name} for name in names]})
    assert result.code == 0, result
    assert len(result.stderr.splitlines()[0]) < 8192 and result.lines[0]["settings"].endswith("…")


def test_a_finished_file_has_its_size_its_time_and_its_rate(run, hub):
    repo = tiny(hub)
    hub.throttle(6 * MIB, host="cdn", per="all")
    result = run(ONE)
    done, = said(result, "file done")  # the small one is not worth a line
    assert (done["repo"], done["commit"], done["file"]) == ("acme/tiny", repo.head().sha, "w.bin")
    assert done["bytes"] == 3 * MIB and done["duration_ms"] > 0
    assert abs(done["bytes_per_second"] - done["bytes"] * 1000 // done["duration_ms"]) <= 1


def test_every_retry_is_a_line_with_its_reason_and_its_place(virtual, hub):
    tiny(hub)
    hub.fault("status", code=503, path="*/tree/*", times=2, headers={"X-Request-Id": "Root=1-ab"})
    hub.fault("status", code=503, host="cdn", times=2)
    result = virtual(PATIENT)
    assert result.code == 0, result
    tries = said(result, "trying again") + said(result, "asking for a fresh URL")
    assert len(tries) == result.lines[-1]["retries"] == 4
    for line in tries:
        assert (line["repo"], line["reason"]) == ("acme/tiny", "ServerError") and line["error"] and line["attempt"] >= 0
        assert line["host"] == ("127.0.0.2" if line.get("file") else "127.0.0.1") and "wait_ms" in line
    assert [line["attempt"] for line in tries if "file" not in line] == [1, 2]
    assert {line.get("request_id") for line in tries if "file" not in line} == {"Root=1-ab"}


def test_a_quiet_connection_is_a_line_with_file_host_and_since_when(virtual, hub):
    tiny(hub)
    hub.fault("stall", host="cdn", file="w.bin", at=1000)
    result = virtual({**PATIENT, "concurrency": {"connections": 1}})
    assert result.code == 0, result
    quiet, = said(result, "a connection is quiet")  # once for each silence
    assert (quiet["repo"], quiet["file"], quiet["host"]) == ("acme/tiny", "w.bin", "127.0.0.2")
    assert 10_000 <= quiet["quiet_ms"] < 12_000 and re.fullmatch(STAMP, quiet["since"])
    assert "Stalled" in {line["reason"] for line in said(result, "trying again")}, "then it is replaced"


def test_the_last_line_is_the_sum_of_the_run(run, hub):
    tiny(hub)
    hub.fault("cut", host="cdn", at=1000)
    last = run(ONE).lines[-1]
    assert (last["files"], last["bytes"]) == (2, 3 * MIB + 2) and last["received_bytes"] >= 3 * MIB
    assert last["retries"] == 1 and last["requests"] >= 5 and last["bytes_per_second"] > 0
    assert last["resolving_ms"] + last["downloading_ms"] <= last["duration_ms"]
    again = run(ONE).lines[-1]
    assert again["msg"].startswith("already complete") and "received_bytes" not in again


# Waits.

def test_who_waits_out_a_429_says_for_whom_and_until_when(virtual, hub):
    tiny(hub)
    hub.fault("rate-limit", path="*/tree/*", wait=55)
    result = virtual(PATIENT)
    assert result.code == 0, result
    waiting = [m for m in beats(result) if "rate limit" in m]
    assert len(waiting) >= 4
    for message in waiting:
        assert re.fullmatch(r"resolving for .*; waiting for the rate limit of 127\.0\.0\.1 "
                            r"until [\d:]{8} UTC \(in [\dms ]+\)", message), message


def test_a_wait_that_is_over_is_not_told_any_more(virtual, hub):
    tiny(hub)
    hub.fault("rate-limit", path="*/resolve/*", wait=15)
    hub.fault("stall", host="cdn", file="w.bin", at=1000)
    told = beats(virtual({**PATIENT, "concurrency": {"connections": 1}}))
    assert "rate limit" in told[0] and "rate limit" not in told[-1], told


def test_who_waits_for_the_listing_says_from_whom(virtual, hub):
    tiny(hub)
    hub.fault("stall", path="*/tree/*")
    hub.fault("status", code=503, path="*/tree/*", times=4, after=1)
    result = virtual(PATIENT)
    assert result.code == 0, result
    told = "\n".join(beats(result))
    assert "waiting for 127.0.0.1 to list acme/tiny" in told
    assert "waiting for the next attempt to list acme/tiny (ServerError) until " in told
    quiet, = said(result, "a connection is quiet")
    assert "file" not in quiet and quiet["host"] == "127.0.0.1"


def test_who_waits_for_another_writer_says_until_when(virtual, start, hub, until, volume):
    tiny(hub)
    gate = hub.gate(file="w.bin", host="cdn", at=MIB)
    running = start(ONE)
    assert gate.wait()
    until(lambda: volume.status()["phase"] == "downloading")
    result = virtual({**ONE, "name": "second", "lock": {"wait": "25s"}})
    assert result.code == 50, result
    waiting = said(result, "waiting for another writer")
    left = [line["wait_ms"] for line in waiting]
    assert len(left) >= 2 and 20_000 < left[0] <= 25_000 and left == sorted(left, reverse=True)
    assert all("acme/tiny" in m and " until " in m for m in beats(result) if m.startswith("waiting"))
    gate.release()
    assert running.wait().code == 0


def test_who_hashes_says_how_much_is_left(start, hub, odd, until):
    repo = tiny(hub)
    folder = odd.volume / "acme/tiny"
    folder.mkdir(parents=True)
    (folder / "w.bin").write_bytes(repo.head().files["w.bin"].content.read())
    odd.rules(slow={"read": 0.4})
    running = start({**ONE, "target": str(odd.volume.path)})
    status = odd.volume / ".hf-init/default.status.json"
    told = until(lambda: status.exists() and re.search("the hashes of.*", odd.volume.status().get("waitingFor", "")))[0]
    assert re.fullmatch(r"the hashes of 1 file on the volume: [\d.]+ of 3\.0 MiB read", told), told
    odd.rules(slow={})
    assert running.wait().code == 0
