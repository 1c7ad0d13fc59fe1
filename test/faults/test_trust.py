"""Faults of the family L that need servers of another kind: whom hf-init speaks to, in which words, and what nobody can
talk it into. The rest is in test/run/test_tls.py."""
import contextlib
import json
import os
import pathlib
import select
import socket
import ssl
import struct
import subprocess
import sys
import time

import pytest
from conftest import BIN, NOBODY, ROOT, content_of, product
from standin import Hub, Proxy, Tls, lfs

sys.path.insert(0, str(ROOT / "test" / "run"))
from tls_servers import Front, Listener, Pki, context  # noqa: E402

ONE = {"repos": [{"id": "acme/tiny"}]}
ONCE = {"retry": {"attempts": 1, "maxWait": "1s"}, "timeouts": {"connect": "2s", "stall": "2s"}}
MB = 1 << 20


def tiny(hub):
    return hub.model("acme/tiny", {"config.json": b'{"a":1}', "sub/notes.txt": b"hello\n"})


def spec(endpoint, ca=None, **more):
    return {**ONE, "endpoint": endpoint, **({"tls": {"caFile": str(ca)}} if ca else {}), **more}


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def root(pki):
    return pki.root()


# What we say first.

class Hello:
    """A ClientHello, taken apart; only what the tests ask about."""

    def __init__(self, record):
        kind, _, length = struct.unpack(">BHH", record[:5])
        self.size, body = len(record), record[5:]
        assert kind == 22 and body[0] == 1 and length == len(body) == int.from_bytes(body[1:4], "big") + 4, "one record"
        at = 38 + 1 + body[38]                               # header, version, random, session id
        suites, at = self._counted(body, at, 2)
        self.compressions, at = self._counted(body, at, 1)
        self.suites = self._words(suites)
        rest, _ = self._counted(body, at, 2)
        self.extensions, at = {}, 0
        while at < len(rest):
            kind = int.from_bytes(rest[at:at + 2], "big")
            self.extensions[kind], at = self._counted(rest, at + 2, 2)

    @staticmethod
    def _counted(data, at, width):
        length = int.from_bytes(data[at:at + width], "big")
        return data[at + width:at + width + length], at + width + length

    @staticmethod
    def _words(data):
        return [word for word, in struct.iter_unpack(">H", data)]

    @property
    def versions(self):
        return self._words(self.extensions[43][1:])

    @property
    def signatures(self):
        return self._words(self.extensions[13][2:])

    @property
    def server_name(self):
        return self.extensions[0][5:].decode() if 0 in self.extensions else None

    @property
    def protocols(self):
        rest, found = self.extensions.get(16, b"\0\0")[2:], []
        while rest:
            name, at = self._counted(rest, 0, 1)
            found, rest = found + [name.decode()], rest[at:]
        return found


def read_record(sock):
    """(type, whole record), or (None, b"") where the other side has gone."""
    data = b""
    with contextlib.suppress(OSError):
        while len(data) < 5 or len(data) < 5 + int.from_bytes(data[3:5], "big"):
            wanted = 5 if len(data) < 5 else 5 + int.from_bytes(data[3:5], "big")
            piece = sock.recv(wanted - len(data))
            if not piece:
                return None, b""
            data += piece
    return (data[0], data) if data else (None, b"")


class Raw(Listener):
    """A listener whose connections are handed to `talk`, one after another, each with a time limit."""

    def __init__(self, talk, host="127.0.0.1"):
        super().__init__(host, backlog=16)
        self._talk = talk

    def _take(self, sock):
        sock.settimeout(5)
        with sock, contextlib.suppress(OSError):
            self._talk(sock)


def hello_to(run, host):
    """The first words to a server that hangs up on them."""
    heard = []
    with Raw(lambda sock: heard.append(Hello(read_record(sock)[1]))) as server:
        assert run(spec(f"https://{host}:{server.port}", **ONCE)).code == 30
    return heard[0]


def test_only_what_is_safe_is_offered(run):
    hello = hello_to(run, "localhost")
    assert sorted(hello.versions) == [0x0303, 0x0304]
    assert set(hello.suites) - {0x00FF} == {0x1301, 0x1302, 0x1303, 0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA8, 0xCCA9}, \
        "TLS 1.3, and ECDHE with AES-GCM or ChaCha20; 0x00FF is only the mark of secure renegotiation"
    assert list(hello.compressions) == [0]
    assert not [s for s in hello.signatures if s >> 8 in (1, 2, 3)], "neither MD5 nor SHA-1 nor SHA-224"
    assert 15 not in hello.extensions, "no heartbeat"
    assert 41 not in hello.extensions and not hello.extensions.get(35), "nothing is resumed"


def test_the_first_words_fit_into_one_packet(run):
    """Middleboxes that want the whole ClientHello in their first packet get it."""
    hello = hello_to(run, "localhost")
    assert hello.size < 1200 and hello.server_name == "localhost"


# What we are answered.

def server_hello(version, suite, compression=0):
    body = struct.pack(">H", version) + os.urandom(32) + b"\0" + struct.pack(">HB", suite, compression)
    message = b"\x02" + len(body).to_bytes(3, "big") + body
    return b"\x16" + struct.pack(">HH", min(version, 0x0303), len(message)) + message


ANSWERS = {
    "SSL 3.0": server_hello(0x0300, 0xC02F), "TLS 1.0": server_hello(0x0301, 0xC013), "TLS 1.1": server_hello(0x0302,
                                                                                                              0xC013),
    "RC4": server_hello(0x0303, 0x0005), "3DES": server_hello(0x0303, 0x000A), "export": server_hello(0x0303, 0x0003),
    "no encryption": server_hello(0x0303, 0x0002), "nobody's key": server_hello(0x0303, 0xC018),
    "static RSA": server_hello(0x0303, 0x009C), "CBC": server_hello(0x0303, 0xC013),
    "a suite of 1.3 in 1.2": server_hello(0x0303, 0x1301), "compression": server_hello(0x0303, 0xC02F, 1),
    "a version to come": server_hello(0x0305, 0x1301),
    "garbage": b"\x16\x03\x03\x00\x40" + b"\xee" * 64, "a record of nothing": b"\x16\x03\x03\x00\x00" * 5,
    "an oversized record": b"\x16\x03\x03\xff\xff" + b"\0" * 70_000,
    "a hello that never ends": b"\x16\x03\x03\x40\x00\x02\xff\xff\xff" + b"\0" * 16_380,
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_server_that_chooses_what_was_not_offered_is_refused(run, volume, answer):
    after = []

    def talk(sock):
        Hello(read_record(sock)[1])
        sock.sendall(ANSWERS[answer])
        after.append(read_record(sock)[0])

    with Raw(talk) as server:
        result = run(spec(f"https://localhost:{server.port}", **ONCE), HF_TOKEN="hf_abcdefghijklmnopqrst")
    assert result.code in (13, 30), result
    assert after and set(after) <= {21, None}, "an alert, or goodbye; no key, no byte of a request"
    assert volume.marker() is None


# For whom a certificate speaks.

def der_name(*names):
    """subjectAltName as bytes, for names that openssl would not write: a NUL in the middle."""
    entries = b"".join(b"\x82" + bytes([len(name)]) + name for name in names)
    return "subjectAltName=DER:" + ":".join("%02x" % byte for byte in b"\x30" + bytes([len(entries)]) + entries)


NAMES = [
    ("hub.test", "subjectAltName=DNS:hub.test", True),
    ("hub.test", "subjectAltName=DNS:HUB.Test", True),
    ("hub.test", "subjectAltName=DNS:elsewhere.test,DNS:hub.test", True),
    ("a.hub.test", "subjectAltName=DNS:*.hub.test", True),
    ("127.0.0.1", "subjectAltName=IP:127.0.0.1", True),
    ("[::1]", "subjectAltName=IP:::1", True),
    ("a.b.hub.test", "subjectAltName=DNS:*.hub.test", False),
    ("hub.test", "subjectAltName=DNS:*.hub.test", False),
    ("ab.hub.test", "subjectAltName=DNS:a*.hub.test", False),
    ("a.b.hub.test", "subjectAltName=DNS:*.*.hub.test", False),
    ("a.hub.test", "subjectAltName=DNS:a.*.test", False),
    ("hub.test", "subjectAltName=DNS:*", False),
    ("hub.test.evil.test", "subjectAltName=DNS:hub.test", False),
    ("xhub.test", "subjectAltName=DNS:hub.test", False),
    ("hub.test", der_name(b"hub.test\0.evil.test"), False),
    ("hub.test", "subjectAltName=email:me@hub.test,URI:https://hub.test/", False),
    ("hub.test", "basicConstraints=CA:FALSE", False),                          # the common name does not count
    ("hub.test", "subjectAltName=IP:127.0.0.1", False),
    ("127.0.0.1", "subjectAltName=IP:127.0.0.2", False),
    ("127.0.0.1", "subjectAltName=DNS:localhost", False),
    ("[::1]", "subjectAltName=IP:127.0.0.1", False),
]


@pytest.mark.parametrize("host, extensions, good", NAMES)
def test_a_certificate_speaks_for_its_own_names_alone(run, hub, volume, failed, pki, root, host, extensions, good):
    repo = tiny(hub)
    with Front(hub, context(*pki.leaf(root, extensions=extensions, subject=host))) as front:
        with Proxy(hosts={f"{host}:443": ("127.0.0.1", front.port)}) as proxy:
            result = run(spec(f"https://{host}", root[0]), HTTPS_PROXY=proxy.url, HF_TOKEN=hub.token)
            assert proxy.records
    if good:
        assert result.code == 0, result
        assert volume.files("acme/tiny") == content_of(repo)
    else:
        failed(result, 13, "TlsUntrusted", host.strip("[]"))
        assert hub.requests() == [], "nothing, least of all a token, was sent"


# Roots and keys that people name.

MARK = b"-----BEGIN CERTIFICATE-----\n"
HUGE = {
    "text": b"x" * (10 * MB - 1), "nothing but NUL": b"\0" * (9 * MB),
    "nothing but a beginning": MARK * (9 * MB // len(MARK)),
    "beginnings and one end": MARK * (9 * MB // len(MARK)) + b"-----END CERTIFICATE-----\n",
    "one certificate that is all padding": MARK + b"A" * (9 * MB) + b"\n-----END CERTIFICATE-----\n",
    "nested DER": b"0\x80" * (4 * MB), "over 10 MB": b"\n" * (10 * 1000 * 1000 + 1),
}


@pytest.mark.parametrize("content", HUGE)
def test_a_huge_ca_file_of_nothing_is_refused_and_named(run, hub, tmp_path, content):
    """The time limit of the run is the watchdog: 350,000 beginnings were each searched to the end of the file."""
    (tmp_path / "my-ca.pem").write_bytes(HUGE[content])
    result = run(spec(hub.endpoint, tmp_path / "my-ca.pem"))
    assert result.code == 2 and "my-ca.pem" in result.stderr, result
    assert hub.requests() == []


def test_a_ca_file_that_may_not_be_read_is_named(start, hub, public, root):
    (public / "my-ca.pem").write_bytes(pathlib.Path(root[0]).read_bytes())
    os.chmod(public / "my-ca.pem", 0o600)
    (public / "volume").mkdir()
    os.chmod(public / "volume", 0o777)
    wish = {**ONE, "target": f"{public}/volume", "tls": {"caFile": f"{public}/my-ca.pem"}}
    (public / "spec").write_text(json.dumps(wish))
    result = start(None, "--spec", str(public / "spec"), bin=str(public / "hf-init"), prefix=NOBODY,
                   HF_ENDPOINT=hub.endpoint).wait()
    assert result.code == 2 and "my-ca.pem: Permission denied" in result.stderr, result
    assert hub.requests() == []


@pytest.mark.parametrize("what", ["clientCert", "clientKey", "caFile"])
@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "huge"])
def test_what_is_no_file_is_refused_and_not_waited_for(run, hub, tmp_path, pki, root, what, kind):
    cert, key = pki.leaf(root)
    tls = {"caFile": str(root[0]), "clientCert": str(cert), "clientKey": str(key)}
    path = tls[what] = "/dev/zero" if kind == "device" else str(tmp_path / "odd.pem")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        os.mkdir(path)
    elif kind == "huge":
        with open(path, "wb") as file:
            file.truncate(20 << 30)
    result = run({**ONE, "tls": tls})
    assert result.code == 2 and path in result.stderr, result
    assert hub.requests() == []


# No environment, no flag, no setting takes trust away.

def weakeners(folder):
    """Everything known to weaken curl, OpenSSL, mbedTLS, Python, git or Node, and a few guesses."""
    for name, text in ((".curlrc", "insecure\n"), (".netrc", "machine 127.0.0.1 login me password hunter2\n"),
                       (".wgetrc", "check_certificate = off\n"), ("openssl.cnf",
                                                                  "[default]\nCipherString = ALL:@SECLEVEL=0\n")):
        (folder / name).write_text(text)
    home = str(folder)
    return {"HOME": home, "CURL_HOME": home, "XDG_CONFIG_HOME": home, "NETRC": home + "/.netrc",
            "SSLKEYLOGFILE": home + "/keys", "MBEDTLS_SSL_KEYLOGFILE": home + "/keys",
            "OPENSSL_CONF": home + "/openssl.cnf",
            "SSL_CERT_FILE": "", "SSL_CERT_DIR": "", "CURL_CA_BUNDLE": "", "REQUESTS_CA_BUNDLE": "",
            "CURL_SSL_BACKEND": "none", "CURL_INSECURE": "1", "CURLOPT_SSL_VERIFYPEER": "0", "CURL_SSL_NO_VERIFY": "1",
            "PYTHONHTTPSVERIFY": "0", "GIT_SSL_NO_VERIFY": "1", "NODE_TLS_REJECT_UNAUTHORIZED": "0", "SSL_VERIFY": "0",
            "HF_HUB_DISABLE_SSL_VERIFY": "1", "HF_HUB_DISABLE_SSL_VERIFICATION": "1", "HF_HUB_INSECURE": "1",
            "LD_PRELOAD": "/x.so"}


@pytest.mark.parametrize("leaf", ["unknown-ca", "self-signed", "expired", "wrong-name"])
def test_no_variable_makes_a_bad_certificate_good(run, tmp_path, failed, leaf):
    with Hub(tls=Tls(leaf=leaf)) as hub:
        tiny(hub)
        result = run(spec(hub.endpoint, hub.ca_path), hub=hub, HF_TOKEN=hub.token, **weakeners(tmp_path))
        failed(result, 13, "TlsUntrusted")
        assert hub.requests() == []


def test_no_variable_makes_it_speak_worse_or_tell_its_keys(run, tmp_path):
    plain = hello_to(run, "localhost")
    weak = hello_to(lambda wish: run(wish, **weakeners(tmp_path)), "localhost")
    assert (weak.suites, weak.versions, weak.signatures) == (plain.suites, plain.versions, plain.signatures)
    with Hub(tls=True) as hub:
        tiny(hub)
        assert run(spec(hub.endpoint, hub.ca_path), hub=hub, **weakeners(tmp_path)).code == 0
        assert not any(record.token for record in hub.requests()), "nor is .netrc read"
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("words", [["--insecure"], ["-k"], ["--tls-insecure"], ["--no-check-certificate"],
                                   ["--tls-verify", "false"]])
def test_there_is_no_flag_for_it(run, hub, words):
    result = run(spec(hub.endpoint), *words)
    assert result.code == 2 and hub.requests() == [], result


@pytest.mark.parametrize("key", ["insecure", "insecureSkipVerify", "skipVerify", "verify", "minVersion"])
def test_there_is_no_setting_for_it(run, hub, key):
    assert run({**ONE, "tls": {key: True}}).code == 2
    assert run(ONE, **{"HF_INIT_TLS_" + key.upper(): "1"}).code == 2
    assert hub.requests() == []


# While it lasts.

@contextlib.contextmanager
def openssl_server(cert, key, *words):
    """The port of an `openssl s_server`, heard(word) that waits for it to print it, and say(line): R and r ask the
    client to renegotiate, k and K change keys."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", cert, "-key", key,
                                *words],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    os.set_blocking(process.stdout.fileno(), False)

    def heard(word, seconds=20):
        """Reads what the server prints until it has said `word`."""
        text, end = b"", time.monotonic() + seconds
        while word not in text and time.monotonic() < end and process.poll() is None:
            if select.select([process.stdout], [], [], 0.2)[0]:
                text += process.stdout.read() or b""
        return word in text

    def say(line):
        process.stdin.write(line)
        process.stdin.flush()
        time.sleep(0.02)                                     # it looks at the first letter of what it reads at once

    try:
        assert heard(b"ACCEPT")
        yield port, heard, say
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("version, command", [("-tls1_2", b"R\n"), ("-tls1_2", b"r\n"), ("-tls1_3", b"k\n"),
                                              ("-tls1_3", b"K\n")])
def test_a_server_that_wants_new_keys_over_and_over_ends_cleanly(start, volume, pki, root, version, command):
    with openssl_server(*pki.leaf(root), version) as (port, heard, say):
        running = start(spec(f"https://localhost:{port}", root[0], **ONCE))
        assert heard(b"GET /api/models/acme/tiny/revision/main")
        with contextlib.suppress(BrokenPipeError):           # it may well be offended when it is refused
            for _ in range(50):
                say(command)
        result = running.wait()
    assert result.code == 30, result
    assert volume.status()["phase"] == "failed" and volume.marker() is None


def test_a_flood_of_tickets_is_nothing(run, hub, volume, pki, root):
    repo = tiny(hub)
    server = context(*pki.leaf(root), low=ssl.TLSVersion.TLSv1_3)
    server.num_tickets = 5000
    with Front(hub, server) as front:
        assert run(spec(front.endpoint, root[0])).code == 0
    assert volume.files("acme/tiny") == content_of(repo)


def test_a_chain_of_a_hundred_certificates_ends_cleanly(run, failed):
    with Hub(tls=Tls(leaf="long-chain")) as hub:
        tiny(hub)
        result = run(spec(hub.endpoint, hub.ca_path, **ONCE), hub=hub)
        failed(result, 30, "Unreachable", "certificate chain over 16 KiB")
        assert hub.requests() == []


@pytest.mark.parametrize("high", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_may_change_its_key_between_two_connections(run, hub, volume, pki, root, high):
    """A ticket of the old key is never shown to the new one: nothing is resumed."""
    repo = tiny(hub)
    servers = [context(*pki.leaf(root, kind), high=high) for kind in ("rsa:2048", "P-256")]
    hub.fault("close", times=None)
    with Front(hub, *servers) as front:
        assert run(spec(front.endpoint, root[0])).code == 0
    assert volume.files("acme/tiny") == content_of(repo)
    stats = [server.session_stats() for server in servers]
    assert all(s["accept_good"] for s in stats) and not any(s["hits"] for s in stats), stats


@pytest.mark.parametrize("protocols", [(), ("http/1.1",), ("spdy/3", "http/0.9"), ("h2", "http/1.1")])
def test_whatever_the_server_makes_of_alpn_the_files_arrive(run, complete, protocols):
    with Hub(tls=Tls(alpn=protocols), http2="h2" in protocols) as hub:
        repo = hub.model("acme/tiny", {"config.json": b"{}", "w.bin": lfs(300_000)})
        complete(run(spec(hub.endpoint, hub.ca_path), hub=hub), repo)


def test_alpn_offers_what_we_speak(run):
    assert hello_to(run, "localhost").protocols == ["h2", "http/1.1"]


# The end.

@pytest.mark.parametrize("versions", ["1.2", "1.3"])
@pytest.mark.parametrize("at", [None, 0, 1, 100_000])
def test_an_end_without_goodbye_is_no_end_unless_all_is_there(run, complete, versions, at):
    """No length is stated, and TCP just ends: only size and hash can tell a whole file from a cut one."""
    with Hub(tls=Tls(versions=versions)) as hub:
        repo = hub.model("acme/tiny", {"config.json": b"{}" * 500, "w.bin": lfs(300_000)})
        faults = []
        for where, size in (({"file": "w.bin", "host": "cdn"}, 300_000), ({"file": "config.json", "status": 200}, 1000),
                            ({"path": "*/tree/*"}, 200)):
            faults.append(hub.fault("no-length", **where))
            if at is not None:
                faults.append(hub.fault("cut", at=min(at, size - 1), how="fin", **where))
        complete(run(spec(hub.endpoint, hub.ca_path), hub=hub), repo)
        assert [fault.hits for fault in faults] == [1] * len(faults)


# The program.

@product
def test_the_program_is_linked_as_we_promise():
    """Static, position-independent, RELRO, bound at start, no executable stack; one that is not is told so."""
    def judged(path):
        return subprocess.run([ROOT / "test/lint/elf", path], cwd=ROOT, capture_output=True, text=True, timeout=60)

    ours, other = judged(BIN), judged(sys.executable)
    assert ours.returncode == 0, ours.stdout + ours.stderr
    assert other.returncode == 1 and "no interpreter" in other.stdout
