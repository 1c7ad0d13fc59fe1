"""Every fault of the stand-in Hub does what its name says, as often as it was told to, and then no more."""
import gzip
import http.client
import json
import socket
import threading
import time
import urllib.parse
from pathlib import Path

import pytest
from asking import Client, ask, follow, raw
from standin import Hub, lfs, xet
from standin.faults import table

SIZE = 100_000


@pytest.fixture
def hub():
    with Hub() as hub:
        yield hub


@pytest.fixture
def repo(hub):
    return hub.model("acme/tiny", {"config.json": b"{}", "w.bin": lfs(SIZE), "m.safetensors": xet(SIZE), "d/e": "f"})


@pytest.fixture
def whole(repo):
    return repo.head().files["w.bin"].content.read()


@pytest.fixture
def url(hub, repo):
    """A signed URL of w.bin."""
    return ask(hub.endpoint + "/acme/tiny/resolve/main/w.bin")["Location"]


@pytest.fixture
def tree(hub, repo):
    return hub.endpoint + "/api/models/acme/tiny/tree/main?recursive=true"


def cdn(hub, kind, **rest):
    return hub.fault(kind, host="cdn", **rest)


# How often, and where.

def test_a_fault_happens_once_unless_told_otherwise(hub, url):
    fault = cdn(hub, "status", code=503)
    assert [ask(url).status for _ in range(3)] == [503, 200, 200] and fault.hits == 1
    cdn(hub, "status", code=500, times=2, after=1)
    assert [ask(url).status for _ in range(4)] == [200, 500, 500, 200]
    fault = cdn(hub, "status", code=502, times=None)
    assert [ask(url).status for _ in range(3)] == [502] * 3
    fault.clear()
    assert ask(url).status == 200
    assert [r.faults for r in hub.requests(host="cdn")[:2]] == [["status"], []]


def test_each_counts_anew_for_every_file(hub, repo):
    hub.fault("status", path="*/resolve/*", code=503, each="file", times=1)
    asked = [ask("%s/acme/tiny/resolve/main/%s" % (hub.endpoint, f)).status for f in ("w.bin", "d/e", "w.bin", "d/e")]
    assert asked == [503, 503, 302, 307]


@pytest.mark.parametrize("match", [
    {"file": "w.bin"}, {"host": "cdn"}, {"method": "GET", "range": "bytes=5-*"}, {"range": True}, {"repo": "acme/*"},
    {"path": "/xet-bridge-us/*"}, {"query": "*Expires=*"}, {"header": {"range": True}}, {"status": 206},
    {"token": False}, lambda request: request.file == "w.bin"])
def test_a_fault_strikes_what_it_matches(hub, url, match):
    hub.fault("status", match, code=503)
    assert ask(url, range="bytes=5-9").status == 503


@pytest.mark.parametrize("match", [{"file": "m.*"}, {"host": "api"}, {"range": False}, {"token": True},
                                   {"method": "HEAD"}])
def test_a_fault_passes_what_it_does_not_match(hub, url, match):
    fault = hub.fault("status", match, code=503)
    assert ask(url, range="bytes=5-9").status == 206 and fault.hits == 0


def test_nonsense_is_refused_at_once(hub):
    for wrong in (dict(kind="nonsense"), dict(kind="status"), dict(kind="cut", att=3),
                  dict(kind="html", match={"x": 1})):
        with pytest.raises((ValueError, TypeError)):
            hub.fault(**wrong)
    assert hub.faults.all() == []


# Another answer.

def test_status_html_expired_and_raw(hub, url):
    cdn(hub, "status", code=418, headers={"X-A": "b"}, body="teapot")
    answer = ask(url)
    assert (answer.status, answer["X-A"], answer.body) == (418, "b", b"teapot")
    cdn(hub, "status", code=304)
    assert (ask(url).status, ask(url).status) == (304, 200)
    cdn(hub, "html")
    answer = ask(url)
    assert answer.status == 200 and answer["Content-Type"].startswith("text/html") and b"log in" in answer.body
    cdn(hub, "expired")
    assert ask(url).status == 403
    cdn(hub, "raw", data="HTCPCP/1.0 yes\r\n\r\n")
    parts = urllib.parse.urlsplit(url)
    request = ("GET %s?%s HTTP/1.1\r\nHost: x\r\n\r\n" % (parts.path, parts.query)).encode()
    assert raw(url, request) == b"HTCPCP/1.0 yes\r\n\r\n"
    cdn(hub, "early", code=103, count=3)
    got = raw(url, request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert got.count(b"HTTP/1.1 103 Early Hints\r\n\r\n") == 3 and b"HTTP/1.1 200 OK" in got


def test_rate_limits_of_every_form(hub, url):
    for settings, said in ((dict(wait=7), "7"), (dict(wait=7, form="date"), "GMT"), (dict(), None),
                           (dict(form="soon"), "soon"), (dict(wait=3, form=None), None)):
        cdn(hub, "rate-limit", **settings)
        answer = ask(url)
        assert answer.status == 429 and b"<html>" in answer.body
        assert answer["Retry-After"] is None if said is None else answer["Retry-After"].endswith(said)
    cdn(hub, "rate-limit", wait=55, form=None, name="api")
    assert ask(url)["RateLimit"] == '"api";r=0;t=55'


def test_redirects_to_places_they_should_not_lead_to(hub, repo):
    file = hub.endpoint + "/acme/tiny/resolve/main/w.bin"
    for to in ("http://169.254.169.254/latest", "file:///etc/passwd", hub.sink + "/x", "", "//evil.test/x"):
        hub.fault("redirect", file="w.bin", to=to)
        assert ask(file)["Location"] == to
    hub.fault("redirect", file="w.bin", to="loop", times=None)
    assert len(follow(file)) > 10
    hub.faults.clear()
    hub.fault("relocate", file="w.bin", to_scheme="https")
    assert ask(file)["Location"].startswith("https://127.0.0.2:")
    hub.fault("relocate", file="w.bin", to_host="127.0.0.9:1")
    assert ask(file)["Location"].startswith("http://127.0.0.9:1/xet-bridge-us/")


# Ranges.

def test_lies_about_ranges(hub, url, whole):
    cdn(hub, "ignore-range")
    answer = ask(url, range="bytes=10-19")
    assert (answer.status, answer["Content-Range"], answer.body) == (200, None, whole)
    for settings, said in ((dict(shift=1), "bytes 11-20/%d" % SIZE), (dict(total=7), "bytes 10-19/7"),
                           (dict(total="*"), "bytes 10-19/*"), (dict(drop=True), None), (dict(value="junk"), "junk")):
        cdn(hub, "content-range", **settings)
        answer = ask(url, range="bytes=10-19")
        assert (answer.status, answer["Content-Range"], answer.body) == (206, said, whole[10:20])
    cdn(hub, "shift-body", by=5)
    answer = ask(url, range="bytes=10-19")
    assert answer["Content-Range"] == "bytes 10-19/%d" % SIZE and answer.body == whole[15:25]
    cdn(hub, "multipart")
    answer = ask(url, range="bytes=10-19")
    assert answer["Content-Type"].startswith("multipart/byteranges") and whole[10:20] in answer.body
    cdn(hub, "unsatisfiable")
    answer = ask(url, range="bytes=10-19")
    assert (answer.status, answer["Content-Range"]) == (416, "bytes */%d" % SIZE)
    fault = cdn(hub, "ignore-range")
    assert ask(url).status == 200 and fault.hits == 0, "it waits for a range"


# Bodies.

@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("tls", [False, True])
def test_a_body_is_cut_at_the_byte(how, tls):
    with Hub(tls=tls) as hub:
        hub.model("acme/tiny", {"w.bin": lfs(SIZE)})
        fault = cdn(hub, "cut", at=70_001, how=how)
        answer = follow(hub.endpoint + "/acme/tiny/resolve/main/w.bin", ca=hub.ca_path if tls else None)[-1]
        assert answer.status == 200 and answer["Content-Length"] == str(SIZE) and answer.error is not None
        assert len(answer.body) == 70_001 if how == "fin" else len(answer.body) <= 70_001
        assert hub.log.settle() and hub.requests(host="cdn")[0].sent == 70_001 and fault.hits == 1
        assert hub.requests(host="cdn")[0].outcome == "cut"


def test_a_cut_by_place_in_the_file_waits_for_the_right_range(hub, url, whole):
    fault = cdn(hub, "cut", file_at=50_010)
    assert ask(url, range="bytes=0-49999").body == whole[:50_000] and fault.hits == 0
    assert ask(url, range="bytes=50000-59999").body == whole[50_000:50_010] and fault.hits == 1


def test_silence_before_the_headers_and_in_the_body(hub, url, whole):
    cdn(hub, "stall")
    with pytest.raises(socket.timeout):
        ask(url, timeout=0.3)
    cdn(hub, "stall", at=1000)
    answer = ask(url, timeout=0.3)
    assert answer.body == whole[:1000] and isinstance(answer.error, socket.timeout)
    cdn(hub, "stall", at=1000, seconds=0.2)
    assert ask(url).body == whole
    assert hub.log.settle(), "a client that leaves ends the stall"
    assert [r.outcome for r in hub.requests(host="cdn")] == ["gone", "gone", "sent"]


def test_a_gate_holds_a_transfer_until_it_is_released(hub, url, whole):
    gate = hub.gate(file="w.bin", host="cdn", at=40_000)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(ask(url)))
    thread.start()
    assert gate.wait() and not answers
    time.sleep(0.1)
    assert hub.requests(host="cdn")[0].sent == 40_000 and not hub.requests(host="cdn")[0].done
    gate.release()
    thread.join(5)
    assert answers[0].body == whole and ask(url).body == whole


def test_speed_limits_and_latency(hub, url, whole):
    throttle = hub.throttle(200_000, host="cdn")
    began_at = time.monotonic()
    assert ask(url).body == whole and 0.4 < time.monotonic() - began_at < 3
    throttle.clear()
    latency = hub.latency(0.25, host="cdn")
    began_at = time.monotonic()
    assert ask(url).body == whole and 0.25 <= time.monotonic() - began_at < 3
    latency.clear()
    hub.throttle(1, host="cdn")
    answer = ask(url, timeout=0.3)
    assert 1 <= len(answer.body) <= 2
    hub.faults.clear()
    cdn(hub, "drip-head", seconds=0.01)
    with Client(url, timeout=0.2) as client:
        client.http.request("GET", "/")
        client.http.sock.settimeout(5)
        assert client.http.sock.recv(4).startswith(b"H")


def test_a_speed_limit_for_all_connections_together(hub, url):
    hub.throttle(400_000, host="cdn", per="all")
    began_at = time.monotonic()
    threads = [threading.Thread(target=ask, args=(url,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.6 < time.monotonic() - began_at < 4


def test_wrong_bytes(hub, url, whole, repo):
    cdn(hub, "flip", at=10)
    answer = ask(url)
    assert len(answer.body) == SIZE and [i for i in range(SIZE) if answer.body[i] != whole[i]] == [10]
    cdn(hub, "flip", file_at=60_000)
    assert ask(url, range="bytes=0-99").body == whole[:100]
    assert ask(url, range="bytes=60000-60001").body == bytes([whole[60000] ^ 1, whole[60001]])
    cdn(hub, "other-bytes")
    answer = ask(url)
    assert len(answer.body) == SIZE and answer.body[:9] != whole[:9]
    cdn(hub, "pointer")
    assert ask(url).body == repo.head().files["w.bin"].pointer


def test_wrong_lengths(hub, url, whole):
    cdn(hub, "short", by=10)
    answer = ask(url)
    assert (answer.body, answer["Content-Length"], answer.error) == (whole[:-10], str(SIZE - 10), None)
    cdn(hub, "long", by=10)
    assert ask(url).body == whole + bytes(10)
    cdn(hub, "wrong-length", by=5)
    answer = ask(url)
    assert answer.body == whole and answer.error is not None
    cdn(hub, "wrong-length", by=-5)
    assert ask(url).body == whole[:-5]
    cdn(hub, "no-length")
    answer = ask(url)
    assert (answer.body, answer["Content-Length"], answer["Connection"]) == (whole, None, "close")
    cdn(hub, "chunked")
    answer = ask(url)
    assert (answer.body, answer["Transfer-Encoding"], answer.error) == (whole, "chunked", None)
    cdn(hub, "chunked", bad_at=500)
    answer = ask(url)
    assert answer.body == whole[:500] and answer.error is not None
    cdn(hub, "chunked", unfinished=True)
    answer = ask(url)
    assert answer.body == whole and answer.error is not None
    cdn(hub, "trailers", size=70_000)                        # longer than any line Python takes
    answer = ask(url)
    assert answer.body[:SIZE] == whole and "trailer line" in str(answer.error)
    for framing in ("close", "chunked", "length"):
        cdn(hub, "endless", framing=framing)
        with Client(url) as client:
            parts = urllib.parse.urlsplit(url)
            client.http.request("GET", "%s?%s" % (parts.path, parts.query))
            with client.http.getresponse() as reply:
                assert reply.read(3 * SIZE)[:SIZE] == whole


def test_compression_nobody_asked_for(hub, url, whole, tree):
    cdn(hub, "gzip")
    answer = ask(url)
    assert answer["Content-Encoding"] == "gzip" and gzip.decompress(answer.body) == whole
    cdn(hub, "gzip", layers=6)
    assert ask(url)["Content-Encoding"].count("gzip") == 6
    hub.fault("bomb", path="*/tree/*", size=1 << 26)
    answer = ask(tree)
    assert answer["Content-Encoding"] == "gzip" and len(answer.body) < 100_000
    assert len(gzip.decompress(answer.body)) == 1 << 26


# Headers and connections.

def test_headers_go_missing_change_and_swell(hub, repo, url):
    file = hub.endpoint + "/acme/tiny/resolve/main/w.bin"
    hub.fault("drop-headers", file="w.bin", names=["X-Repo-Commit", "X-Linked-Etag"])
    assert ask(file)["X-Repo-Commit"] is None and ask(file)["X-Repo-Commit"]
    cdn(hub, "drop-headers", names="Content-Length")
    answer = ask(url)
    assert answer["Content-Length"] is None and len(answer.body) == SIZE
    hub.fault("set-headers", file="w.bin", headers={"X-Linked-Size": "12"})
    assert ask(file)["X-Linked-Size"] == "12"
    cdn(hub, "set-headers", headers={"Content-Length": 5}, twice=True)
    lengths = [v for n, v in ask(url).lines if n == "Content-Length"]
    assert lengths == [str(SIZE), "5"]
    cdn(hub, "huge-headers", size=60_000)
    assert len(ask(url)["X-Huge-0"]) == 60_000
    cdn(hub, "endless-head")
    with pytest.raises(http.client.HTTPException):
        ask(url)
    hub.fault("etag", file="w.bin", times=3)
    etags = {ask(file)["X-Linked-Etag"] for _ in range(3)}
    assert len(etags) == 3 and all(len(e) == 66 for e in etags)


def test_a_connection_ends_with_and_without_a_word(hub, repo):
    with Client(hub.endpoint) as client:
        hub.fault("close", host="api")
        assert client.ask("/api/models/acme/tiny")["Connection"] == "close"
        hub.fault("hangup", host="api")
        answer = client.ask("/api/models/acme/tiny")
        assert answer["Connection"] is None and answer.error is None
        with pytest.raises(OSError):
            for _ in range(3):
                client.ask("/api/models/acme/tiny")


@pytest.mark.parametrize("how", ["rst", "fin", "stall", "garbage", "plain", "hello-stall", "hello-rst"])
def test_doors_meet_a_connection_before_http(how):
    with Hub(tls=True) as hub:
        hub.model("acme/tiny", {"a": "b"})
        door = hub.door(how)
        with pytest.raises(OSError):
            ask(hub.endpoint + "/api/models/acme/tiny", ca=hub.ca_path, timeout=0.3)
        assert door.hits == 1
        assert ask(hub.endpoint + "/api/models/acme/tiny", ca=hub.ca_path).status == 200
        assert hub.count() == 1


# Listings.

def test_json_is_cut_replaced_deep_or_edited(hub, repo, tree):
    info = hub.endpoint + "/api/models/acme/tiny/revision/main"
    hub.fault("json-cut", path="*/tree/*")
    with pytest.raises(ValueError):
        ask(tree).json
    for text in ("", "NaN", '[{"size":1e999}]', "\ufeff[]", "[" * 10, '[{"path":"\\ud800"}]'):
        hub.fault("json-text", path="*/tree/*", text=text)
        assert ask(tree).body == text.encode()
    hub.fault("json-deep", path="*/tree/*", depth=5000)
    assert ask(tree).body == b"[" * 5000 + b"]" * 5000
    hub.fault("json-edit", path="*/tree/*", set={"size": -1}, drop=["oid"])
    assert all(e["size"] == -1 and "oid" not in e for e in ask(tree).json)
    hub.fault("json-edit", path="*/revision/*", edit=lambda document: [document])
    assert isinstance(ask(info).json, list)
    hub.fault("no-sha", path="*/revision/*")
    assert "sha" not in ask(info).json and "sha" in ask(info).json


HOSTILE = ["../x", "/abs", "a/../../b", ".", "", "a//b", "dir/", "nul\0", "new\nline", "C:\\x", "a" * 256, "\u202e",
           "\udcff", "d", ".cache/huggingface/x"]


def test_hostile_names_in_a_listing(hub, repo, tree):
    hub.fault("list-add", path="*/tree/*", names=HOSTILE)
    body = ask(tree).body
    assert b"\xff" in body, "bytes that are not UTF-8 arrive as they are"
    listed = [e["path"] for e in json.loads(body.decode("utf-8", "surrogateescape"))]
    assert listed[-len(HOSTILE):] == HOSTILE
    hub.model("acme/evil", {name: "x" for name in HOSTILE})
    body = ask(hub.endpoint + "/api/models/acme/evil/tree/main?recursive=true").body
    listed = {e["path"] for e in json.loads(body.decode("utf-8", "surrogateescape")) if e["type"] == "file"}
    assert listed >= set(HOSTILE) - {"d", ""}


def test_entries_change_vanish_and_repeat(hub, repo, tree):
    hub.fault("list-change", path="*/tree/*", name="w.bin", set={"size": 1}, drop=["lfs"])
    entry = next(e for e in ask(tree).json if e["path"] == "w.bin")
    assert entry["size"] == 1 and "lfs" not in entry
    hub.fault("list-drop", path="*/tree/*", names=["w.bin"])
    assert "w.bin" not in [e["path"] for e in ask(tree).json]
    hub.fault("list-twice", path="*/tree/*", name="w.bin", set={"size": 7})
    assert [e["size"] for e in ask(tree).json if e["path"] == "w.bin"] == [SIZE, 7]
    hub.fault("mask-xet", path="*/tree/*")
    assert [e["xetHash"] for e in ask(tree).json if "xetHash" in e] == ["*" * 64]


def test_next_links_that_lead_astray(hub, repo, tree):
    hub.fault("next-link", path="*/tree/*", to="self", times=None)
    link = ask(tree)["Link"]
    assert link == '<%s>; rel="next"' % tree and ask(link[1:].split(">")[0])["Link"] == link
    hub.faults.clear()
    hub.fault("next-link", path="*/tree/*", to="again", times=None)
    links = [ask(tree)["Link"] for _ in range(2)]
    assert links[0] != links[1] and ask(links[0][1:].split(">")[0]).status == 200
    hub.faults.clear()
    hub.fault("next-link", path="*/tree/*", to=hub.sink + "/next")
    assert ask(tree)["Link"] == '<%s/next>; rel="next"' % hub.sink


# Things that happen in the middle.

def test_a_push_in_the_middle_of_a_listing():
    with Hub(page_size=2) as hub:
        repo = hub.model("acme/tiny", {"%d" % n: "x" for n in range(5)})
        first = repo.head()
        hub.when(lambda request: repo.push({"new": "y"}), path="*/tree/*")
        answer = ask(hub.endpoint + "/api/models/acme/tiny/tree/%s" % first.sha)
        assert repo.head().sha != first.sha and first.sha in answer["Link"]


def test_several_faults_at_once(hub, url, whole):
    cdn(hub, "flip", at=3)
    cdn(hub, "cut", at=1000)
    cdn(hub, "set-headers", headers={"X-A": "b"})
    answer = ask(url)
    assert answer["X-A"] == "b" and len(answer.body) == 1000 and answer.body[3] == whole[3] ^ 1


def test_two_hubs_in_one_process_do_not_mix(hub, repo, url):
    with Hub() as other:
        other.fault("status", code=503, times=None)
        assert ask(url).status == 200 and ask(other.endpoint + "/x").status == 503
        assert other.count() == 1


def test_every_kind_is_in_the_readme():
    readme = Path(__file__).with_name("README.md").read_text()
    missing = [row for row in table().splitlines() if row not in readme]
    assert not missing, "the table of README.md is standin.faults.table(); it lacks\n" + "\n".join(missing)


def test_faults_of_bodies_wait_for_a_body(hub, repo, whole):
    """A cut by name must not spend itself on the redirect that comes first, a HEAD, or too short an answer."""
    fault = hub.fault("cut", file="w.bin", at=1000)
    file = hub.endpoint + "/acme/tiny/resolve/main/w.bin"
    assert ask(file, "HEAD").status == 302 and ask(follow(file, "HEAD")[0]["Location"], range="bytes=0-9").status == 206
    assert fault.hits == 0 and follow(file)[-1].body == whole[:1000] and fault.hits == 1
