"""The Jobs of manifests/ under the real Job controller: exit codes decide what is tried again, and four shards fill one
volume."""
import json

import pytest
from cluster_world import (MIB, cluster, container_of, ended, hub, is_running, small, space,  # noqa: F401
                           with_private_hub)
from conftest import ROOT, content_of
from objects import load
from standin import lfs

QWEN = {"config.json": "{}", "model.safetensors": lfs(8 * MIB)}


def manifest(name, hub, **settings):
    return small(with_private_hub(load((ROOT / "manifests" / name).read_text()), hub, **settings))


def verdict(job):
    """(type, reason, message) of the condition that ended a Job, or None."""
    for condition in job["status"].get("conditions", []):
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return condition["type"], condition.get("reason"), condition.get("message", "")
    return None


def outcome(space, name):
    return space.wait("job " + name, lambda: verdict(space.get("job", name)), 300)


@pytest.fixture
def repos(hub):
    """Those of job.yaml."""
    return {"qwen-72b": hub.model("Qwen/Qwen2.5-72B-Instruct", QWEN),
            "bge-m3": hub.model("BAAI/bge-m3", {"config.json": "{}", "model.safetensors": lfs(MIB)}, gated="auto")}


def test_a_job_that_cannot_succeed_fails_at_once(space, hub, repos):
    """A gated repo and no token; backoffLimit, which is 6, is left alone."""
    space.apply(manifest("job.yaml", hub))
    kind, reason, message = outcome(space, "hf-models")
    pod, = space.pods("job-name=hf-models")
    code = ended(pod)["exitCode"]
    assert code in (10, 11)
    assert (kind, reason) == ("Failed", "PodFailurePolicy") and "exit code %d" % code in message, message
    assert "BAAI/bge-m3" in json.loads(ended(pod)["message"])["message"]


def test_a_job_that_may_succeed_is_tried_again_and_keeps_what_it_has(space, hub, repos):
    space.secret(token=hub.token)
    gate = hub.gate(file="model.safetensors", host="cdn", file_at=4 * MIB)
    space.apply(manifest("job.yaml", hub, retry={"attempts": 1, "maxWait": "1s"},
                         concurrency={"connections": 1, "files": 1, "partSize": "1MiB"}))
    space.wait("weights", lambda: gate.wait(0.1))
    hub.down()
    gate.release()
    gate.clear()
    first = space.wait("failure", lambda: [pod for pod in space.pods("job-name=hf-models") if ended(pod)])[0]
    assert ended(first)["exitCode"] == 30
    hub.up()
    assert outcome(space, "hf-models")[0] == "Complete"
    status = space.get("job", "hf-models")["status"]
    assert status["succeeded"] == 1 and status["failed"] >= 1
    for path, repo in repos.items():
        assert space.claimed("hf-models").files(path) == content_of(repo)
    assert hub.left() and hub.bytes_sent(host="cdn") <= 9 * MIB + MIB


@pytest.fixture
def batch(space, hub):
    """batch(…) applies batch-job.yaml, with the claim that is the user's."""
    def begin(**settings):
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "batch-work"},
                 "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
        space.apply([claim, *manifest("batch-job.yaml", hub, **settings)])
    return begin


def test_restart_rules_try_again_in_place_what_may_pass(space, hub, batch):
    hub.model("Qwen/Qwen2.5-7B-Instruct", QWEN)
    hub.down()
    batch(retry={"attempts": 1, "maxWait": "1s"})
    pod, = space.wait("two attempts", lambda: [p for p in space.pods() if container_of(p)["restartCount"] >= 2])
    assert ended(pod, last=True)["exitCode"] == 30
    hub.up()
    assert outcome(space, "batch")[0] == "Complete"
    same, = space.pods()
    assert same["metadata"]["uid"] == pod["metadata"]["uid"]
    assert ended(same)["exitCode"] == 0 == ended(same, "batch")["exitCode"]


def test_restart_rules_leave_what_cannot_pass_to_the_job_which_fails(space, hub, batch):
    hub.model("Qwen/Qwen2.5-7B-Instruct", QWEN, gated="auto")
    batch()
    kind, reason, _ = outcome(space, "batch")
    assert (kind, reason) == ("Failed", "PodFailurePolicy")
    pod, = space.pods()
    assert ended(pod)["exitCode"] in (10, 11) and container_of(pod)["restartCount"] == 0
    assert ended(pod, "batch") is None


def test_four_shards_fill_one_volume_while_servers_wait_and_the_last_one_marks_it(space, hub):
    names = ["model-%05d-of-00008.safetensors" % n for n in range(1, 9)]
    shards = {name: lfs(2 * MIB + n) for n, name in enumerate(names)}
    repo = hub.model("deepseek-ai/DeepSeek-V3", {"config.json": "{}", **shards})
    gate = hub.gate(file=names[0], host="cdn", file_at=MIB)
    space.apply(manifest("indexed-job.yaml", hub))
    space.wait("the gate", lambda: gate.wait(0.1))
    space.wait("the other three", lambda: space.get("job", "hf-shards")["status"].get("succeeded") == 3)
    servers = space.pods("app=vllm")
    assert len(servers) == 2 and not any(is_running(pod, "vllm") for pod in servers)
    volume = space.claimed("hf-shards")
    assert volume.marker() is None
    gate.release()
    assert outcome(space, "hf-shards")[0] == "Complete"
    assert space.get("job", "hf-shards")["status"]["completedIndexes"] == "0-3"
    assert volume.files("deepseek-v3") == content_of(repo)
    assert [r["commit"] for r in volume.marker()["repos"]] == [repo.head().sha]
    assert hub.left() and hub.bytes_sent(host="cdn") <= 18 * MIB + 28  # what was held may be asked for anew
    space.wait("servers", lambda: all(is_running(pod, "vllm") for pod in space.pods("app=vllm")))
