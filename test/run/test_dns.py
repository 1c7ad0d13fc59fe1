"""Names are looked up as a pod must: external ones as absolute names, so that a search domain that answers NODATA does
not hide them; names inside the cluster still by the search list."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from conftest import BIN

WORLD = pathlib.Path(__file__).with_name("dns_world.py")


@pytest.fixture
def world(tmp_path):
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and util-linux")

    def visit(host):
        done = subprocess.run(["unshare", "-n", "-m", "--propagation", "private", sys.executable, "-B", str(WORLD), BIN,
                               str(tmp_path), host], capture_output=True, text=True, timeout=60)
        if done.returncode and ("unshare" in done.stderr or "mount" in done.stderr):
            pytest.skip("no namespaces here")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return visit


def test_a_search_domain_that_answers_nodata_does_not_hide_the_hub(world):
    seen = world("hub.test")
    assert seen["code"] == 0, seen["log"]
    assert not [name for name in seen["asked"] if name.endswith("cluster.local")]
    assert seen["hosts"] == ["cdn.test", "hub.test"], "Host keeps the URL's name, without a dot at its end"


def test_a_name_inside_the_cluster_is_found_by_the_search_list(world):
    seen = world("mirror.models")
    assert seen["code"] == 0, seen["log"]
    assert "mirror.models" in seen["asked"] and "mirror.models.svc.cluster.local" in seen["asked"]
