#!/usr/bin/env python3
"""Puts manifests/spec.schema.json into the chart's values.schema.json, so that a typo in `spec` fails `helm install`.

    python3 test/kubernetes/values_schema.py      rewrites the file; test_chart_files.py tells when that is needed
"""
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = ROOT / "manifests" / "spec.schema.json"
VALUES = ROOT / "helm" / "hf-init" / "values.schema.json"


def without_lookahead(schema):
    """Helm is written in Go, whose patterns cannot look ahead; what they would refuse is left to hf-init."""
    if isinstance(schema, list):
        return [without_lookahead(below) for below in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: without_lookahead(below) for key, below in schema.items()
            if not (key == "pattern" and isinstance(below, str) and "(?" in below)}


def whole():
    """The values' schema with the spec's as it is today. The chart adds `target`, so values need not."""
    values, spec = json.loads(VALUES.read_text()), without_lookahead(json.loads(SPEC.read_text()))
    values["$defs"] = spec.pop("$defs")
    for key in ("$schema", "$id", "title"):
        spec.pop(key, None)
    spec["else"].pop("required")
    values["properties"]["spec"] = spec
    return values


if __name__ == "__main__":
    VALUES.write_text(json.dumps(whole(), indent=2, ensure_ascii=False) + "\n")
