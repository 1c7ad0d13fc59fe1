"""The stand-in proxy: tunnels, absolute-form requests, passwords, names of its own, and its faults."""
import os
import subprocess
import threading

import pytest
from standin import Hub, Proxy, lfs

SIZE = 300_000


@pytest.fixture
def hub():
    with Hub(tls=True, name="hub.test", cdn_name="cdn.test") as hub:
        hub.model("acme/tiny", {"w.bin": lfs(SIZE)})
        yield hub


def curl(hub, proxy, url, *words):
    env = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
    command = ["curl", "-sS", "-L", "-o", "-", "-w", "\n%{http_code}", "--max-time", "5", "--cacert", hub.ca_path,
               "--proxy-cacert", hub.ca_path, "--proxy", proxy.url] + list(words) + [url]
    done = subprocess.run(command, env=env, capture_output=True, timeout=20)
    body, _, code = done.stdout.rpartition(b"\n")
    return int(code), body, done.returncode


def names(hub):
    return {hub.origin.split("://")[1]: hub.address("api"), hub.cdn.origin.split("://")[1]: hub.address("cdn")}


def file_url(hub):
    return hub.endpoint + "/acme/tiny/resolve/main/w.bin"


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("auth", [None, ("joe", "p@ss:word")])
def test_a_tunnel_leads_to_names_of_the_proxys_own(hub, auth, tls):
    with Proxy(auth, names(hub), tls=tls) as proxy:
        code, body, _ = curl(hub, proxy, file_url(hub))
        assert code == 200 and len(body) == SIZE
        assert [(r.method, r.target, r.status) for r in proxy.records if r.authorized] == [
            ("CONNECT", hub.origin[8:], 200), ("CONNECT", hub.cdn.origin[8:], 200)]
        assert proxy.records[-1].down > SIZE and hub.count(host="cdn", status=200) == 1


def test_plain_requests_in_absolute_form():
    with Hub() as hub, Proxy() as proxy:
        hub.model("acme/tiny", {"w.bin": lfs(SIZE)})
        code, body, _ = curl(hub, proxy, file_url(hub))
        assert code == 200 and len(body) == SIZE and proxy.records[0].target == file_url(hub)
        assert hub.requests()[0].path == "/acme/tiny/resolve/main/w.bin"


def test_without_the_password_it_is_407(hub):
    with Proxy(("joe", "secret"), names(hub)) as proxy:
        code, _, error = curl(hub, proxy, file_url(hub), "--proxy", "http://joe:wrong@" + proxy.address)
        assert error == 56 and proxy.records[0].status == 407 and hub.count() == 0


def test_a_proxy_that_refuses_cuts_or_is_silent(hub):
    with Proxy(hosts=names(hub)) as proxy:
        proxy.fault("status", code=502)
        assert curl(hub, proxy, file_url(hub))[2] == 56
        proxy.fault("cut", target="cdn.test:*", at=50_000, how="rst")
        assert curl(hub, proxy, file_url(hub))[2] == 56
        proxy.fault("stall")
        assert curl(hub, proxy, file_url(hub), "--max-time", "0.5")[2] == 28
        assert curl(hub, proxy, "https://nowhere.invalid/")[2] == 56
        assert curl(hub, proxy, file_url(hub))[0] == 200
        assert [r.fault for r in proxy.records[:4]] == ["status", None, "cut", "stall"]
    assert not [t for t in threading.enumerate() if t.name.startswith("hub-pr")]
