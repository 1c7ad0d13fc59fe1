"""Every allocation of a run fails in turn, once or for good: the run ends, says so in all the places where somebody looks, leaves
nothing torn, and the next one succeeds.

The binary is build/seams/hf-init, and build/seams-asan/hf-init, which sees leaks on the ways that return."""
import concurrent.futures
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest
from conftest import ROOT, SEAMS, content_of, sha256
from standin import Hub, Tls, lfs

ASAN = str(ROOT / "build" / "seams-asan" / "hf-init")
KNOWN_CODES = {0, 1, 2, 10, 11, 12, 13, 20, 21, 22, 30, 31, 32, 33, 40, 42, 50, 60}
STALE = '{"message": "of another day", "exitCode": 0}'
FILES = {"config.json": '{"a": 1}', "sub/model.bin": lfs(30_000)}


class Rig:
    """Runs in folders of their own, several at a time."""

    def __init__(self, hub, repo, folder, bin, layout, command, tls):
        self.hub, self.repo, self.folder, self.bin, self.layout, self.command = hub, repo, folder, bin, layout, command
        self.wanted = content_of(repo)
        self.place = "acme/tiny" if layout == "dir" else f"models--acme--tiny/snapshots/{repo.head().sha}"
        self.tls = {"caFile": str(hub.ca_path)} if tls else {}

    def run(self, n, env=(), bin=None):
        at = self.folder / str(n)
        at.mkdir(exist_ok=True)
        (at / "spec.yaml").write_text(json.dumps({
            "target": str(at / "volume"), "layout": self.layout, "endpoint": self.hub.endpoint, "repos": [{"id": "acme/tiny"}],
            "retry": {"attempts": 2, "maxWait": "1s"}, "disk": {"reserve": 0},
            "tls": self.tls, "concurrency": {"threads": 1}}))
        (at / "termination").write_text(STALE)
        argv = [bin or self.bin, self.command, "--spec", str(at / "spec.yaml")]
        return subprocess.run(argv, env={"HF_INIT_TERMINATION_MESSAGE": str(at / "termination"),
                              "HF_SEAM_CLOCK": "virtual", **dict(env)}, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60, cwd=at)

    def count(self):
        """How many allocations a run makes that none of them spoils."""
        path = self.folder / "allocations"
        done = self.run("whole", {"HF_SEAM_COUNT": str(path)})
        assert done.returncode == 0, done.stderr
        return int.from_bytes(path.read_bytes(), sys.byteorder)

    def files(self, at):
        found = {}
        for path in (at / "volume" / self.place).rglob("*"):
            if path.is_file() and not {".cache", ".hf-init"} & set(path.relative_to(at).parts):
                found[str(path.relative_to(at / "volume" / self.place))] = sha256(path)
        return found

    def spoil(self, n, on):
        """None, or what was wrong about a run whose nth allocation fails."""
        at = self.folder / f"{n}{on}"
        try:
            done = self.run(at.name, {"HF_SEAM_ALLOC": f"{n}{on}"})
            self.check(at, done)
            if self.command == "run":
                after = self.run(at.name, bin=SEAMS)
                assert after.returncode == 0, f"the next run: {after.stderr}"
                assert self.files(at) == self.wanted
        except (AssertionError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
            return f"allocation {n}{on}: {error!r}"
        shutil.rmtree(at)
        return None

    def check(self, at, done):
        said, code = done.stderr.strip().splitlines(), done.returncode
        assert code in KNOWN_CODES, f"exit {code}: {done.stderr}"
        assert "Sanitizer" not in done.stderr, done.stderr
        fatal = [line for line in said if line.startswith("hf-init: fatal: ")]
        if code and not fatal:
            assert "exit" in said[-1] if self.command == "run" else said[0].startswith("hf-init: "), done.stderr
        assert len(fatal) <= 1, done.stderr
        if self.command != "run":
            return
        text = (at / "termination").read_text()
        assert text != STALE, f"an old termination message stays: {done.stderr}"
        message = json.loads(text)
        assert message["exitCode"] == code and message["message"], text
        volume = at / "volume" / ".hf-init"
        marker, status = volume / "default.complete.json", volume / "default.status.json"
        assert set(self.files(at).items()) <= set(self.wanted.items()), "a torn file"
        if marker.exists():
            json.loads(marker.read_text())
            assert self.files(at) == self.wanted
        if code == 0:
            assert marker.exists() and json.loads(status.read_text())["phase"] == "complete"
        elif status.exists() and not marker.exists():
            told = json.loads(status.read_text())
            assert told["phase"] == "failed" and told["error"]["exitCode"] == code, told

    def sweep(self, numbers, on):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            wrong = [found for found in pool.map(lambda n: self.spoil(n, on), numbers) if found]
        assert not wrong, f"{len(wrong)} of {len(numbers)}:\n" + "\n".join(wrong[:5])


@pytest.fixture
def rig():
    """Folders in memory: thousands of runs, each with its fdatasync."""
    made = []
    folder = pathlib.Path(tempfile.mkdtemp(dir="/dev/shm"))

    def make(bin=SEAMS, layout="dir", command="run", tls=False):
        if not pathlib.Path(bin).exists():
            pytest.skip(f"{bin} is not built: make torture does it")
        hub = Hub(tls=Tls()) if tls else Hub()
        made.append(hub.__enter__())
        return Rig(hub, hub.model("acme/tiny", FILES), folder, bin, layout, command, tls)

    yield make
    for hub in made:
        hub.__exit__(None, None, None)
    shutil.rmtree(folder)


@pytest.mark.parametrize("on", ["", "+"], ids=["once", "for-good"])
@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_any_allocation_of_a_run_may_fail(rig, layout, on):
    rig = rig(layout=layout)
    rig.sweep(range(1, rig.count() + 1), on)


def test_any_allocation_of_a_run_over_tls_may_fail(rig):
    rig = rig(tls=True)
    rig.sweep(some(rig.count(), 400), "")
    rig.sweep(some(rig.count(), 100), "+")


@pytest.mark.parametrize("on", ["", "+"], ids=["once", "for-good"])
@pytest.mark.parametrize("command", ["plan", "validate"])
def test_commands_that_only_look_end_in_a_line(rig, command, on):
    rig = rig(command=command)
    rig.sweep(some(rig.count(), 400), on)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_nothing_leaks_on_the_ways_that_return(rig, layout, tls):
    """With AddressSanitizer, whose leak check runs when a run gets over the failure or ends with an error of its own."""
    rig = rig(bin=ASAN, layout=layout, tls=tls)
    rig.sweep(some(rig.count(), 150), "")


def some(count, most):
    """At most so many of 1 … count, evenly; all of the first and last ones."""
    step = max(1, count // most)
    return sorted({*range(1, count + 1, step), *range(1, min(count, 20)), *range(max(1, count - 20), count + 1)})
