"""A CDN answers under several addresses: large files come over all of them, and no longer over one that refuses or
stands still."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from conftest import BIN

WORLD = pathlib.Path(__file__).with_name("edges_world.py")
REFUSES = "an address does not answer, others are used"
COLLAPSED = "an address collapsed, it gets fewer connections"


@pytest.fixture
def world(tmp_path):
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and util-linux")

    def visit(*moods):
        done = subprocess.run(["unshare", "-n", "-m", "--propagation", "private", sys.executable, "-B", str(WORLD), BIN,
                               str(tmp_path), *moods], capture_output=True, text=True, timeout=60,
                              env={**os.environ, "PYTHONPATH": str(WORLD.parents[1] / "hub")})
        if done.returncode and ("unshare" in done.stderr or "mount" in done.stderr):
            pytest.skip("no namespaces here")
        assert done.returncode == 0, done.stderr
        seen = json.loads(done.stdout)
        seen["said"] = {(line["msg"], line.get("address")) for line in seen["log"] if line["msg"] in (REFUSES, COLLAPSED)}
        return seen

    return visit


def test_connections_are_spread_over_all_addresses_and_kept(world):
    seen = world("fair", "fair", "fair")
    assert seen["code"] == 0, seen["log"]
    assert min(seen["bytes"]) > 10_000_000, "each brought several of the twelve files"
    assert sum(seen["connections"]) <= 6 + 3, "six and the first one or two, not one per file"
    assert seen["said"] == set(), "IPv6, which leads nowhere here, was not tried"


@pytest.mark.parametrize("mood", ["deaf", "dead"])
def test_an_address_that_lets_no_connection_come_up_is_passed_over(world, mood):
    seen = world("fair", mood, "fair")
    assert seen["code"] == 0, seen["log"]
    assert seen["said"] == {(REFUSES, "127.0.1.2")}
    assert not [line for line in seen["log"] if line.get("wait_ms") and line["msg"] != REFUSES], "nothing had to be retried"
    assert min(seen["bytes"][0], seen["bytes"][2]) > 10_000_000


@pytest.mark.parametrize("mood", ["stuck", "mute"])
def test_an_address_that_stands_still_is_left(world, mood):
    seen = world("fair", mood, "fair")
    assert seen["code"] == 0, seen["log"]
    assert (COLLAPSED, "127.0.1.2") in seen["said"] and len(seen["said"]) == 1
    assert seen["connections"][1] <= 3, "it got no more connections for its silence"
