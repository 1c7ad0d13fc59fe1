"""A real API server takes every manifest as it stands, the chart's output too, and `restricted` is enforced on the pods
they make."""
import json

import pytest
import yaml
from cluster_world import cluster  # noqa: F401
from conftest import ROOT
from objects import MANIFESTS, load, pod_of

FOREIGN = {"ClusterStorageContainer", "InferenceService"}  # KServe's: no API server has them by itself
RENDERS = sorted((ROOT / "test/kubernetes/tools/golden").glob("*.yaml"))
FILES = {"/".join(path.parts[-2:]): path for path in [*MANIFESTS, *RENDERS]}
PRIVILEGED = {name for name in FILES if name.endswith("/daemonset.yaml")}  # a folder of the node, which is root's
OURS = {name: [t for t in load(path.read_text()) if t["kind"] not in FOREIGN] for name, path in FILES.items()}


@pytest.fixture(scope="module")
def spaces(cluster):
    for name in ("restricted", "privileged"):
        cluster.kubectl("create", "namespace", name)
        cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=" + name)
        cluster.wait("account", lambda: cluster.kubectl("get", "-n", name, "serviceaccount", "default", check=False))
    # What the values of job-all.yaml name as there already.
    cluster.kubectl("create", "-n", "restricted", "serviceaccount", "models")
    cluster.kubectl("create", "priorityclass", "low", "--value=-1")
    yield
    cluster.kubectl("delete", "priorityclass", "low")
    cluster.kubectl("delete", "namespace", "restricted", "privileged", "--wait=false")


def offer(cluster, things, namespace):
    """The server's answer to all of it, nothing being made; mirror.yaml names a namespace of its own."""
    things = [{**t, "metadata": {k: v for k, v in t["metadata"].items() if k != "namespace"}} for t in things]
    return cluster.run("-n", namespace, "create", "--dry-run=server", "--validate=strict", "--warnings-as-errors",
                       "-f", "-", text=yaml.safe_dump_all(things))


def pods(things):
    for thing in filter(pod_of, things):
        pod = pod_of(thing)
        volumes = [{"name": claim["metadata"]["name"], "persistentVolumeClaim": {"claimName": "x"}}
                   for claim in thing["spec"].get("volumeClaimTemplates", [])]
        spec = {**pod["spec"], "volumes": pod["spec"].get("volumes", []) + volumes}
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": thing["metadata"]["name"]}, "spec": spec}


@pytest.mark.parametrize("name", [name for name in FILES if OURS[name]])
def test_the_api_server_takes_it(name, cluster, spaces):
    level = "privileged" if name in PRIVILEGED else "restricted"
    done = offer(cluster, OURS[name], level)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("(server dry run)") == len(OURS[name])


@pytest.mark.parametrize("name", [name for name in FILES if list(pods(OURS[name]))])
def test_its_pods_are_admitted_where_restricted_is_enforced(name, cluster, spaces):
    for pod in pods(OURS[name]):
        done = offer(cluster, [pod], "restricted")
        if name in PRIVILEGED:
            assert done.returncode and 'violates PodSecurity "restricted' in done.stderr and "hostPath" in done.stderr
            done = offer(cluster, [pod], "privileged")
        assert done.returncode == 0, done.stderr


def test_only_what_kserve_would_take_was_not_asked():
    assert [name for name in FILES if not OURS[name]] == ["manifests/kserve-cluster.yaml", "manifests/kserve-single.yaml"]


def test_kustomize_by_kubectl_makes_what_the_api_server_takes(cluster, spaces):
    done = cluster.run("-n", "restricted", "create", "--dry-run=server", "-k", ROOT / "manifests/kustomize/example")
    assert done.returncode == 0, done.stderr
    assert "deployment.apps" in done.stdout and "configmap" in done.stdout


def test_a_slip_is_refused(cluster, spaces):
    pod = next(pods(OURS["manifests/job.yaml"]))
    assert offer(cluster, [pod], "restricted").returncode == 0
    typo = json.loads(json.dumps(pod))
    typo["spec"]["containers"][0]["terminationMessagePolicies"] = "File"
    assert 'unknown field "spec.containers[0].terminationMess' in offer(cluster, [typo], "restricted").stderr
    del pod["spec"]["securityContext"]["runAsNonRoot"]
    assert "runAsNonRoot" in offer(cluster, [pod], "restricted").stderr
