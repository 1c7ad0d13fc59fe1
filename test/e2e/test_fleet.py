"""The fleet, in one box: many nodes that pull the same snapshot through the mirror that manifests and chart ship."""
import os
import tempfile

import pytest
from conftest import content_of
from mirror import Mirror, hub_by_name
from standin import lfs

MIB = 1 << 20
COUNT = 50


@pytest.fixture
def hub():
    with hub_by_name() as hub:
        yield hub


@pytest.fixture
def mirror(hub):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        mirror = Mirror(hub, folder).start()
        yield mirror
        mirror.close()


def test_fifty_processes_behind_a_mirror_cost_the_hub_one_snapshot(start, hub, mirror, tmp_path):
    repo = hub.model("acme/tiny", {"config.json": "{}", "tokenizer.json": "[]" * 10_000,
                                   "a.safetensors": lfs(12 * MIB + 1), "b.safetensors": lfs(4 * MIB)})
    snapshot = sum(file.content.size for file in repo.head().files.values())
    spec = {"endpoint": mirror.endpoint, "repos": [{"id": "acme/tiny"}]}
    nodes = [start({**spec, "target": str(tmp_path / ("node-%d" % n))}) for n in range(COUNT)]
    for result in [node.wait(600) for node in nodes]:
        assert result.code == 0, result
    for n in range(COUNT):
        folder = tmp_path / ("node-%d" % n)
        assert (folder / ".hf-init/default.complete.json").exists()
        assert {p.name for p in (folder / "acme/tiny").iterdir() if p.is_file()} == set(repo.head().files)
    sent = hub.bytes_sent()
    print("\nthe Hub sent %d bytes for %d snapshots of %d: %.3f" % (sent, COUNT, snapshot, sent / snapshot))
    assert snapshot <= sent <= 1.05 * snapshot


def test_shards_behind_a_mirror_end_in_one_marker_that_verifies(start, run, hub, volume, mirror):
    repo = hub.model("acme/eight", {"m-%d.safetensors" % n: lfs(2 * MIB + n) for n in range(8)})
    spec = {"endpoint": mirror.endpoint, "repos": [{"id": "acme/eight"}],
            "shard": {"count": 4}}
    shards = [start(spec, JOB_COMPLETION_INDEX=n) for n in range(4)]
    for result in [shard.wait(120) for shard in shards]:
        assert result.code == 0, result
    assert volume.files("acme/eight") == content_of(repo)
    assert [r["commit"] for r in volume.marker()["repos"]] == [repo.head().sha]
    assert hub.bytes_sent(host="cdn") == sum(2 * MIB + n for n in range(8))
    checked = run(spec, command="verify")
    assert checked.code == 0, checked
