"""hf-init before a server, in a pod of a real kubelet: the README's example, what its status tells, and what happens to
it when things go wrong. The Hub wants TLS with a root of its own, and a token."""
import json
import re

import pytest
import yaml
from cluster_world import (MIB, cluster, container_of, ended, hub, is_running, models_of, small, space,  # noqa: F401
                           with_private_hub)
from conftest import ROOT, content_of
from standin import lfs

QWEN = "Qwen/Qwen2.5-7B-Instruct"
WEIGHTS = "model.safetensors"
SIZE = 96 * MIB  # more than the memory that the pod gets


@pytest.fixture
def repo(hub):
    """What the README's pod asks for, gated, and a file that it does not ask for."""
    return hub.model(QWEN, {"config.json": '{"model_type": "qwen2"}', "tokenizer.json": "{}" * 5000,
                            "merges.txt": "a b\n", "README.md": "not wanted", WEIGHTS: lfs(SIZE)}, gated="auto")


def wanted(repo):
    return {name: sha for name, sha in content_of(repo).items() if name != "README.md"}


@pytest.fixture
def readme(hub, space, repo):
    """readme(setting=…) gives the README's pod example, with settings added to its spec; its Secret is there."""
    space.secret(token=hub.token)
    text = (ROOT / "README.md").read_text().partition("## In a pod")[2]
    documents = list(yaml.safe_load_all(re.search(r"```yaml\n(.*?)```", text, re.S)[1]))
    return lambda **settings: small(with_private_hub(documents, hub, **settings))


def one(documents, kind):
    found, = [d for d in documents if d["kind"] == kind]
    return found


def on_claim(space, documents):
    """The same with the model on a claim, which outlives the pod."""
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "models"},
             "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
    one(documents, "Pod")["spec"]["volumes"][0] = {"name": "models", "persistentVolumeClaim": {"claimName": "models"}}
    return [claim, *documents]


def test_the_readmes_pod_fetches_within_64_mib_and_then_its_server_starts(space, readme, repo, hub):
    space.apply(readme())
    space.wait("server", lambda: is_running(space.get("pod", "llm"), "server"))
    pod = space.get("pod", "llm")
    init = ended(pod)
    assert (init["exitCode"], init["reason"], container_of(pod)["restartCount"]) == (0, "Completed", 0)  # not OOMKilled
    assert container_of(pod, "server")["state"]["running"]["startedAt"] >= init["finishedAt"]
    volume = models_of(pod)
    assert volume.files("qwen") == wanted(repo)
    assert volume.marker()["repos"][0]["commit"] == repo.head().sha
    assert (volume / "qwen" / WEIGHTS).stat().st_gid == 65532
    said = json.loads(init["message"])
    assert (said["reason"], said["exitCode"]) == ("Complete", 0)
    assert said["bytesDone"] == sum((volume / "qwen" / name).stat().st_size for name in wanted(repo))
    log = space.kubectl("logs", "llm", "-c", "hf-init")
    assert hub.token not in log + init["message"]
    assert hub.token_seen_by().keys() == {"api"} and hub.leaks() == []


def test_an_init_container_that_fails_is_retried_and_goes_on_where_it_was(space, readme, repo, hub):
    gate = hub.gate(file=WEIGHTS, host="cdn", file_at=64 * MIB)
    space.apply(readme(retry={"attempts": 1, "maxWait": "1s"}, concurrency={"connections": 1, "partSize": "8MiB"}))
    space.wait("weights", lambda: gate.wait(0.1))
    hub.down()
    gate.release()
    gate.clear()
    space.wait("two attempts", lambda: container_of(space.get("pod", "llm"))["restartCount"] >= 2)
    pod = space.get("pod", "llm")
    failed = ended(pod, last=True)
    assert failed["exitCode"] == 30 and json.loads(failed["message"])["reason"] == "Unreachable", failed
    assert not is_running(pod, "server") and models_of(pod).marker() is None
    assert json.loads(space.kubectl("logs", "llm", "-c", "hf-init", "--previous", "--tail=1"))["level"] == "error"
    before = hub.bytes_sent(WEIGHTS)
    hub.up()
    space.wait("server", lambda: is_running(space.get("pod", "llm"), "server"))
    assert models_of(pod).files("qwen") == wanted(repo)
    assert hub.left() and hub.bytes_sent(WEIGHTS) - before <= SIZE - 64 * MIB + 8 * MIB


def test_while_it_fetches_status_can_be_asked_and_the_log_says_what_it_does(space, readme, repo, hub):
    gate = hub.gate(file=WEIGHTS, host="cdn", file_at=SIZE - 1)
    space.apply(readme())
    space.wait("weights", lambda: gate.wait(0.1))
    asked = ["-n", space.name, "exec", "llm", "-c", "hf-init", "--", "/hf-init", "status"]
    space.wait("a status", lambda: WEIGHTS in space.cluster.run(*asked).stdout)  # it is written once a second
    assert "exit code 3" in space.cluster.run(*asked).stderr
    space.wait("a line", lambda: WEIGHTS in space.kubectl("logs", "llm", "-c", "hf-init", "--tail=5"))
    assert not is_running(space.get("pod", "llm"), "server")
    gate.release()
    space.wait("server", lambda: is_running(space.get("pod", "llm"), "server"))


def test_a_pod_that_is_deleted_ends_within_two_seconds_and_the_next_goes_on(space, readme, repo, hub):
    documents = on_claim(space, readme(concurrency={"connections": 1, "partSize": "8MiB"}))
    pod = one(documents, "Pod")
    pod["spec"]["terminationGracePeriodSeconds"] = 2  # then the kubelet kills, and the exit code would be 137
    pod["metadata"]["finalizers"] = ["hf-init.test/look"]  # its last status can be read
    gate = hub.gate(file=WEIGHTS, host="cdn", file_at=64 * MIB)
    space.apply(documents)
    space.wait("weights", lambda: gate.wait(0.1))
    space.kubectl("delete", "pod", "llm", "--wait=false")
    init = space.wait("the end", lambda: ended(space.get("pod", "llm")))
    space.kubectl("patch", "pod", "llm", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
    assert init["exitCode"] == 143 and json.loads(init["message"])["exitCode"] == 143, init
    assert space.claimed("models").status()["phase"] == "cancelled"
    space.wait("room", lambda: space.get("pod", "llm") is None)
    gate.clear()
    assert hub.left()
    hub.reset()
    del pod["metadata"]["finalizers"]
    space.apply([pod])
    space.wait("server", lambda: is_running(space.get("pod", "llm"), "server"))
    assert space.claimed("models").files("qwen") == wanted(repo)
    assert hub.left() and hub.bytes_sent(WEIGHTS) <= SIZE - 64 * MIB + 8 * MIB


def test_a_server_that_would_start_without_its_model_would_be_seen(space, readme):
    """The server of these tests ends with 1 where no model is."""
    documents = readme()
    pod = one(documents, "Pod")
    del pod["spec"]["initContainers"]
    pod["spec"]["restartPolicy"] = "Never"
    space.apply(documents)
    assert space.wait("server", lambda: ended(space.get("pod", "llm"), "server"))["exitCode"] == 1
