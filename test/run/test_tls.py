"""Whom hf-init trusts, how it says no, and that it gets along with the TLS servers there are."""
import json
import shutil
import ssl
import subprocess

import pytest
from conftest import content_of
from standin import Hub, Tls, lfs
from standin.tls import authority
from tls_servers import Front, Pki, context, nginx

V1_2, V1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
ONE = {"repos": [{"id": "acme/tiny"}]}
IMPATIENT = {"retry": {"attempts": 2, "maxWait": "1s"}}


def tiny(hub):
    return hub.model("acme/tiny", {"config.json": b'{"a":1}', "sub/notes.txt": b"hello\n"})


def spec(ca=None, **more):
    return {**ONE, **({"tls": {"caFile": str(ca)}} if ca else {}), **more}


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def root(pki):
    return pki.root()


@pytest.fixture
def message(tmp_path):
    return lambda: json.loads((tmp_path / "termination").read_text())


# Servers there are.

@pytest.mark.parametrize("versions", ["any", "1.2", "1.3"])
@pytest.mark.parametrize("key", ["ecdsa", "rsa"])
def test_servers_of_either_version_and_either_kind_of_key_work(run, volume, key, versions):
    # Python's server follows its own order of signatures, RSA-PSS first: rsa at 1.2 is the server that mbedTLS 3.6.6
    # cannot talk to as released (error -0x6600 in its ServerKeyExchange).
    with Hub(tls=Tls(key=key, versions=versions)) as hub:
        repo = hub.model("acme/tiny", {"config.json": b"{}", "w.bin": lfs(300_000)})
        result = run(spec(hub.ca_path), hub=hub)
        assert result.code == 0, result
        assert volume.files("acme/tiny") == content_of(repo)


@pytest.mark.parametrize("kind, digest", [("rsa:4096", "sha512"), ("rsa:2048", "sha384"), ("P-384", "sha384"),
                                          ("P-256", "sha512")])
@pytest.mark.parametrize("high", [V1_2, V1_3])
def test_larger_keys_and_longer_hashes_work(run, hub, volume, pki, kind, digest, high):
    repo = tiny(hub)
    root = pki.root(kind, digest)
    with Front(hub, context(*pki.leaf(root, kind, digest), high=high)) as front:
        result = run(spec(root[0], endpoint=front.endpoint))
        assert result.code == 0, result
        assert volume.files("acme/tiny") == content_of(repo)
        assert front.failures == []


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")
@pytest.mark.parametrize("settings", ["ssl_protocols TLSv1.2;", "ssl_protocols TLSv1.2; ssl_prefer_server_ciphers on;",
                                      "ssl_protocols TLSv1.3;", ""])
def test_nginx_works_as_people_configure_it(run, hub, volume, pki, root, tmp_path, settings):
    repo = tiny(hub)
    with nginx(hub, tmp_path, *pki.leaf(root), settings) as endpoint:
        result = run(spec(root[0], endpoint=endpoint))
        assert result.code == 0, result
        assert volume.files("acme/tiny") == content_of(repo)


def test_a_leaf_behind_an_intermediate_that_is_sent_along_works(run):
    with Hub(tls=Tls(leaf="chain")) as hub:
        tiny(hub)
        assert run(spec(hub.ca_path), hub=hub).code == 0


def test_many_handshakes_at_once_work(run, volume):
    # Each TLS 1.3 handshake holds a key in PSA's store, which has 32 places unless it may grow.
    with Hub(tls=Tls(versions="1.3")) as hub:
        repo = hub.model("acme/many", {f"{n}.bin": lfs(1000 + n) for n in range(96)})
        result = run({"repos": [{"id": "acme/many"}], "tls": {"caFile": str(hub.ca_path)},
                      "concurrency": {"connections": 64, "files": 64}}, hub=hub)
        assert result.code == 0, result
        assert volume.files("acme/many") == content_of(repo)
        assert "0x7F00" not in result.stderr


# Servers that are refused.

@pytest.mark.parametrize("leaf, words", [
    ("expired", ["expired on 2021-01-01", "clock says 20"]),
    ("future", ["not valid before 2090-01-01"]),
    ("wrong-name", ["it is for elsewhere.test"]),
    ("no-san", ["it names no host"]),
    ("self-signed", ["self-signed"]),
    ("unknown-ca", ["unknown issuer", "Stand-in unknown CA"]),
    ("no-intermediate", ["unknown issuer", "Stand-in intermediate CA"]),
])
def test_a_bad_certificate_is_refused_and_the_message_says_why(run, message, leaf, words):
    with Hub(tls=Tls(leaf=leaf)) as hub:
        tiny(hub)
        result = run(spec(hub.ca_path), hub=hub, HF_TOKEN=hub.token)
        assert result.code == 13, result
        said = message()
        assert said["reason"] == "TlsUntrusted" and said["exitCode"] == 13
        for word in words:
            assert word in said["message"]
        assert hub.requests() == [], "nothing, least of all a token, was sent"


def test_without_its_root_a_server_is_unknown_and_the_hint_names_the_setting(run, message):
    with Hub(tls=True) as hub:
        tiny(hub)
        result = run(spec(), hub=hub)
        assert result.code == 13, result
        assert "Stand-in root CA" in message()["message"]
        assert "tls.caFile" in result.stderr


def test_a_certificate_for_clients_is_refused(run, hub, message, pki, root):
    leaf = pki.leaf(root, extensions="subjectAltName=DNS:localhost\nextendedKeyUsage=clientAuth")
    with Front(hub, context(*leaf)) as front:
        assert run(spec(root[0], endpoint=front.endpoint)).code == 13
        assert "key usage" in message()["message"]


@pytest.mark.parametrize("settings", [
    {"low": ssl.TLSVersion.TLSv1, "high": ssl.TLSVersion.TLSv1_1, "ciphers": "ALL:@SECLEVEL=0"},
    {"high": V1_2, "ciphers": "ECDHE-RSA-AES128-SHA"},
    {"high": V1_2, "ciphers": "AES128-GCM-SHA256"},
])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_and_ciphers_are_refused(run, hub, volume, pki, root, settings):
    tiny(hub)
    with Front(hub, context(*pki.leaf(root), **settings)) as front:
        result = run(spec(root[0], endpoint=front.endpoint, **IMPATIENT))
        assert result.code in (13, 30), result
        assert "TLS" in result.stderr and front.failures
        assert volume.marker() is None


def test_http_on_an_https_port_is_named(run):
    with Hub(tls=True) as hub:
        hub.door("plain", host="api", times=None)
        result = run(spec(hub.ca_path, **IMPATIENT), hub=hub)
        assert result.code == 30, result
        assert "does not answer in TLS" in result.stderr


# Whose certificates are trusted.

@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_root_named_by_the_environment_is_trusted(run, variable):
    with Hub(tls=True) as hub:
        tiny(hub)
        assert run(spec(), hub=hub, **{variable: hub.ca_path}).code == 0


def test_a_folder_of_roots_is_trusted(run, tmp_path):
    folder = tmp_path / "certs"
    folder.mkdir()
    (folder / "README").write_text("no certificate\n")
    with Hub(tls=True) as hub:
        tiny(hub)
        shutil.copy(hub.ca_path, folder / "hub.crt")
        assert run(spec(), hub=hub, SSL_CERT_DIR=folder).code == 0
        assert run(spec(folder), hub=hub).code == 0


def test_a_self_signed_certificate_may_be_named_itself(run):
    with Hub(tls=Tls(leaf="self-signed")) as hub:
        tiny(hub)
        assert run(spec(authority().leaf("self-signed")[0]), hub=hub).code == 0


@pytest.mark.parametrize("content, words", [
    ("", "empty"), ("hello\n", "neither PEM nor DER"), (None, "No such file"),
    ("-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n", "private key"),
    ("-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n", "cannot be read"),
])
@pytest.mark.parametrize("by", ["spec", "environment"])
def test_a_useless_ca_file_stops_the_run_at_once_and_is_named(run, hub, tmp_path, content, words, by):
    tiny(hub)
    path = tmp_path / "my-ca.pem"
    if content is not None:
        path.write_text(content)
    result = run(spec(path)) if by == "spec" else run(spec(), SSL_CERT_FILE=path)
    assert result.code == 2, result
    assert "my-ca.pem" in result.stderr and words in result.stderr
    assert hub.requests() == []


def test_a_key_log_is_never_written(run, tmp_path):
    with Hub(tls=True) as hub:
        tiny(hub)
        assert run(spec(hub.ca_path), hub=hub, SSLKEYLOGFILE=tmp_path / "keys").code == 0
        assert not (tmp_path / "keys").exists()


# Client certificates.

@pytest.mark.parametrize("kind", ["rsa:2048", "P-256"])
@pytest.mark.parametrize("high", [V1_2, V1_3])
def test_a_client_certificate_is_shown(run, hub, volume, pki, root, kind, high):
    repo = tiny(hub)
    server = context(*pki.leaf(root), high=high)
    server.load_verify_locations(root[0])
    server.verify_mode = ssl.CERT_REQUIRED
    cert, key = pki.leaf(root, kind, extensions="extendedKeyUsage=clientAuth")
    with Front(hub, server) as front:
        tls = {"caFile": str(root[0]), "clientCert": str(cert), "clientKey": str(key)}
        result = run({**ONE, "endpoint": front.endpoint, "tls": tls})
        assert result.code == 0, result
        assert volume.files("acme/tiny") == content_of(repo)


@pytest.mark.parametrize("high", [V1_2, V1_3])
def test_a_missing_client_certificate_is_named_in_the_hint(run, hub, pki, root, high):
    tiny(hub)
    server = context(*pki.leaf(root), high=high)
    server.load_verify_locations(root[0])
    server.verify_mode = ssl.CERT_REQUIRED
    with Front(hub, server) as front:
        result = run(spec(root[0], endpoint=front.endpoint, **IMPATIENT))
        assert result.code in (13, 30), result
        assert "tls.clientCert" in result.stderr


@pytest.mark.parametrize("key", ["missing", "no key", "encrypted", "another's"])
def test_a_useless_client_key_is_a_mistake_of_the_spec(run, hub, pki, root, tmp_path, key):
    path = tmp_path / "client.key"
    cert, good = pki.leaf(root)
    if key == "no key":
        path.write_text("hello\n")
    if key == "encrypted":
        subprocess.run(["openssl", "pkcs8", "-topk8", "-in", good, "-out", path, "-passout", "pass:x"], check=True)
    if key == "another's":
        shutil.copy(pki.leaf(root, "P-256")[1], path)
    with Front(hub, context(*pki.leaf(root))) as front:
        tls = {"caFile": str(root[0]), "clientCert": str(cert), "clientKey": str(path)}
        result = run({**ONE, "endpoint": front.endpoint, "tls": tls})
        assert result.code == 2, result
        assert "client.key" in result.stderr and hub.requests() == []


# The end of a connection.

@pytest.mark.parametrize("versions", ["1.2", "1.3"])
def test_a_body_cut_without_a_goodbye_is_fetched_to_its_end(run, volume, versions):
    with Hub(tls=Tls(versions=versions)) as hub:
        repo = hub.model("acme/tiny", {"w.bin": lfs(500_000)})
        fault = hub.fault("cut", file="w.bin", host="cdn", at=100_000, how="fin")
        result = run(spec(hub.ca_path), hub=hub)
        assert result.code == 0, result
        assert fault.hits == 1 and volume.files("acme/tiny") == content_of(repo)
