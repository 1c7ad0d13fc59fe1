"""Every reason there is: how it comes about, what is said of it, and that docs/errors.md shows it as it is said.

Each row provokes its reason in the plainest way, at level debug and with a token, and compares the last line of the log
with the example in docs/errors.md; names of this machine are replaced by those of a pod first. After a change of words,
HF_INIT_WRITE_DOCS=1 writes the examples anew, one process at a time (pytest -n 0)."""
import json
import os
import re
import signal
import shutil
import sys
import types

import pytest
from conftest import BIN, NOBODY, ROOT, SEAMS, product
from disk_world import inject
from standin import Hub, lfs
from test_secrecy import all_that_is_left, secrets_of

MIB = 1 << 20
PAGE = ROOT / "docs" / "errors.md"
REPO = "Qwen/Qwen2.5-7B-Instruct"
ONE = {"repos": [{"id": REPO}]}
EXIT = {reason: int(code) for reason, code in
        re.findall(r'\[ERR_\w+\] = {"(\w+)", (\d+)', (ROOT / "lib" / "err.c").read_text()) if reason != "None"}


class World:
    """A spec to run, a Hub to spoil, and what it takes to run the one against the other."""

    def __init__(self, request, tmp_path):
        self.request, self.folder, self.target = request, tmp_path, tmp_path / "volume"
        self.started = []

    def __getattr__(self, name):
        return self.request.getfixturevalue(name)

    def model(self, weights=True, **settings):
        files = {"config.json": b'{"a":1}', **({"model.safetensors": lfs(2 * MIB)} if weights else {})}
        return self.hub.model(REPO, files, **settings)

    def spec(self, **more):
        return {**ONE, "log": {"level": "debug", "format": "text"}, "retry": {"attempts": 2, "maxWait": "1s"},
                "timeouts": {"connect": "2s", "stall": "1s"}, "onUnreachable": "fail", **more}

    def run(self, *args, hub=None, token=None, **more):
        prefix, env = more.pop("prefix", ()), more.pop("env", {})
        hub = hub or self.hub
        return self.request.getfixturevalue("run")(self.spec(**more), *args, hub=hub, prefix=prefix,
                                                   **{"HF_TOKEN": token or hub.token, **env})

    def held(self, **more):
        """A run that stops in the middle of the weights."""
        self.model()
        gate = self.hub.gate(file="model.safetensors", host="cdn", at=MIB)
        running = self.start(self.spec(timeouts={}, **more), HF_TOKEN=self.hub.token)
        assert gate.wait()
        return running, gate


@pytest.fixture
def world(request, tmp_path):
    return World(request, tmp_path)


def traced(function):
    skip = pytest.mark.skipif(not shutil.which("strace") or "asan" in BIN, reason="needs strace, no loader to break")
    return skip(function)


# One function per reason, named by it.

def Internal(w):
    w.model()
    run, token = w.request.getfixturevalue("run"), {"HF_TOKEN": w.hub.token}
    assert run(w.spec(target=str(w.folder / "counted")), bin=SEAMS, HF_SEAM_COUNT=w.folder / "count", **token).code == 0
    half = int.from_bytes((w.folder / "count").read_bytes(), sys.byteorder) // 2
    return run(w.spec(), bin=SEAMS, HF_SEAM_ALLOC=f"{half}+", **token,
               HF_INIT_TERMINATION_MESSAGE=w.folder / "termination")


def Usage(w):
    return w.run("--termination-message", str(w.folder / "termination"), "--revison", "main")


def SpecInvalid(w):
    path = w.folder / "spec-0.yaml"
    path.write_text(f"target: {w.target}\nterminationMessage: {w.folder}/termination\n"
                    f"repos:\n  - id: {REPO}\n    revison: v1.0\n")
    (w.folder / "termination").touch()
    return w.request.getfixturevalue("run")(None, "--spec", str(path), HF_TOKEN=w.hub.token)


def Unauthorized(w):
    w.model()
    return w.run(token="hf_" + "0123456789aBcDeFgHiJ" * 2)


def Gated(w):
    w.model(weights=False, gated="manual")
    (w.folder / "secret").mkdir()
    (w.folder / "secret" / "token").write_text(w.hub.stranger_token)
    return w.request.getfixturevalue("run")(w.spec(token={"file": str(w.folder / "secret" / "token")}))


def Forbidden(w):
    w.model(weights=False, gated="auto")
    w.hub.accounts.add("reader", "hf_nArRoW0123456789aBcDeF", gated=False)
    return w.run(token="hf_nArRoW0123456789aBcDeF")


def Disabled(w):
    w.model(disabled=True)
    return w.run()


def RepoNotFound(w):
    return w.run()


def RevisionNotFound(w):
    w.model()
    return w.run(repos=[{"id": REPO, "revision": "v9"}])


def EntryNotFound(w):
    w.model()
    return w.run(repos=[{"id": REPO, "files": ["model.bin"]}])


def NothingSelected(w):
    w.model()
    return w.run(repos=[{"id": REPO, "allow": ["*.gguf"]}])


def TlsUntrusted(w):
    with Hub(tls=True) as hub:
        w.started.append(hub)
        return w.run(hub=hub)


def InsufficientDisk(w):
    w.model()
    return w.run(disk={"limit": "1MiB", "reserve": 0})


@product  # these words are the C library's
@traced
def QuotaExceeded(w):
    w.model()
    return w.run(prefix=inject("pwrite64", "error=EDQUOT"))


def TooLarge(w):
    w.model()
    return w.run(repos=[{"id": REPO, "maxBytes": "1MiB"}])


@product
@traced
def IoError(w):
    w.model()
    return w.run(prefix=inject("pwrite64", "error=EIO"))


@traced
def ReadOnly(w):
    w.model()
    w.volume.path.mkdir()
    return w.run(prefix=inject("mkdirat", "error=EROFS"))


@product  # counts could not be written down by nobody
def PermissionDenied(w):
    w.model()
    w.target = w.public / "volume"
    w.target.mkdir(mode=0o755)
    (w.public / "spec.json").write_text(json.dumps(w.spec(
        target=str(w.target), endpoint=w.hub.endpoint, terminationMessage=str(w.public / "termination"))))
    (w.public / "termination").touch()
    os.chmod(w.public / "termination", 0o666)
    result = w.start(None, "--spec", str(w.public / "spec.json"), bin=str(w.public / "hf-init"), prefix=NOBODY,
                     HF_TOKEN=w.hub.token).wait()
    shutil.copy(w.public / "termination", w.folder / "termination")
    return result


def DnsFailure(w):
    return w.run(endpoint="http://huggingface.invalid")


def Unreachable(w):
    return w.run(endpoint="http://127.0.0.1:1")


def Stalled(w):
    w.model()
    w.hub.fault("stall", host="cdn", at=1000, times=None)
    return w.run()


def RateLimited(w):
    w.model()
    w.hub.fault("rate-limit", path="*/revision/*", wait=55, form=None, name="api", times=None)
    return w.request.getfixturevalue("virtual")(w.spec(), HF_TOKEN=w.hub.token)


def ServerError(w):
    w.model()
    w.hub.fault("status", code=503, path="*/revision/*", times=None, headers={"X-Request-Id": "Root=1-6a12-4c0d"})
    return w.run()


def BadAnswer(w):
    w.model()
    w.hub.fault("no-sha", path="*/revision/*", times=None)
    return w.run()


def ProxyInterference(w):
    w.model()
    w.hub.fault("html", path="*/revision/*", times=None, body=b"<html><title>Blocked by policy</title>")
    return w.run()


def HostNotAllowed(w):
    w.model()
    return w.run(allowedHosts=["mirror.example"])


def DeadlineExceeded(w):
    w.model()
    w.hub.throttle(100_000, host="cdn", per="all")
    return w.run(timeouts={"total": "2s"})


def IntegrityMismatch(w):
    w.model()
    w.hub.fault("flip", host="cdn", at=7, times=None)
    return w.run()


def UnsafeName(w):
    w.model()
    w.hub.fault("list-add", path="*/tree/*", names=["../../etc/cron.d/job"], times=None)
    return w.run()


def LockTimeout(w):
    running, gate = w.held(terminationMessage="")
    result = w.run(lock={"wait": "1s"}, name="second")
    gate.release()
    assert running.wait().code == 0
    return result


def OfflineIncomplete(w):
    w.model()
    return w.run(env={"HF_HUB_OFFLINE": "1"})


def Terminated(w):
    running, gate = w.held()
    running.signal(signal.SIGTERM)
    result = running.wait()
    gate.release()
    return result


def Interrupted(w):
    running, gate = w.held()
    running.signal(signal.SIGINT)
    result = running.wait()
    gate.release()
    return result


# What stands in the page.

def sections():
    """{reason: (exit code, example, all of it)} of the page."""
    found = {}
    for text in re.split(r"(?m)^## ", PAGE.read_text())[1:]:
        head = re.match(r"(\w+) \(exit (\d+)\)\n\n```\n(.*?)\n```\n", text, re.S)
        if head:
            found[head[1]] = types.SimpleNamespace(code=int(head[2]), example=head[3], text=text[head.end():])
    return found


def as_in_a_pod(line, world, hubs):
    """The words of a line, with a pod's names for this machine's."""
    line = json.loads(line)["msg"] if line.startswith("{") else re.sub(r"^\S+ ERROR ", "", line)
    line = re.sub(r"(; after \d+ retr\w+)?( \([\d.dhms ]+ [a-z]+(, [\d.dhms ]+ [a-z]+)*\))?$", "", line)
    for hub in hubs:
        line = line.replace(hub.endpoint, "https://huggingface.co").replace(hub.cdn.origin, "https://cdn.hf.co")
    line = line.replace(str(world.target), "/models").replace(str(world.folder / "secret"), "/var/run/secrets/hf")
    line = re.sub(r"\S+/spec-\d+\.yaml", "/etc/hf-init/spec.yaml", line)
    line = re.sub(r"127\.0\.0\.1 port \d+", "huggingface.co port 443", line)
    line = re.sub(r"\b127\.0\.0\.1\b(:\d+)?", "huggingface.co", line)
    line = re.sub(r"\b127\.0\.0\.2\b(:\d+)?", "cdn.hf.co", line)
    line = re.sub(r"out of memory \(\d+ bytes\)", "out of memory (64 bytes)", line)
    line = line.replace("CN=Stand-in root CA", "CN=Example Corp Proxy CA")
    line = re.sub(r"held by \w+ on \S+ after waiting \d+ s (.*) moved \d+ s ago",
                  r"held by vllm-0 on node-a after waiting 3600 s \1 moved 2 s ago", line)
    line = re.sub(r"not finished after [\d.]+s", "not finished after 2h 00m", line)
    return " ".join(line.split())


def wrapped(line, width=118):
    out, at = [], ""
    for word in line.split():
        if at and len(at) + 1 + len(word) > width:
            out.append(at)
            at = word
        else:
            at = f"{at} {word}".strip()
    return "\n".join([*out, at])


SCENARIOS = {reason: globals().get(reason) for reason in EXIT}


def test_every_reason_has_a_row_here_and_a_section_in_the_page():
    assert [reason for reason, row in SCENARIOS.items() if row is None] == []
    assert {reason: section.code for reason, section in sections().items()} == EXIT
    for reason, section in sections().items():
        assert len(section.text.split()) > 12, f"{reason}: what does it mean, and what is to be done?"


@pytest.mark.parametrize("reason", [pytest.param(reason, marks=getattr(row, "pytestmark", ()))
                                    for reason, row in SCENARIOS.items() if row])
def test_the_reason_is_given_with_place_cause_and_next_step(world, reason, tmp_path, message):
    result = SCENARIOS[reason](world)
    assert result.code == EXIT[reason], result
    said = message()
    assert (said["reason"], said["exitCode"]) == (reason, EXIT[reason]), result
    hubs = [*world.started, *([] if reason == "TlsUntrusted" else [world.hub])]
    for secret in secrets_of(*hubs, more=("hf_nArRoW0123456789aBcDeF", "0123456789aBcDeFgHiJ")):
        for place, words in all_that_is_left(tmp_path, world.volume, result).items():
            assert "/secret/" in place or secret not in words, (place, secret)
    if reason == "Internal":
        line = f"failed Internal (exit 1): {said['message']}"
        assert result.stderr.splitlines()[-1].startswith("hf-init: fatal:")
    else:
        line = result.stderr.splitlines()[-1]                   # as JSON where the spec could not say: as text
        assert f"{reason} (exit {EXIT[reason]}): " in line and " Next: " in line, result
    line = as_in_a_pod(line, world, hubs)
    if os.environ.get("HF_INIT_WRITE_DOCS"):
        page = PAGE.read_text()
        block = re.compile(rf"(?ms)(^## {reason} \(exit \d+\)\n\n```\n).*?(\n```\n)")
        assert block.search(page), f"no section for {reason}"
        PAGE.write_text(block.sub(lambda m: m[1] + wrapped(line) + m[2], page))
    assert " ".join(sections()[reason].example.split()) == line
