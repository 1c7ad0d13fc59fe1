"""Faults of a real network: names, routes, lost packets, dead links. The kernel's own TCP meets them, on a wire between
two hosts of our own (hosts.py); each test is named after its row in test/faults/network.py."""
import os
import random
import re
import shutil
import socket
import time

import pytest
from conftest import content_of
from hosts import CDN, CDN6, HUB, HUB6, LOST_MAX, NOBODY, TOOLS, WIRE, Network
from standin import lfs

MB = 1 << 20
ONE = {"repos": [{"id": "acme/tiny"}]}
BRISK = {**ONE, "timeouts": {"connect": "1s", "stall": "1s"}}
SINGLE = {"concurrency": {"connections": 1}}
POD = f"nameserver {HUB}\nsearch models.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5"
NAMED = {"name": "hub.test", "cdn_name": "cdn.test"}
SYN_TO_CDN = f"ip daddr {CDN} tcp flags syn"


def retry(attempts):
    return {"retry": {"attempts": attempts, "maxWait": "1s"}}


@pytest.fixture
def net(tmp_path):
    if os.geteuid() != 0 or not all(map(shutil.which, TOOLS)):
        pytest.skip(f"needs root and {', '.join(TOOLS)}")
    (tmp_path / "hosts").mkdir()
    try:
        network = Network(tmp_path / "hosts")
    except PermissionError:
        pytest.skip("no namespaces here")
    yield network
    network.close()


@pytest.fixture
def start(net, start):
    """As everywhere, but on the client."""
    return lambda *args, **settings: net.client.do(start, *args, **settings)


@pytest.fixture
def hub(net):
    return net.hub()


def tiny(hub, size=3 * MB):
    return hub.model("acme/tiny", {"config.json": b'{"a": 1}', "w.bin": lfs(size)})


def many(hub, count=30):
    return hub.model("acme/tiny", {"w.bin": lfs(3 * MB), **{f"{n:02}.txt": f"{n}" for n in range(count)}})


def size_of(repo):
    return sum(file.content.size for file in repo.head("main").files.values())


@pytest.fixture
def nothing_twice(net, volume):
    """nothing_twice(hub, repo): every byte was received once, and on the wire there was no more than the packets around
    them, and what connections took along that ended."""

    def check(hub, repo):
        assert volume.status()["totals"]["bytesReceived"] == size_of(repo)
        assert net.client.metered() <= 1.2 * size_of(repo) + hub.count(host="cdn") * LOST_MAX

    return check


@pytest.fixture
def untroubled(volume, complete):
    """untroubled(result, repo): complete, and nothing had to be tried again."""

    def check(result, repo):
        complete(result, repo)
        assert volume.status()["totals"]["retries"] == 0, result

    return check


def only_small_ones(volume, repo):
    return volume.files(repo.id) == {name: digest for name, digest in content_of(repo).items() if name != "w.bin"}


# Names.

@pytest.mark.parametrize("nodata", [None, "cluster.local"])
def test_n01_a_name_that_is_not_there_yet_is_asked_for_again(net, start, until, complete, nodata):
    hub, zone = net.hub(**NAMED), {"cdn.test": [CDN]}
    names = net.names(zone, nodata=nodata)
    net.client.resolver(POD)
    repo = tiny(hub)
    running = start(ONE, hub=hub)
    until(lambda: names.times("hub.test") >= 4)  # twice, for A and AAAA
    zone["hub.test"] = [HUB]
    complete(running.wait(), repo)


def test_n01_a_name_that_never_comes_is_a_matter_of_dns(net, run, volume, failed):
    hub, names = net.hub(**NAMED), net.names({"cdn.test": [CDN]})
    net.client.resolver(POD)
    tiny(hub)
    failed(run({**ONE, **retry(2)}, hub=hub), 30, "DnsFailure", "hub.test")
    assert hub.count() == 0 and volume.files() == {}
    assert names.times("hub.test") >= 3 * 2


@pytest.mark.parametrize("how", ["servfail", "silent"])
@pytest.mark.parametrize("options", ["timeout:1", "timeout:5"])
def test_n02_a_name_server_that_fails_is_a_matter_of_dns(net, run, volume, failed, how, options):
    hub, names = net.hub(**NAMED), net.names({"hub.test": how})
    net.client.resolver(f"{POD} {options}")
    tiny(hub)
    failed(run({**BRISK, **retry(1)}, hub=hub), 30, "DnsFailure", "hub.test")
    assert names.times("hub.test") >= 2 and hub.count() == 0 and volume.files() == {}


def test_n02_the_name_of_the_cdn_may_fail_alone(net, run, volume, failed, complete):
    hub, zone = net.hub(**NAMED), {"hub.test": [HUB], "cdn.test": "servfail"}
    net.names(zone)
    net.client.resolver(f"{POD} timeout:1")
    repo = tiny(hub)
    failed(run({**ONE, **retry(1)}, hub=hub), 30, "DnsFailure", "cdn.test")
    assert only_small_ones(volume, repo)
    zone["cdn.test"] = [CDN]
    complete(run({**ONE, **retry(1)}, hub=hub), repo)
    assert hub.count(file="config.json", status=200) == 1


def test_n03_slow_names_are_waited_for_and_remembered(net, run, untroubled):
    hub = net.hub(tls=True, http2=True, **NAMED)
    names = net.names({"hub.test": [HUB], "cdn.test": [CDN]}, wait_s=3)
    net.client.resolver(POD)
    repo = many(hub)
    untroubled(run({**ONE, "tls": {"caFile": hub.ca_path}}, hub=hub), repo)
    assert names.times("hub.test") <= 5 * 2 and names.times("cdn.test") <= 5 * 2, "once a thread, not once a file"


def test_n04_a_look_up_that_fails_does_not_leave_a_name_to_the_search_list(net, start, until, complete):
    hub, zone = net.hub(**NAMED), {"hub.test": "servfail", "cdn.test": [CDN]}
    names = net.names(zone, nodata="cluster.local")
    net.client.resolver(f"{POD} timeout:1")
    repo = tiny(hub)
    running = start(ONE, hub=hub)
    until(lambda: names.times("hub.test") >= 2)
    until(lambda: names.times("hub.test.models.svc.cluster.local") >= 2)
    zone["hub.test"] = [HUB]
    complete(running.wait(), repo)


def test_n05_eighty_addresses_come_over_tcp(net, run, untroubled):
    """Over UDP the server sends none of them, only that there is more."""
    net.server.tool("ip", "route", "add", "local", "10.99.1.0/24", "dev", "lo")
    net.client.tool("ip", "route", "add", "10.99.1.0/24", "via", HUB)
    addresses = [f"10.99.1.{n + 1}" for n in range(80)]
    hub = net.hub(host="0.0.0.0", cdn_host="0.0.0.0", **NAMED)
    names = net.names({"hub.test": addresses, "cdn.test": addresses}, truncate=True)
    net.client.resolver(POD)
    repo = many(hub)
    untroubled(run(ONE, hub=hub), repo)
    assert {("tcp", "hub.test", "A"), ("tcp", "cdn.test", "A")} <= {(how, name, kind) for how, _, name, kind in names.asked}


@pytest.mark.parametrize("dead", [NOBODY, CDN])  # no host there; a host without a name server
def test_n06_the_first_name_server_may_be_dead(net, run, untroubled, dead):
    hub, names = net.hub(**NAMED), net.names({"hub.test": [HUB], "cdn.test": [CDN]})
    net.client.resolver(f"nameserver {dead}\n{POD}")
    net.client.filter(output=f"ip daddr {dead} udp dport 53 counter")
    repo = many(hub)
    untroubled(run(ONE, hub=hub), repo)
    assert net.client.filtered() >= len(names.asked) == len(set(names.asked)), "both are asked at once, and only once"


# Ways.

@pytest.mark.parametrize("way", ["no address", "unreachable", "refused", "dropped"])
def test_n07_ipv6_that_leads_nowhere_costs_no_failure(net, run, untroubled, way):
    hub = net.hub(**NAMED)
    net.names({"hub.test": [HUB6, HUB], "cdn.test": [CDN6, CDN]})
    net.client.resolver(POD)
    if way == "no address":
        net.client.tool("ip", "-6", "addr", "flush", "dev", WIRE)
    if way == "unreachable":
        net.client.tool("ip", "-6", "route", "del", "fd77::/64", "dev", WIRE)
        net.client.tool("ip", "-6", "route", "add", "unreachable", "fd77::/64")
    net.server.filter(input="ip6 nexthdr tcp counter" + (" drop" if way == "dropped" else ""))
    repo = many(hub)
    untroubled(run({**ONE, **retry(1)}, hub=hub), repo)
    assert (net.server.filtered() > 0) == (way in ("refused", "dropped")), "IPv6 was tried where it could be"


@pytest.mark.parametrize("named", [True, False])
def test_n08_ipv6_alone_is_enough(net, run, untroubled, named):
    hub = net.hub(host=HUB6, cdn_host=CDN6, **(NAMED if named else {}))
    net.names({"hub.test": [HUB6], "cdn.test": [CDN6]}, address=HUB6)
    net.client.resolver(POD.replace(HUB, HUB6))
    net.client.tool("ip", "-4", "addr", "flush", "dev", WIRE)
    repo = many(hub)
    untroubled(run({**ONE, **retry(1)}, hub=hub), repo)


REFUSALS = ["tcp reset", "icmp type admin-prohibited"]  # nobody listens; a rule of the network forbids it


@pytest.mark.parametrize("refusal", REFUSALS)
def test_n09_who_refuses_for_a_while_is_asked_again(net, hub, start, until, complete, nothing_twice, refusal):
    repo = tiny(hub)
    net.server.filter(input=f"{SYN_TO_CDN} counter reject with {refusal}")
    running = start(ONE)
    until(lambda: net.server.filtered() >= 3)
    net.server.filter()
    complete(running.wait(), repo)
    nothing_twice(hub, repo)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_n09_who_refuses_for_good_is_unreachable(net, hub, run, volume, failed, complete, refusal):
    repo = tiny(hub)
    net.server.filter(input=f"{SYN_TO_CDN} counter reject with {refusal}")
    failed(run({**ONE, **retry(2)}), 30, "Unreachable", CDN, *["refused"] * (refusal == "tcp reset"))
    assert net.server.filtered() >= 3 and only_small_ones(volume, repo)
    net.server.filter()
    complete(run(ONE), repo)
    assert hub.count(file="config.json", status=200) == 1


def test_n10_who_never_answers_is_unreachable_after_the_connect_timeout(net, hub, run, volume, failed, complete):
    repo = tiny(hub)
    net.server.filter(input=f"{SYN_TO_CDN} counter drop")
    failed(run({**BRISK, **retry(1)}), 30, "Unreachable", CDN, "within 1 s")
    assert net.server.filtered() >= 2 and only_small_ones(volume, repo)
    net.server.filter()
    complete(run(ONE), repo)
    assert hub.count(file="config.json", status=200) == 1


def test_n10_another_address_of_the_same_name_is_tried(net, run, untroubled):
    hub = net.hub(**NAMED)
    net.names({"hub.test": [NOBODY, HUB], "cdn.test": [NOBODY, CDN]})
    net.client.resolver(POD)
    net.server.addresses(NOBODY + "/24")
    net.server.filter(input=f"ip daddr {NOBODY} counter drop")
    repo = many(hub)
    untroubled(run({**ONE, **retry(1), "timeouts": {"connect": "2s"}}, hub=hub), repo)
    assert net.server.filtered() > 0


@pytest.mark.parametrize("end", ["client", "server"])
def test_n11_a_link_that_was_down_for_long_is_used_again(net, hub, start, until, volume, complete, nothing_twice, end):
    repo = tiny(hub, 6 * MB)
    gate = hub.gate(host="cdn", at=2 * MB)
    running = start({**BRISK, **SINGLE, **retry(40)})
    assert gate.wait()
    getattr(net, end).link("down")
    gate.release()
    until(lambda: volume.status()["totals"]["retries"] >= 2)
    getattr(net, end).link("up")
    complete(running.wait(), repo)
    nothing_twice(hub, repo)


@pytest.mark.parametrize("end", ["client", "server"])
def test_n11_a_link_that_was_down_for_a_moment_costs_no_connection(net, hub, start, untroubled, end):
    repo = tiny(hub, 6 * MB)
    gate = hub.gate(host="cdn", at=2 * MB)
    running = start({**ONE, **SINGLE})
    assert gate.wait()
    getattr(net, end).link("down")
    gate.release()
    time.sleep(1)
    getattr(net, end).link("up")
    untroubled(running.wait(), repo)
    assert hub.count(host="cdn") == 1


# Connections that break, stop or crawl.

def reset_by_a_rule(net):
    """From some packet on, 200 kB into the answers of a connection or later, it is reset."""
    net.server.setting("netfilter/nf_conntrack_acct", "1")
    net.server.filter(input=f"ip daddr {CDN} ct reply bytes > 200000 numgen random mod 20 == 0 ct mark set 1\n"
                            f"ip daddr {CDN} ct mark 1 counter reject with tcp reset")


def reset_by_the_server(net):
    """Its sockets are destroyed, from time to time."""
    moments = random.Random(12)
    for _ in range(12):
        time.sleep(moments.uniform(0.05, 0.4))
        net.server.tool("ss", "-K", "src", CDN)


@pytest.mark.parametrize("reset", [reset_by_a_rule, reset_by_the_server])
def test_n12_resets_at_any_byte_lose_none(net, hub, start, volume, complete, nothing_twice, reset):
    repo = tiny(hub, 8 * MB)
    throttle = hub.throttle(4 * MB, host="cdn")
    running = start({**ONE, **SINGLE, **retry(2)})
    reset(net)
    complete(running.wait(), repo)
    assert throttle.hits > 3 and volume.status()["totals"]["retries"] > 2
    nothing_twice(hub, repo)


def test_n13_stalls_are_forgiven_while_bytes_arrive(net, hub, run, complete, nothing_twice):
    repo = tiny(hub, 2 * MB)
    net.server.setting("netfilter/nf_conntrack_acct", "1")
    net.server.filter(output=f"ip saddr {CDN} ct reply bytes > 900000 counter drop")
    result = run({**BRISK, **SINGLE, **retry(1)})
    complete(result, repo)
    reasons = [line["reason"] for line in result.lines if line.get("reason")]
    assert len(reasons) >= 2 and set(reasons) == {"Stalled"}, result
    nothing_twice(hub, repo)


def test_n13_a_stall_for_good_is_called_so_and_the_next_run_goes_on(net, hub, run, volume, failed, complete):
    repo = tiny(hub)
    net.server.filter(output=f"ip saddr {CDN} meta length > 100 quota over 1000 kbytes counter drop")
    failed(run({**BRISK, **SINGLE, **retry(1)}), 30, "Stalled", CDN)
    assert only_small_ones(volume, repo) and net.server.filtered() > 0
    first = volume.status()["totals"]["bytesReceived"]
    net.server.filter()
    complete(run({**BRISK, **SINGLE, **retry(1)}), repo)
    assert first > 500_000 and first + volume.status()["totals"]["bytesReceived"] == size_of(repo)


@pytest.mark.parametrize("how", ["tbf", "policer"])
def test_n15_slow_but_steady_is_no_stall(net, hub, run, untroubled, nothing_twice, how):
    repo = tiny(hub, 600_000)
    if how == "tbf":
        net.server.tool(*f"tc qdisc add dev {WIRE} root tbf rate 800kbit burst 10kb latency 400ms".split())
    else:
        net.server.filter(output=f"ip saddr {CDN} limit rate over 100 kbytes/second burst 20 kbytes counter drop")
    untroubled(run({**ONE, "timeouts": {"stall": "5s"}}), repo)
    nothing_twice(hub, repo)
    shaped = net.server.tool("tc", "-s", "qdisc", "show", "dev", WIRE)
    assert net.server.filtered() > 10 or int(re.search(r"overlimits (\d+)", shaped)[1]) > 10


def test_n16_lost_packets_are_a_matter_for_tcp(net, hub, run, untroubled, nothing_twice):
    repo = hub.model("acme/tiny", {"w.bin": lfs(8 * MB), "x.bin": lfs(MB), "config.json": b"{}"})
    for host in (net.server, net.client):
        host.filter(input="numgen random mod 100 < 5 counter drop")
    untroubled(run({**ONE, "timeouts": {"connect": "1m"}}), repo)
    assert net.server.filtered() > 10 and net.client.filtered() > 10
    nothing_twice(hub, repo)


# Ports.

def test_n68_with_few_ports_there_are_few_connections(net, hub, run, complete, nothing_twice):
    repo = hub.model("acme/tiny", {f"w{n}.bin": lfs(MB + n) for n in range(12)})
    net.client.setting("ipv4/ip_local_port_range", "40000 40003")
    hub.throttle(MB, host="cdn")
    complete(run({**ONE, "concurrency": {"connections": 12}}), repo)
    assert 1 < hub.max_connections("cdn") <= 4
    nothing_twice(hub, repo)


def test_n68_without_a_port_nothing_is_reachable_until_there_is_one(net, hub, run, failed, complete, volume):
    repo = tiny(hub)
    net.client.setting("ipv4/ip_local_port_range", "40000 40003")
    taken = [net.client.do(socket.socket) for _ in range(4)]
    for port, sock in enumerate(taken, 40000):
        sock.bind(("0.0.0.0", port))
    failed(run({**ONE, **retry(1)}), 30, "Unreachable", HUB, "local port")
    assert hub.count() == 0 and volume.files() == {}
    for sock in taken:
        sock.close()
    complete(run(ONE), repo)
