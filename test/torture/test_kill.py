"""Kill anywhere: at every system call, at any moment, with the power or for lack of memory; and go on from there.

HF_INIT_TORTURE_SCALE=0.05 for a quick look; 1 is 1,000 kills, 500 SIGTERMs, 1,000 power cuts, and every system call."""
import json
import os
import random
import signal
import time

import pytest
from conftest import BIN
from killing import MIB, SCALE, Disk, Judge, Namespace, build_atcall, memory_limit, scaled
from standin import git, lfs

pytestmark = pytest.mark.skipif(os.geteuid() or "asan" in BIN or "tsan" in BIN, reason="needs root, and no sanitizer")

CONNECTIONS, PART = 4, MIB
SMALL = 20_000
IN_FLIGHT = CONNECTIONS * PART + 20 * SMALL  # and the small files that wait for the disk
WAYS = ["dir", "cache"]


def spec(layout, **more):
    lanes = {"connections": CONNECTIONS, "partSize": "1MiB"}
    return {"repos": [{"id": "acme/tiny"}], "layout": layout, "concurrency": lanes, **more}


def small(hub):
    """One of each: inside git, from the CDN, and with a journal."""
    return hub.model("acme/tiny", {"config.json": "{}", "a/b.txt": "hello", "w.bin": lfs(30_000), "m.bin": lfs(MIB + 5)})


def larger(hub, *mebibytes):
    files = {"f/%02d/part.bin" % n: (git if n % 3 else lfs)(SMALL - n) for n in range(60)}
    return hub.model("acme/tiny", {**files, **{"w%d.bin" % n: lfs(n * MIB + 7) for n in mebibytes}})


@pytest.fixture
def in_memory(volume):
    """The volume is a tmpfs: what a process leaves there outlives it as on a disk, and no neighbour makes us wait."""
    space = Namespace()
    try:
        space.call("mkdir", "-p", volume.path)
        space.call("mount", "-t", "tmpfs", "-o", "size=256m", "none", volume.path)
        volume.path = space.seen(volume.path)
        yield space
    finally:
        space.close()


# SIGKILL.

@pytest.fixture(scope="module")
def atcall(tmp_path_factory):
    return build_atcall(tmp_path_factory.mktemp("atcall"))


CHUNKS = 4


@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("layout", WAYS)
def test_a_kill_at_every_system_call_of_a_run(start, run, hub, volume, in_memory, atcall, layout, chunk):
    repo = small(hub)
    judge = Judge(hub, repo, volume, layout, CONNECTIONS * PART, lambda: run(spec(layout)))
    call, stride, whole = chunk + 1, CHUNKS * max(1, round(1 / SCALE)), 0
    while whole < 3:  # threads take turns differently every time: the last call of one run is not that of the next
        result = start(spec(layout), prefix=(atcall, str(call))).wait()
        if result.code == 0:
            whole += 1
        else:
            assert result.code == 137, result
            judge.died()
            result = run(spec(layout))
        judge.ended(result)
        call += stride
    assert judge.all_deaths * stride > 500, "this was not every call"
    print(judge)


@pytest.mark.parametrize("chunk", range(8))
def test_a_thousand_kills_at_random(start, run, hub, volume, in_memory, chunk):
    layout = WAYS[chunk % 2]
    repo = larger(hub, 8, 16, 32)
    judge = Judge(hub, repo, volume, layout, IN_FLIGHT, lambda: run(spec(layout)))
    hub.throttle(64 * MIB, host="cdn", per="all")
    chance = random.Random(chunk)
    while judge.all_deaths < scaled(125):
        running = start(spec(layout))
        time.sleep(chance.random() * chance.choice((0.03, 0.15, 0.6)))
        result = running.kill()
        if result.code == -signal.SIGKILL:
            judge.died()
        else:
            judge.ended(result)
    judge.ended(run(spec(layout)))
    print(judge)


@pytest.mark.parametrize("layout", WAYS)
def test_the_kernel_kills_for_lack_of_memory(start, run, hub, volume, in_memory, layout, tmp_path):
    repo = larger(hub, 48)  # and a page of a tmpfs cannot be reclaimed
    judge = Judge(hub, repo, volume, layout, IN_FLIGHT, lambda: run(spec(layout)))
    unchecked = spec(layout, disk={"check": False, "reserve": 0})  # which would have refused to begin
    for limit in (16, 32, 48):
        (tmp_path / "termination").write_text("what another run had to say")
        with memory_limit(limit * MIB) as prefix:
            result = start(unchecked, prefix=prefix).wait()
        assert result.code == -signal.SIGKILL, result
        assert (tmp_path / "termination").read_text() == ""
        judge.died()
    judge.ended(run(spec(layout)))
    print(judge)


# SIGTERM.

@pytest.mark.parametrize("chunk", range(4))
def test_sigterm_at_five_hundred_random_moments(start, run, hub, volume, in_memory, tmp_path, chunk):
    layout = WAYS[chunk % 2]
    repo = larger(hub, 8, 16)
    judge = Judge(hub, repo, volume, layout, IN_FLIGHT, lambda: run(spec(layout)))
    hub.throttle(48 * MIB, host="cdn", per="all")
    chance = random.Random(chunk)
    while judge.all_deaths < scaled(125):
        (tmp_path / "termination").write_text("")
        running = start(spec(layout))
        time.sleep(chance.random() * chance.choice((0.03, 0.15, 0.5)))
        running.signal(signal.SIGTERM)
        began = time.monotonic()
        result = running.wait(10)
        took = time.monotonic() - began
        assert took < 2, result
        said = (tmp_path / "termination").read_text()
        assert not said or json.loads(said)["exitCode"] == result.code  # before it is guarded, a run says nothing
        if result.code != 143 and result.code != -signal.SIGTERM:
            judge.ended(result)
            continue
        assert "did not stop" not in result.stderr
        assert not list((volume / ".hf-init").glob("leases/*")) and not list((volume / ".hf-init").glob("temp/*"))
        assert not said or volume.status()["phase"] == "cancelled"
        judge.died()
    judge.ended(run(spec(layout)))
    print(judge)


# Power.

@pytest.mark.parametrize("chunk", range(4))
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_the_power_is_cut_at_random(start, hub, tmp_path, kind, chunk):
    layout = WAYS[chunk % 2]
    repo = larger(hub, 4, 12)
    disk = Disk(tmp_path, kind, 320 * MIB)
    try:
        whole = spec(layout, target=str(disk.path / "volume"))

        def run():
            return start(whole, prefix=disk.space.prefix).wait()

        judge = Judge(hub, repo, disk.volume(), layout, None, run)
        hub.throttle(64 * MIB, host="cdn", per="all")
        chance, leases = random.Random(chunk), False
        disk.flush()
        while judge.all_deaths < scaled(125):
            running = start(whole, prefix=disk.space.prefix)
            if chance.random() < 0.2:
                running.process.wait()  # and off, before the kernel writes anything by itself
            else:
                takes_over = 0.25 if leases else 0  # the pause before the lease of another boot is taken over
                time.sleep(takes_over + chance.random() * chance.choice((0.05, 0.2, 0.5)))
            ended = running.process.poll() is not None
            disk.cut()
            result = running.kill()
            leases = disk.reboot()
            judge.died()
            assert result.code == 0 or not ended, result
            if result.code == 0:
                assert disk.volume().marker(), "it said that it was done, and it was not on disk"
                judge.ended(run())
                disk.flush()
                leases = False
        judge.ended(run())
        print(judge)
    finally:
        disk.close()
