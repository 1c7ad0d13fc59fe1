"""The stand-in Hub as a server: its log, strictness, TLS, speed, a clean end, and the command."""
import hashlib
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path

import pytest
from asking import Client, ask, follow, raw
from standin import Hub, Tls, lfs, xet

MIB = 1 << 20


@pytest.fixture
def hub():
    with Hub() as hub:
        yield hub


@pytest.fixture
def repo(hub):
    return hub.model("acme/tiny", {"onnx/model.onnx": lfs(5000), "model.safetensors": xet(3 * MIB + 5),
                                   "zero.bin": lfs(0)})


def api(hub, tail, **rest):
    return ask(hub.endpoint + "/api/" + tail, ca=hub.ca_path if hub.endpoint.startswith("https") else None, **rest)


def resolve(hub, path, repo="acme/tiny", **rest):
    return follow("%s/%s/resolve/main/%s" % (hub.endpoint, repo, path), **rest)


# The log.

def test_the_log_tells_what_was_asked_and_sent(hub, repo):
    with Client(hub.endpoint) as client:
        client.ask("/acme/tiny/resolve/main/onnx/model.onnx", range="bytes=0-9", user_agent="hf-init/1",
                   token=hub.token)
        client.ask("/api/models/acme/tiny?expand=sha")
    resolve(hub, "onnx/model.onnx", range="bytes=0-9")
    resolve(hub, "model.safetensors")
    assert hub.log.settle()
    first, second = hub.requests()[:2]
    assert (first.method, first.range, first.user_agent, first.status, first.token) == (
        "GET", "bytes=0-9", "hf-init/1", 302, True)
    assert first.conn == second.conn and second.query == "expand=sha" and second.bucket == "api"
    assert first.file == "onnx/model.onnx" and first.repo == "acme/tiny" and first.outcome == "sent"
    assert hub.count(host="cdn") == 2 and hub.count(host="cdn", range=True) == 1
    assert hub.bytes_sent("onnx/model.onnx", host="cdn") == 10
    assert hub.bytes_sent("*.safetensors", host="cdn") == 3 * MIB + 5
    assert hub.requests(path="/api/*") == [second] and hub.requests(status=(302,), method="GET")[0] is first
    assert first.netloc == hub.endpoint.split("://")[1] and first.ended_at >= first.began_at
    hub.reset()
    assert hub.count() == 0


def test_connections_and_their_peak_are_counted(hub, repo):
    gate = hub.gate(host="cdn", at=100)
    url = resolve_only(hub, "model.safetensors")
    threads = [threading.Thread(target=ask, args=(url,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    hub.log.wait(5, host="cdn")
    assert hub.max_connections("cdn") == 5 and hub.max_active("cdn") == 5
    gate.release()
    for thread in threads:
        thread.join()
    assert hub.log.settle() and hub.log.open.now.get("cdn", 0) <= 5


def resolve_only(hub, path):
    return ask("%s/acme/tiny/resolve/main/%s" % (hub.endpoint, path))["Location"]


# Requests no client should make.

@pytest.mark.parametrize("text", [b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
                                  b"GET / HTTP/1.1\r\n\r\n", b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
                                  b"GET / HTTP/1.1\r\nX: " + b"y" * 70000])
def test_a_malformed_request_is_told_why(hub, text):
    assert raw(hub.endpoint, text).startswith(b"HTTP/1.1 400 ")
    assert hub.log.settle() and hub.requests()[0].outcome.startswith("malformed")


def test_keep_alive_pipelines_and_http_1_0(hub, repo):
    one = b"GET /api/models/acme/tiny?expand=sha HTTP/1.1\r\nHost: x\r\n\r\n"
    assert raw(hub.endpoint, one * 2 + one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).count(b"200 OK") == 3
    assert raw(hub.endpoint, b"GET /api/models/acme/tiny HTTP/1.0\r\n\r\n").count(b"Connection: close") == 1


# TLS.

@pytest.mark.parametrize("leaf", ["good", "chain", "long-chain"])
@pytest.mark.parametrize("key", ["ecdsa", "rsa"])
def test_tls_with_certificates_that_hold(leaf, key):
    with Hub(tls=Tls(leaf=leaf, key=key)) as hub:
        file = hub.model("acme/tiny", {"w.bin": lfs(MIB)}).head().files["w.bin"]
        answer = resolve(hub, "w.bin", ca=hub.ca_path)[-1]
        assert hashlib.sha256(answer.body).hexdigest() == file.sha256
        assert hub.requests()[0].tls == "TLSv1.3" and hub.cdn.origin.startswith("https://127.0.0.2:")


@pytest.mark.parametrize("leaf, reason", [
    ("expired", "expired"), ("future", "not yet valid"), ("wrong-name", "not valid for"), ("no-san", "not valid for"),
    ("self-signed", "self-signed|self signed"), ("unknown-ca", "unable to get local issuer"),
    ("no-intermediate", "unable to get local issuer")])
def test_certificates_that_do_not_hold(leaf, reason):
    with Hub(tls=Tls(leaf=leaf)) as hub, pytest.raises(ssl.SSLCertVerificationError) as caught:
        api(hub, "models/acme/tiny")
    assert any(part in str(caught.value) for part in reason.split("|")), caught.value


@pytest.mark.parametrize("versions, wanted, works", [("1.2", "1.2", True), ("1.2", "1.3", False), ("1.3", "1.3", True),
                                                     ("1.3", "1.2", False), ("any", "1.2", True),
                                                     ("1.1", "1.2", False)])
def test_tls_versions(versions, wanted, works):
    with Hub(tls=Tls(versions=versions, key="rsa")) as hub:
        context = ssl.create_default_context(cafile=hub.ca_path)
        context.minimum_version = context.maximum_version = ssl.TLSVersion["TLSv" + wanted.replace(".", "_")]
        address = urllib.parse.urlsplit(hub.endpoint)
        with socket.create_connection((address.hostname, address.port), 5) as sock:
            if works:
                with context.wrap_socket(sock, server_hostname="127.0.0.1") as secure:
                    assert secure.version() == "TLSv" + wanted
            else:
                with pytest.raises(ssl.SSLError):
                    context.wrap_socket(sock, server_hostname="127.0.0.1")


def test_a_server_of_the_last_century_speaks_only_what_is_refused_today():
    with Hub(tls=Tls(versions="1.1", key="rsa")) as hub, pytest.raises(ssl.SSLError):
        api(hub, "models/acme/tiny")


def test_an_ipv6_address_will_do():
    try:
        hub = Hub(host="::1", tls=True)
    except OSError:
        pytest.skip("no IPv6 here")
    with hub:
        hub.model("acme/tiny", {"w.bin": lfs(10)})
        assert hub.endpoint.startswith("https://[::1]:") and len(resolve(hub, "w.bin", ca=hub.ca_path)[-1].body) == 10


def test_one_host_may_speak_tls_and_the_other_not():
    with Hub(tls=True, cdn_tls=False, name="localhost") as hub:
        hub.model("acme/tiny", {"w.bin": lfs(10)})
        assert hub.endpoint.startswith("https://localhost:") and hub.cdn.origin.startswith("http://127.0.0.2:")
        assert len(resolve(hub, "w.bin", ca=hub.ca_path)[-1].body) == 10


# Speed and endings.

def test_a_large_file_arrives_whole(hub):
    hub.model("acme/large", {"m.safetensors": xet(256 * MIB)})
    parts = urllib.parse.urlsplit(resolve(hub, "m.safetensors", repo="acme/large", range="bytes=0-0")[0]["Location"])
    request = ("GET %s?%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % (parts.path, parts.query)).encode()
    buffer = bytearray(MIB)
    with socket.create_connection((parts.hostname, parts.port), 5) as sock:
        sock.sendall(request)
        total = count = sock.recv_into(buffer)
        while count:
            count = sock.recv_into(buffer)
            total += count
    assert total > 256 * MIB


def test_thousands_of_aborted_connections_leave_nothing(capfd):
    before = threading.active_count()
    with Hub() as hub:
        hub.model("acme/tiny", {"w.bin": lfs(8 * MIB)})
        url = urllib.parse.urlsplit(resolve(hub, "w.bin", range="bytes=0-0")[0]["Location"])
        request = ("GET %s?%s HTTP/1.1\r\nHost: x\r\n\r\n" % (url.path, url.query)).encode()
        for n in range(2000):
            sock = socket.create_connection((url.hostname, url.port), 5)
            if n % 3:
                sock.sendall(request[:len(request) if n % 2 else 20])
            if n % 5 == 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.close()
        assert hub.log.settle(20) and ask(hub.cdn.origin + "/").status == 403
    assert threading.active_count() == before
    assert capfd.readouterr() == ("", "")


def test_close_ends_what_is_held_stalled_or_idle(hub, repo):
    hub.gate(file="model.safetensors", host="cdn", at=10)
    hub.fault("stall", file="onnx/model.onnx", host="cdn", at=10)
    hub.throttle(10, file="zero.bin")
    idle = socket.create_connection(urllib.parse.urlsplit(hub.endpoint).netloc.split(":"), 5)
    threads = [threading.Thread(target=resolve, args=(hub, p)) for p in ("model.safetensors", "onnx/model.onnx")]
    for thread in threads:
        thread.start()
    hub.log.wait(2, host="cdn")
    began_at = time.monotonic()
    hub.close()
    for thread in threads:
        thread.join(5)
    idle.close()
    assert time.monotonic() - began_at < 4
    assert not [t for t in threading.enumerate() if t.name.startswith("hub-")]


def test_down_refuses_and_up_listens_again_on_the_same_port(hub, repo):
    port = hub.listeners["api"].port
    hub.down("api")
    with pytest.raises(ConnectionRefusedError):
        api(hub, "models/acme/tiny")
    hub.up("api")
    assert api(hub, "models/acme/tiny").status == 200 and hub.listeners["api"].port == port
    hub.pause_accept("api")
    with pytest.raises(socket.timeout):
        api(hub, "models/acme/tiny", timeout=0.3)
    hub.pause_accept("api", False)
    assert api(hub, "models/acme/tiny").status == 200


# The command.

@pytest.fixture
def served():
    command = [sys.executable, str(Path(__file__).with_name("serve.py"))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process, json.loads(process.stdout.readline())
    process.stdin.close()
    process.stdout.close()
    assert process.wait(10) == 0, "it ends when its standard input does"


def post(served, name, **body):
    return ask(served[1]["endpoint"] + "/_hub/" + name, "POST", body=json.dumps(body)).json


def test_the_command_serves_a_demo_and_obeys_its_strings(served):
    where = served[1]
    tree = ask(where["endpoint"] + "/api/models/demo/tiny-model/tree/main?recursive=true").json
    assert any("xetHash" in entry for entry in tree)
    url = where["endpoint"] + "/demo/tiny-model/resolve/main/config.json"
    number = post(served, "fault", kind="status", match={"file": "config.json"}, times=2, code=503)["id"]
    assert [ask(url).status for _ in range(3)] == [503, 503, 307]
    assert post(served, "wait", id=number) == {"hit": True}
    assert len(ask(where["endpoint"] + "/_hub/log?status=503").json) == 2
    post(served, "repo", id="acme/new", files={"a.txt": "one", "w.bin": {"size": 100, "kind": "lfs"}},
         tags={"v1": "main"})
    sha = post(served, "push", repo="acme/new", files={"a.txt": "two"})["sha"]
    assert ask(where["endpoint"] + "/api/models/acme/new").json["sha"] == sha
    assert follow(where["endpoint"] + "/acme/new/resolve/v1/a.txt")[-1].body == b"one"
    post(served, "rate-limit", bucket="api", quota=0)
    assert ask(where["endpoint"] + "/api/models/acme/new").status == 429
    assert post(served, "fault", kind="nonsense")["error"].startswith("ValueError: no such fault")
    post(served, "reset")
    assert ask(where["endpoint"] + "/_hub/status").json["requests"] == 0
    assert ask(where["endpoint"] + "/_hub/nothing").status == 404


def test_the_command_ends_on_sigterm():
    command = [sys.executable, str(Path(__file__).with_name("serve.py")), "--tls", "--stay"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    where = json.loads(process.stdout.readline())
    assert ask(where["endpoint"] + "/api/models/demo/tiny-model", ca=where["ca"]).status == 200
    process.terminate()
    assert process.wait(10) == 0 and not Path(where["ca"]).exists()
    process.stdout.close()


def test_the_command_ends_with_its_parent():
    script = "%s %s </dev/null & read end" % (sys.executable, Path(__file__).with_name("serve.py"))
    parent = subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    where = json.loads(parent.stdout.readline())
    assert ask(where["endpoint"] + "/_hub/status").status == 200
    parent.stdin.close()
    parent.wait(10)
    parent.stdout.read()          # returns when the last holder of the pipe, the Hub, has ended
    with pytest.raises(OSError):
        ask(where["endpoint"] + "/_hub/status")
    parent.stdout.close()
