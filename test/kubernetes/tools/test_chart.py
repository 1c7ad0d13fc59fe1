"""The chart renders what a cluster takes, for every kind of values and every version that changes something, and nothing
changes unnoticed: golden/ holds the renders of Kubernetes 1.35 (UPDATE_GOLDEN=1 rewrites them)."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest
import yaml
from conftest import BIN, ROOT
from built import admit, schemas, tool  # noqa: F401  (fixtures)
from objects import arguments, codes, containers, exit_code_rules, is_ours, load, ours, pod_of, spec_of, variables

HERE = pathlib.Path(__file__).parent
CHART = ROOT / "helm" / "hf-init"
CASES = {path.stem: path for path in sorted((HERE / "values").glob("*.yaml"))}
VERSIONS = ["1.28.0", "1.31.0", "1.33.0", "1.35.0", "1.37.2"]
NODE = "hostPath|restricted volume types|runAsNonRoot|runAsUser=0"


@pytest.fixture
def render(tool):
    def call(case, version="1.35.0", chart=CHART, *args):
        return tool("helm", "template", "demo", chart, "-n", "ml", "-f", CASES[case], "--kube-version", version, *args)
    return call


def test_lint_is_content(tool):
    for case in CASES.values():
        said = tool("helm", "lint", "--strict", CHART, "-f", case)
        assert "1 chart(s) linted, 0 chart(s) failed" in said and "WARNING" not in said


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES)
def test_a_render_is_admitted_and_restricted(case, version, render, schemas, admit):
    text = render(case, version)
    for thing in load(text):
        for which, schema in schemas.items():
            if tuple(map(int, which.split("."))) >= tuple(map(int, version.split(".")[:2])):
                assert schema.errors(thing) == []
    for verdict in admit(text):
        assert verdict["errors"] == [], verdict
        allowed = NODE if case == "daemonset" else "^$"
        assert [r for r in verdict["restricted"] if not re.search(allowed, r)] == [], verdict


@pytest.mark.parametrize("case", CASES)
def test_a_render_is_the_golden_one(case, render):
    golden, text = HERE / "golden" / f"{case}.yaml", render(case)
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("case", CASES)
def test_hf_init_takes_what_it_is_given(case, render):
    things = load(render(case))
    for _, pod, container in ours(things):
        env = {k: v for k, v in variables(container).items() if k.startswith("HF_INIT_")}
        for mounted in ("HF_INIT_TOKEN_FILE", "HF_INIT_TOKEN_OPTIONAL", "HF_INIT_TLS_CA_FILE"):
            env.pop(mounted, None)
        env |= {"JOB_COMPLETION_INDEX": "0"} if "HF_INIT_SHARD_COUNT" in env else {}
        done = subprocess.run([BIN, "validate", "--spec", "-", "-v"], input=spec_of(things, pod, container), env=env,
                              capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr
        mount = next(m["mountPath"] for m in container["volumeMounts"] if m["name"] == "hf-init-models")
        assert re.search(rf"^target +\S+ +{mount}$", done.stdout, re.M), done.stdout


@pytest.mark.parametrize("version, policy, in_place, per_index", [
    ("1.28.0", False, False, False), ("1.30.9", False, False, False), ("1.31.0", True, False, False),
    ("1.33.0", True, False, True), ("1.34.1", True, False, True), ("1.35.0", True, True, True),
    ("1.36.0-gke.100", True, True, True)])
def test_features_come_with_the_version_that_has_them(version, policy, in_place, per_index, render):
    job = next(t for t in load(render("indexed-job", version)) if t["kind"] == "Job")
    assert ("podFailurePolicy" in job["spec"]) is policy
    assert ("restartPolicyRules" in job["spec"]["template"]["spec"]["containers"][0]) is in_place
    assert ("backoffLimitPerIndex" in job["spec"]) is per_index is not ("backoffLimit" in job["spec"])


def test_rules_speak_of_all_exit_codes_that_there_are_and_of_no_other(render):
    fatal = sorted(code for code, again in codes().items() if not again)
    passing = sorted(code for code, again in codes().items() if again)
    rules = dict(exit_code_rules(load(render("job"))))
    assert rules == {"FailJob": fatal, "Restart": passing}


def test_a_changed_spec_is_a_new_job_and_rolls_the_daemonset(render, tool):
    """A Job cannot be changed, so its name goes with the values; a release that changes nothing keeps it."""
    def named(*args):
        thing = next(t for t in load(render("job", "1.35.0", CHART, *args)) if t["kind"] == "Job")
        return thing["metadata"]["name"]
    assert named() == named() != named("--set", "spec.repos[0].id=a/b")
    assert named() != named("--set", "image.tag=0.1.1")

    def checksum(*args):
        thing = next(t for t in load(render("daemonset", "1.35.0", CHART, *args)) if t["kind"] == "DaemonSet")
        return thing["spec"]["template"]["metadata"]["annotations"]["checksum/spec"]
    assert checksum() == checksum("--set", "podLabels.a=b") != checksum("--set", "spec.repos[0].id=a/b")


def test_no_secret_is_made_and_waiters_need_none(render):
    for case in CASES:
        things = load(render(case))
        assert not [t for t in things if t["kind"] == "Secret"]
        for config in (t for t in things if t["kind"] == "ConfigMap" and "spec.yaml" in t["data"]):
            assert "token" not in yaml.safe_load(config["data"]["spec.yaml"])


@pytest.mark.parametrize("case, args, word", [
    ("job", ("--set", "mod=job"), "mod"), ("job", ("--set", "auth.token=hf_abc"), "token"),
    ("job", ("--set", "spec.repos[0].revison=main"), "revison"), ("none", ("--set", "mode=job"), "volume.claim.size"),
    ("job", ("--set", "spec.target=/elsewhere"), "mountPath"), ("job", ("--kube-version", "1.27.0"), "1.28")])
def test_a_mistake_is_refused_with_its_name(case, args, word, tool):
    assert word in tool("helm", "template", "demo", CHART, "-f", CASES[case], *args, fails=True)


def test_the_test_of_a_release_waits_without_writing(render):
    pods = {case: next(t for t in load(render(case)) if t["kind"] == "Pod") for case in CASES}
    for case, pod in pods.items():
        assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
        container = pod["spec"]["containers"][0]
        assert arguments(container)[0] == ("validate" if case == "none" else "wait")
        assert "HF_INIT_SHARD_COUNT" not in variables(container)  # which would ask for an index


def test_the_notes_say_how_to_watch_and_what_to_ask(tool):
    for case in CASES:
        said = tool("helm", "install", "demo", CHART, "-n", "ml", "-f", CASES[case], "--dry-run=client")
        notes = said.split("NOTES:")[1]
        assert "helm test -n ml demo" in notes and "<no value>" not in notes and "<nil>" not in notes
        if case != "none":
            assert "kubectl -n ml logs -f" in notes and "describe pods" in notes
        if case == "mirror":
            assert "deploy/demo-hf-init-mirror" in notes


# As a library.

@pytest.fixture
def parent(tmp_path):
    shutil.copytree(HERE / "parent", tmp_path / "server")
    shutil.copytree(CHART, tmp_path / "server" / "charts" / "hf-init")
    return tmp_path / "server"


def test_another_chart_takes_the_init_container_and_its_volumes(parent, tool, schemas, admit):
    text = tool("helm", "template", "demo", parent, "-n", "ml")
    things = load(text)
    deployment = next(t for t in things if t["kind"] == "Deployment")
    pod = deployment["spec"]["template"]
    init, server = containers(pod)
    assert is_ours(init) and init["image"] == "registry.example/hf-init:0.1.0"
    assert yaml.safe_load(spec_of(things, pod, init))["repos"][0]["path"] == "qwen"
    assert {"name": "hf-init-models", "mountPath": "/models", "readOnly": True} in server["volumeMounts"]
    assert {v["name"] for v in pod["spec"]["volumes"]} == {m["name"] for c in (init, server) for m in c["volumeMounts"]}
    assert [(v["errors"], v["restricted"]) for v in admit(text)] == [([], [])] * len(things)
    assert [schemas["1.37"].errors(t) for t in things] == [[]] * len(things)
    other = load(tool("helm", "template", "demo", parent, "--set", "hf-init.spec.name=other"))
    assert pod_of(next(t for t in other if t["kind"] == "Deployment"))["metadata"]["annotations"] != pod["metadata"]["annotations"]


def test_a_typo_in_another_charts_values_is_refused(parent, tool):
    assert "moed" in tool("helm", "template", "demo", parent, "--set", "hf-init.moed=none", fails=True)
    assert "revison" in tool("helm", "template", "demo", parent, "--set-json", 'hf-init.spec={"repos":[{"id":"a/b","revison":"x"}]}', fails=True)
