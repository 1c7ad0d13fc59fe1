"""The manifests do what they say: hf-init takes their specs, a run leaves what the server opens, exit codes mean what the
rules take them for. What a cluster would say of them is in tools/."""
import json
import re
import subprocess

import pytest
import yaml
from conftest import BIN, NOBODY, ROOT, Volume, content_of
from objects import (IMAGE, MANIFESTS, arguments, codes, containers, exit_code_rules, is_ours, load, ours, pod_of, spec_of,
                     specs, variables)
from standin import lfs

KUSTOMIZE = sorted((ROOT / "manifests" / "kustomize").glob("*/*.yaml"))
TEXTS = {path.name: path.read_text() for path in MANIFESTS}
THINGS = {name: load(text) for name, text in TEXTS.items()}
FILES = ["config.json", "tokenizer.json", "tokenizer_config.json", "merges.txt", "model.safetensors", "README.md",
         "qwen2.5-7b-instruct-q4_k_m-00001-of-00002.gguf", "qwen2.5-7b-instruct-q4_k_m-00002-of-00002.gguf",
         "qwen2.5-7b-instruct-q8_0.gguf", "original/consolidated.00.pth", "mrpc/train.parquet", "onnx/model.onnx"]


def settings(container):
    return [c for c in variables(container).items() if c[0].startswith("HF_INIT_")]


def validate(spec, **env):
    return subprocess.run([BIN, "validate", "--spec", "-"], input=spec, env=env, capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize("name", THINGS)
def test_a_manifest_says_when_to_use_it_and_how_to_watch_it(name):
    comment = "".join(line for line in TEXTS[name].splitlines(True)[:25] if line.startswith("#"))
    assert re.search(r"^# When: ", comment, re.M) and re.search(r"^# (Watch|Test): ", comment, re.M)


@pytest.mark.parametrize("name", THINGS)
def test_images_are_named_by_version_and_ours_is_one(name):
    images = re.findall(r"image: (\S+)", TEXTS[name])
    for image in images:
        assert re.search(r":[\w.-]*\d[\w.-]*$", image), image
        assert "hf-init" not in image or image == IMAGE


@pytest.mark.parametrize("name", THINGS)
def test_hf_init_takes_every_spec_with_the_variables_beside_it(name, tmp_path):
    for spec in specs(THINGS[name]).values():
        whole = yaml.safe_load(spec)
        if "token" in whole:
            (tmp_path / "token").write_text("hf_x")
            whole["token"]["file"] = str(tmp_path / "token")
        result = validate(json.dumps(whole))
        assert result.returncode == 0, result.stderr
    for _, pod, container in ours(THINGS[name]):
        env = dict(settings(container))
        if "HF_INIT_SHARD_COUNT" in env:
            env["JOB_COMPLETION_INDEX"] = "3"
        result = validate("{repos: [{id: a/b}], target: /m}", **env)
        assert result.returncode == 0, result.stderr


def test_the_kustomize_example_has_a_spec_that_hf_init_takes():
    result = validate((ROOT / "manifests/kustomize/example/spec.yaml").read_text())
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", [n for n in THINGS if list(exit_code_rules(THINGS[n]))])
def test_rules_speak_of_all_exit_codes_that_there_are_and_of_no_other(name):
    fatal = sorted(code for code, again in codes().items() if not again)
    passing = sorted(code for code, again in codes().items() if again)
    for action, values in exit_code_rules(THINGS[name]):
        assert values == (fatal if action == "FailJob" else passing), action


def test_jobs_have_rules_for_exit_codes():
    """Deployments cannot: their pods restart whatever the code is."""
    jobs = [thing for things in THINGS.values() for thing in things if thing["kind"] == "Job"]
    assert len(jobs) >= 3
    for job in jobs:
        assert "FailJob" in dict(exit_code_rules([job])), job["metadata"]["name"]


@pytest.mark.parametrize("name", THINGS)
def test_hf_init_is_confined_and_small(name):
    for thing, pod, container in ours(THINGS[name]):
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"] in ("32Mi", "64Mi", "128Mi")
        assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
        assert pod["spec"]["automountServiceAccountToken"] is False and pod["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize("name", THINGS)
def test_volumes_are_declared_once_and_used_and_models_are_read_only_for_servers(name):
    for thing in THINGS[name]:
        pod = pod_of(thing)
        if not pod:
            continue
        declared = [volume["name"] for volume in pod["spec"].get("volumes", [])]
        declared += [claim["metadata"]["name"] for claim in thing["spec"].get("volumeClaimTemplates", [])]
        mounts = [(container, mount) for container in containers(pod) for mount in container.get("volumeMounts", [])]
        assert sorted(declared) == sorted({mount["name"] for _, mount in mounts})
        for container, mount in mounts:
            if mount["name"] == "models":
                writes = is_ours(container) and arguments(container)[:1] != ["wait"]
                assert mount.get("readOnly", False) is not writes, container["name"]


# Runs.

def make_repos(hub, spec):
    for repo in spec["repos"]:
        names = FILES + [name for name in repo.get("files", []) if name not in FILES]
        make = {"dataset": hub.dataset, "space": hub.space}.get(repo.get("type"), hub.model)
        make(repo["id"], {n: lfs(40_000) if n.endswith((".safetensors", ".gguf", ".pth", ".parquet")) else "{}" for n in names})


def played(hub, volume, tmp_path, name, spec):
    """A spec with what is of this machine put in: the stand-in Hub, a folder, a token."""
    whole = yaml.safe_load(spec)
    make_repos(hub, whole)
    whole.update(target=str(volume.path), endpoint=hub.endpoint, startJitter=0)
    whole["disk"] = {"reserve": 0}
    whole.pop("tls", None)
    whole.pop("stay", None)  # it would not end
    if "token" in whole:
        (tmp_path / "token").write_text(hub.token)
        whole["token"]["file"] = str(tmp_path / "token")
    return whole


RUNS = [(name, index) for name, things in THINGS.items() for index, (_, _, container) in enumerate(ours(things))
        if not arguments(container)]


@pytest.mark.parametrize("name, index", RUNS)
def test_a_run_leaves_what_the_servers_open(name, index, hub, volume, run, tmp_path):
    things = THINGS[name]
    thing, pod, container = ours(things)[index]
    whole = played(hub, volume, tmp_path, name, spec_of(things, pod, container))
    env = dict(settings(container))
    for share in range(int(env.get("HF_INIT_SHARD_COUNT", 1))):
        result = run(whole, HF_TOKEN=hub.token, JOB_COMPLETION_INDEX=share, **env)
        assert result.code == 0, result
    assert volume.marker()
    for other in [c for t in things if pod_of(t) for c in containers(pod_of(t)) if not is_ours(c)]:
        for path in re.findall(r"/models/\S+", " ".join(other.get("args", []))):
            assert (volume.path / path.removeprefix("/models/")).exists(), path
        if variables(other).get("HF_HUB_CACHE") == "/models":
            assert whole["layout"] == "cache" and list(volume.path.glob("models--*/snapshots/*/config.json"))


WAITS = [(name, index) for name, things in THINGS.items() for index, (_, _, container) in enumerate(ours(things))
         if arguments(container)[:1] == ["wait"]]


@pytest.mark.parametrize("name, index", WAITS)
def test_who_waits_reads_the_same_spec_as_another_user_and_ends_when_all_shares_are_there(
        name, index, hub, run, start, public, tmp_path):
    """The barrier: a share alone opens nothing; the waiter has no token and may not write."""
    volume = Volume(public / "volume")
    things = THINGS[name]
    _, pod, container = ours(things)[index]
    whole = played(hub, volume, tmp_path, name, spec_of(things, pod, container))
    writer = next(c for _, _, c in ours(things) if not arguments(c))
    env = dict(settings(writer))
    shares = int(env.get("HF_INIT_SHARD_COUNT", 1))
    spec = public / "spec.json"
    spec.write_text(json.dumps({**whole, "terminationMessage": ""}))
    waiter = start(None, "--spec", str(spec), *arguments(container)[1:], command="wait", bin=str(public / "hf-init"), prefix=NOBODY)
    for share in range(shares):
        assert waiter.process.poll() is None and volume.marker() is None
        assert run(whole, JOB_COMPLETION_INDEX=share, **env).code == 0
    result = waiter.wait()
    assert result.code == 0, result


def test_a_waiter_and_a_probe_work_on_a_read_only_mount(hub, run, mounts, tmp_path):
    folder = tmp_path / "ro"
    volume = mounts.tmpfs(folder, 8 << 20)
    hub.model("acme/tiny", {"a.txt": "a"})
    spec = {"repos": [{"id": "acme/tiny"}], "target": str(folder)}
    assert run(spec, prefix=mounts.prefix).code == 0
    mounts.call("mount", "-o", "remount,ro", folder)
    assert run(spec, command="wait", prefix=mounts.prefix).code == 0
    assert run(spec, command="status", prefix=mounts.prefix).code == 0
    assert volume.marker()


# The rest of what the manifests say.

def test_the_mirror_of_the_manifest_is_the_charts():
    config = next(t["data"]["nginx.conf"] for t in THINGS["mirror.yaml"] if t["kind"] == "ConfigMap" and "nginx.conf" in t["data"])
    assert config == (ROOT / "helm/hf-init/files/nginx.conf").read_text()


def test_kserve_is_given_what_it_asks_for():
    """Its webhook knows the container by name and adds SOURCE and FOLDER behind our command; only hf:// is claimed."""
    found = [t for name in ("kserve-cluster.yaml", "kserve-single.yaml") for t in THINGS[name]
             if t["kind"] == "ClusterStorageContainer"]
    assert len(found) == 3
    for thing in found:
        assert set(thing["spec"]) <= {"container", "supportedUriFormats", "workloadType", "supportsMultiModelDownload"}
        container = thing["spec"]["container"]
        assert container["name"] == "storage-initializer" and container["image"] == IMAGE
        assert container["command"] == ["/hf-init", "storage-initializer"] and "args" not in container
        assert thing["spec"]["supportedUriFormats"] == [{"prefix": "hf://"}]
        assert thing["spec"]["workloadType"] in ("initContainer", "localModelDownloadJob")


def test_what_kserve_starts_fetches(hub, start, tmp_path):
    """SOURCE and FOLDER as its webhook adds them."""
    repo = hub.model("acme/tiny", {"config.json": "{}", "model.safetensors": lfs(40_000)})
    container = THINGS["kserve-single.yaml"][0]["spec"]["container"]
    folder = tmp_path / "mnt"
    result = start(None, "hf://acme/tiny:main", str(folder), command=arguments(container)[0], HF_ENDPOINT=hub.endpoint).wait()
    assert result.code == 0, result
    assert Volume(folder).files() == content_of(repo)


def test_the_docs_name_manifests_that_exist():
    text = (ROOT / "docs/kubernetes.md").read_text()
    named = set(re.findall(r"\.\./(manifests/[\w./-]+|helm/[\w./-]+)", text))
    assert named and all((ROOT / path).exists() for path in named), named
    for path in MANIFESTS:
        assert "../manifests/" + path.name in text, path.name + " is not in docs/kubernetes.md"
