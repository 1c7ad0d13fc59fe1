"""Fixtures over what test/kubernetes/tools/build has made; without it their tests are skipped: `make kubernetes` builds first."""
import pathlib
import subprocess
import sys

import pytest
from judges import Schema, admission

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "test" / "kubernetes"))  # objects.py
BUILT = ROOT / "build" / "kubernetes"
OLDEST, NEWEST = "1.33", "1.37"


def needs(path):
    if not path.exists():
        pytest.skip(f"no {path.relative_to(ROOT)}: make kubernetes")
    return path


@pytest.fixture(scope="session")
def schemas():
    return {version: Schema(needs(BUILT / f"openapi-{version}.json")) for version in (OLDEST, NEWEST)}


@pytest.fixture(scope="session")
def admit():
    return lambda text: admission(needs(BUILT / "admission"), text)


@pytest.fixture(scope="session")
def tool(tmp_path_factory):
    """tool("helm", …) runs one of them with a home of its own; its output, or what it complained of."""
    home = tmp_path_factory.mktemp("home")

    def call(name, *args, fails=False):
        done = subprocess.run([needs(BUILT / name), *map(str, args)], capture_output=True, text=True, timeout=60,
                              env={"HOME": str(home), "PATH": "/usr/bin:/bin", "KUBECONFIG": "/nowhere"})
        assert (done.returncode != 0) == fails, done.stderr + done.stdout
        return done.stderr + done.stdout if fails else done.stdout
    return call
