"""Little of everything: 64 MiB of memory with the page cache counted, a hundredth of a processor, few processes."""
import json
import os
import pathlib
import shutil
import sys
import time

import pytest
from conftest import ROOT
from standin import Hub, lfs, xet

sys.path.append(str(ROOT / "test" / "run"))
from test_scale import REPO, Listing  # noqa: E402

MIB = 1 << 20
CGROUPS = pathlib.Path("/sys/fs/cgroup")
JOIN = ("sh", "-c", 'echo $$ > "$0"/cgroup.procs && exec "$@"')

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes cgroups")


class Group:
    """A cgroup of its own, of version 1 or 2. `prefix` starts a run in it."""
    NAMES = {"memory": ("memory.limit_in_bytes", "memory.max"), "peak": ("memory.max_usage_in_bytes", "memory.peak"),
             "oom": ("memory.oom_control", "memory.events"), "pids": ("pids.max", "pids.max")}

    def __init__(self, controller):
        self.v2 = not (CGROUPS / controller).is_dir()
        self.path = (CGROUPS if self.v2 else CGROUPS / controller) / f"hf-init-test-{os.getpid()}-{time.monotonic_ns()}"
        try:
            self.path.mkdir()
        except OSError as error:
            pytest.skip(f"no cgroup of our own: {error}")
        self.prefix = (*JOIN, str(self.path))

    def file(self, name):
        return self.path / self.NAMES[name][self.v2]

    def set(self, name, value):
        if not self.file(name).exists():
            pytest.skip(f"this cgroup has no {name}")
        self.file(name).write_text(str(value))

    def set_cpu(self, share):
        """That share of one processor; the period is a tenth of a second."""
        if self.v2:
            (self.path / "cpu.max").write_text(f"{int(share * 100_000)} 100000")
        else:
            (self.path / "cpu.cfs_period_us").write_text("100000")
            (self.path / "cpu.cfs_quota_us").write_text(str(int(share * 100_000)))

    def throttled(self):
        """How many periods were over before the run had done what it wanted to."""
        return int(dict(line.split() for line in (self.path / "cpu.stat").read_text().splitlines())["nr_throttled"])

    def peak(self):
        return int(self.file("peak").read_text())

    def oom_kills(self):
        return int(dict(line.split()[:2] for line in self.file("oom").read_text().splitlines())["oom_kill"])


@pytest.fixture
def group():
    """group("memory") makes a cgroup that goes with the test."""
    made = []

    def make(controller):
        made.append(Group(controller))
        return made[-1]

    yield make
    for one in made:
        for _ in range(100):
            try:
                one.path.rmdir()
                break
            except OSError:  # a process of it is still on its way out
                time.sleep(0.05)


# Memory.

@pytest.fixture
def large(volume):
    """large(size): a repo of that size; its bytes do not stay on the disk of whoever runs the tests."""
    yield lambda hub, size: hub.model("acme/large", {"config.json": "{}", "model.safetensors": xet(size)})
    shutil.rmtree(volume.path, ignore_errors=True)


def resident_peak(running):
    """The most memory the run had for itself, in bytes, as seen several times a second until it ends."""
    peak = 0
    while running.process.poll() is None:
        try:
            text = pathlib.Path(f"/proc/{running.process.pid}/status").read_text()
        except OSError:
            break
        peak = max([peak] + [int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("VmHWM")])
        time.sleep(0.1)
    return peak


def test_4_gb_come_through_64_mib_of_memory_the_page_cache_counted(start, hub, large, group, complete):
    size = 4_000_000_000
    repo = large(hub, size)
    little = group("memory")
    little.set("memory", 64 * MIB)
    running = start({"repos": [{"id": "acme/large"}]}, prefix=little.prefix)
    assert MIB < resident_peak(running) < 32 * MIB
    complete(running.wait(), repo)
    assert little.peak() <= 64 * MIB and little.oom_kills() == 0
    assert hub.bytes_sent("model.safetensors", host="cdn") <= 1.05 * size


def test_what_is_resumed_after_a_kill_comes_through_64_mib_as_well(start, run, hub, large, group, until, complete):
    """What lay there is hashed anew or taken from the journal; neither needs it in memory."""
    size = 1_000_000_000
    repo = large(hub, size)
    little = group("memory")
    little.set("memory", 64 * MIB)
    spec = {"repos": [{"id": "acme/large"}]}
    running = start(spec, prefix=little.prefix)
    until(lambda: hub.bytes_sent(host="cdn") > size // 2, seconds=120)
    running.kill()
    complete(run(spec, prefix=little.prefix, timeout=400), repo)
    assert little.peak() <= 64 * MIB and little.oom_kills() == 0


def test_a_listing_of_100_000_files_is_planned_in_64_mib(run, group):
    little = group("memory")
    little.set("memory", 64 * MIB)
    with Listing(100_000) as many:
        result = run({"repos": [REPO], "endpoint": many.endpoint}, "--json", command="plan", hub=None, prefix=little.prefix)
    assert result.code == 0, result
    assert json.loads(result.stdout)["totals"]["files"] == 100_000
    assert little.peak() < 64 * MIB and little.oom_kills() == 0


# A hundredth of a processor.

def test_a_hundredth_of_a_processor_is_slow_and_right(run, volume, group, complete):
    """No stall is seen in a silence that is our own: nothing is tried again, though reading, hashing and the handshake of
    TLS take longer than a connection may be silent."""
    slow = group("cpu")
    slow.set_cpu(0.01)
    with Hub(tls=True) as hub:
        repo = hub.model("acme/tiny", {"config.json": "{}", "w.bin": lfs(300_000), "model.safetensors": xet(24 * MIB)})
        result = run({"repos": [{"id": "acme/tiny"}], "timeouts": {"stall": "2s", "connect": "5s"}}, hub=hub,
                     prefix=slow.prefix, timeout=200, SSL_CERT_FILE=hub.ca_path)
        complete(result, repo)
        assert slow.throttled() >= 20
        assert volume.status()["totals"]["retries"] == 0, result
        assert volume.status()["totals"]["bytesReceived"] <= 1.05 * (24 * MIB + 300_000)


# Few processes.

HOSTS = ("unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"')


@pytest.mark.parametrize("tasks", [1, 2, 3, 4, 5, 6, 8, 9, 12, *range(18, 26), 30])
def test_a_run_does_with_the_processes_it_may_have(run, volume, group, complete, failed, tmp_path, tasks):
    """The hosts have names, so that looking them up takes threads as well."""
    few = group("pids")
    few.set("pids", tasks)
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 hub.test hub.test.\n127.0.0.2 cdn.test cdn.test.\n")
    with Hub(name="hub.test", cdn_name="cdn.test") as hub:
        repo = hub.model("acme/tiny", {"config.json": "{}", "w.bin": lfs(300_000), "model.safetensors": xet(24 * MIB)})
        result = run({"repos": [{"id": "acme/tiny"}], "retry": {"attempts": 2, "maxWait": "1s"}}, hub=hub,
                     prefix=(*HOSTS, str(hosts), *few.prefix), timeout=60)
    if result.code == 0 or tasks >= 8:
        complete(result, repo)
    else:
        assert result.code in (21, 30) and "thread" in result.stderr and "pids limit" in result.stderr, result
        assert volume.marker() is None
