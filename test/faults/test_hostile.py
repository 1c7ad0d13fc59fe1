"""Faults of the network for which a row of the catalogue is not enough: what a hostile server may not make us do, and
what it may not make us spend."""
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest
from asking import ask
from conftest import BIN, content_of, product
from standin import Hub, Proxy, git, lfs

MB = 1 << 20
ONE = {"repos": [{"id": "acme/tiny"}]}
IMPATIENT = {**ONE, "retry": {"attempts": 1, "maxWait": "1s"}, "timeouts": {"stall": "2s", "connect": "2s"}}
SANITIZED = "asan" in BIN or "tsan" in BIN
MEMORY = 64 * MB                       # what the README promises for a run


def tiny(hub, **more):
    return hub.model("acme/tiny", {"config.json": b'{"a":1}', "sub/notes.txt": b"hello\n", "w.bin": lfs(3000), **more})


def optional(ids):
    return {**IMPATIENT, "repos": [{"id": i, "optional": True} for i in ids]}


def reasons(volume):
    return {r["id"]: r.get("error", {}).get("reason") for r in volume.status()["repos"]}


def watched(running, timeout=60):
    """Waits for the end: the result, and the most memory the process ever had, in bytes."""
    peak, end = 0, time.monotonic() + timeout
    while running.process.poll() is None and time.monotonic() < end:
        try:
            status = pathlib.Path(f"/proc/{running.process.pid}/status").read_text()
            peak = max([peak] + [int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM")])
        except OSError:
            pass
        time.sleep(0.005)
    assert peak > 0
    return running.wait(1), 0 if SANITIZED else peak


def on_disk(volume):
    return sum(p.lstat().st_blocks * 512 for p in volume.path.rglob("*"))


# Where a redirect may lead. The test of what lies on this machine is in test/run/test_network.py.

@pytest.fixture
def outside():
    """A Hub on the public internet, as far as its name tells, and the proxy that leads there."""
    with Hub(tls=True, name="hub.test", cdn_name="cdn.test") as hub, Proxy() as proxy:
        proxy.hosts = {hub.origin[8:]: hub.address("api"), hub.cdn.origin[8:]: hub.address("cdn"),
                       "minio.models.svc:9000": hub.address("cdn")}
        yield hub, proxy


INSIDE = ["https://10.0.0.5/x", "https://172.16.9.9:8443/x", "https://192.168.1.1/x", "https://100.64.0.1/x",
          "https://[fd12::1]/x", "https://167772165/x", "https://minio:9000/x", "https://minio.models.svc:9000/x",
          "https://vault.default.svc.cluster.local/x", "https://127.0.0.1:9/x", "https://169.254.169.254/latest/meta-data/",
          "https://[::ffff:169.254.169.254]/x", "https://metadata.google.internal/computeMetadata/v1/", "https://[fe80::1]/x",
          "https://0.0.0.0/x", "https://LOCALHOST./x"]


@pytest.mark.parametrize("path", ["*/revision/*", "*/tree/*", "*/resolve/*", "/xet-bridge-us/*"])
def test_from_outside_no_redirect_leads_inside(run, volume, outside, path):
    hub, proxy = outside
    ids = [f"acme/m{n}" for n in range(len(INSIDE))]
    for repo_id, to in zip(ids, INSIDE):
        hub.model(repo_id, {"w.bin": lfs(2000)})
        hub.fault("redirect", path=path, repo=repo_id, to=to, times=None)
    result = run({**optional(ids), "tls": {"caFile": hub.ca_path}}, hub=hub, HTTPS_PROXY=proxy.url, HF_TOKEN=hub.token)
    assert result.code == 0, result
    assert reasons(volume) == dict.fromkeys(ids, "HostNotAllowed")
    assert {r.target for r in proxy.records} <= {hub.origin[8:], hub.cdn.origin[8:]}, "nobody inside was asked"
    assert hub.leaks() == [] and volume.files() == {}


def test_a_place_inside_that_the_spec_names_may_be_led_to(run, outside):
    hub, proxy = outside
    tiny(hub)
    hub.fault("redirect", path="*/resolve/*", to="https://minio.models.svc:9000/x", times=None)
    spec = {**IMPATIENT, "allowedHosts": ["cdn.test", "*.models.svc"], "tls": {"caFile": hub.ca_path}}
    result = run(spec, hub=hub, HTTPS_PROXY=proxy.url)
    assert result.code == 13, "it was asked, and could not show a certificate for that name"
    assert "minio.models.svc:9000" in {r.target for r in proxy.records}


def test_a_redirect_of_a_redirect_is_looked_at_too(run, failed, outside):
    hub, proxy = outside
    tiny(hub)
    hub.fault("redirect", host="cdn", to="https://10.0.0.5/x", times=None)
    failed(run({**IMPATIENT, "tls": {"caFile": hub.ca_path}}, hub=hub, HTTPS_PROXY=proxy.url), 32, "HostNotAllowed",
           "cdn.test", "10.0.0.5")
    assert not [r for r in proxy.records if "10.0.0.5" in r.target]


@pytest.mark.parametrize("path", ["*/revision/*", "*/tree/*", "*/resolve/*"])
def test_a_loop_of_redirects_is_left_after_ten(run, hub, failed, path):
    tiny(hub)
    loop = hub.fault("redirect", path=path, to="loop", times=None, each="path")
    failed(run(IMPATIENT, HF_TOKEN=hub.token), 32, "BadAnswer", "more than 10 redirects")
    assert max(loop._spent.values()) <= 22, "ten and the first, once more"


# Bodies.

@pytest.mark.parametrize("framing", ["no-length", "chunked"])
def test_a_body_that_ends_early_without_a_length_is_gone_on_with(run, hub, complete, framing):
    repo = hub.model("acme/tiny", {"w.bin": lfs(300_000), "g.txt": git(9000)})
    for kind in ("short", framing):
        hub.fault(kind, file="*", status=200, each="file", **({"by": 1000} if kind == "short" else {}))
    complete(run(ONE), repo)
    assert hub.count(range="bytes=299000-299999", status=206) and hub.count(range="bytes=8000-8999", status=206)


@pytest.mark.parametrize("framing", ["close", "chunked", "length"])
def test_a_body_without_end_costs_no_more_than_the_file(start, hub, volume, failed, framing):
    hub.model("acme/tiny", {"w.bin": lfs(100_000), "g.txt": git(1000)})
    endless = hub.fault("endless", file="*", status=(200, 206), framing=framing, times=None, each="file")
    result, peak = watched(start(ONE))
    failed(result, 40, "IntegrityMismatch")
    assert max(endless._spent.values()) <= 2 and peak < MEMORY
    assert on_disk(volume) < MB


@pytest.mark.parametrize("framing", ["close", "chunked", "length"])
def test_a_refusal_without_end_is_still_a_refusal(start, hub, failed, framing):
    hub.model("acme/tiny", {"w.bin": lfs(100_000)})
    hub.fault("status", path="*/resolve/*", code=404, headers={"X-Error-Code": "EntryNotFound"}, body="no", times=None)
    endless = hub.fault("endless", path="*/resolve/*", framing=framing, times=None)
    result, peak = watched(start(ONE))
    failed(result, 12, "EntryNotFound", "w.bin")
    assert endless.hits == 1 and peak < MEMORY


@pytest.mark.parametrize("framing", ["close", "chunked", "length"])
def test_a_redirect_without_end_is_followed(start, hub, complete, framing):
    repo = hub.model("acme/tiny", {"w.bin": lfs(100_000)})
    endless = hub.fault("endless", path="*/resolve/*", framing=framing, redirects=True, times=None)
    result, peak = watched(start(ONE))
    complete(result, repo)
    assert endless.hits == 1 and peak < MEMORY


@pytest.mark.parametrize("kind, settings", [("throttle", {"bytes_per_s": 300}), ("stall", {"at": 1}), ("cut", {"at": 1})])
def test_a_refusal_whose_words_do_not_come_is_still_a_refusal(run, hub, failed, kind, settings):
    """A drip was listened to for minutes; silence and a break counted as failures of the network."""
    hub.model("acme/tiny", {"w.bin": lfs(100_000)})
    hub.fault("status", path="*/resolve/*", code=404, headers={"X-Error-Code": "EntryNotFound"}, body="no" * 30_000,
              times=None)
    spoilt = hub.fault(kind, path="*/resolve/*", times=None, **settings)
    failed(run(IMPATIENT, timeout=40), 12, "EntryNotFound", "w.bin")
    assert spoilt.hits == 1


def test_a_redirect_that_drips_is_followed(run, hub, complete):
    repo = hub.model("acme/tiny", {"w.bin": lfs(100_000)})
    endless = hub.fault("endless", path="*/resolve/*", redirects=True, times=None)
    hub.throttle(300, path="*/resolve/*")
    complete(run(ONE, timeout=40), repo)
    assert endless.hits == 1


HUGE = {"spaces": b'{"sha":"' + b"0" * 40 + b'"' + b" " * (70 * MB) + b"}",
        "values": b'{"sha":"' + b"0" * 40 + b'","x":[' + b"1," * 900_000 + b"1]}",
        "one string": b'{"sha":"' + b"0" * 40 + b'","x":"' + b"x" * (70 * MB) + b'"}',
        "siblings": b'{"sha":"' + b"0" * 40 + b'","siblings":[' + b'{"rfilename":"data/file-000000.parquet"},' * 400_000 + b"{}]}"}


@pytest.mark.parametrize("text", HUGE)
def test_an_answer_about_a_revision_fits_into_our_memory(start, hub, volume, failed, text):
    tiny(hub)
    asked = hub.fault("json-text", path="*/revision/*", text=HUGE[text], times=None)
    result, peak = watched(start(IMPATIENT))
    failed(result, 32, "BadAnswer")
    assert asked.hits == 2 and peak < MEMORY


PAGES = {"spaces": b"[" + b" " * (70 * MB) + b"]", "one string": b'[{"type":"file","path":"' + b"x" * (70 * MB) + b'"}]',
         "one entry": b'[{"type":"file","x":[' + b"1," * (4 * MB) + b"1]}]", "brackets": b"[" * (4 * MB)}


@pytest.mark.parametrize("text", PAGES)
def test_a_page_of_a_listing_fits_into_our_memory(start, hub, failed, text):
    tiny(hub)
    asked = hub.fault("json-text", path="*/tree/*", text=PAGES[text], times=None)
    result, peak = watched(start(IMPATIENT))
    failed(result, 32, "BadAnswer")
    assert asked.hits == 2 and peak < MEMORY


@pytest.mark.parametrize("path", ["*/revision/*", "*/tree/*"])
@pytest.mark.parametrize("kind, settings", [("bomb", {"size": 200 * MB}), ("gzip", {"layers": 6}), ("endless", {})])
def test_json_that_is_packed_too_well_is_refused(start, hub, failed, path, kind, settings):
    tiny(hub)
    asked = hub.fault(kind, path=path, times=None, **settings)
    result, peak = watched(start({**IMPATIENT, "timeouts": {"stall": "20s"}}))  # packing takes the server a while
    failed(result, 32, "BadAnswer")
    assert asked.hits == 2 and peak < MEMORY


def test_a_few_bytes_an_answer_are_no_progress(run, hub, failed):
    hub.model("acme/tiny", {"w.bin": lfs(3 * MB)})
    cut = hub.fault("cut", host="cdn", at=100, times=None)
    failed(run({**ONE, "retry": {"attempts": 3, "maxWait": "1s"}}), 30, "Unreachable", "w.bin")
    assert cut.hits <= 2 * 3 * 4, "four for each part, and for what others take over of it; not one for every hundred bytes"


# Heads.

HEADS = [("endless-head", {}), ("endless-head", {"size": 100_000}), ("huge-headers", {}), ("huge-headers", {"size": 20, "count": 6000}),
         ("early", {"count": 50_000}), ("early", {"count": 3000, "headers": {"Link": "</x>; rel=preload" + "x" * 500}})]


@pytest.mark.parametrize("kind, settings", HEADS)
@pytest.mark.parametrize("where", [{"path": "*/tree/*"}, {"host": "cdn"}], ids=["tree", "cdn"])
def test_a_head_without_end_is_left(start, hub, failed, kind, settings, where):
    tiny(hub)
    asked = hub.fault(kind, times=None, **where, **settings)
    result, peak = watched(start(IMPATIENT))
    failed(result, 32, "BadAnswer")
    assert asked.hits == 2 and peak < MEMORY


def test_a_few_early_answers_are_passed_over(run, hub, volume, complete):
    repo = tiny(hub)
    for code in (100, 102, 103):
        hub.fault("early", code=code, count=3, times=None)
    complete(run(ONE), repo)
    assert volume.status()["totals"]["retries"] == 0


LENGTHS = [("set-headers", {"headers": {"Content-Length": "7"}, "twice": True}), ("set-headers", {"headers": {"Content-Length": "-3000"}}),
           ("set-headers", {"headers": {"Content-Length": "0xbb8"}}), ("set-headers", {"headers": {"Content-Length": "3000, 7"}}),
           ("set-headers", {"headers": {"Content-Length": "99999999999999999999"}}), ("set-headers", {"headers": {"Content-Length": ""}}),
           ("set-headers", {"headers": {"Transfer-Encoding": "chunked"}}), ("set-headers", {"headers": {"Transfer-Encoding": "gzip"}}),
           ("set-headers", {"headers": {"Transfer-Encoding": "gzip, chunked"}})]


def test_lengths_that_contradict_each_other_never_make_a_wrong_file(run, hub, volume):
    ids = [f"acme/m{n}" for n in range(len(LENGTHS))]
    faults = []
    for repo_id, (kind, settings) in zip(ids, LENGTHS):
        hub.model(repo_id, {"w.bin": lfs(3000)})
        faults.append(hub.fault(kind, repo=repo_id, host="cdn", times=None, **settings))
    assert run(optional(ids)).code == 0
    for repo_id, reason in reasons(volume).items():
        assert volume.files(repo_id) == (content_of(hub.catalogue.find("models", repo_id)) if reason is None else {}), repo_id
        assert reason in (None, "BadAnswer", "Unreachable", "IntegrityMismatch"), (repo_id, reason)
    assert [f.hits < 5 for f in faults] == [True] * len(faults)


def test_chunks_win_over_a_length_beside_them(run, hub, complete):
    repo = tiny(hub)
    hub.fault("set-headers", host="cdn", headers={"Content-Length": "3000"}, times=None)
    hub.fault("chunked", host="cdn", times=None)
    complete(run(ONE), repo)


@pytest.mark.parametrize("where", [{"path": "*/tree/*"}, {"host": "cdn"}], ids=["tree", "cdn"])
def test_trailers_without_end_behind_a_whole_body_do_not_hold_us(start, hub, complete, where):
    repo = tiny(hub)
    hub.fault("trailers", **where)
    began = time.monotonic()
    result, peak = watched(start({**ONE, "timeouts": {"stall": "2s"}}))
    complete(result, repo)
    assert time.monotonic() - began < 15 and peak < MEMORY


def test_a_server_is_told_no_more_than_it_needs_and_nothing_it_asks_us_to_remember(run, hub, complete):
    repo = tiny(hub)
    hub.fault("set-headers", times=None, headers={"Set-Cookie": "who=you; Path=/", "Alt-Svc": 'h2="127.0.0.3:1"', "Refresh": "0",
                                                  "Strict-Transport-Security": "max-age=99", "WWW-Authenticate": "Negotiate"})
    complete(run(ONE, HF_TOKEN=hub.token), repo)
    said = {name.lower() for r in hub.requests() for name in r.headers}
    assert said <= {"host", "user-agent", "accept", "accept-encoding", "range", "authorization"}
    assert not [r for r in hub.requests(host="cdn") if "authorization" in map(str.lower, r.headers)]


GARBAGE = [b"HTTP/1.1 abc\r\n\r\n", b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\n[]", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
           b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n[]", b"HTTP/1.1 99999 OK\r\n\r\n[]",
           b"HTTP/1.1 200 OK\nContent-Length: 2\n\n[", b"HTTP/1.1 200 OK\r\n folded: 1\r\n\r\n[]", b"\0" * 5000]


@pytest.mark.parametrize("path", ["/api/models/{}/tree/*", "/{}/resolve/*"])
def test_what_is_no_http_is_an_error_and_no_file(run, hub, volume, path):
    ids = [f"acme/m{n}" for n in range(len(GARBAGE))]
    for repo_id, data in zip(ids, GARBAGE):
        hub.model(repo_id, {"w.bin": lfs(2000)})
        hub.fault("raw", path=path.format(repo_id), data=data, times=None)
    assert run(optional(ids)).code == 0
    assert set(reasons(volume).values()) <= {"BadAnswer", "Unreachable", "NothingSelected", "IntegrityMismatch", "ServerError"}
    assert volume.files() == {}


def test_plain_http_to_a_port_that_speaks_tls_is_an_error(run, failed):
    with Hub(tls=True) as hub:
        tiny(hub)
        result = run({**IMPATIENT, "endpoint": hub.endpoint.replace("https:", "http:")}, hub=hub)
        assert result.code in (30, 32), result
        assert hub.count() == 0


# Connections.

def test_a_connection_that_closes_as_we_ask_costs_no_attempt(run, hub, volume, complete):
    """Nothing came, over a connection that had served before: that says nothing about the server."""
    repo = tiny(hub)
    hub.fault("raw", path="*/tree/*", data=b"")
    complete(run(ONE), repo)
    assert hub.count(path="*/tree/*") == 2 and volume.status()["totals"]["retries"] == 0


def test_a_server_that_always_hangs_up_after_its_answer_is_good_enough(run, hub, complete):
    repo = hub.model("acme/tiny", {**{f"{n}.txt": str(n) for n in range(30)}, "w.bin": lfs(3 * MB)})
    hub.fault("hangup", times=None)
    complete(run({**ONE, "concurrency": {"partSize": "1MiB", "connections": 3}}), repo)


def test_an_answer_that_takes_long_holds_up_no_other_file(run, hub, complete):
    """Every connection's first answer takes long; none may wait to see what it says."""
    repo = hub.model("acme/tiny", {f"{n}.txt": str(n) for n in range(90)})
    hub.fault("delay", path="/acme/tiny/resolve/*", seconds=1.5, times=1, each="conn")
    complete(run({**ONE, "concurrency": {"threads": 2}}), repo)
    scout, *others = hub.requests(path="/acme/tiny/resolve/*")
    assert len({r.file for r in others if r.began_at < scout.ended_at + 1.2}) == 89


# HTTP/2.

@pytest.fixture
def hub2():
    with Hub(tls=True, http2=True) as hub:
        yield hub


@pytest.mark.parametrize("alpn", [(), ("http/1.1",), ("http/1.0",)])
def test_without_an_offer_of_http2_it_is_http1(run, complete, alpn):
    with Hub(tls={"alpn": alpn}) as hub:
        repo = tiny(hub)
        complete(run({**ONE, "tls": {"caFile": hub.ca_path}}, hub=hub), repo)
        assert {r.http for r in hub.requests()} == {"HTTP/1.1"}


FLOODS = [("h2-flood", {"what": what, "count": 50_000}) for what in (
    "settings", "ping", "data", "window", "priority", "push", "continuation", "empty-continuation")] + [
    ("h2-bomb", {}), ("huge-headers", {}), ("huge-headers", {"size": 20, "count": 6000}), ("early", {"count": 20_000}),
    ("h2-frame", {"type": 4, "stream": 0, "payload": b"\0\4\x7f\xff\xff\xff" * 1000}),      # settings, a thousand in one
    pytest.param("h2-frame", {"type": 4, "stream": 0, "payload": b"\0\5\0\0\0\0"},           # frames of no size
                 marks=pytest.mark.skipif(SANITIZED, reason="nghttp2 1.64 loses 16 bytes with such a connection")),
    ("h2-frame", {"type": 8, "stream": 0, "payload": b"\x7f\xff\xff\xff"}),                  # a window that overflows
    ("h2-frame", {"type": 0, "size": 20_000}), ("h2-frame", {"type": 9, "size": 10}), ("h2-frame", {"type": 3, "size": 3}),
    ("h2-frame", {"type": 7, "stream": 0, "size": 8}), ("h2-frame", {"type": 1, "flags": 4, "payload": b"\xff\xff\xff\xff\xff"})]


@pytest.mark.parametrize("kind, settings", FLOODS, ids=lambda v: v if isinstance(v, str) else v.get("what"))
def test_whatever_http2_is_made_to_say_it_ends_within_bounds(start, run, hub2, volume, complete, kind, settings):
    repo = hub2.model("acme/tiny", {f"{n}.txt": "x" * 400 for n in range(5)})
    spec = {**IMPATIENT, "tls": {"caFile": hub2.ca_path}}
    hub2.fault(kind, path="*/tree/*", times=None, **settings)
    began = time.monotonic()
    result, peak = watched(start(spec, hub=hub2))
    assert result.code in (0, 30, 32) and time.monotonic() - began < 20, result
    assert peak < MEMORY and (result.code == 0) == (volume.marker() is not None)
    hub2.reset()
    complete(run(spec, hub=hub2), repo)


@pytest.mark.parametrize("path", ["*/revision/*", "*/tree/*", "*/resolve-cache/*"])
def test_a_connection_that_fell_silent_is_not_asked_again(run, hub2, complete, path):
    repo = hub2.model("acme/tiny", {f"{n}.txt": "x" * 400 for n in range(20)})
    silence = hub2.fault("h2-silence", path=path)
    began = time.monotonic()
    complete(run({**IMPATIENT, "tls": {"caFile": hub2.ca_path}}, hub=hub2), repo)
    assert silence.hits == 1 and time.monotonic() - began < 10


def test_a_server_that_lets_no_further_stream_in_is_asked_over_another_connection(run, hub2, complete):
    repo = hub2.model("acme/tiny", {f"{n}.txt": "x" * 400 for n in range(20)})
    hub2.fault("h2-frame", type=4, stream=0, payload=b"\0\3\0\0\0\0", path="*/revision/*")
    began = time.monotonic()
    complete(run({**IMPATIENT, "tls": {"caFile": hub2.ca_path}}, hub=hub2), repo)
    assert time.monotonic() - began < 20


def test_connections_that_are_ended_after_every_answer_are_good_enough(run, hub2, complete):
    repo = hub2.model("acme/tiny", {f"{n}.txt": "x" * 400 for n in range(40)})
    hub2.fault("h2-goaway", at=10, times=None)
    complete(run({**ONE, "tls": {"caFile": hub2.ca_path}}, hub=hub2), repo)


# Listings.

def page_of(hub):
    return ask(f"{hub.endpoint}/api/models/acme/tiny/tree/main?recursive=true").body


def test_a_byte_order_mark_before_a_listing_is_passed_over(run, hub, complete):
    repo = tiny(hub)
    hub.fault("json-text", path="*/tree/*", text=b"\xef\xbb\xbf" + page_of(hub), times=None)
    complete(run(ONE), repo)


@pytest.mark.parametrize("first, second", [("config.json", "../evil"), ("../evil", "config.json")])
def test_of_a_key_that_comes_twice_neither_value_leads_out(run, hub, volume, tmp_path, first, second):
    repo = tiny(hub)
    text = page_of(hub).replace(b'"path":"config.json"', b'"path":"%s","path":"%s"' % (first.encode(), second.encode()))
    assert b"../evil" in text
    hub.fault("json-text", path="*/tree/*", text=text, times=None)
    result = run(IMPATIENT)
    if result.code == 0:
        assert volume.files("acme/tiny") == content_of(repo)
    else:
        assert result.code in (32, 42) and volume.files() == {}, result
    assert not [p for p in tmp_path.rglob("evil*")]


ODD = ["a\u202egpj.exe", "\u200bzero.txt", "\u0085next", "\u009b31mred.txt", "\ufeffbom", "\U0010ffff", "\u2066x\u2069", "e\u0301", "\u00e9",
       "File", "file", "FILE"]


@pytest.mark.parametrize("form", ["json", "text"])
def test_odd_names_arrive_as_they_are_and_are_never_said_as_they_are(run, hub, complete, form):
    repo = hub.model("acme/tiny", {name: git(f"content of {n}") for n, name in enumerate(ODD)})
    again = hub.fault("status", path="*/resolve/*", code=503, each="file")
    result = run(ONE, "--log-format", form, "--log-level", "debug")
    complete(result, repo)
    assert again.hits == len(ODD), "so that every name stands in the log"
    assert not [mark for mark in "\u202e\u0085\u009b\u2066\u2069" if mark in result.stderr]


@pytest.mark.parametrize("name", [".hf-init/x", ".HF-Init/default.complete.json", "sub/.hf-init/partials/x", ".cache/huggingface/x"])
def test_no_file_is_put_where_our_own_state_is(run, hub, volume, failed, name):
    tiny(hub)
    hub.fault("list-add", path="*/tree/*", names=[name], times=None)
    failed(run({"repos": [{"id": "acme/tiny", "path": "."}]}), 42, "UnsafeName")
    assert volume.files() == {} and set(os.listdir(volume.path)) <= {".hf-init"}


OURS = ["w.bin.part", "w.bin.journal", "w.bin.incomplete", "w.bin.lock", "w.bin.metadata", "default.complete.json", "default.status.json",
        ".hf-init.json", ".hf-init2/x", "partials/x.part", "leases/x", "refs/main", "blobs/x", "snapshots/main", ".locks/x",
        "trees/x.json", ".gitattributes", ".cache/other", "w.bin"]


@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_names_that_look_like_our_own_are_just_names(run, hub, volume, layout):
    repo = hub.model("acme/tiny", {name: (lfs if n % 2 else git)(2000 + n) for n, name in enumerate(OURS)})
    here = {"repos": [{"id": "acme/tiny", "path": "."}]} if layout == "dir" else ONE
    for _ in range(2):
        assert run({**here, "layout": layout}).code == 0
        base = volume.path if layout == "dir" else volume / f"models--acme--tiny/snapshots/{repo.head().sha}"
        for name, file in repo.head().files.items():
            assert (base / name).read_bytes() == file.content.read(), name


def test_the_longest_names_arrive(run, hub, complete):
    names = ["x" * 255, "\u00e9" * 127 + "x", "d/" * 63 + "f", "/".join(["y" * 230] * 15)]
    repo = hub.model("acme/tiny", {name: lfs(100 + n) for n, name in enumerate(names)})
    complete(run(ONE), repo)
    complete(run(ONE), repo)


@pytest.mark.parametrize("name", ["x" * 256, "\u00e9" * 128, "d/" * 64 + "f", "/".join(["y" * 250] * 17)])
def test_longer_names_are_refused_and_shown_in_short(run, hub, volume, failed, name):
    tiny(hub)
    hub.fault("list-add", path="*/tree/*", names=[name], times=None)
    said = failed(run(IMPATIENT), 42, "UnsafeName", name[:20])
    assert len(said["message"]) < 400 and volume.files() == {}


def test_sizes_that_no_disk_holds_are_refused_before_a_byte(run, hub, failed):
    hub.model("acme/tiny", {f"{n}.bin": lfs(1000 + n) for n in range(3)})
    for n in range(3):
        hub.fault("list-change", path="*/tree/*", name=f"{n}.bin", times=None,
                  set={"size": 2 ** 53 - 1, "lfs": {"oid": f"{n}" * 64, "size": 2 ** 53 - 1}})
    failed(run(IMPATIENT), 20, "InsufficientDisk")
    assert hub.count(path="*/resolve/*") == 0


@pytest.fixture
def one_case(tmp_path):
    """one_case(names) runs hf-init for a repo of these files on a volume that ignores case; a record per layout."""
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        pytest.skip("needs root and FUSE")

    def visit(*names):
        done = subprocess.run(["unshare", "-m", "--propagation", "private", sys.executable, "-B",
                               str(pathlib.Path(__file__).with_name("case_world.py")), BIN, str(tmp_path), *names],
                              capture_output=True, text=True, timeout=90)
        if "unshare:" in done.stderr or "mount:" in done.stderr:
            pytest.skip("no namespaces, or no FUSE here")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return visit


@pytest.mark.parametrize("names", [("File", "file", "other"), ("a/B.txt", "A/b.txt"), pytest.param(
    ("\u00c9.txt", "\u00e9.txt"), marks=product)])
def test_names_that_are_one_to_the_volume_are_refused_before_a_byte(one_case, names):
    for seen in one_case(*names):
        assert seen["code"] == 42 and "UnsafeName" in seen["log"], seen["log"]
        assert names[0] in seen["log"] and names[1] in seen["log"]
        assert seen["asked"] == 0 and not seen["marker"] and seen["temps"] == []


def test_other_names_are_fine_on_a_volume_that_ignores_case(one_case):
    for seen in one_case("File", "files", "folder/FILE", "Folder/x"):
        assert seen["code"] == 0 and seen["marker"], seen["log"]


# Failures that leave something.

def test_a_file_that_is_gone_fails_the_run_and_the_others_stay(run, hub, volume, failed, complete):
    repo = hub.model("acme/tiny", {**{f"{n}.bin": lfs(200_000 + n) for n in range(6)}, "gone.txt": "x"})
    hub.fault("status", file="gone.txt", code=404, headers={"X-Error-Code": "EntryNotFound"}, times=None)
    hub.latency(1.5, file="gone.txt")                        # the others are all there by then
    failed(run(ONE), 12, "EntryNotFound", "gone.txt")
    assert volume.files("acme/tiny") == {name: digest for name, digest in content_of(repo).items() if name != "gone.txt"}
    hub.reset()
    complete(run(ONE), repo)
    assert hub.count(host="cdn") == 0, "what stayed was not fetched again"


def test_a_token_that_is_shown_elsewhere_by_no_page_no_redirect_and_no_renewal(run, hub, complete):
    """All of it at once: pages, a renamed repo, expired URLs, retries, a mirror that fails."""
    repo = hub.model("acme/old", {**{f"{n}.txt": str(n) for n in range(20)}, "w.bin": lfs(3 * MB)}, private=True)
    hub.rename("acme/old", "acme/tiny")
    hub.page_size = 4
    with hub.mirror(page_size=4, link_host="https://huggingface.co") as mirror:
        mirror.fault("status", path="*/resolve/*", code=502, times=30)
        mirror.fault("expired", host="cdn", times=2)
        hub.fault("expired", host="cdn", times=2)
        hub.fault("redirect", path="*/resolve/*7.txt", to=hub.sink + "/x", times=1)
        result = run({"repos": [{"id": "acme/old"}], "endpoint": [mirror.endpoint, hub.endpoint]}, HF_TOKEN=hub.token)
        complete(result, repo, below="acme/old")
        assert hub.leaks() == mirror.leaks() == []
        assert set(hub.token_seen_by()) | set(mirror.token_seen_by()) == {"api"}
