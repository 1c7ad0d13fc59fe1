"""Two judges of Kubernetes objects, neither of which needs a cluster.

    Schema(path).errors(thing)     the OpenAPI description of one Kubernetes version, made strict
    admission(text)                admission.go: what an API server of the newest version would say, and Pod Security
"""
import json
import subprocess

import jsonschema

QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"


class Schema:
    """Kubernetes' description lets unknown fields pass, as its API server once did. Here they are errors."""

    def __init__(self, path):
        self.definitions = json.loads(path.read_text())["definitions"]
        self.kinds = {}
        for name, definition in self.definitions.items():
            for kind in definition.get("x-kubernetes-group-version-kind", []):
                version = "/".join(part for part in (kind["group"], kind["version"]) if part)
                self.kinds.setdefault((version, kind["kind"]), name)
            if "properties" in definition:
                definition["additionalProperties"] = False
            self._loosen(definition)
        self.definitions[QUANTITY] = {"type": ["string", "number"]}
        self.judges = {}

    def _loosen(self, schema):
        """What the description calls a string, though a number will do."""
        if schema.get("format") == "int-or-string":
            schema["type"] = ["integer", "string"]
        for below in [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]:
            if isinstance(below, dict):
                self._loosen(below)

    def errors(self, thing):
        key = (thing["apiVersion"], thing["kind"])
        if key not in self.kinds:
            return [f"no such kind: {key}"]
        if key not in self.judges:
            self.judges[key] = jsonschema.Draft4Validator(
                {"$ref": "#/definitions/" + self.kinds[key], "definitions": self.definitions})
        return [f"{error.json_path}: {error.message}" for error in self.judges[key].iter_errors(thing)]


def admission(program, text):
    """One verdict per object: {kind, name, errors, restricted, baseline}."""
    done = subprocess.run([program], input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
