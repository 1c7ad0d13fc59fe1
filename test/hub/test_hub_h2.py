"""The same Hub over HTTP/2, by its own code and behind a real web server."""
import hashlib
import os
import shutil
import subprocess
import threading

import pytest
from standin import Hub, hpack, lfs, xet
from standin.nginx import Nginx, find_nginx

curl_speaks_h2 = shutil.which("curl") and b"HTTP2" in subprocess.run(["curl", "--version"], capture_output=True).stdout
needs_curl = pytest.mark.skipif(not curl_speaks_h2, reason="no curl with HTTP/2 here")
needs_nginx = pytest.mark.skipif(not find_nginx(), reason="no nginx here")


@pytest.fixture
def hub():
    with Hub(tls=True, http2=True) as hub:
        hub.model("acme/tiny", dict({"config.json": b"{}", "w.bin": lfs(3_000_000), "empty": b""},
                                    **{"d/%03d" % n: "file %d" % n for n in range(100)}))
        yield hub


def curl(hub, url, *words):
    env = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
    output = [] if "-o" in words else ["-o", "-"]
    command = ["curl", "-sS", "-L", "-w", "\n%{http_version} %{http_code}", "--max-time", "10", "--cacert",
               hub.ca_path] + output + list(words) + [url]
    done = subprocess.run(command, env=env, capture_output=True, timeout=30)
    body, _, said = done.stdout.rpartition(b"\n")
    return said.decode(), body, done.returncode


def file_url(hub, path="w.bin"):
    return hub.endpoint + "/acme/tiny/resolve/main/" + path


def test_header_blocks_of_the_specification_are_read():
    """The requests of RFC 7541, appendix C.4, on one connection."""
    decoder = hpack.Decoder()
    first = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")]
    assert decoder.decode(bytes.fromhex("828684418cf1e3c2e5f23a6ba0ab90f4ff")) == first
    assert decoder.decode(bytes.fromhex("828684be5886a8eb10649cbf")) == first + [("cache-control", "no-cache")]
    assert decoder.decode(bytes.fromhex("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf")) == [
        (":method", "GET"), (":scheme", "https"), (":path", "/index.html"), (":authority", "www.example.com"),
        ("custom-key", "custom-value")]
    for wrong in ("ff", "bf", "40", "8287ff80"):
        with pytest.raises(hpack.Malformed):
            hpack.Decoder().decode(bytes.fromhex(wrong))


def test_a_header_that_is_remembered_is_said_again_in_one_byte():
    block = hpack.remembered("x-bomb", "b" * 200) + b"\xbe" * 3
    assert hpack.Decoder().decode(block) == [("x-bomb", "b" * 200)] * 4


@needs_curl
def test_answers_are_the_same_as_over_http_1(hub):
    for path in ("w.bin", "config.json", "empty"):
        two, one = curl(hub, file_url(hub, path), "--http2"), curl(hub, file_url(hub, path), "--http1.1")
        assert (two[0], one[0], two[2]) == ("2 200", "1.1 200", 0) and two[1] == one[1]
    assert {r.http for r in hub.requests()} == {"HTTP/2", "HTTP/1.1"}
    body = curl(hub, hub.endpoint + "/api/models/acme/tiny/paths-info/main", "--http2", "-d", "paths=config.json")[1]
    assert b'"path":"config.json"' in body
    said, body, _ = curl(hub, file_url(hub), "--http2", "-r", "1000-1999")
    assert said == "2 206" and len(body) == 1000
    assert curl(hub, file_url(hub), "--http2", "-I")[0] == "2 200"


@needs_curl
def test_many_small_files_share_one_connection(hub, tmp_path):
    said = curl(hub, file_url(hub, "d/[000-099]"), "--http2", "-Z", "-o", str(tmp_path / "#1"))[2]
    assert said == 0 and all((tmp_path / ("%03d" % n)).read_text() == "file %d" % n for n in range(100))
    assert hub.max_connections("api") <= 2 and hub.count(http="HTTP/2") == 200


@needs_curl
def test_without_tls_by_prior_knowledge():
    with Hub(http2=True) as hub:
        hub.model("acme/tiny", {"w.bin": lfs(1000)})
        said, body, _ = curl(hub, file_url(hub), "--http2-prior-knowledge")
        assert said == "2 200" and len(body) == 1000


@needs_curl
@pytest.mark.parametrize("kind, settings", [
    ("h2-reset", {"at": 1_000_000}), ("h2-reset", {"at": None, "code": "cancel"}), ("cut", {"at": 5000}),
    ("cut", {"at": 5000, "how": "rst"}), ("h2-goaway", {"last": 0, "at": None, "end": True}),
    ("h2-goaway", {"at": 5000, "end": True}),
    ("h2-frame", {"type": 0, "stream": 0, "payload": "x"}), ("h2-frame", {"type": 4, "size": 20_000}),
    ("h2-flood", {"what": "continuation"}), ("h2-flood", {"what": "empty-continuation"}), ("h2-flood", {"what": "push"}),
    ("h2-bomb", {}),
    ("raw", {"data": "garbage that is no frame at all"})])
def test_what_goes_wrong_ends_the_transfer(hub, kind, settings):
    fault = hub.fault(kind, host="cdn", **settings)
    assert curl(hub, file_url(hub), "--http2")[2] != 0 and fault.hits == 1
    assert curl(hub, file_url(hub), "--http2")[0] == "2 200"


@needs_curl
@pytest.mark.parametrize("kind, settings", [
    ("h2-goaway", {"at": 1000}), ("h2-flood", {"what": "ping", "count": 500}),
    ("h2-flood", {"what": "window", "count": 500}), ("h2-flood", {"what": "data", "count": 500}),
    ("h2-flood", {"what": "priority", "count": 500}), ("h2-bomb", {"size": 40_000}),
    ("early", {"count": 3}),
    ("throttle", {"bytes_per_s": 20_000_000}), ("delay", {"seconds": 0.1}),
    ("h2-reset", {"code": "refused", "at": None})])
def test_what_a_client_can_live_with(hub, kind, settings):
    fault = hub.fault(kind, host="cdn", **settings)
    said, body, code = curl(hub, file_url(hub), "--http2", "--retry", "1", "--retry-all-errors", "--retry-delay", "0")
    assert (said, code, fault.hits) == ("2 200", 0, 1) and body.endswith(curl(hub, file_url(hub))[1])


@needs_curl
def test_a_stalled_stream_holds_up_no_other(hub):
    gate = hub.gate(file="w.bin", host="cdn", at=1000)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(curl(hub, file_url(hub), "--http2")))
    thread.start()
    assert gate.wait() and curl(hub, file_url(hub, "config.json"), "--http2")[0] == "2 200"
    gate.release()
    thread.join(10)
    assert len(answers[0][1]) == 3_000_000


@needs_curl
def test_a_silent_connection_answers_nothing_more_and_others_do(hub):
    silence = hub.fault("h2-silence", file="config.json")
    both = file_url(hub, "config.json"), "--http2", "--max-time", "1"
    assert curl(hub, *both)[2] == 28 and silence.hits == 1
    assert curl(hub, *both)[0] == "2 200"


@needs_curl
def test_a_server_that_agrees_on_http_2_and_speaks_http_1():
    with Hub(tls=True, http2="lie") as hub:
        hub.model("acme/tiny", {"a": "b"})
        assert curl(hub, hub.endpoint + "/api/models/acme/tiny", "--http2")[2] != 0
        assert curl(hub, hub.endpoint + "/api/models/acme/tiny", "--http1.1")[0] == "1.1 200"


@needs_curl
def test_closing_ends_streams_and_threads():
    hub = Hub(tls=True, http2=True)
    hub.model("acme/tiny", {"w.bin": lfs(3_000_000)})
    hub.fault("stall", host="cdn", at=10)
    process = subprocess.Popen(["curl", "-sL", "-o", os.devnull, "--cacert", hub.ca_path, file_url(hub)])
    assert hub.log.wait(host="cdn")
    hub.close()
    assert process.wait(10) != 0
    assert not [t for t in threading.enumerate() if t.name.startswith("hub-")]


@needs_curl
@needs_nginx
@pytest.mark.parametrize("settings", [{}, {"versions": "1.2", "key": "rsa"}, {"http2": False, "versions": "1.3"}])
def test_behind_nginx(settings):
    with Hub(page_size=2) as hub, Nginx(hub, **settings) as front, Nginx(hub, role="cdn", **settings):
        repo = hub.model("acme/tiny", {"w.bin": xet(3_000_000), "a": "b", "c": "d"})
        said, body, _ = curl(hub, front.endpoint + "/acme/tiny/resolve/main/w.bin")
        assert said == ("1.1 200" if settings.get("http2") is False else "2 200")
        assert hashlib.sha256(body).hexdigest() == repo.head().files["w.bin"].sha256
        assert front.endpoint.encode() in curl(hub, front.endpoint + "/api/models/acme/tiny/tree/main", "-i")[1]
