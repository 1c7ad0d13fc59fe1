"""What stays: the node's cache, a replica's own volume, and hf-init beside its server."""
import pytest
from cluster_world import (MIB, cluster, container_of, ended, hub, is_running, models_of, small, space,  # noqa: F401
                           with_private_hub)
from conftest import ROOT, Volume, content_of
from objects import load
from standin import lfs


@pytest.fixture
def repo(hub):
    return hub.model("Qwen/Qwen2.5-7B-Instruct", {"config.json": "{}", "model.safetensors": lfs(16 * MIB)})


def manifest(name, hub, **settings):
    return small(with_private_hub(load((ROOT / "manifests" / name).read_text()), hub, **settings))


def ready(pods):
    def said(pod):
        return {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}
    return [pod for pod in pods if said(pod).get("Ready") == "True"]


@pytest.mark.parametrize("space", ["privileged"], indirect=True)
def test_a_daemon_set_fills_the_nodes_folder_and_readers_start_when_it_is_complete(space, hub, repo):
    gate = hub.gate(file="model.safetensors", host="cdn", file_at=MIB)
    space.apply(manifest("daemonset.yaml", hub, startJitter=0, disk={"reserve": 0}))
    space.wait("the gate", lambda: gate.wait(0.1))
    space.wait("readers that wait", lambda: sum(is_running(p, "wait") for p in space.pods("app=vllm")) == 4)
    assert not ready(space.pods())
    gate.release()
    space.kubectl("rollout", "status", "daemonset/hf-cache", "--timeout=180s", timeout=200)
    space.kubectl("rollout", "status", "deployment/vllm", "--timeout=180s", timeout=200)
    cache = Volume("/var/lib/hf-models")
    assert cache.files("qwen") == content_of(repo) and cache.marker()["repos"][0]["commit"] == repo.head().sha
    assert len(ready(space.pods("app=vllm"))) == 4
    assert hub.left() and hub.bytes_sent(host="cdn") <= 17 * MIB  # what was held may be asked for anew


def test_a_sidecar_holds_its_server_back_until_the_model_is_there_and_ends_after_it(space, hub, repo):
    documents = manifest("sidecar.yaml", hub)
    template = next(d for d in documents if d["kind"] == "Deployment")["spec"]["template"]
    template["metadata"]["finalizers"] = ["hf-init.test/look"]  # its last status can be read
    gate = hub.gate(file="model.safetensors", host="cdn", file_at=MIB)
    space.apply(documents)
    space.wait("the gate", lambda: gate.wait(0.1))
    pod = space.wait("hf-init", lambda: next((p for p in space.pods() if is_running(p, "hf-init")), None))
    name = pod["metadata"]["name"]
    space.wait("the probe", lambda: "Unhealthy" in space.kubectl("get", "events"))
    pod = space.get("pod", name)
    assert container_of(pod)["started"] is False and "waiting" in container_of(pod, "vllm")["state"]
    gate.release()
    space.kubectl("rollout", "status", "deployment/vllm", "--timeout=180s", timeout=200)
    pod = space.get("pod", name)
    assert is_running(pod, "hf-init") and container_of(pod)["restartCount"] == 0
    assert models_of(pod).files("qwen") == content_of(repo)
    assert "complete" in space.kubectl("exec", name, "-c", "hf-init", "--", "/hf-init", "status")
    space.kubectl("scale", "deployment/vllm", "--replicas=0")
    space.wait("the end", lambda: ended(space.get("pod", name), "vllm") and ended(space.get("pod", name)))
    pod = space.get("pod", name)
    server, sidecar = ended(pod, "vllm"), ended(pod)
    space.kubectl("patch", "pod", name, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    assert server["exitCode"] == 0 and server["finishedAt"] <= sidecar["finishedAt"]
    assert sidecar["exitCode"] == 0 and container_of(pod)["restartCount"] == 0, sidecar


def test_a_replica_that_is_replaced_finds_its_model_again(space, hub, repo):
    space.apply(manifest("statefulset.yaml", hub))
    space.kubectl("rollout", "status", "statefulset/vllm", "--timeout=180s", timeout=200)
    for number in range(2):
        assert space.claimed("models-vllm-%d" % number).files("qwen") == content_of(repo)
    assert hub.left() and hub.bytes_sent(host="cdn") == 2 * 16 * MIB
    old = space.get("pod", "vllm-1")["metadata"]["uid"]
    space.kubectl("delete", "pod", "vllm-1", "--grace-period=1")
    space.wait("another", lambda: [pod for pod in ready(space.pods()) if pod["metadata"]["name"] == "vllm-1"
                                   and pod["metadata"]["uid"] != old])
    assert hub.left() and hub.bytes_sent(host="cdn") == 2 * 16 * MIB
