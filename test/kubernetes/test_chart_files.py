"""What can be said of the chart without helm."""
import json

import jsonschema
import pytest
import yaml
from conftest import ROOT
from values_schema import VALUES, whole

CHART = ROOT / "helm" / "hf-init"
SCHEMA = json.loads(VALUES.read_text())
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())


def leaves(value, path=()):
    if not isinstance(value, dict) or not value:
        yield path
    for key in value if isinstance(value, dict) else ():
        yield from leaves(value[key], path + (key,))


def test_the_schema_of_the_values_holds_the_specs_as_it_is():
    assert SCHEMA == whole(), "run python3 test/kubernetes/values_schema.py"


def test_defaults_pass_the_schema_and_every_default_is_in_it():
    jsonschema.Draft7Validator(SCHEMA).validate(DEFAULTS)
    for path in leaves({key: value for key, value in DEFAULTS.items() if key != "spec"}):
        at = SCHEMA
        for key in path:
            if "properties" not in at:  # free: a label, a resource
                break
            at = at["properties"][key]


@pytest.mark.parametrize("typo", [
    {"mod": "job"}, {"mode": "cronjob"}, {"auth": {"token": "hf_abc"}}, {"image": {"tag": "latest"}},
    {"image": {"digest": "sha256:1"}}, {"job": {"shards": 0}}, {"spec": {"repos": [{"id": "a/b", "revison": "main"}]}},
    {"spec": {"repos": []}}, {"spec": {"repos": [{"id": "a/b"}], "token": "hf_abc"}}, {"volume": {"claim": {"size": "many"}}},
    {"podLabels": {"a": 1}}, {"env": [{"value": "x"}]}])
def test_a_typo_is_refused(typo):
    values = {**DEFAULTS, **{k: {**DEFAULTS[k], **v} if isinstance(v, dict) and isinstance(DEFAULTS.get(k), dict) else v
                             for k, v in typo.items()}}
    assert not jsonschema.Draft7Validator(SCHEMA).is_valid(values)


def test_every_value_is_explained():
    """Each line of values.yaml that begins a value has a comment, beside it or above; so has each below, or its block."""
    lines = (CHART / "values.yaml").read_text().splitlines()
    explained = {}
    for number, line in enumerate(lines):
        depth = len(line) - len(line.lstrip())
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        own = " #" in line or lines[number - 1].lstrip().startswith("#")
        explained = {d: is_so for d, is_so in explained.items() if d < depth} | {depth: own}
        assert any(explained.values()), f"values.yaml:{number + 1}: {line}"


def test_versions_are_those_of_the_program():
    version = next(l for l in (ROOT / "Makefile").read_text().splitlines() if l.startswith("VERSION")).split()[-1]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == version
