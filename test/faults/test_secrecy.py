"""What must never be said, whatever goes wrong: the token, the query of a signed URL, the proxy's password. Every test
here provokes one way to end and then searches all that a run leaves: both streams at level debug, status, marker, env
file, journals and every other file of ours, names of files, termination message, arguments, and core files."""
import base64
import json
import os
import pathlib
import re
import signal
import socket
import urllib.parse

import pytest
from conftest import BIN, NOBODY
from standin import Hub, Proxy, Tls, lfs, xet

SANITIZED = "asan" in BIN or "tsan" in BIN
ONE = {"repos": [{"id": "acme/tiny"}]}
FORGED = "sIgNaTuReOfOuRoWn0123456789abcdefgh"                # stands in queries that the hub fixture did not sign
PASSWORD = "pAsSwOrD0123456789"
QUERY = f"Expires=9999999999&Signature={FORGED}&Key-Pair-Id=K2L8F4GPSG1IFC"
MIB = 1 << 20


def forms_of(secret):
    """A secret as it is, and as URLs, JSON and Basic authentication write it."""
    return {secret, urllib.parse.quote(secret, safe=""), json.dumps(secret)[1:-1],
            base64.b64encode(secret.encode()).decode().rstrip("=")}


def pieces_of(query):
    """The query, and each value in it that is long enough to be a secret; the name of the file is none."""
    values = [part.partition("=")[2] for part in query.split("&") if not part.startswith("response-content")]
    return {query} | {v for v in values if len(v) > 12}


def secrets_of(*hubs, more=()):
    found = {FORGED, QUERY, PASSWORD, *more}
    for hub in hubs:
        found |= {hub.token, hub.stranger_token}
        for record in hub.requests(host="cdn"):
            found |= pieces_of(record.query or "")
    return set().union(*(forms_of(secret) for secret in found if secret))


def all_that_is_left(folder, volume, result):
    left = {"stdout": result.stdout, "stderr": result.stderr}
    for path in [*folder.rglob("*"), *(() if volume.path.is_relative_to(folder) else volume.path.rglob("*"))]:
        left[f"name of {path}"] = str(path)
        if path.is_symlink():
            left[f"link {path}"] = os.readlink(path)
        elif path.is_file() and not path.name.startswith(("spec-", "secret")) and path.suffix != ".pem":
            left[f"content of {path}"] = path.read_bytes().decode("latin-1")
    return left


@pytest.fixture
def silent(tmp_path, volume):
    """silent(result, hub, …): nothing that is left holds a secret of these Hubs, and something was left."""

    def check(result, *hubs, more=()):
        left = all_that_is_left(tmp_path, volume, result)
        assert result.stdout + result.stderr and f"content of {tmp_path}/termination" in left, "nothing was searched"
        for secret in secrets_of(*hubs, more=more):
            for place, words in left.items():
                assert secret not in words, (place, secret)
        assert not [name for name in left if re.search(r"/core(\.\d+)?$", name)], "a core file"
        for hub in hubs:
            assert hub.leaks() == []

    return check


def tiny(hub, **settings):
    settings.setdefault("private", True)
    return hub.model("acme/tiny", {"config.json": b'{"a":1}', "w.bin": lfs(2 * MIB), "x.bin": xet(300_000)}, **settings)


def spec(**more):
    return {**ONE, "log": {"level": "debug"}, "retry": {"attempts": 1, "maxWait": "1s"},
            "timeouts": {"connect": "1s", "stall": "1s"},
            "onUnreachable": "fail", "concurrency": {"partSize": "1MiB"}, **more}


# What servers do: {name: function of the Hub and of what is to be matched}.

def answers(code, **headers):
    """A refusal that repeats what it was asked, in every place we might read."""
    def set_up(hub, where):
        echo = f"no: Authorization: Bearer {hub.token} for https://cdn.test/x?{QUERY} (token={hub.token})"
        names = {"X-Error-Message": echo, "X-Request-Id": hub.token, "X-Error-Code": hub.token, "Server": hub.token,
                 "ETag": f'"{hub.token}"', "Content-Range": f"bytes */{hub.token}",
                 "Link": f'<{hub.endpoint}/x?{QUERY}>; rel="next"'}
        hub.fault("status", code=code, times=None, body=echo, headers={**names, **headers}, **where)
    return set_up


def body_says(form):
    def set_up(hub, where):
        hub.fault("status", code=500, times=None, body=form % (f"Bearer {hub.token} at https://cdn.test/x?{QUERY}"),
                  **where)
    return set_up


def leads_to(location):
    def set_up(hub, where):
        hub.fault("redirect", times=None, to=location.format(token=hub.token, sink=hub.sink, query=QUERY,
                                                             cdn=hub.cdn.origin), **where)
    return set_up


def does(kind, **settings):
    return lambda hub, where: hub.fault(kind, times=None, **settings, **where)


AT_ONCE = {"Retry-After": "0"}
HUB_TROUBLE = {
    **{str(code): answers(code) for code in (204, 304, 400, 401, 403, 404, 416, 418, 500, 503)},
    "429": answers(429, **AT_ONCE),
    "JSON": body_says('{"error": "%s"}'), "XML": body_says("<Error><Message>%s</Message></Error>"),
    "HTML": body_says("<html><title>%s</title>"), "text": body_says("%s"),
    "a redirect off the list": leads_to("http://127.0.0.9/{token}?{query}"),
    "a redirect to a third host": leads_to("{sink}/x?{query}"),
    "a redirect with a password": leads_to("http://me:{token}@127.0.0.2/?{query}"),
    "a redirect that is none": leads_to("http://a b/{token}?{query}"),
    "a redirect elsewhere": leads_to("ftp://127.0.0.2/{token}?{query}"),
    "a redirect to a port that is closed": leads_to("http://127.0.0.1:1/{token}?{query}"),
    "a redirect to no host": leads_to("http://no-such-host.invalid/{token}?{query}"),
    "a loop": leads_to("loop"),
    "silence": does("stall"), "hang up": does("cut", at=0, how="rst"),
    "garbage": does("raw", data=b"HTTP/1.1 200 \x00\xff\r\n"),
}
FILE_TROUBLE = {
    **{str(code): answers(code) for code in (400, 403, 404, 416, 500)}, "429": answers(429, **AT_ONCE),
    "XML": body_says("<Error><Code>SignatureDoesNotMatch</Code><Message>%s</Message></Error>"), "text": body_says("%s"),
    "expired": does("expired"), "cut": does("cut", at=0, how="rst"), "stall": does("stall", at=0),
    "flip": does("flip", at=7), "other bytes": does("other-bytes"), "short": does("short"), "long": does("long"),
    "html": does("html"), "gzip": does("gzip"), "no such range": does("unsatisfiable"), "multipart": does("multipart"),
    "wrong range": does("content-range", value="bytes 0-9/10"), "huge headers": does("huge-headers"),
    "a redirect": leads_to("{sink}/x?{query}"), "a redirect that is none": leads_to("//{token}:x/?{query}"),
    "a loop": leads_to("loop"), "garbage": does("raw", data=b"HTTP/9 no\r\n\r\n"),
}


@pytest.mark.parametrize("path", ["*/revision/*", "*/tree/*", "*/resolve/*"])
@pytest.mark.parametrize("trouble", HUB_TROUBLE)
def test_whatever_the_hub_does(run, hub, silent, trouble, path):
    tiny(hub)
    HUB_TROUBLE[trouble](hub, {"path": path})
    result = run(spec(allowedHosts=["127.0.0.1", "127.0.0.2", "127.0.0.3", "*.invalid"]), HF_TOKEN=hub.token)
    assert result.code not in (0, 1) and result.code < 128, result
    assert hub.token_seen_by().keys() == {"api"}
    silent(result, hub)


@pytest.mark.parametrize("style", ["cloudfront", "s3"])
@pytest.mark.parametrize("trouble", FILE_TROUBLE)
def test_whatever_the_cdn_does(run, volume, silent, trouble, style):
    with Hub(url_style=style) as hub:
        tiny(hub)
        FILE_TROUBLE[trouble](hub, {"host": "cdn"})
        result = run(spec(), hub=hub, HF_TOKEN=hub.token)
        assert result.code not in (0, 1) and result.code < 128, result
        assert volume.status()["phase"] == "failed" and hub.count(host="cdn") > 0
        silent(result, hub)


@pytest.mark.parametrize("length", range(186, 234, 6))
def test_a_token_at_the_place_where_words_are_cut_off(run, hub, silent, tmp_path, length):
    """What a server says is shortened before it is shown: half a token is more than nothing."""
    token = "mIrRoRtOkEn" + "0123456789aBcDeFgHiJ" * 2           # no Hub's token, which could be told by its form
    tiny(hub)
    hub.accounts.add("reader", token)
    hub.fault("status", path="*/tree/*", code=500, times=None, body="x" * length + " " + token + " is no token")
    result = run(spec(), HF_TOKEN=token)
    assert result.code == 32 and "xxx" in result.stderr, result
    silent(result, more=(token, token[:12], token[:20]))


@pytest.mark.parametrize("ends", ["well", "cancelled", "killed", "aborted", "crashed"])
@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_however_it_ends(start, hub, silent, volume, tmp_path, until, ends, layout):
    number = {"well": 0, "cancelled": signal.SIGTERM, "killed": signal.SIGKILL, "aborted": signal.SIGABRT,
              "crashed": signal.SIGSEGV}[ends]
    if SANITIZED and ends == "crashed":
        pytest.skip("a sanitizer takes the signal for itself")
    tiny(hub)
    gate = hub.gate(file="w.bin", host="cdn", at=MIB // 2)
    running = start({**spec(layout=layout), "timeouts": {}}, HF_TOKEN=hub.token)
    assert gate.wait()
    until(lambda: (volume / ".hf-init/default.status.json").exists() and volume.status()["inFlight"])
    pid, proc = running.process.pid, pathlib.Path("/proc") / str(running.process.pid)
    arguments = (proc / "cmdline").read_text()
    assert BIN in arguments and "run" in arguments
    threads = "".join((task / "comm").read_text() for task in (proc / "task").iterdir())
    links = "".join(os.readlink(fd) for fd in (proc / "fd").iterdir())
    assert re.search(r"Max core file size +0 +0", (proc / "limits").read_text())
    during = {**all_that_is_left(tmp_path, volume, type("", (), {"stdout": "", "stderr": ""})), "arguments": arguments,
              "threads": threads, "open": links}
    if ends != "well":
        os.kill(pid, number)
        running.process.wait(20)
    gate.release()
    result = running.wait()
    assert result.code == {"well": 0, "cancelled": 143, "aborted": 1}.get(ends, -number), result
    for secret in secrets_of(hub):
        for place, words in during.items():
            assert secret not in words, (place, secret)
    silent(result, hub)


@pytest.mark.parametrize("url", ["htps://me:{}@proxy.test:3128", "tcp://me:{}@proxy.test:3128", "http://me:{}@[proxy.test",
                                 "http://me:{}@proxy.test:99999"])
@pytest.mark.parametrize("tls", [False, True])
def test_a_proxy_whose_url_cannot_be_used(run, silent, failed, url, tls):
    with Hub(tls=tls) as hub:
        tiny(hub)
        result = run(spec(tls={"caFile": hub.ca_path if tls else ""}), hub=hub, HF_TOKEN=hub.token,
                     HTTPS_PROXY=url.format(PASSWORD), HTTP_PROXY=url.format(PASSWORD))
        failed(result, 2, "SpecInvalid", "proxy", "HTTPS_PROXY")
        assert not [line for line in result.lines if "attempt" in line], "it was tried again"
        silent(result, hub)


@pytest.mark.skipif(SANITIZED, reason="the leak checker needs a process that can be looked at")
def test_nobody_of_the_same_user_reads_environment_or_memory(start, hub, public):
    tiny(hub)
    gate = hub.gate(host="cdn")
    (public / "volume").mkdir()
    os.chmod(public / "volume", 0o777)
    running = start(None, bin=str(public / "hf-init"), prefix=NOBODY, HF_TOKEN=hub.token, HF_ENDPOINT=hub.endpoint,
                    HF_INIT_REPOS="acme/tiny",
                    HF_INIT_TARGET=public / "volume", HF_INIT_DISK_RESERVE=0)
    assert gate.wait()
    for name in ("environ", "mem", "maps", "auxv"):
        spy = os.fork()
        if spy == 0:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            try:
                with open(f"/proc/{running.process.pid}/{name}", "rb") as file:
                    file.read(1)
            except OSError:
                os._exit(0)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(spy, 0)[1]) == 0, name
    gate.release()
    assert running.wait().code == 0


@pytest.mark.parametrize("trouble", ["closed", "407", "502", "stall", "html", "no name", "not a URL"])
@pytest.mark.parametrize("tls", [False, True])
def test_whatever_the_proxy_does(run, silent, trouble, tls):
    with Hub(tls=tls) as hub, Proxy(("me", PASSWORD)) as proxy:
        tiny(hub)
        url = f"http://me:{PASSWORD}@{proxy.address}"
        if trouble == "closed":
            with socket.create_server(("127.0.0.1", 0)) as probe:
                url = f"http://me:{PASSWORD}@127.0.0.1:{probe.getsockname()[1]}"
        elif trouble == "407":
            url = f"http://{PASSWORD}:wrong@{proxy.address}"
        elif trouble == "no name":
            url = f"http://me:{PASSWORD}@no-such-proxy.invalid:3128"
        elif trouble == "not a URL":
            url = f"http://me:{PASSWORD}@[{proxy.address}"
        else:
            proxy.fault(*(("status", None) if trouble == "502" else (trouble, None)),
                        **({"code": 502} if trouble == "502" else {}))
        result = run(spec(tls={"caFile": hub.ca_path if tls else ""}), hub=hub, HF_TOKEN=hub.token, HTTPS_PROXY=url,
                     HTTP_PROXY=url)
        assert result.code not in (0, 1) and result.code < 128, result
        silent(result, hub)


@pytest.mark.parametrize("leaf", ["expired", "wrong-name", "unknown-ca"])
def test_whatever_the_certificate_is(run, silent, leaf):
    with Hub(cdn_tls=Tls(leaf=leaf), tls=True) as hub:
        tiny(hub)
        result = run(spec(tls={"caFile": hub.ca_path}), hub=hub, HF_TOKEN=hub.token)
        assert result.code == 13, result
        silent(result, hub)


@pytest.mark.parametrize("entries", [["../{token}"], ["{token}\n"], ["/{token}"], ["a/../{token}"]])
def test_a_listing_that_repeats_the_token(run, hub, silent, entries):
    tiny(hub)
    hub.fault("list-add", path="*/tree/*", names=[name.format(token="hf_" + PASSWORD) for name in entries], times=None)
    hub.accounts.add("reader", "hf_" + PASSWORD)
    result = run(spec(), HF_TOKEN="hf_" + PASSWORD)
    assert result.code == 42, result
    silent(result, hub)


@pytest.mark.parametrize("command", ["run", "plan", "validate", "status"])
@pytest.mark.parametrize("place", ["volume is a file", "volume is full", "token file is rotated", "nothing is wrong"])
def test_every_command_keeps_them(run, hub, silent, tmp_path, volume, command, place):
    tiny(hub)
    (tmp_path / "secret-token").write_text(hub.token + "\n")
    wish = spec(token={"file": str(tmp_path / "secret-token")})
    if place == "volume is a file":
        volume.path.write_text("")
    elif place == "volume is full":
        wish["disk"] = {"limit": "1Ki"}
    elif place == "token file is rotated":
        hub.when(lambda _: (tmp_path / "secret-token").write_text(hub.stranger_token), path="*/tree/*")
        hub.when(lambda _: hub.accounts.revoke(hub.token), path="*/tree/*")
    result = run(wish, "-v", command=command, HTTPS_PROXY=f"http://me:{PASSWORD}@proxy.test:1")
    silent(result, hub)
