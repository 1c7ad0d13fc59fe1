"""The image: what is in it, and what is said about it. Built twice for this machine, once with libraries from here, and
once for the other one."""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import BIN, ROOT
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from pod_world import image, node  # noqa: F401
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

sys.path.insert(0, str(ROOT / "image"))
from describe import read_lock  # noqa: E402
from oci import Layout  # noqa: E402

OUT = ROOT / "build/image"
MACHINES = {"amd64": 62, "arm64": 183}  # e_machine of an ELF header
LOCK = read_lock((ROOT / "deps/lock").read_text())


@pytest.fixture(scope="module")
def here(node):
    return json.loads(node.podman("info", "--format", "json"))["host"]["arch"]


@pytest.fixture(scope="module")
def first(node, image, here):
    """Digest of the image of a first build, which was `make image`."""
    if "HF_INIT_IMAGE" in os.environ:
        node.make("image")
    return Layout(OUT / here).digest


@pytest.fixture(scope="module")
def built(node, first):
    """build/image after `make image-index`, which for once takes the libraries that this machine has built."""
    cache = subprocess.run([ROOT / "deps/build", "--prefix"], capture_output=True, text=True, check=True).stdout
    said = node.make("image-index", IMAGE_FLAGS="--volume %s:/deps" % Path(cache).parent)
    print("\n" + said)
    return {arch: Layout(OUT / arch) for arch in MACHINES}


def test_two_builds_have_one_digest_wherever_the_libraries_come_from(first, built, here):
    assert built[here].digest == first


@pytest.mark.parametrize("arch", MACHINES)
def test_an_image_is_the_binary_and_its_licences(built, arch):
    files = built[arch].files()
    assert {path: entry[:3] for path, entry in files.items()} == {
        "/hf-init": (0o755, 0, 0), "/licences.txt": (0o644, 0, 0)}
    assert int.from_bytes(files["/hf-init"][-1][18:20], "little") == MACHINES[arch]
    assert b"GNU LESSER GENERAL PUBLIC LICENSE" in files["/licences.txt"][-1]
    config = built[arch].config()
    assert (config["architecture"], config["os"]) == (arch, "linux")
    assert config["config"]["User"] == "65532:65532"
    assert config["config"]["Entrypoint"] == ["/hf-init"] and not config["config"].get("Cmd")
    labels = config["config"]["Labels"]
    for name in ("title", "description", "licenses", "version", "revision", "created"):
        assert labels["org.opencontainers.image." + name] not in ("", "unknown")
    assert built[arch].size_bytes() <= 3_000_000


def test_the_binary_is_the_one_that_make_leaves(built, here):
    assert hashlib.sha256(built[here].files()["/hf-init"][-1]).hexdigest() == \
        hashlib.sha256(open(BIN, "rb").read()).hexdigest()


def test_the_other_architecture_runs(built, here, tmp_path):
    other, = set(MACHINES) - {here}
    path = tmp_path / "hf-init"
    path.write_bytes(built[other].files()["/hf-init"][-1])
    path.chmod(0o755)
    emulator = shutil.which("qemu-%s-static" % {"arm64": "aarch64", "amd64": "x86_64"}[other])
    said = json.loads(subprocess.run([emulator, path, "version", "--json"], capture_output=True, check=True).stdout)
    assert said["libraries"].keys() == LOCK.keys()


def test_the_index_holds_both(built):
    index = Layout(OUT / "index")
    found = {m["platform"]["architecture"]: m["digest"] for m in index.document["manifests"]}
    assert found == {arch: layout.digest for arch, layout in built.items()}
    digests = dict(reversed(line.split()) for line in (OUT / "digests").read_text().splitlines())
    assert digests == {"index": index.digest, **found}


def libraries():
    """What the binary itself says it is made of: {name: version}."""
    said = json.loads(subprocess.run([BIN, "version", "--json"], capture_output=True, check=True).stdout)
    return {name: library["version"] for name, library in said["libraries"].items()}


def test_the_spdx_sbom_is_valid_and_names_every_library(built):
    document = parse_file(str(OUT / "sbom.spdx.json"))
    assert validate_full_spdx_document(document) == []
    found = {p.name: p.version for p in document.packages}
    assert found.pop("hf-init") == re.search(r"^VERSION := (\S+)", (ROOT / "Makefile").read_text(), re.M)[1]
    assert found == libraries()


def test_the_cyclonedx_sbom_is_valid_and_names_every_library(built):
    text = (OUT / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document = json.loads(text)
    assert {c["name"]: c["version"] for c in document["components"]} == libraries()
    hashes = {h["content"] for h in document["metadata"]["component"]["hashes"]}
    assert hashes == {hashlib.sha256(layout.files()["/hf-init"][-1]).hexdigest() for layout in built.values()}


def test_the_provenance_names_what_came_out_and_all_that_went_in(built):
    statement = json.loads((OUT / "provenance.json").read_text())
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    out = {subject["digest"]["sha256"] for subject in statement["subject"]}
    images = [Layout(OUT / "index"), *built.values()]
    assert out == {layout.digest.removeprefix("sha256:") for layout in images} | {
        hashlib.sha256(layout.files()["/hf-init"][-1]).hexdigest() for layout in built.values()}
    definition = statement["predicate"]["buildDefinition"]
    dependencies = {d["name"]: d["digest"] for d in definition["resolvedDependencies"]}
    assert len(dependencies["source"]["gitCommit"]) == 40
    assert re.fullmatch("[0-9a-f]{64}", dependencies[definition["externalParameters"]["BASE"]]["sha256"])
    for entry in LOCK.values():
        for sha256, name in entry["files"]:
            assert dependencies[name] == {"sha256": sha256}
