"""Every manifest would be taken by an API server: by schema of two versions, by the newest one's own code, and by the
`restricted` Pod Security standard, except for what the comments name."""
import copy
import re

import pytest
import yaml
from conftest import ROOT
from built import admit, schemas, tool  # noqa: F401  (fixtures)
from objects import MANIFESTS, load

# What is not `restricted`, and why: the folder of a node is a hostPath, and belongs to root.
EXCEPTIONS = {"daemonset.yaml": "hostPath|restricted volume types|runAsNonRoot|runAsUser=0"}
FOREIGN = {"ClusterStorageContainer", "InferenceService"}
TEXTS = {path.name: path.read_text() for path in MANIFESTS}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"},
       "spec": {"containers": [{"name": "a", "image": "b:1"}]}}


def minimum(name):
    """The Kubernetes version that a manifest's comment asks for."""
    found = re.search(r"^# Needs: .*?Kubernetes 1\.(\d+)", TEXTS[name], re.M)
    return int(found[1]) if found else 0


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("version", ["1.33", "1.37"])
def test_schema(name, version, schemas):
    if minimum(name) > int(version.split(".")[1]):
        pytest.skip("asks for a newer Kubernetes")
    for thing in load(TEXTS[name]):
        if thing["kind"] == "ClusterStorageContainer":
            thing = {**POD, "spec": {"containers": [thing["spec"]["container"]]}}
        if thing["kind"] not in FOREIGN:
            assert schemas[version].errors(thing) == []


@pytest.mark.parametrize("name", [n for n in TEXTS if minimum(n) > 33])
def test_what_a_manifest_says_it_needs_is_so(name, schemas):
    """A manifest that asks for a newer version has a field that the older one does not know."""
    assert any(schemas["1.33"].errors(thing) for thing in load(TEXTS[name]))


@pytest.mark.parametrize("name", TEXTS)
def test_the_api_server_takes_it_and_it_is_restricted(name, admit):
    native = [t for t in load(TEXTS[name]) if t["kind"] not in FOREIGN]
    native += [{**POD, "metadata": {"name": t["metadata"]["name"]}, "spec": {"containers": [t["spec"]["container"]]}}
               for t in load(TEXTS[name]) if t["kind"] == "ClusterStorageContainer"]
    verdicts = admit(yaml.safe_dump_all(native))
    assert len(verdicts) == len(native)
    for verdict in verdicts:
        assert verdict["errors"] == [], verdict
        left = [r for r in verdict["restricted"] if not re.search(EXCEPTIONS.get(name, "^$"), r)]
        assert left == [], verdict


def test_the_exceptions_are_needed(admit):
    for name in EXCEPTIONS:
        assert any(verdict["restricted"] for verdict in admit(TEXTS[name]))


def test_kustomize_builds_the_example_and_the_server_gets_its_init_container(tool, schemas, admit):
    text = tool("kustomize", "build", ROOT / "manifests" / "kustomize" / "example")
    things = load(text)
    deployment = next(t for t in things if t["kind"] == "Deployment")
    config = next(t for t in things if t["kind"] == "ConfigMap")
    pod = deployment["spec"]["template"]["spec"]
    assert [c["name"] for c in pod["initContainers"]] == ["hf-init"]
    assert {"name": "hf-models", "mountPath": "/models", "readOnly": True} in pod["containers"][0]["volumeMounts"]
    assert {"name": "hf-spec", "configMap": {"name": config["metadata"]["name"]}} in pod["volumes"]
    assert re.fullmatch(r"hf-models-\w{10}", config["metadata"]["name"])
    for thing in things:
        assert schemas["1.33"].errors(thing) == [] == schemas["1.37"].errors(thing)
    assert [(v["errors"], v["restricted"]) for v in admit(text)] == [([], [])] * len(things)


# The judges themselves.

def broken(change):
    thing = copy.deepcopy(POD)
    change(thing["spec"])
    return thing


@pytest.mark.parametrize("change, word", [
    (lambda spec: spec.update(initContainer=[]), "initContainer"),
    (lambda spec: spec["containers"][0].update(imagePullPolicys="Always"), "imagePullPolicys"),
    (lambda spec: spec["containers"][0].update(resources={"limits": {"memory": ["1Gi"]}}), "memory"),
    (lambda spec: spec.pop("containers"), "containers")])
def test_the_schema_sees(change, word, schemas):
    for schema in schemas.values():
        assert schema.errors(POD) == []
        assert word in str(schema.errors(broken(change)))


@pytest.mark.parametrize("change, word", [
    (lambda spec: spec.update(initContainer=[]), "initContainer"),
    (lambda spec: spec["containers"][0].update(volumeMounts=[{"name": "x", "mountPath": "/x"}]), "Not found"),
    (lambda spec: spec.update(initContainers=[{"name": "a", "image": "b:1"}]), "Duplicate"),
    (lambda spec: spec.update(restartPolicy="Sometimes"), "Unsupported")])
def test_admission_sees(change, word, admit):
    good, bad = admit(yaml.safe_dump_all([POD, broken(change)]))
    assert good["errors"] == [] and word in str(bad["errors"])
    assert any("runAsNonRoot" in r for r in good["restricted"]) and good["baseline"] == []


def test_admission_sees_rules_out_of_order(admit):
    job = next(t for t in load(TEXTS["job.yaml"]) if t["kind"] == "Job")
    job["spec"]["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"].reverse()
    assert "order" in str(admit(yaml.safe_dump(job))[0]["errors"])
