"""Where locks lie to everybody: the worst case is a file fetched twice, never a wrong one."""
import pytest
from conftest import SEAMS, content_of
from standin import lfs

MIB = 1 << 20
SIZE = 6 * MIB
ROUNDS = 5
NOOP = {"HF_SEAM_LOCKS": "noop"}


def spec(name, layout, **more):
    return {"name": name, "layout": layout, "repos": [{"id": "acme/tiny", "revision": more.pop("revision", "main")}],
            "concurrency": {"partSize": "1MiB", "connections": 4}, **more}


def place(layout, repo, revision="main"):
    return "acme/tiny" if layout == "dir" else "models--acme--tiny/snapshots/" + repo.head(revision).sha


@pytest.mark.parametrize("names", ["same", "own"])
@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_locks_that_lie_cost_bytes_at_worst(start, hub, volume, layout, count, names):
    repo = hub.model("acme/tiny", {"config.json": "{}"})
    for n in range(ROUNDS):
        hub.reset()
        repo.push({"config.json": f"{n}", "a/b.bin": lfs(70_000 + n), "w.bin": lfs(SIZE + n)})
        hub.throttle(30 * MIB, host="cdn", per="all")  # long enough for all of them to meet
        runs = [start(spec(own if names == "own" else "default", layout), bin=SEAMS, **NOOP)
                for own in "abcd"[:count]]
        for running in runs:
            result = running.wait()
            assert result.code == 0, result
        assert volume.files(place(layout, repo)) == content_of(repo)
        assert hub.bytes_sent(host="cdn") <= 2 * (SIZE + 80_000)
        assert volume.partials() == []
        assert volume.marker("a" if names == "own" else "default")["repos"][0]["commit"] == repo.head().sha


def is_downloading(volume, name):
    path = volume / f".hf-init/{name}.status.json"
    return path.exists() and volume.status(name)["phase"] == "downloading"


@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_whoever_is_killed_among_liars_leaves_nothing_wrong(start, hub, volume, until, layout):
    """Two write the same file at once, one dies in the middle, a third goes on with what it left: the sequence that made
    other tools give up resuming."""
    repo = hub.model("acme/tiny", {"w.bin": lfs(SIZE)})
    for at in (MIB // 2, 3 * MIB, 5 * MIB):
        hub.reset()
        gate = hub.gate(file="w.bin", host="cdn", file_at=at)
        first = start(spec("one", layout), bin=SEAMS, **NOOP)
        assert gate.wait()
        for lease in (volume / ".hf-init/leases").glob("*.lease"):
            lease.unlink()                     # as if it had never been there
        second = start(spec("two", layout), bin=SEAMS, **NOOP)
        until(lambda: is_downloading(volume, "two"))  # into what the first still writes
        first.kill()
        gate.release()
        result = second.wait()
        assert result.code == 0, result
        third = start(spec("three", layout), bin=SEAMS, **NOOP).wait()
        assert third.code == 0, third
        assert volume.files(place(layout, repo)) == content_of(repo)
        repo.push({"w.bin": lfs(SIZE + at)})
