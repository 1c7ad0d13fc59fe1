#!/usr/bin/env python3
"""Describes the images in a folder of image/build: two SBOMs (SPDX 2.3, CycloneDX 1.6) and a provenance statement
(in-toto Statement 1 with SLSA Provenance 1), and prints digest and size of each.

What is inside comes from deps/lock; at which patch level it was built, from the binary where this machine can run it.
"""
import argparse
import hashlib
import json
import os
import subprocess
import tempfile
import time
import urllib.parse
import uuid
from pathlib import Path

from oci import Layout

TOP = Path(__file__).resolve().parents[1]
LICENCE = "Apache-2.0"


def read_lock(text):
    """deps/lock as {name: {"version", "licence", "debian", "upstream": (sha256, url), "files": [(sha256, name)]}}."""
    found, entry = {}, None
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith(" "):
            entry = found[line.strip()] = {"files": []}
            continue
        key, value = line.split(None, 1)
        if key == "file":
            entry["files"].append(tuple(value.split()))
        else:
            entry[key] = tuple(value.split()) if key == "upstream" else value
    return found


def purl(name, level, version):
    """A package URL. Scanners know which holes a Debian patch level has; an upstream version is all they get else."""
    if level == "unpatched":
        return "pkg:generic/%s@%s" % (name, version)
    return "pkg:deb/debian/%s@%s?arch=source&distro=trixie" % (name, urllib.parse.quote(level, safe=""))


def spdx(about, parts):
    top = {"SPDXID": "SPDXRef-hf-init", "name": "hf-init", "versionInfo": about["version"], "licenseDeclared": LICENCE,
           "checksums": [{"algorithm": "SHA256", "checksumValue": value} for value in about["binaries"].values()]}
    packages = [top]
    for part in parts:
        packages.append({
            "SPDXID": "SPDXRef-" + part["name"], "name": part["name"], "versionInfo": part["version"],
            "licenseDeclared": part["licence"], "downloadLocation": part["url"], "sourceInfo": part["source"],
            "checksums": [{"algorithm": "SHA256", "checksumValue": part["sha256"]}],
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                              "referenceLocator": part["purl"]}]})
    for package in packages:
        package.setdefault("downloadLocation", "NOASSERTION")
        package.update(filesAnalyzed=False, licenseConcluded=package["licenseDeclared"], copyrightText="NOASSERTION")
    links = [("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-hf-init")]
    links += [("SPDXRef-hf-init", "STATIC_LINK", "SPDXRef-" + part["name"]) for part in parts]
    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
            "name": "hf-init-" + about["version"],
            "documentNamespace": "https://spdx.org/spdxdocs/hf-init-%s-%s" % (about["version"], about["id"]),
            "creationInfo": {"created": about["created"], "creators": ["Tool: hf-init-image-describe"]},
            "packages": packages,
            "relationships": [{"spdxElementId": a, "relationshipType": how, "relatedSpdxElement": b}
                              for a, how, b in links]}


def cyclonedx(about, parts):
    components = [{
        "type": "data" if part["name"] == "ca-certificates" else "library", "bom-ref": part["name"],
        "name": part["name"], "version": part["version"], "description": part["source"], "purl": part["purl"],
        "licenses": [{"license": {"id": part["licence"]}}],
        "externalReferences": [{"type": "source-distribution", "url": part["url"],
                                "hashes": [{"alg": "SHA-256", "content": part["sha256"]}]}]} for part in parts]
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": "urn:uuid:" + about["id"], "version": 1,
            "metadata": {"timestamp": about["created"],
                         "component": {"type": "application", "bom-ref": "hf-init", "name": "hf-init",
                                       "version": about["version"], "licenses": [{"license": {"id": LICENCE}}],
                                       "hashes": [{"alg": "SHA-256", "content": value}
                                                  for value in about["binaries"].values()]}},
            "components": components,
            "dependencies": [{"ref": "hf-init", "dependsOn": [part["name"] for part in parts]}]}


def provenance(about, lock, subjects, options):
    sources = [{"name": name, "digest": {"sha256": sha256}}
               for entry in lock.values() for sha256, name in entry["files"]]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": value}} for name, value in sorted(subjects.items())],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:hf-init:image-build:1",
                "externalParameters": {"version": about["version"], "architectures": sorted(about["binaries"]),
                                       "BASE": options.base},
                "internalParameters": {"SOURCE_DATE_EPOCH": options.epoch, "sourceModified": about["modified"]},
                "resolvedDependencies": [
                    {"name": "source", "digest": {"gitCommit": about["commit"]}},
                    {"name": options.base, "digest": {"sha256": options.base_digest.removeprefix("sha256:")}},
                    *sources]},
            "runDetails": {
                "builder": {"id": "urn:hf-init:builder:local"},
                "metadata": {"startedOn": options.started,
                             "finishedOn": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}}}}


def git(*words):
    done = subprocess.run(["git", *words], cwd=TOP, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def levels_of(binary):
    """{library: patch level} as the binary tells them, or nothing where it does not run."""
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(binary)
    try:
        os.chmod(file.name, 0o700)
        done = subprocess.run([file.name, "version", "--json"], capture_output=True, timeout=60)
        return {name: library["source"] for name, library in json.loads(done.stdout)["libraries"].items()}
    except (OSError, ValueError, KeyError):
        return {}
    finally:
        os.unlink(file.name)


def describe_parts(lock, levels):
    parts = []
    for name, entry in lock.items():
        level = levels.get(name, entry["debian"])
        source = "as its authors released it"
        if level != "unpatched":
            dsc = [f for f in entry["files"] if f[1].endswith(".dsc")]
            pinned = ", %s %s" % (dsc[0][1], dsc[0][0]) if dsc and level == entry["debian"] else ""
            source = "built from Debian's source package %s of trixie%s" % (level, pinned)
        sha256, url = entry["upstream"]
        parts.append({"name": name, "version": entry["version"], "licence": entry["licence"], "url": url,
                      "sha256": sha256, "purl": purl(name, level, entry["version"]), "source": source})
    return parts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name in ("version", "epoch", "started", "base", "base-digest"):
        parser.add_argument("--" + name, required=True)
    options = parser.parse_args()

    lock = read_lock((TOP / "deps/lock").read_text())
    subjects, binaries, levels = {}, {}, {}
    for path in sorted(options.folder.glob("*/index.json")):
        name, layout = path.parent.name, Layout(path.parent)
        subjects["hf-init:%s %s" % (options.version, name)] = layout.digest.removeprefix("sha256:")
        if "layers" not in layout.document:
            print("%-6s %s" % (name, layout.digest))
            continue
        binary = layout.files()["/hf-init"][-1]
        binaries[name] = subjects["hf-init-" + name] = hashlib.sha256(binary).hexdigest()
        levels = levels or levels_of(binary)
        unpacked = sum(len(entry[-1] or b"") for entry in layout.files().values())
        print("%-6s %s  %.2f MB to pull, %.2f MB on the node" % (
            name, layout.digest, layout.size_bytes() / 1e6, unpacked / 1e6))

    about = {"version": options.version, "binaries": binaries, "commit": git("rev-parse", "HEAD") or "unknown",
             "modified": bool(git("status", "--porcelain")),
             "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(options.epoch)))}
    # The same images have the same SBOM: its id is made of theirs.
    about["id"] = str(uuid.uuid5(uuid.NAMESPACE_URL, "hf-init " + " ".join(sorted(subjects.values()))))
    parts = describe_parts(lock, levels)
    for name, document in (("sbom.spdx.json", spdx(about, parts)), ("sbom.cdx.json", cyclonedx(about, parts)),
                           ("provenance.json", provenance(about, lock, subjects, options))):
        (options.folder / name).write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
