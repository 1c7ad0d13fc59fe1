"""What metrics promise: every number is true and documented, whoever asks is answered, and nobody who asks, listens or
takes them disturbs the run."""
import json
import os
import pathlib
import re
import signal
import socket
import stat
import threading

import promql_parser
import pytest
import yaml
from conftest import BIN, ROOT
from metrics_world import OPENMETRICS, Gateway, Page, ask, own_address, probe, read_prometheus, scrape
from standin import lfs

MB = 1 << 20
ONE = {"repos": [{"id": "acme/tiny"}]}
SANITIZED = "asan" in BIN or "tsan" in BIN
OBSERVABILITY = ROOT / "manifests" / "observability"


@pytest.fixture
def address():
    return own_address()


@pytest.fixture
def gateway():
    made = []

    def make(**settings):
        made.append(Gateway(**settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def tiny(hub, size=4 * MB):
    return hub.model("acme/tiny", {"config.json": "{}", "notes.txt": "hello", "w.bin": lfs(size)})


def serving(address, **more):
    return {**ONE, "metrics": {"listen": address}, **more}


def verdict(result):
    """The last line on stderr is the whole of it."""
    return json.loads(result.stderr.splitlines()[-1])


def warnings(result):
    return [line["msg"] for line in result.lines if line.get("level") == "warn"]


# The numbers.

def test_a_scrape_tells_how_far_a_run_is_and_how_it_ended(start, hub, until, address, volume):
    tiny(hub)
    gate = hub.gate(file="w.bin", host="cdn", at=MB)
    running = start(serving(address, stay=True, name="models"))
    gate.wait()
    page = until(lambda: (p := scrape(address)) and p.get("hf_init_files", state="done") == 2 and p)
    assert page.phase == "downloading" and page.get("hf_init_ready") == 0
    assert {s.labels["spec"] for s in page.samples} == {"models"}
    where = {"repo": "acme/tiny", "type": "model", "revision": "main"}
    assert page.get("hf_init_files", state="planned", **where) == 3
    assert page.get("hf_init_bytes", state="planned", **where) == 4 * MB + 7
    assert page.get("hf_init_files_in_flight") == 1
    assert 0 < page.get("hf_init_remaining_bytes") <= 4 * MB
    assert page.get("hf_init_exit_code") is None and page.get("hf_init_end_time_seconds") is None
    gate.release()
    page = until(lambda: (p := scrape(address)) and p.get("hf_init_exit_code") is not None and p)
    assert page.phase == "complete" and page.get("hf_init_ready") == 1 and volume.marker("models")
    assert page.get("hf_init_exit_code", reason="Complete") == 0
    assert page.get("hf_init_bytes", state="done") == page.get("hf_init_received_bytes_total") == 4 * MB + 7
    assert page.get("hf_init_remaining_bytes") == 0 and page.get("hf_init_files_in_flight") == 0
    assert page.get("hf_init_file_duration_seconds_count") == 3
    asked = sum(page.get("hf_init_request_duration_seconds_count", to=to) for to in ("hub", "storage"))
    assert page.get("hf_init_requests_total") >= asked > 0
    assert page.get("hf_init_request_duration_seconds_bucket", to="storage", le="+Inf") >= 1
    assert page.get("hf_init_start_time_seconds") <= page.get("hf_init_end_time_seconds")
    assert all(page.get("hf_init_retries_total", reason=r) == 0 for r in ("ServerError", "RateLimited", "Stalled"))
    running.signal(signal.SIGTERM)
    assert running.wait().code == 0


def test_retries_and_waits_are_told_by_their_reason(run, hub, tmp_path):
    tiny(hub)
    hub.fault("status", host="cdn", file="w.bin", code=503, times=2)
    hub.fault("rate-limit", path="*/revision/*", wait=1)
    file = tmp_path / "hf-init.prom"
    assert run({**ONE, "metrics": {"file": str(file)}}).code == 0
    page = Page(file.read_text(), read_prometheus)
    assert page.get("hf_init_retries_total", reason="ServerError") == 2
    assert page.get("hf_init_retries_total", reason="RateLimited") == 1
    assert page.get("hf_init_wait_seconds_count", **{"for": "rate_limit"}) == 1
    assert page.get("hf_init_wait_seconds_sum", **{"for": "rate_limit"}) >= 1
    assert page.get("hf_init_wait_seconds_count", **{"for": "retry"}) >= 1


def names_of(page):
    return {family.name for family in page.families.values()}


def test_every_metric_is_documented_and_no_other(start, hub, until, address):
    """With an ETA, which only a run that is slow enough has, and with the end that only one that is over has."""
    tiny(hub, 8 * MB)
    hub.throttle(MB, host="cdn", per="all")
    running = start(serving(address, stay=True))
    seen = names_of(until(lambda: (p := scrape(address)) and p.get("hf_init_eta_seconds") is not None and p, seconds=30))
    running.signal(signal.SIGTERM)
    running.wait()
    assert hub.left()
    hub.reset()
    again = start(serving(address, stay=True))
    page = until(lambda: (p := scrape(address)) and p.get("hf_init_exit_code") is not None and p, seconds=30)
    again.signal(signal.SIGTERM)
    assert again.wait().code == 0
    seen |= names_of(page)
    rows = re.findall(r"^\| `(hf_init\w*)` \| (\w+) \|", (ROOT / "docs/metrics.md").read_text(), re.M)
    assert len(rows) == len(set(rows))
    suffix = {"counter": "_total", "info": "_info"}
    assert {name for name, _ in rows} == {name + suffix.get(page.families[name].type, "") if name in page.families
                                         else name for name in seen}
    for name, kind in rows:
        family = page.families.get(name.removesuffix(suffix.get(kind, "!")))
        assert family is None and kind == "gauge" or family.type == kind, name


def test_whoever_does_not_ask_for_openmetrics_gets_the_older_format(start, hub, until, address):
    tiny(hub)
    running = start(serving(address, stay=True))
    until(lambda: probe(address, "/readyz") == 200)
    for headers in ({}, {"Accept": "text/plain"}):
        status, content_type, text = ask(address, "/metrics", headers=headers)
        assert status == 200 and content_type == "text/plain; version=0.0.4; charset=utf-8"
        page = Page(text, read_prometheus)
        assert page.get("hf_init_exit_code", reason="Complete") == 0
        assert "# TYPE hf_init_received_bytes_total counter" in text and "# EOF" not in text
    assert {s.name for s in scrape(address).samples} == {s.name for s in page.samples}
    running.signal(signal.SIGTERM)
    running.wait()


def test_labels_hold_what_a_name_may_hold(run, hub, tmp_path):
    repo = hub.model("acme/tiny", {"a.txt": "a"})
    repo.branch("feat/x y#1")
    file = tmp_path / "hf-init.prom"
    assert run({"repos": [{"id": "acme/tiny", "revision": "feat/x y#1"}], "metrics": {"file": str(file)}}).code == 0
    assert Page(file.read_text(), read_prometheus).get("hf_init_files", state="done", revision="feat/x y#1") == 1


# Probes.

def test_ready_means_that_the_marker_is_there(start, hub, until, address, volume):
    tiny(hub)
    gate = hub.gate(file="w.bin", host="cdn", at=1000)
    running = start(serving(address, stay=True))
    gate.wait()
    until(lambda: probe(address, "/healthz") == 200)
    until(lambda: ask(address, "/readyz")[::2] == (503, "not ready: downloading\n"))
    assert volume.marker() is None
    gate.release()
    until(lambda: probe(address, "/readyz") == 200)
    assert volume.marker()
    running.signal(signal.SIGTERM)
    assert running.wait().code == 0
    assert probe(address, "/healthz") is None


def test_who_waits_for_another_writer_says_so(start, hub, until, address, volume):
    tiny(hub)
    gate = hub.gate(file="w.bin", host="cdn", at=1000)
    first = start(ONE)
    gate.wait()
    second = start(serving(address))
    page = until(lambda: (p := scrape(address)) and p.phase == "waiting" and p)
    assert page.get("hf_init_waiting") == 1 and page.get("hf_init_ready") == 0
    gate.release()
    assert first.wait().code == 0 and second.wait().code == 0


@pytest.mark.parametrize("path, method, status", [
    ("/", "GET", 404), ("/metrics/", "GET", 404), ("/../etc/passwd", "GET", 404), ("/metrics?x=1", "GET", 200),
    ("/metrics", "HEAD", 200), ("/metrics", "POST", 405), ("/metrics", "DELETE", 405), ("/metrics", "BREW", 405)])
def test_other_requests_get_an_answer_too(start, hub, until, address, path, method, status):
    tiny(hub)
    running = start(serving(address, stay=True))
    until(lambda: probe(address, "/readyz") == 200)
    assert ask(address, path, method)[0] == status
    running.signal(signal.SIGTERM)
    assert running.wait().code == 0


# Hostile clients.

HOSTILE = [
    b"\x00\xff\x16\x03\x01\x02\x00" * 100,                                       # TLS, or nothing
    b"GET\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n", b"GET /metrics HTTP/1.1\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000000,
    b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20000 + b"\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 500,
    b"GET /%00%ff%zz HTTP/1.1\r\nHost: x\r\nAccept: " + b"\xff" * 1000 + b"\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",                                  # and never reads the answer
]


def connect(address):
    host, port = address.split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def phase(address):
    """What a scrape says; None while all places are taken."""
    try:
        return scrape(address).phase
    except OSError:
        return None


def ready(address):
    """What /readyz says; None while all places are taken."""
    try:
        return ask(address, "/readyz", timeout=60)[0]
    except OSError:
        return None


def shout(guest, words):
    try:
        guest.sendall(words)
    except OSError:
        pass  # shown out in the middle of it


def test_hostile_clients_disturb_neither_the_run_nor_the_next_scrape(start, hub, until, address, complete):
    """More connections than are served at a time, most of them silent, one that sends a byte now and then for ever, and
    all the garbage above, while a download is held; then it goes on as if nothing had been."""
    repo = tiny(hub, 16 * MB)
    gate = hub.gate(file="w.bin", host="cdn", at=MB)
    running = start(serving(address))
    gate.wait()
    until(lambda: probe(address, "/healthz") == 200)
    guests = [connect(address) for _ in range(len(HOSTILE) + 40)]
    try:
        for guest, words in zip(guests, HOSTILE):
            shout(guest, words)
        slow = guests[-1]
        end = threading.Event()

        def drip():
            while not end.wait(0.2):
                shout(slow, b"G")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            until(lambda: ready(address) == 503, 60)      # the silent ones are shown out to make room
            until(lambda: phase(address) == "downloading", 60)
        finally:
            end.set()
            dripping.join()
    finally:
        for guest in guests:
            guest.close()
    gate.release()
    complete(running.wait(), repo)


def test_after_a_burst_of_silent_clients_who_all_left_the_next_scrape_is_answered(start, hub, until, address):
    tiny(hub)
    running = start(serving(address, stay=True))
    until(lambda: probe(address, "/readyz") == 200)
    guests = [connect(address) for _ in range(60)]
    until(lambda: ready(address) == 200, 60)
    for guest in guests:
        guest.close()
    for _ in range(3):
        until(lambda: probe(address, "/readyz") == 200, 20)
    running.signal(signal.SIGTERM)
    assert running.wait().code == 0


def test_who_sends_a_byte_at_a_time_is_shown_out(start, hub, until, address):
    tiny(hub)
    running = start(serving(address, stay=True))
    until(lambda: probe(address, "/readyz") == 200)
    guest = connect(address)
    guest.settimeout(0.1)
    gone = False

    def is_gone():
        try:
            guest.sendall(b"G")
            return guest.recv(1) == b""
        except socket.timeout:
            return False
        except OSError:
            return True

    try:
        gone = until(is_gone, seconds=30)
    finally:
        guest.close()
    assert gone and probe(address, "/healthz") == 200
    running.signal(signal.SIGTERM)
    assert running.wait().code == 0


@pytest.mark.skipif(SANITIZED, reason="a sanitizer needs memory of its own")
def test_listening_takes_little_memory(start, hub, until, address):
    tiny(hub)
    running = start(serving(address, stay=True))
    until(lambda: probe(address, "/readyz") == 200)
    guests = [connect(address) for _ in range(120)]
    for guest in guests:
        shout(guest, b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 4000)
    status = pathlib.Path(f"/proc/{running.process.pid}/status").read_text()
    for guest in guests:
        guest.close()
    peak_kb = int(re.search(r"VmHWM:\s+(\d+)", status)[1])
    assert peak_kb < 32 * 1024, "of the 64 MiB that a run may have"
    running.signal(signal.SIGTERM)
    assert running.wait().code == 0


# What does not work is a warning.

def test_a_port_that_is_taken_does_not_stop_a_run(run, hub, address, complete):
    repo = tiny(hub)
    host, port = address.split(":")
    with socket.create_server((host, int(port))):
        result = run(serving(address))
    complete(result, repo)
    assert warnings(result) == ["the metrics cannot be served"] and "in use" in result.stderr
    assert verdict(result)["msg"].startswith("complete: ")


@pytest.mark.parametrize("listen", ["localhost:9464", "9464", ":0", ":99999", "::1:9464"])
def test_what_is_no_address_is_a_mistake_in_the_spec(run, hub, listen):
    assert run(serving(listen)).code == 2


# The file.

def test_the_file_is_replaced_whole_and_tells_of_the_end(start, hub, tmp_path, until, volume):
    tiny(hub)
    folder = tmp_path / "textfile"
    folder.mkdir()
    file = folder / "hf-init.prom"
    gate = hub.gate(file="w.bin", host="cdn", at=1000)
    running = start({**ONE, "metrics": {"file": str(file)}})
    gate.wait()
    page = until(lambda: file.exists() and (p := Page(file.read_text(), read_prometheus)).phase == "downloading" and p)
    assert page.get("hf_init_exit_code") is None
    held = file.stat().st_ino
    gate.release()
    assert running.wait().code == 0
    page = Page(file.read_text(), read_prometheus)
    assert page.get("hf_init_exit_code", reason="Complete") == 0 and page.get("hf_init_ready") == 1
    assert file.stat().st_ino != held, "by rename, never in place"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644 and os.listdir(folder) == ["hf-init.prom"]


def test_the_file_tells_why_a_run_failed(run, hub, tmp_path):
    file = tmp_path / "hf-init.prom"
    assert run({**ONE, "metrics": {"file": str(file)}}).code == 12
    page = Page(file.read_text(), read_prometheus)
    assert page.get("hf_init_exit_code", reason="RepoNotFound") == 12
    assert page.phase == "failed" and page.get("hf_init_ready") == 0


@pytest.mark.parametrize("name", ["missing/hf-init.prom", "file/hf-init.prom", "folder"])
def test_a_file_that_cannot_be_written_does_not_stop_a_run(run, hub, tmp_path, complete, name):
    repo = tiny(hub)
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    result = run({**ONE, "metrics": {"file": str(tmp_path / name)}})
    complete(result, repo)
    assert warnings(result) == ["the metrics file cannot be written"], "once, not every second"


# Pushing.

@pytest.mark.parametrize("code", [0, 12])
def test_the_end_of_a_run_is_pushed(run, hub, gateway, code):
    if code == 0:
        tiny(hub)
    there = gateway()
    result = run({**ONE, "metrics": {"push": there.url}})
    assert result.code == code and not warnings(result)
    (method, path, content_type, body), = there.pushed
    assert (method, path) == ("PUT", "/metrics/job/hf-init/instance/a") and content_type.startswith("text/plain; version=0.0.4")
    page = Page(body, read_prometheus)
    assert page.get("hf_init_exit_code", reason="Complete" if code == 0 else "RepoNotFound") == code


def test_a_run_that_is_stopped_pushes_and_ends_in_time(start, hub, gateway):
    tiny(hub)
    there = gateway()
    gate = hub.gate(file="w.bin", host="cdn", at=1000)
    running = start({**ONE, "metrics": {"push": there.url}})
    gate.wait()
    running.signal(signal.SIGTERM)
    result = running.wait()
    assert result.code == 143 and "did not stop within" not in result.stderr
    assert Page(there.pushed[0][3], read_prometheus).get("hf_init_exit_code", reason="Terminated") == 143


@pytest.mark.parametrize("how", ["silent", "refuses", "answers 500", "is not there", "has no name"])
def test_a_push_that_fails_is_a_warning_and_the_verdict_stays_the_last_line(run, hub, gateway, complete, how):
    repo = tiny(hub)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = {"silent": lambda: gateway(status=None).url, "answers 500": lambda: gateway(status=500).url,
               "refuses": lambda: gateway(status=400).url, "has no name": lambda: "http://gateway.invalid/metrics/job/x",
               "is not there": lambda: f"http://127.0.0.1:{unused.getsockname()[1]}/metrics/job/x"}[how]()
        result = run({**ONE, "metrics": {"push": url}})
    complete(result, repo)
    assert warnings(result) == ["the metrics were not pushed"]
    assert verdict(result)["msg"].startswith("complete: ")


def test_a_stop_does_not_wait_for_a_silent_gateway(start, hub, gateway, until):
    tiny(hub)
    there = gateway(status=None)
    running = start({**ONE, "metrics": {"push": there.url}})
    until(lambda: there.pushed)
    running.signal(signal.SIGTERM)
    result = running.wait()
    assert result.code == 0 and "did not stop within" not in result.stderr


def test_no_token_is_in_any_of_them(run, hub, gateway, tmp_path):
    hub.model("acme/tiny", {"a.txt": "a"}, private=True)
    there, file = gateway(), tmp_path / "hf-init.prom"
    assert run({**ONE, "metrics": {"push": there.url, "file": str(file)}}, HF_TOKEN=hub.token).code == 0
    assert hub.token not in file.read_text() + there.pushed[0][3]


# Dashboard and alerts.

METRIC = re.compile(r"\b(?:hf_init|kube)_\w+")


def test_the_dashboard_asks_only_for_what_there_is(run, hub, tmp_path):
    assert names_in_use(json.loads((OBSERVABILITY / "dashboard.json").read_text())) <= all_samples(run, hub, tmp_path)


def expressions(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("expr", "definition") and isinstance(value, str):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value)


def names_in_use(document):
    found = set()
    for text in expressions(document):
        if not text.startswith("label_values("):        # Grafana's own
            promql_parser.parse(text.replace("$spec", "x"))
        found |= {name for name in METRIC.findall(text) if name.startswith("hf_init")}
    assert found
    return found


def all_samples(run, hub, tmp_path):
    tiny(hub)
    file = tmp_path / "hf-init.prom"
    assert run({**ONE, "metrics": {"file": str(file)}}).code == 0
    return {s.name for s in Page(file.read_text(), read_prometheus).samples} | {"hf_init_eta_seconds"}


def test_the_alerts_ask_only_for_what_there_is_and_name_every_exit_code(run, hub, tmp_path):
    rules = yaml.safe_load((OBSERVABILITY / "alerts.yaml").read_text())
    assert rules["kind"] == "PrometheusRule"
    alerts = [rule for group in rules["spec"]["groups"] for rule in group["rules"] if "alert" in rule]
    assert names_in_use(rules) <= all_samples(run, hub, tmp_path)
    for alert in alerts:
        assert alert["labels"]["severity"] in ("warning", "critical") and alert["annotations"]["summary"]
    codes = {int(c) for alert in alerts for c in re.findall(r"\b\d+\b", alert["annotations"].get("codes", ""))}
    rows = re.findall(r"^\| (\d+)(?:, (\d+))? \|", (ROOT / "README.md").read_text().split("## Exit codes")[1], re.M)
    assert codes == {int(c) for row in rows for c in row if c} - {0, 130, 143}


def test_a_metrics_file_takes_the_place_of_a_plain_file_only(run, hub, tmp_path):
    """Of a device it would make an ordinary file, as root."""
    tiny(hub)
    os.mkfifo(tmp_path / "hf-init.prom")
    result = run({**ONE, "metrics": {"file": str(tmp_path / "hf-init.prom")}})
    assert result.code == 0 and stat.S_ISFIFO((tmp_path / "hf-init.prom").stat().st_mode)
    assert [line["msg"] for line in result.lines if line["level"] == "warn"] == ["the metrics file cannot be written"]
