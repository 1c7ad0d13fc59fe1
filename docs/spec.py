#!/usr/bin/env python3
"""docs/spec.py > docs/spec.md: the reference of the spec, made of manifests/spec.schema.json.

A test compares the two, so that they cannot differ. What is said of a setting is said in lib/spec_table.c; the schema
repeats it, which is tested as well."""
import json
import re
from pathlib import Path

SCHEMA = json.loads((Path(__file__).parents[1] / "manifests" / "spec.schema.json").read_text(encoding="utf-8"))
HEAD = """\
# The spec

Made by [spec.py](spec.py) from [spec.schema.json](../manifests/spec.schema.json), which editors can check a file against:

```yaml
# yaml-language-server: $schema=manifests/spec.schema.json
apiVersion: hf-init/v1
target: /models
repos:
  - id: Qwen/Qwen2.5-7B-Instruct
```

The file is `--spec FILE`, `HF_INIT_SPEC`, or `/etc/hf-init/spec.yaml`; `-` is standard input; YAML or JSON. Each setting has
three forms: the key in the file, a flag and a variable. A flag wins over a variable, that over the file, that over the
official `HF_*` variables, those over the default. Flags and variables of a repo speak for every repo. Several values in one
variable are separated by commas or spaces, or, if it has several lines, by these alone: a name may hold commas and spaces
then. An unknown key, flag or `HF_INIT_*` variable is an error that names the nearest known one; so are a duplicate key and a
value out of range, with line and column. `hf-init validate -v` prints what came out, and where it came from.

Without a file, `HF_INIT_REPOS` or `--repos` is the list, between commas, spaces or newlines:
`[models/|datasets/|spaces/]ORG/NAME[@REVISION]`.
`HF_INIT_SPEC_YAML` holds a whole file.
"""
KINDS = {
    "size": "a size such as `64MiB`, `10GB`, `2Gi`, or a number of bytes",
    "rate": "a rate such as `200MiB/s`, or a number of bytes per second",
    "duration": "a duration such as `30s`, `5m`, `1h30m`, or a number of seconds",
    "mode": "octal, with a leading zero",
    "text": "text",
    "texts": "a list, or one text for a list of one",
    "endpoint": "a URL: `http://` or `https://`, a host, perhaps a port and a path",
    "host": "the name of a host, or `*.DOMAIN`, perhaps with a port",
}


def kind_of(schema):
    """The values that are allowed, in words."""
    if "$ref" in schema:
        return KINDS[schema["$ref"].rpartition("/")[2]]
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(", ".join(f"`{word}`" for word in words) for words in (schema["enum"][:-1], schema["enum"][-1:]))
    if "anyOf" in schema:
        kinds = schema["anyOf"]
        if kinds[-1].get("type") == "array":
            return kind_of(kinds[0]) + ", or a list"
        if any(k.get("pattern") for k in kinds):
            return "`auto`, or " + KINDS["size"]
        return ", or ".join(kind_of(k) for k in kinds)
    if schema["type"] == "boolean":
        return "`true` or `false`"
    if schema["type"] == "integer":
        return f"a number from {schema['minimum']} to {schema['maximum']}"
    return "text"


def forms_of(path):
    """Flag and variable; the table of settings knows one key that has neither."""
    if path == "repos[].id":
        return "Only in the file."
    words = re.sub("([A-Z])", r"-\1", path.removeprefix("repos[].")).replace(".", "-").lower()
    return f"`--{words}` · `HF_INIT_{words.replace('-', '_').upper()}`"


def sentence(text):
    first = re.match(r"[a-z]+(?= )", text)
    return (text[:1].upper() + text[1:] if first else text).rstrip(".") + "."


def setting(path, schema):
    lines = [f"### `{path}`", "", sentence(schema["description"]) if "description" in schema else "", ""]
    value = "Value: " + kind_of(schema)
    if "default" in schema:
        default = schema["default"]
        default = ", ".join(default) if isinstance(default, list) else json.dumps(default).strip('"')
        value += f". Default: `{default}`"
    lines.append(f"{value}. {forms_of(path)}")
    return "\n".join(lines) + "\n"


def chapter(prefix, schema):
    for name, child in schema["properties"].items():
        path = prefix + name
        if path == "repos":
            yield f"## `repos`\n\nWhat to fetch: a list of 1 to {child['maxItems']}.\n"
            yield from chapter("repos[].", SCHEMA["$defs"]["repo"])
        elif child.get("type") == "object":
            yield f"## `{path}`\n\n{sentence(child['description'])}\n"
            yield from chapter(path + ".", child)
        else:
            yield setting(path, child)


def main():
    alone = [text for text in chapter("", {"properties": {
        k: v for k, v in SCHEMA["properties"].items() if v.get("type") not in ("object", "array")}})]
    groups = [text for text in chapter("", {"properties": {
        k: v for k, v in SCHEMA["properties"].items() if v.get("type") in ("object", "array")}})]
    print("\n".join([HEAD, "## The whole run\n", *alone, *groups]), end="")


main()
