"""How many connections there are, and what they do for each other."""
import time

import pytest
from standin import xet

MIB = 1 << 20
ONE = {"repos": [{"id": "acme/tiny"}]}


def begin_of(range):
    return int((range or "bytes=0-").split("=")[1].split("-")[0])


def ranges(hub, file):
    """(begin, bytes sent) of every answer to a GET of the file's content."""
    return [(begin_of(r.range), r.sent)
            for r in hub.requests(file=file, host="cdn") if r.method == "GET"]


def test_what_a_silent_connection_does_not_bring_another_does(run, hub, volume, complete):
    """Long before timeouts.stall; and that is no failure of the connection or the run."""
    repo = hub.model("acme/tiny", {"w.bin": xet(24 * MIB)})
    hub.fault("stall", host="cdn", file_at=12 * MIB, times=1)
    result = run({**ONE, "concurrency": {"connections": 2, "partSize": "24MiB"}, "timeouts": {"stall": "5m"}}, timeout=60)
    complete(result, repo)
    begins = sorted(begin for begin, _ in ranges(hub, "w.bin"))
    assert begins[0] == 0 and 11 * MIB <= begins[1] <= 12 * MIB
    assert hub.bytes_sent("w.bin", host="cdn") <= 25 * MIB
    assert volume.status()["totals"]["retries"] == 0


def test_no_other_connection_asks_while_the_server_wants_us_to_wait(virtual, hub, complete):
    """After ten seconds an idle one took the bytes over and asked at once; after one already, a share of them."""
    repo = hub.model("acme/tiny", {"w.bin": xet(24 * MIB)})
    hub.fault("status", host="cdn", range=f"bytes={12 * MIB}-*", code=503, headers={"Retry-After": "40"}, times=1)
    moments = []
    hub.when(lambda _: moments.append(virtual.now()), host="cdn", range=lambda r: begin_of(r) >= 12 * MIB, times=None)
    settings = {"concurrency": {"connections": 4, "partSize": "12MiB"}}
    complete(virtual({**ONE, **settings}, timeout=90), repo)
    assert moments[1] - moments[0] >= 40


def test_a_wait_that_the_server_named_outlives_its_connection(run, hub, complete):
    """With fewer connections the one that waited was given up, and the next to be free asked for its bytes at once."""
    repo = hub.model("acme/tiny", {"w.bin": xet(8 * MIB)})
    hub.throttle(2 * MIB, host="cdn")
    hub.fault("status", host="cdn", range=f"bytes={4 * MIB}-*", code=503, headers={"Retry-After": "5"}, times=1)
    moments = []
    hub.when(lambda _: moments.append(time.monotonic()), host="cdn", range=lambda r: begin_of(r) >= 4 * MIB, times=None)
    settings = {"concurrency": {"connections": 2, "threads": 1, "partSize": "4MiB"}}
    complete(run({**ONE, **settings}), repo)
    assert len(moments) >= 2 and moments[1] - moments[0] >= 5


def test_who_waits_makes_room_for_who_is_served(run, hub, until, complete):
    """With fewer connections the newest went, served or not, and nothing came for as long as the others waited."""
    repo = hub.model("acme/tiny", {"config.json": "{}", "a.bin": xet(6 * MIB + 1), "b.bin": xet(6 * MIB)})
    hub.throttle(2 * MIB, host="cdn", file="b.bin")
    hub.when(lambda _: until(lambda: hub.bytes_sent("b.bin", host="cdn") > MIB // 2), host="cdn", file="a.bin")
    refusal = hub.fault("status", host="cdn", file="a.bin", code=503, headers={"Retry-After": "4"})
    settings = {"concurrency": {"connections": 2, "threads": 1, "partSize": "16MiB"}}
    complete(run({**ONE, **settings}), repo)
    assert refusal.hits == 1 and hub.count(file="b.bin", host="cdn") == 1


def test_a_wait_that_the_server_named_outlives_the_patience_of_a_connection(run, hub, complete):
    """Its attempts were spent; what was left of its bytes was taken up anew, and asked for at once."""
    repo = hub.model("acme/tiny", {"config.json": "{}", "w.bin": xet(12 * MIB)})
    hub.throttle(2 * MIB, host="cdn")
    hub.fault("cut", host="cdn", range="bytes=0-*", at=MIB)
    rest = {"host": "cdn", "range": lambda r: 0 < begin_of(r) < 6 * MIB}
    hub.fault("status", **rest, code=503, headers={"Retry-After": "2"})
    moments = []
    hub.when(lambda _: moments.append(time.monotonic()), **rest, times=None)
    settings = {"retry": {"attempts": 1}, "concurrency": {"connections": 2, "threads": 1, "partSize": "6MiB"}}
    complete(run({**ONE, **settings}), repo)
    assert len(moments) >= 2 and moments[1] - moments[0] >= 2


def test_the_last_part_is_shared_by_connections_that_have_nothing_left(run, hub, complete):
    repo = hub.model("acme/tiny", {"w.bin": xet(24 * MIB)})
    hub.throttle(4 * MIB, host="cdn")
    complete(run({**ONE, "concurrency": {"connections": 4, "partSize": "24MiB"}}, timeout=60), repo)
    begins = sorted(begin for begin, _ in ranges(hub, "w.bin"))
    assert begins[0] == 0 and len(begins) >= 3
    assert begins[-1] > 12 * MIB


def test_a_server_that_stays_silent_is_given_up_all_the_same(run, hub, failed):
    """Taking over from each other must not look like progress."""
    hub.model("acme/tiny", {"w.bin": xet(8 * MIB)})
    hub.fault("stall", host="cdn", file_at=4 * MIB, times=None)
    result = run({**ONE, "concurrency": {"connections": 2, "partSize": "8MiB"}, "timeouts": {"stall": "2s"},
                  "retry": {"attempts": 2, "maxWait": "1s"}}, timeout=90)
    failed(result, 30, "Stalled", "w.bin")


def test_a_repo_that_does_not_answer_yet_keeps_no_connection_from_another(start, hub, until, complete):
    """Its file had most left, so that all looked at it alone, and none could have a part of it."""
    hub.model("acme/large", {"l.bin": xet(24 * MIB)})
    repo = hub.model("acme/tiny", {"w.bin": xet(6 * MIB)})
    silent = hub.gate(file="l.bin", before=True)
    held = hub.gate(file="w.bin", host="cdn", range=f"bytes={MIB}-*")
    running = start({"repos": [{"id": "acme/large"}, {"id": "acme/tiny"}],
                     "concurrency": {"connections": 3, "threads": 1, "partSize": "1MiB"}})
    assert silent.wait() and held.wait()
    until(lambda: hub.count(file="w.bin", host="cdn") >= 4, seconds=8)  # before the held one counts as silent
    silent.release()
    held.release()
    complete(running.wait(), repo)


@pytest.mark.parametrize("code", [403, 429, 503])
def test_storage_that_serves_one_connection_at_a_time_is_served_by_one(run, hub, complete, code):
    repo = hub.model("acme/tiny", {f"w{n}.bin": xet(6 * MIB) for n in range(4)})
    hub.fault("crowded", host="cdn", limit=1, code=code, times=None)
    hub.throttle(8 * MIB, host="cdn")
    complete(run(ONE, timeout=90), repo)


@pytest.mark.parametrize("code", [429, 503])
def test_a_mirror_that_serves_one_connection_at_a_time_is_served_by_one(run, hub, complete, code):
    """Its refusals were those of a Hub in trouble: the connections stayed, and who got no turn failed the run."""
    repo = hub.model("acme/tiny", {f"w{n}.bin": xet(4 * MIB) for n in range(3)})
    with hub.mirror(serve_direct=True) as mirror:
        mirror.fault("crowded", path="*/resolve/*", limit=1, code=code, times=None)
        mirror.throttle(MIB, path="*/resolve/*")
        complete(run(ONE, hub=mirror, timeout=90), repo)


def test_storage_that_refuses_every_connection_is_an_error(run, hub, failed):
    hub.model("acme/tiny", {f"w{n}.bin": xet(6 * MIB) for n in range(4)})
    hub.fault("crowded", host="cdn", limit=0, code=403, times=None)
    result = run({**ONE, "retry": {"attempts": 2, "maxWait": "1s"}}, timeout=90)
    failed(result, 32, "ServerError", "403")


def test_a_stream_that_cannot_be_gone_on_with_is_not_given_up_for_fewer_connections(run, hub, until, complete):
    """It was while nobody had found out yet that there are no ranges, and all of it was fetched once more."""
    repo = hub.model("acme/tiny", {"config.json": "{}", "a.bin": xet(6 * MIB + 1), "b.bin": xet(6 * MIB)})
    with hub.mirror(ranges=False) as mirror:
        mirror.throttle(2 * MIB, host="cdn")
        mirror.when(lambda _: until(lambda: mirror.bytes_sent("b.bin", host="cdn") > MIB // 2), host="cdn", file="a.bin")
        refusal = mirror.fault("status", host="cdn", file="a.bin", code=503)
        settings = {"concurrency": {"connections": 2, "threads": 1, "partSize": "16MiB"}}
        complete(run({**ONE, **settings}, hub=mirror), repo)
        assert refusal.hits == 1 and mirror.bytes_sent("b.bin", host="cdn") == 6 * MIB


def test_a_refused_stream_of_a_server_without_ranges_is_taken_up_again(run, hub, complete):
    """It had brought nothing when there were fewer connections: handed back, and no lane would have it."""
    repo = hub.model("acme/tiny", {f"w{n}.bin": xet(3 * MIB) for n in range(2)})
    hub.fault("ignore-range", host="cdn", times=None)
    hub.throttle(MIB, host="cdn")
    refusal = hub.fault("status", host="cdn", file="w1.bin", code=503, headers={"Retry-After": "2"}, after=1)
    settings = {"concurrency": {"connections": 2, "threads": 1, "partSize": "1MiB"}}
    complete(run({**ONE, **settings}, timeout=60), repo)
    assert refusal.hits == 1
