"""What `hf-init plan` promises: what a run would fetch and whether it fits, for people, programs and pods."""
import json
import re

import jsonschema
import pytest
import yaml
from conftest import ROOT
from standin import lfs

MB = 1 << 20
GI = 1 << 30
SCHEMA = json.loads((ROOT / "manifests" / "plan.schema.json").read_text())
ONE = {"repos": [{"id": "acme/tiny"}]}


@pytest.fixture
def tiny(hub):
    return hub.model("acme/tiny", {"config.json": b"{}", "w.bin": lfs(3 * MB)})


def judged(text):
    plan = json.loads(text)
    jsonschema.Draft202012Validator(SCHEMA).validate(plan)
    return plan


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("args", [("--json",), ("--format", "json"), ("--format=json", "--json")])
def test_json_obeys_the_schema(run, hub, tiny, args):
    plan = judged(run(ONE, *args, command="plan").stdout)
    assert plan["totals"]["bytesToFetch"] == 3 * MB + 2 and plan["repos"][0]["commit"] == tiny.head().sha


@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_json_obeys_it_whatever_the_plan(run, hub, tiny, layout):
    hub.dataset("acme/data", {"a\"b.csv": "a"})
    spec = {"layout": layout, "repos": [{"id": "acme/tiny"}, {"id": "acme/data", "type": "dataset", "revision": "main"},
                                        {"id": "acme/missing", "optional": True}]}
    plan = judged(run(spec, "--json", command="plan").stdout)
    assert "error" in plan["repos"][2] and "commit" not in plan["repos"][2]
    result = run({**spec, "disk": {"reserve": "100PiB"}}, "--json", command="plan")
    assert result.code == 20 and judged(result.stdout)["volumes"][0]["fits"] is False
    spec["repos"][2]["optional"] = False
    result = run(spec, "--json", command="plan")
    assert result.code == 12 and judged(result.stdout)["repos"][2]["optional"] is False
    assert judged(run({"layout": layout, **ONE}, "--dry-run", "--json").stdout)


def test_the_table_ends_with_the_answer(run, hub, tiny):
    lines = run(ONE, command="plan").stdout.splitlines()
    assert lines[0].split() == ["REPO", "REVISION", "FILES", "SIZE", "THERE", "TO", "FETCH"]
    assert lines[1].split() == ["acme/tiny", "main", "->", tiny.head().sha[:12], "2", "3.0", "MiB", "0", "B", "3.0", "MiB"]
    assert lines[-1] == "3.0 MiB to fetch for 2 of 2 files, and it fits."
    full = run({**ONE, "disk": {"reserve": "100PiB"}}, command="plan")
    assert full.code == 20 and full.stdout.splitlines()[-1].endswith("which does NOT fit.")
    assert run(ONE).code == 0
    assert run(ONE, command="plan").stdout.splitlines()[-1] == "Nothing to fetch: all 2 files are there."


def test_the_answer_is_that_of_the_exit_code(run, hub, tiny):
    limited = run({**ONE, "disk": {"limit": "1MiB", "reserve": 0}}, command="plan")
    assert limited.code == 20 and limited.stdout.splitlines()[-1].endswith("which does NOT fit."), limited
    failed = run({"repos": [{"id": "acme/tiny"}, {"id": "acme/missing"}]}, command="plan")
    assert failed.code == 12 and failed.stdout.splitlines()[-1] == "3.0 MiB to fetch for 2 of 2 files.", failed


def test_each_volume_tells_for_itself_whether_it_fits(run, hub, volume, mounts):
    for name in ("one", "two", "three"):
        hub.model(f"acme/{name}", {"w.bin": lfs(6 * MB)})
        mounts.tmpfs(volume / name, (64 if name == "three" else 4) * MB)
    spec = {"repos": [{"id": f"acme/{name}", "path": f"{name}/model"} for name in ("one", "two", "three")]}
    result = run(spec, "--json", command="plan", prefix=mounts.prefix)
    assert result.code == 20, result
    assert [v["fits"] for v in judged(result.stdout)["volumes"]] == [False, False, True]


def quantity(text):
    return int(re.fullmatch(r"(\d+)Gi", text)[1]) * GI


def stanzas(text):
    pod, claim = yaml.safe_load_all(text)
    init = pod["spec"]["initContainers"][0]
    assert init["name"] == "hf-init" and init["resources"]["requests"] == init["resources"]["limits"]
    assert init["env"][0] == {"name": "HF_INIT_DISK_LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.ephemeral-storage"}}}
    assert (claim["apiVersion"], claim["kind"], claim["spec"]["accessModes"]) == ("v1", "PersistentVolumeClaim", ["ReadWriteOnce"])
    return (quantity(init["resources"]["limits"]["ephemeral-storage"]), quantity(pod["spec"]["volumes"][0]["emptyDir"]["sizeLimit"]),
            quantity(claim["spec"]["resources"]["requests"]["storage"]))


@pytest.mark.parametrize("reserve_mib,wanted", [(0, (2, 1, 1)), (900, (2, 1, 2)), (1024, (3, 2, 2)), (10240, (12, 11, 12)),
                                                (144384, (143, 142, 157))])
def test_pods_get_stanzas_that_fit(run, hub, tiny, reserve_mib, wanted):
    """The files, 64 MiB for what is kept beside them, disk.reserve; a claim a tenth more for the file system; in whole Gi."""
    result = run({**ONE, "disk": {"reserve": f"{reserve_mib}MiB"}}, "--format", "k8s", command="plan")
    assert result.code == 0, result
    pod, empty_dir, claim = stanzas(result.stdout)
    assert (pod, empty_dir, claim) == tuple(n * GI for n in wanted)
    assert empty_dir >= (67 + reserve_mib) * MB and pod > empty_dir and claim * 0.91 >= (67 + reserve_mib) * MB


def test_the_files_count(run, hub):
    hub.model("acme/tiny", {"w.bin": lfs(1000 * MB)})
    assert stanzas(run({**ONE, "disk": {"reserve": 0}}, "--format", "k8s", command="plan").stdout) == (3 * GI, 2 * GI, 2 * GI)


def test_that_the_disk_here_is_too_small_plays_no_part_in_a_pod(run, hub, tiny):
    result = run({**ONE, "disk": {"reserve": "1PiB"}}, "--format", "k8s", command="plan")
    assert result.code == 0 and stanzas(result.stdout)[1] > 1 << 50


def test_what_could_not_be_planned_gets_no_stanzas(run, hub, tiny):
    result = run({"repos": [{"id": "acme/tiny"}, {"id": "acme/missing"}]}, "--format", "k8s", command="plan")
    assert result.code == 12 and result.stdout == ""
    result = run({"repos": [{"id": "acme/tiny"}, {"id": "acme/missing", "optional": True}]}, "--format", "k8s", command="plan")
    assert result.code == 0 and "acme/missing main; it failed" in result.stdout and stanzas(result.stdout)


def test_stanzas_tell_for_which_repos_they_are(run, hub, tiny):
    hub.dataset("acme/data", {"a.csv": "a"})
    text = run({"repos": [{"id": "acme/tiny"}, {"id": "acme/data", "type": "dataset"}]}, "--format", "k8s", command="plan").stdout
    assert text.startswith(f"# 3 files, 3.0 MiB:\n#   acme/tiny main, now {tiny.head().sha[:12]}\n#   datasets/acme/data main, now ")


def test_a_moving_revision_is_told_of_and_a_pinned_one_is_not(run, hub, tiny):
    assert "While a branch or tag moves" in run(ONE, "--format", "k8s", command="plan").stdout
    pinned = {"repos": [{"id": "acme/tiny", "revision": tiny.head().sha}]}
    assert "moves" not in run(pinned, "--format", "k8s", command="plan").stdout


@pytest.mark.parametrize("args,text", [(("--format", "xml"), "table, json or k8s"), (("--json", "--format", "table"), "--json and --format table"),
                                       (("--format",), "needs a value")])
def test_slips_are_exit_2_before_anybody_is_asked(run, hub, args, text):
    result = run(ONE, *args, command="plan")
    assert result.code == 2 and text in result.stderr and hub.count() == 0
    assert "has no --format" in run(ONE, "--format", "json").stderr


@pytest.mark.parametrize("args", [[], ["--json"]])
def test_where_nothing_can_be_asked_there_is_no_plan(run, hub, volume, args):
    """Not one that says that nothing is to be fetched."""
    hub.model("acme/tiny", {"config.json": "{}"})
    volume.path.write_text("a file")
    result = run(ONE, *args, command="plan")
    assert result.code not in (0, 2) and result.stdout == "" and str(volume.path) in result.stderr, result


@pytest.mark.parametrize("code, env", [(30, {}), (60, {"HF_HUB_OFFLINE": "1"})])
def test_what_cannot_be_fetched_now_is_no_plan_that_fits(run, hub, tiny, volume, code, env):
    """Of what an earlier run has left; the run would end so."""
    spec = {**ONE, "retry": {"attempts": 1, "maxWait": "1s"}}
    assert run(spec).code == 0
    hub.down()
    assert run(spec, command="plan", **env).code == 0
    (volume / "acme/tiny/w.bin").unlink()
    result = run(spec, "--json", command="plan", **env)
    assert result.code == code and "error" in judged(result.stdout)["repos"][0], result
    assert run(spec, **env).code == code
