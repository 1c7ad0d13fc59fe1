"""Reading Kubernetes objects: pods in whatever holds them, hf-init's containers, and the specs that they read."""
import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
MANIFESTS = sorted((ROOT / "manifests").glob("*.yaml"))
IMAGE = "registry.example/hf-init:0.1.0"


def load(text):
    """The objects of a YAML stream."""
    return [document for document in yaml.safe_load_all(text) if document]


def pod_of(thing):
    """{metadata, spec} of the pod that an object holds or makes, or None."""
    if thing["kind"] == "Pod":
        return thing
    if thing["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
        return thing["spec"]["template"]
    return None


def containers(pod):
    return pod["spec"].get("initContainers", []) + pod["spec"]["containers"]


def is_ours(container):
    return re.search(r"/hf-init[:@]", container["image"]) is not None


def arguments(container):
    """What follows /hf-init, the image's entry point."""
    return (container.get("command") or ["/hf-init"])[1:] + container.get("args", [])


def variables(container):
    """Those with a plain value."""
    return {v["name"]: str(v["value"]) for v in container.get("env", []) if "value" in v}


def specs(things):
    """{name of the ConfigMap: text of its spec.yaml}"""
    return {t["metadata"]["name"]: t["data"]["spec.yaml"] for t in things
            if t["kind"] == "ConfigMap" and "spec.yaml" in t["data"]}


def spec_of(things, pod, container):
    """The text that a container of ours finds in /etc/hf-init/spec.yaml."""
    volume = next(m["name"] for m in container["volumeMounts"] if m["mountPath"] == "/etc/hf-init")
    source = next(v["configMap"]["name"] for v in pod["spec"]["volumes"] if v["name"] == volume)
    return specs(things)[source]


def ours(things):
    """(object, pod, container) of every container that runs hf-init with a spec."""
    return [(thing, pod_of(thing), container) for thing in things if pod_of(thing)
            for container in containers(pod_of(thing)) if is_ours(container)]


def codes():
    """{exit code: does the same spec again help}, as the code has it."""
    table = (ROOT / "lib" / "err.c").read_text()
    rows = re.findall(r'\[ERR_\w+\] = \{"\w+", (\d+), (true|false),', table)
    assert len(rows) > 20
    return {int(code): again == "true" for code, again in rows if code != "0"}


def exit_code_rules(things):
    """(verdict, codes) of every rule: FailJob of podFailurePolicy, Restart of restartPolicyRules."""
    for thing in things:
        if thing["kind"] == "Job":
            for rule in thing["spec"].get("podFailurePolicy", {}).get("rules", []):
                if "onExitCodes" in rule:
                    assert rule["onExitCodes"]["operator"] == "In"
                    yield rule["action"], rule["onExitCodes"]["values"]
        for container in containers(pod_of(thing)) if pod_of(thing) else []:
            for rule in container.get("restartPolicyRules", []):
                assert rule["exitCodes"]["operator"] == "In"
                yield rule["action"], rule["exitCodes"]["values"]
