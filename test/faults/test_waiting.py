"""Faults that take minutes, in virtual time: what a server may make us wait for, and what we wait out by ourselves."""
import email.utils
import time

import pytest
from standin import lfs

ONE = {"repos": [{"id": "acme/tiny"}]}
DEFAULTS = {**ONE, "retry": {"attempts": 8, "maxWait": "60s"}}


def tiny(hub):
    return hub.model("acme/tiny", {"config.json": b"{}", "w.bin": lfs(3000), **{f"{n}.txt": str(n) for n in range(20)}})


@pytest.fixture
def moments(hub, virtual):
    """The moments, in virtual time, of requests for a page of the listing."""
    found = []
    hub.when(lambda _: found.append(virtual.now()), path="*/tree/*", times=None)
    return found


@pytest.mark.parametrize("where", [{"path": "*/revision/*"}, {"path": "*/resolve/*"}, {"host": "cdn"}],
                         ids=["revision", "resolve", "cdn"])
def test_a_minute_of_failures_is_outlived_by_the_defaults(hub, virtual, complete, where):
    repo = tiny(hub)
    storm = hub.fault("status", code=503, times=None, **where)
    first = []

    def abate(_):
        first.append(virtual.now())
        if virtual.now() - first[0] > 60:
            storm.clear()

    hub.when(abate, times=None, **where)
    complete(virtual(DEFAULTS, timeout=90), repo)
    assert storm.hits > 3


def test_a_storm_that_does_not_pass_ends_the_run_after_a_minute_and_before_ten(hub, virtual, moments, failed):
    tiny(hub)
    hub.fault("status", path="*/tree/*", code=503, times=None)
    failed(virtual(DEFAULTS, timeout=90), 32, "ServerError")
    assert len(moments) == 9 and 60 < moments[-1] - moments[0] < 600


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_no_server_makes_us_wait_more_than_five_minutes(hub, virtual, moments, complete, form):
    repo = tiny(hub)
    wait = 10 ** 9 if form == "seconds" else email.utils.formatdate(time.time() + 86400, usegmt=True)
    hub.fault("status", path="*/tree/*", code=429, headers={"Retry-After": str(wait)})
    complete(virtual(DEFAULTS, timeout=90), repo)
    assert len(moments) == 2 and 299 < moments[1] - moments[0] < 335


def test_a_window_of_minutes_is_waited_for_to_its_end(hub, virtual, moments, complete):
    repo = tiny(hub)
    hub.fault("rate-limit", path="*/tree/*", name="api")
    hub.fault("set-headers", path="*/tree/*", headers={"RateLimit": '"api";r=0;t=170'})
    complete(virtual(DEFAULTS, timeout=90), repo)
    assert len(moments) == 2 and 170 < moments[1] - moments[0] < 200
