"""What the tests of the binary share: a Hub to talk to, a volume to fill, and a way to run hf-init.

A test reads like the promise it keeps: it sets up repositories, runs a spec, and says what must hold of exit code,
files and requests. Nothing here reaches beyond loopback, and every process is ended by the fixture that started it.
"""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "test" / "hub"))
from standin import Hub  # noqa: E402

BIN = os.path.abspath(os.environ.get("HF_INIT_BIN", ROOT / "build" / "hf-init"))
SEAMS = str(ROOT / "build" / "seams" / "hf-init")  # the product with seams: test/seams/seams.h

# What holds for one file without a loader, on musl: builds that find faults or count lines are neither.
product = pytest.mark.skipif(any(name in BIN for name in ("asan", "tsan", "cov")), reason="holds for the static binary")


def pytest_runtest_logreport(report):
    """With TORTURE_OUTCOMES=FILE every test's outcome becomes a line there, for test/faults/report.py."""
    path = os.environ.get("TORTURE_OUTCOMES")
    if path and "PYTEST_XDIST_WORKER" not in os.environ and (report.when == "call" or report.outcome != "passed"):
        with open(path, "a") as file:
            file.write(json.dumps({"test": report.nodeid, "outcome": report.outcome, "s": round(report.duration, 2)}) + "\n")


# A shell that starts the tests in the background, or nohup, makes them ignore these, and all that they start with them.
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


class Result:
    """What a run left behind: code, stdout, stderr, and stderr's JSON lines."""

    def __init__(self, process, stdout, stderr):
        self.code = process.returncode
        self.stdout = stdout
        self.stderr = stderr

    @property
    def lines(self):
        found = []
        for line in self.stderr.splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                pass
        return found

    def __repr__(self):
        return f"exit {self.code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


class Running:
    """A run that is still going on."""

    def __init__(self, process):
        self.process = process

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        return self.wait()

    def wait(self, timeout=60):
        out, err = self.process.communicate(timeout=timeout)
        return Result(self.process, out, err)


class Volume:
    """A target folder, and questions about it."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def __truediv__(self, name):
        return self.path / name

    def files(self, below="."):
        """Every regular file below a folder that is not our own bookkeeping: {relative path: sha256}."""
        base = self.path / below
        found = {}
        for folder, folders, names in os.walk(base):
            folders[:] = [f for f in folders if f not in (".hf-init", ".cache")]
            for name in names:
                path = pathlib.Path(folder) / name
                found[str(path.relative_to(base))] = sha256(path)
        return found

    def status(self, name="default"):
        return json.loads((self.path / ".hf-init" / f"{name}.status.json").read_text())

    def marker(self, name="default"):
        path = self.path / ".hf-init" / f"{name}.complete.json"
        return json.loads(path.read_text()) if path.exists() else None

    def partials(self):
        return sorted(p.name for p in self.path.glob("**/.hf-init/partials/*"))


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def content_of(repo, revision="main"):
    """{path: sha256} of a stand-in repository, as Volume.files gives it."""
    return {name: file.content.sha256 for name, file in repo.head(revision).files.items()}


@pytest.fixture
def hub():
    with Hub() as hub:
        yield hub


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path / "volume")


@pytest.fixture
def start(tmp_path, volume, request):
    """start(spec, *args, **env) begins `hf-init run`; a dict is written as a spec (JSON is YAML) with target and
    endpoint filled in. The environment is empty but for what is passed. prefix: what starts it, e.g. ("nice",)."""
    started = []

    def begin(spec=None, *args, command="run", hub=None, bin=BIN, prefix=(), **env):
        if hub is None and "hub" in request.fixturenames:
            hub = request.getfixturevalue("hub")
        argv = [*prefix, bin, command]
        if spec is not None:
            whole = {"target": str(volume.path)}
            if hub is not None:
                whole["endpoint"] = hub.endpoint
            whole.update({"terminationMessage": str(tmp_path / "termination"), "retry": {"maxWait": "1s"},
                          "disk": {"reserve": 0}})
            whole.update(spec)
            path = tmp_path / f"spec-{len(started)}.yaml"
            path.write_text(json.dumps(whole))
            argv += ["--spec", str(path)]
        (tmp_path / "termination").touch()
        leaks = f"detect_leaks={0 if 'strace' in prefix else 1}"  # a process has one tracer, and LeakSanitizer is one
        environment = {"LSAN_OPTIONS": leaks, **{k: str(v) for k, v in env.items()}}
        process = subprocess.Popen(argv + list(args), env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, errors="backslashreplace", cwd=tmp_path)
        started.append(process)
        return Running(process)

    yield begin
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.communicate()


@pytest.fixture
def run(start):
    """Like start, but waits: run(spec, …) gives a Result."""

    def whole(spec=None, *args, timeout=60, **options):
        return start(spec, *args, **options).wait(timeout)

    return whole


@pytest.fixture
def virtual(start, tmp_path):
    """virtual(spec, …) is run() in virtual time, where waits cost next to nothing; virtual.now() is the moment in it, in
    seconds, also while it runs, and virtual.start() what start() is."""
    offset = tmp_path / "offset"

    def begin(spec=None, *args, clock="virtual", **options):
        return start(spec, *args, bin=SEAMS, HF_SEAM_CLOCK=clock, HF_SEAM_OFFSET=offset, **options)

    def whole(spec=None, *args, timeout=60, **options):
        return begin(spec, *args, **options).wait(timeout)

    def now():
        ahead_ns = int.from_bytes(offset.read_bytes(), sys.byteorder, signed=True) if offset.exists() else 0
        return time.monotonic() + ahead_ns / 1e9

    whole.now, whole.start = now, begin
    return whole


@pytest.fixture
def message(tmp_path):
    """message() is what the last run wrote as its termination message."""
    return lambda: json.loads((tmp_path / "termination").read_text())


@pytest.fixture
def failed(volume, message):
    """failed(result, code, reason, *words): the run ended so, exit code, status and termination message agree on it,
    the message holds all the words, and nothing says that the volume is complete."""

    def check(result, code, reason, *words):
        assert result.code == code, result
        said, status = message(), volume.status()
        assert (said["reason"], said["exitCode"]) == (reason, code), said
        assert (status["phase"], status["error"]["reason"], status["error"]["exitCode"]) == ("failed", reason, code)
        for word in words:
            assert word in said["message"], said
        assert volume.marker() is None
        return said

    return check


@pytest.fixture
def complete(volume, message):
    """complete(result, repo, revision="main", below=its id): the run ended well, the folder holds that revision and
    nothing else, and status, termination message and marker say so."""

    def check(result, repo, revision="main", below=None):
        assert result.code == 0, result
        assert volume.files(below or repo.id) == content_of(repo, revision)
        assert volume.status()["phase"] == "complete" and message()["exitCode"] == 0
        assert repo.head(revision).sha in [r["commit"] for r in volume.marker()["repos"]]
        assert volume.partials() == []

    return check


class Mounts:
    """A mount namespace of its own: mounts vanish with it."""

    def __init__(self):
        self.keeper = subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-c", "echo ready; read end"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if self.keeper.stdout.readline() != b"ready\n":
            self.close()
            pytest.skip("no mount namespaces here")
        self.prefix = ("nsenter", "-t", str(self.keeper.pid), "-m")

    def call(self, *command):
        done = subprocess.run([*self.prefix, *map(str, command)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip("%s: %s" % (command[0], done.stderr))

    def tmpfs(self, path, size, **options):
        """Mounts one there and returns the volume as this process sees it."""
        self.call("mkdir", "-p", path)
        rest = "".join(",%s=%s" % item for item in options.items())
        self.call("mount", "-t", "tmpfs", "-o", "size=%d%s" % (size, rest), "tmpfs", path)
        return Volume("/proc/%d/root%s" % (self.keeper.pid, path))

    def close(self):
        self.keeper.stdin.close()
        self.keeper.wait()


@pytest.fixture
def mounts():
    if os.geteuid() != 0 or not shutil.which("nsenter"):
        pytest.skip("needs root and util-linux")
    mounts = Mounts()
    yield mounts
    mounts.close()


class OddVolume:
    """faults/fusefs.py, mounted where nobody else sees it; rules(...) changes what goes wrong."""

    def __init__(self, folder, **rules):
        folder.mkdir()
        server = pathlib.Path(__file__).parent / "faults" / "fusefs.py"
        self.server = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", sys.executable, "-B", str(server), str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        if self.server.stdout.readline() != "ready\n":
            self.close()
            pytest.skip("no FUSE here")
        self.volume = Volume(f"/proc/{self.server.pid}/root{folder}")
        self.rules(**rules)

    def rules(self, **rules):
        self.server.stdin.write(json.dumps(rules) + "\n")
        self.server.stdin.flush()
        assert self.server.stdout.readline() == "obeyed\n"

    def die(self):
        """As a FUSE process that crashed, or an NFS server that is gone for good."""
        self.server.kill()

    def close(self):
        self.server.stdin.close()
        self.server.wait()
        self.server.stdout.close()


@pytest.fixture
def odd(tmp_path):
    if os.geteuid() != 0 or not shutil.which("unshare") or not os.path.exists("/dev/fuse"):
        pytest.skip("needs root, util-linux and /dev/fuse")
    odd = OddVolume(tmp_path / "odd")
    yield odd
    odd.close()


NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")  # a prefix for start()


@pytest.fixture
def public():
    """A folder that every user may read, with a copy of hf-init in it; pytest's own are for their owner alone."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        shutil.copy(BIN, os.path.join(folder, "hf-init"))
        yield pathlib.Path(folder)


@pytest.fixture
def until():
    """until(lambda: condition) waits for it, a few seconds at most."""

    def wait(condition, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = condition()
            if found:
                return found
            time.sleep(0.01)
        raise AssertionError("it did not happen in time")

    return wait
