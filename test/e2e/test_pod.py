"""The image in pods: the README's example as it is pasted, and what Kubernetes does to a pod. The Hub wants TLS with a
root of its own, and a token."""
import copy
import json
import os
import signal
from datetime import datetime
from pathlib import Path

import pytest
from conftest import content_of
from pod_world import MIB, hub, image, node, one, play, readme_pod, secret, with_private_hub  # noqa: F401
from standin import lfs

QWEN = "Qwen/Qwen2.5-7B-Instruct"
WEIGHTS = "model.safetensors"
SIZE = 96 * MIB  # more than the memory that the pod gets


@pytest.fixture
def repo(hub):
    """What the README's pod asks for, gated, and a file that it does not ask for."""
    return hub.model(QWEN, {"config.json": '{"model_type": "qwen2"}', "tokenizer.json": "{}" * 5000,
                            "merges.txt": "a b\n", "README.md": "not wanted", WEIGHTS: lfs(SIZE)}, gated="auto")


@pytest.fixture
def pasted(hub, secret):
    """The README's pod, a token in the Secret that it names, and 64 MiB of memory."""
    secret("hf", token=hub.token)
    documents = with_private_hub(readme_pod(), hub)
    init, = one(documents, "Pod")["spec"]["initContainers"]
    init["resources"]["limits"]["memory"] = "64Mi"
    return documents


def spec_with(documents, text):
    one(documents, "ConfigMap")["data"]["spec.yaml"] += text
    return documents


def wanted(repo):
    return {name: sha for name, sha in content_of(repo).items() if name != "README.md"}


def moment(text):
    return datetime.fromisoformat(text[:26].rstrip("Z"))


def status_of(pid):
    return dict(line.split(":\t", 1) for line in Path("/proc/%d/status" % pid).read_text().splitlines())


def held(pod, gate, until):
    """The init container's process id, once the Hub holds back the rest of the weights."""
    assert gate.wait(60), pod.log()
    return until(lambda: (pod.state() or {}).get("Pid"))


def test_the_readmes_pod_fetches_and_its_server_reads_offline_what_it_fetched(play, pasted, repo, hub):
    pod = play(pasted)
    assert pod.played(), pod.said
    read = pod.read_by()
    assert read["files"] == wanted(repo) and read["commits"] == [repo.head().sha]
    assert pod.state()["ExitCode"] == 0
    assert moment(pod.state("server")["StartedAt"]) >= moment(pod.state()["FinishedAt"])
    assert hub.token_seen_by().keys() == {"api"} and hub.leaks() == []
    assert hub.token not in pod.log()
    assert pod.volume().marker()["repos"][0]["commit"] == repo.head().sha


@pytest.mark.parametrize("user, group", [(65532, 65532), (1000660000, 0), (2_000_000_001, 7)])
def test_any_uid_will_do(play, pasted, repo, user, group):
    context = one(pasted, "Pod")["spec"]["securityContext"]
    context.update(runAsUser=user, runAsGroup=group)
    pod = play(pasted)
    assert pod.played(), pod.said
    read = pod.read_by()
    assert read["files"] == wanted(repo) and read["uid"] == user
    assert (pod.volume() / "qwen" / WEIGHTS).stat().st_uid == user


def test_the_process_holds_no_privilege_and_stays_below_64_mib(play, pasted, repo, hub, until):
    gate = hub.gate(file=WEIGHTS, host="cdn", file_at=SIZE - 1)
    pod = play(pasted)
    pid = held(pod, gate, until)
    status = status_of(pid)
    assert status["Uid"].split() == ["65532"] * 4
    assert [status[c] for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")] == ["0" * 16] * 5
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    mounts = [line.split() for line in Path("/proc/%d/mountinfo" % pid).read_text().splitlines()]
    assert ["ro" in mount[5].split(",") for mount in mounts if mount[4] == "/"] == [True]
    limit, peak = memory_of(pid)
    assert limit == 64 * MIB
    print("\npeak memory: %s resident; %.1f MiB with page cache, of 64" % (status["VmHWM"].strip(), peak / MIB))
    gate.release()
    assert pod.played(), pod.said
    assert pod.state()["OOMKilled"] is False and pod.read_by()["files"] == wanted(repo)


def memory_of(pid):
    """(limit, peak) of the memory cgroup of a process, in bytes, page cache included."""
    for line in Path("/proc/%d/cgroup" % pid).read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            folder = Path("/sys/fs/cgroup/memory" + path)
            return tuple(int((folder / ("memory." + n)).read_text()) for n in ("limit_in_bytes", "max_usage_in_bytes"))
    folder = Path("/sys/fs/cgroup" + path)
    return tuple(int((folder / ("memory." + name)).read_text()) for name in ("max", "peak"))


def test_an_init_container_that_fails_is_retried_and_goes_on_where_it_was(play, pasted, repo, hub, until):
    spec_with(pasted, "retry: {attempts: 1, maxWait: 1s}\nconcurrency: {connections: 1, partSize: 8MiB}\n")
    gate = hub.gate(file=WEIGHTS, host="cdn", file_at=64 * MIB)
    pod = play(pasted)
    held(pod, gate, until)
    hub.down()
    gate.release()
    gate.clear()
    until(lambda: pod.inspect()["RestartCount"] >= 2, 60)
    assert '"reason":"Unreachable"' in pod.log()
    assert not (pod.volume() / "qwen" / WEIGHTS).exists() and pod.volume().marker() is None
    before = hub.bytes_sent(WEIGHTS)
    hub.up()
    if not pod.played():
        until(lambda: not pod.state()["Running"] and pod.state()["ExitCode"] == 0, 60)
        pod.start()
    assert pod.read_by()["files"] == wanted(repo)
    assert hub.bytes_sent(WEIGHTS) - before <= SIZE - 64 * MIB + 8 * MIB


def test_one_that_is_killed_is_retried_and_goes_on_where_it_was(play, pasted, repo, hub, until):
    spec_with(pasted, "concurrency: {connections: 1, partSize: 8MiB}\n")
    gate = hub.gate(file=WEIGHTS, host="cdn", file_at=64 * MIB)
    pod = play(pasted)
    os.kill(held(pod, gate, until), signal.SIGKILL)
    gate.clear()
    until(lambda: pod.inspect()["RestartCount"] == 1, 30)
    if not pod.played():
        until(lambda: not pod.state()["Running"] and pod.state()["ExitCode"] == 0, 60)
        pod.start()
    assert pod.read_by()["files"] == wanted(repo)
    assert hub.bytes_sent(WEIGHTS) <= SIZE + 16 * MIB


def test_a_pod_that_is_deleted_ends_at_once_and_the_next_goes_on(play, pasted, node, repo, hub, until):
    """On a claim, which outlives the pod."""
    spec_with(pasted, "concurrency: {connections: 1, partSize: 8MiB}\n")
    pod_spec = one(pasted, "Pod")["spec"]
    pod_spec["volumes"][0] = {"name": "models", "persistentVolumeClaim": {"claimName": "models"}}
    next_one = copy.deepcopy(pasted)
    pod_spec["restartPolicy"] = "Never"
    gate = hub.gate(file=WEIGHTS, host="cdn", file_at=64 * MIB)
    first = play(pasted)
    held(first, gate, until)
    node.podman("stop", "--time", "25", "llm-hf-init")
    state = first.state()
    assert state["ExitCode"] == 143, first.log()  # 137 would be the end of the grace period
    assert first.volume().status()["phase"] == "cancelled"
    assert not first.played()
    node.podman("pod", "rm", "--force", "llm")
    gate.clear()
    assert hub.left()
    hub.reset()
    second = play(next_one)
    assert second.played(), second.said
    assert second.read_by()["files"] == wanted(repo)
    assert hub.bytes_sent(WEIGHTS) <= SIZE - 64 * MIB + 8 * MIB


def test_a_gated_repo_without_the_secret_fails_once_and_says_what_to_do(play, pasted, node, repo, hub):
    node.podman("secret", "rm", "hf")
    one(pasted, "Pod")["spec"]["restartPolicy"] = "Never"
    pod = play(pasted)
    assert not pod.played()
    assert pod.state()["ExitCode"] in (10, 11), pod.log()
    last = json.loads(pod.log().splitlines()[-1].split(" ", 3)[3])
    assert last["level"] == "error" and QWEN in last["msg"] + json.dumps(last), last
    assert pod.state("server")["Status"] == "created"


def test_a_token_file_from_a_secret_and_a_hub_cache_that_python_reads_offline(play, pasted, secret, repo, hub):
    secret("hf-file", volume=True, token=hub.token)
    data = one(pasted, "ConfigMap")["data"]
    data["spec.yaml"] = data["spec.yaml"].replace("    path: qwen\n", "").replace("target:", "layout: cache\ntarget:")
    spec_with(pasted, "token: {file: /var/run/secrets/hf/token}\n")
    pod_spec = one(pasted, "Pod")["spec"]
    init, server = pod_spec["initContainers"][0], pod_spec["containers"][0]
    del init["env"]
    init["volumeMounts"].append({"name": "token", "mountPath": "/var/run/secrets/hf", "readOnly": True})
    pod_spec["volumes"].append({"name": "token", "secret": {"secretName": "hf-file", "optional": False}})
    server["args"] = ["--model", QWEN]
    server["env"] = [{"name": "HF_HUB_CACHE", "value": "/models"}, {"name": "HF_HUB_OFFLINE", "value": "1"}]
    pod = play(pasted)
    assert pod.played(), pod.said
    read = pod.read_by()
    assert read["files"] == wanted(repo) and read["folder"].endswith("/snapshots/" + repo.head().sha)
    assert hub.leaks() == [] and hub.token not in pod.log()


def test_four_pods_of_an_indexed_job_fill_one_volume_and_the_last_one_marks_it(play, pasted, node, image, hub):
    files = {"model-%05d-of-00008.safetensors" % n: lfs(2 * MIB + n) for n in range(1, 9)}
    repo = hub.model("acme/eight", {"config.json": "{}", **files})
    config, pod = one(pasted, "ConfigMap"), one(pasted, "Pod")
    config["data"]["spec.yaml"] = (
        "apiVersion: hf-init/v1\ntarget: /models\nshard: {count: 4}\nrepos: [{id: acme/eight}]\n"
        "endpoint: %s\ntls: {caFile: /etc/hf-init/ca.crt}\n" % hub.endpoint)
    pod["spec"]["volumes"][0] = {"name": "models", "persistentVolumeClaim": {"claimName": "shared"}}
    pod["spec"]["containers"][0]["args"] = ["--model", "/models/acme/eight"]
    node.podman("volume", "create", "shared")
    pods = []
    for index in range(4):
        documents = copy.deepcopy(pasted)
        name = "fill-%d" % index
        one(documents, "ConfigMap")["metadata"]["name"] = one(documents, "Pod")["metadata"]["name"] = name
        one(documents, "Pod")["spec"]["volumes"][1]["configMap"]["name"] = name
        init, = one(documents, "Pod")["spec"]["initContainers"]
        init["env"] = [{"name": "JOB_COMPLETION_INDEX", "value": str(index)}]
        pods.append(play(documents))
    for pod in pods:
        assert pod.played(), pod.said
        assert pod.state()["ExitCode"] == 0, pod.log()
    volume = pods[0].volume()
    assert volume.files("acme/eight") == content_of(repo)
    assert [r["commit"] for r in volume.marker()["repos"]] == [repo.head().sha]
    assert hub.bytes_sent(host="cdn") == sum(2 * MIB + n for n in range(1, 9))
    node.podman("run", "--rm", "--network", "none", "--read-only", "--cap-drop", "all", "--volume", "shared:/models:ro",
                "--volume", "fill-0:/etc/hf-init:ro", image, "verify")  # fails unless every file is what it should be
