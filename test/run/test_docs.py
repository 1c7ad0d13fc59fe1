"""What the pages say is true: links lead somewhere, commands run as they are printed, examples are valid, what is
generated is current. Nothing leaves this machine: the Hub of the examples is the stand-in."""
import json
import os
import re
import shlex
import shutil
import subprocess

import pytest
import yaml
from conftest import BIN, ROOT
from standin import lfs, xet

PAGES = sorted(p for where in ("*.md", "docs/**/*.md", "bench/*.md", "test/**/*.md") for p in ROOT.glob(where)
               if p.name != "page.md")      # a page yet to be filled in
MAKE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"(?m)^([a-z][a-z0-9-]*):(?!=)", MAKE))
# Programs of other people, which need a cluster, a registry or a network: looked at by those who type them.
ELSEWHERE = {"cd", "cc", "cosign", "curl", "docker", "export", "git", "helm", "man", "pkg-config", "podman", "python3"}
HUB = ["Qwen/Qwen2.5-0.5B-Instruct", "Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-72B-Instruct"]
SPEC = {"target": "models", "disk": {"reserve": 0}, "terminationMessage": "", "repos": [{"id": HUB[0], "path": "qwen"}]}
KUBECTL = """#!/bin/sh
verb=$1     # run: the image's own program, which the words after -- are for
while [ $# -gt 0 ] && [ "$1" != -- ]; do shift; done
[ $# -gt 1 ] || exit 0
export HF_INIT_SPEC=etc/hf-init/spec.yaml
[ "$verb" != run ] || { shift; exec hf-init "$@"; }
command=${2##*/}
shift 2
exec "$command" "$@"
"""


def told(*words):
    return subprocess.run([BIN, *words], capture_output=True, text=True, check=True).stdout


def name(page):
    return str(page.relative_to(ROOT))


def blocks(page, language):
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", page.read_text())


def prose(page):
    return re.sub(r"(?ms)^```.*?^```$", "", page.read_text())


# Links and names.

def slug(heading):
    words = re.sub(r"[`*\[\]]|\(.*?\)", "", heading).strip().lower()
    return re.sub(r"[^\w -]", "", words).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?:", target):
            assert re.match(r"https://[\w.-]+(/\S*)?$", target), target
            continue
        path, _, anchor = target.partition("#")
        goal = (page.parent / path).resolve() if path else page
        assert goal.exists() and goal.is_relative_to(ROOT), target
        if anchor:
            assert anchor in {slug(h) for h in re.findall(r"(?m)^#+ (.*)$", goal.read_text())}, target


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_that_are_named_exist_and_so_do_the_targets_of_make(page):
    for word in re.findall(r"`([^`\n]+)`", prose(page)):
        if re.match(r"(lib|cmd|test|docs|deps|manifests|bench)/[\w./-]+$", word) and not re.search("/[A-Z]+$", word):
            assert (ROOT / word).exists(), word
        for target in re.findall(r"^(?:VARIANT=\w+ )?make ([a-z][a-z0-9-]*)", word):
            assert target in TARGETS, word


def test_the_index_has_every_page():
    index = (ROOT / "docs" / "README.md").read_text()
    assert [p.name for p in (ROOT / "docs").glob("*.md") if p.name != "README.md" and f"]({p.name})" not in index] == []


# Commands.

def commands_of(text):
    """The lines a person would type, comments and continuations resolved."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield line.strip(), next(w for w in words if not re.match(r"[A-Z_]+=", w))


def printed_commands():
    for page in PAGES:
        for block in blocks(page, "sh"):
            for line, word in commands_of(block):
                yield pytest.param(line, word, id=f"{name(page)}: {line[:60]}")


def examples():
    overview = told("--help")
    for command in re.findall(r"(?m)^  (\S+) ", overview.split("Commands:")[1].split("\n\n")[0]):
        text = told(command, "--help")
        for line in re.findall(r"(?m)^  (\S.*)$", text.partition("Examples:")[2].split("\n\n")[0]):
            yield pytest.param(line, id=f"{command}: {line[:60]}")
    for line in re.findall(r"(?m)^  (\S.*)$", overview.partition("Try it:")[2].split("\n\n")[0]):
        yield pytest.param(line, id=f"overview: {line[:60]}")


@pytest.fixture
def shell(tmp_path, hub):
    """shell(line) types it where hf-init is installed, spec.yaml is there and what it asks for has been fetched. Paths
    from the root begin in a folder of the test."""
    for repo in HUB:
        hub.model(repo, {"config.json": b"{}", "tokenizer.json": b"{}", "model.safetensors": xet(300_000),
                         "original/w.bin": lfs(9)})
    for folder in ("bin", "build", "etc/hf-init", "home/.config/fish/completions"):
        (tmp_path / folder).mkdir(parents=True)
    for link in ("bin/hf-init", "bin/hf", "build/hf-init", "hf-init"):
        (tmp_path / link).symlink_to(BIN)
    (tmp_path / "bin/kubectl").write_text(KUBECTL)
    (tmp_path / "bin/kubectl").chmod(0o755)
    for place in ("spec.yaml", "etc/hf-init/spec.yaml"):
        (tmp_path / place).write_text(json.dumps({**SPEC, "target": str(tmp_path / "models")}))
    env = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "HOME": str(tmp_path / "home"), "HF_ENDPOINT": hub.endpoint,
           "HF_INIT_DISK_RESERVE": "0", "HF_INIT_TERMINATION_MESSAGE": ""}

    def type_it(line):
        rooted = re.sub(r"(?<=[\s=])/(?!/)", f"{tmp_path}/", line)
        return subprocess.run(["bash", "-c", rooted], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL)

    for line in ("hf-init run --spec spec.yaml", f"hf-init download {HUB[0]}"):
        done = type_it(line)
        assert done.returncode == 0, done.stderr
    return type_it


@pytest.mark.parametrize("line", list(examples()))
def test_the_examples_of_help_run_as_printed(shell, line):
    done = shell(line)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line, word", list(printed_commands()))
def test_the_commands_of_the_pages_run_as_printed(request, line, word):
    if word == "make":
        assert set(re.findall(r"(?<= )[a-z][a-z0-9-]*(?= |$)", line.partition("#")[0].partition("make")[2])) <= TARGETS
    elif word in ("hf-init", "build/hf-init", "hf", "kubectl", "source"):
        done = request.getfixturevalue("shell")(line)
        assert done.returncode == 0, done.stderr
    elif word not in ELSEWHERE and not word.startswith(("build/", "./")):
        assert (ROOT / word).exists(), line


# Specs and manifests.

def specs_in(document):
    """Every spec in a document: itself, a text in a ConfigMap, or the variables of a container."""
    if isinstance(document, dict):
        if document.get("apiVersion") == "hf-init/v1":
            yield json.dumps(document), {}
        env = {e["name"]: e["value"] for e in document.get("env") or () if "value" in e}
        if "HF_INIT_REPOS" in env:
            yield None, env
    for child in document.values() if isinstance(document, dict) else document if isinstance(document, list) else ():
        if isinstance(child, str) and "apiVersion: hf-init/v1" in child:
            yield child, {}
        yield from specs_in(child)


def documents():
    for page in PAGES:
        for number, block in enumerate(b for b in blocks(page, "yaml") if "{{" not in b):   # templates: test/kubernetes
            yield pytest.param(block, id=f"{name(page)}: {number}")


@pytest.mark.parametrize("text", list(documents()))
def test_examples_in_yaml_are_valid(text):
    for document in yaml.safe_load_all(text):
        for spec, env in specs_in(document):
            argv = [BIN, "validate", *(("--spec", "-") if spec else ())]
            done = subprocess.run(argv, input=spec or "", env=env, capture_output=True, text=True, timeout=20)
            assert done.returncode == 0, done.stderr


# What is made of something else.

def test_the_reference_of_the_spec_is_current():
    made = subprocess.run([ROOT / "docs" / "spec.py"], capture_output=True, text=True, check=True).stdout
    assert made == (ROOT / "docs" / "spec.md").read_text(), "docs/spec.py > docs/spec.md"


def test_every_flag_of_the_reference_is_known_to_the_program():
    known = told("completion", "bash").replace("'", " ").split()
    flags = re.findall(r"`(--[a-z-]+)` · `(HF_INIT_\w+)`", (ROOT / "docs" / "spec.md").read_text())
    assert len(flags) > 40 and [f for f, _ in flags if f not in known] == []
    assert [v for f, v in flags if v != "HF_INIT_" + f[2:].replace("-", "_").upper()] == []


def logged():
    """{name: where} of every field that is logged anywhere."""
    found = {}
    for path in sorted((ROOT / "lib").glob("*.c")):
        text = path.read_text()
        names = re.findall(r'LOG_(?:TEXT|CSTR|NUM|INT|URL)\("(\w+)"', text)
        if path.name == "report_verdict.c":
            names += re.findall(r'add_(?:number|name)\(f, "(\w+)"|\] = "(\w+_ms)"', text)
        found.update({n: path.name for pair in names for n in ([pair] if isinstance(pair, str) else pair) if n})
    return found


def test_every_field_of_the_log_is_explained():
    page = (ROOT / "docs" / "logs.md").read_text().partition("## Fields")[2]
    explained = set(re.findall(r"`(\w+)`", "\n".join(re.findall(r"(?m)^\| (`.*?) \|", page))))
    fields = logged()
    assert len(fields) > 30 and {n: where for n, where in fields.items() if n not in explained} == {}
    assert explained - set(fields) - {"ts", "level", "msg"} == set(), "explained, but never logged"
    promised = "repo revision commit file bytes duration_ms bytes_per_second attempt wait_ms host request_id reason"
    assert set(promised.split()) <= set(fields)


def test_the_lines_one_may_wait_for_are_said_somewhere():
    source = "".join(p.read_text() for p in (ROOT / "lib").glob("*.c"))
    table = (ROOT / "docs" / "logs.md").read_text().partition("## Lines")[2].partition("## ")[0]
    plain = [m for m in re.findall(r"`([a-z][a-zA-Z ,]+)`", table) if " " in m or m == "start"]
    assert len(plain) > 8 and [m for m in plain if f'"{m}"' not in source] == []


# The manual.

@pytest.fixture(scope="module")
def manual(tmp_path_factory):
    path = tmp_path_factory.mktemp("man") / "hf-init.1"
    script = ROOT / "cmd" / "hf-init" / "man.py"
    path.write_text(subprocess.run([script, BIN, "2026-11-23"], capture_output=True, text=True, check=True).stdout)
    return path


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
def test_the_manual_is_clean(manual):
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "all", manual], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stdout and not done.stderr, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
def test_the_manual_holds_what_help_says(manual):
    mandoc = ["mandoc", "-T", "utf8", "-O", "width=200", manual]
    shown = subprocess.run(mandoc, capture_output=True, text=True, check=True).stdout
    shown = " ".join(re.sub(".\b", "", shown).split())
    overview = told("--help")
    for command in re.findall(r"(?m)^  (\S+) ", overview.split("Commands:")[1].split("\n\n")[0]):
        text = told(command, "--help")
        for line in text.replace("Usage: ", "").splitlines():
            for piece in re.split("  +", line.strip()):
                assert " ".join(piece.split()).removeprefix("Exit codes: ") in shown, piece
    for setting in re.findall(r"(?m)^### `(\S+)`$", (ROOT / "docs" / "spec.md").read_text()):
        assert f" {setting} " in shown, setting
