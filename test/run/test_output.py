"""What a run says: status, marker, termination message, log, results; in which words; and what it never says."""
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import time

import jsonschema
import pytest
from conftest import BIN, NOBODY, ROOT, Volume, content_of, product
from standin import Hub, lfs, xet

MIB = 1 << 20
ONE = {"repos": [{"id": "acme/tiny"}]}
SANITIZED = "asan" in BIN or "tsan" in BIN
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def judge(name):
    schema = json.loads((ROOT / "manifests" / (name + ".schema.json")).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


STATUS, COMPLETE = judge("status"), judge("complete")


def tiny(hub, size=300_000, **settings):
    return hub.model("acme/tiny", {"config.json": "{}", "sub/notes.txt": "hello", "model.safetensors": xet(size)}, **settings)


@pytest.fixture
def said(tmp_path):
    return lambda: json.loads((tmp_path / "termination").read_text())


# Status and marker.

@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_marker_and_status_of_a_complete_run_follow_their_schemas(run, hub, volume, layout):
    repo = tiny(hub)
    hub.dataset("acme/rows", {"train.csv": "1,2"})
    whole = {"name": "my-spec.1", "layout": layout,
             "repos": [{"id": "acme/tiny"}, {"id": "acme/rows", "type": "dataset"}, {"id": "acme/none", "optional": True}]}
    result = run(whole)
    assert result.code == 0, result
    for _ in range(2):
        status, marker = volume.status("my-spec.1"), volume.marker("my-spec.1")
        STATUS.validate(status)
        COMPLETE.validate(marker)
        assert status["phase"] == "complete" and status["totals"]["percent"] == 100
        assert [r["state"] for r in status["repos"]] == ["complete", "complete", "failed"]
        assert status["repos"][2]["error"]["reason"] == "RepoNotFound" and "error" not in status
        assert marker["repos"][0]["commit"] == repo.head().sha and marker["repos"][2]["missing"] is True
        assert marker["specDigest"] == status["specDigest"]
        assert os.path.samefile(marker["repos"][0]["folder"], status["repos"][0]["folder"])
        assert run(whole).code == 0  # and once more, now that it is there


def test_status_follows_its_schema_at_every_moment_of_a_run(start, hub, volume):
    tiny(hub, 12 * MIB)
    hub.throttle(5 * MIB, host="cdn", per="all")
    running = start(ONE)
    path = volume / ".hf-init/default.status.json"
    seen = {}
    while running.process.poll() is None:
        if path.exists():
            status = json.loads(path.read_text())  # always a whole document
            STATUS.validate(status)
            seen.setdefault(status["heartbeat"], status)
        time.sleep(0.02)
    result = running.wait()
    assert result.code == 0, result
    loading = [s for s in seen.values() if s["phase"] == "downloading"]
    assert len(loading) >= 2  # at least once a second
    assert 0 < loading[-1]["totals"]["bytesReceived"] < 12 * MIB + 100
    flying, = loading[-1]["inFlight"]
    assert flying["path"] == "model.safetensors" and flying["bytes"] == 12 * MIB and flying["repo"] == "acme/tiny"
    assert loading[-1]["totals"]["bytesPerSecond"] > MIB
    assert json.loads(path.read_text())["phase"] == "complete"


def test_failed_and_cancelled_runs_leave_a_status_that_follows_the_schema(run, start, hub, volume, said):
    tiny(hub, gated="manual")
    result = run(ONE, HF_TOKEN=hub.stranger_token)
    assert result.code == 11, result
    status = volume.status()
    STATUS.validate(status)
    assert status["phase"] == "failed" and status["error"]["reason"] == "Gated" and status["error"]["exitCode"] == 11
    assert status["repos"][0]["state"] == "failed" and volume.marker() is None
    assert "/acme/tiny" in said()["message"] and said()["repo"] == "acme/tiny"
    gate = hub.gate(host="cdn")
    running = start(ONE, HF_TOKEN=hub.token)
    assert gate.wait()
    running.signal(signal.SIGTERM)
    assert running.wait().code == 143
    STATUS.validate(volume.status())
    assert volume.status()["phase"] == "cancelled"


def test_the_status_command_tells_the_state_by_its_exit_code(run, start, hub, volume):
    tiny(hub)
    assert run(ONE, command="status").code == 3
    gate = hub.gate(host="cdn", at=1000)
    running = start(ONE)
    assert gate.wait()
    result = run(ONE, "--json", command="status")
    assert result.code == 3, result
    STATUS.validate(json.loads(result.stdout))
    gate.release()
    assert running.wait().code == 0
    result = run(ONE, command="status")
    assert result.code == 0 and "complete" in result.stdout, result
    assert json.loads(run(ONE, "--json", command="status").stdout) == volume.status()
    hub.model("acme/off", {"a": "a"}, disabled=True)
    bad = {"repos": [{"id": "acme/off"}]}
    assert run(bad).code == 11
    assert run(bad, command="status").code == 11


# Termination message.

def test_the_termination_message_of_a_success_replaces_the_old_failure(run, hub, tmp_path, said):
    tiny(hub)
    (tmp_path / "termination").write_text("x" * 4096)
    result = run(ONE)
    assert result.code == 0, result
    text = (tmp_path / "termination").read_text()
    assert text.startswith('{"message":"complete') and len(text) <= 3072
    assert (said()["reason"], said()["exitCode"], said()["bytesDone"], said()["bytesTotal"]) == ("Complete", 0, 300_007, 300_007)


def test_the_message_names_the_revision_that_failed_and_not_another_of_the_same_repo(run, hub, said):
    tiny(hub)
    repos = [{"id": "acme/tiny", "revision": "v8", "path": "8", "optional": True}, {"id": "acme/tiny"},
             {"id": "acme/tiny", "revision": "v9", "path": "9"}]
    result = run({"repos": repos})
    assert result.code == 12, result
    assert (said()["repo"], said()["revision"]) == ("acme/tiny", "v9") and "v9" in said()["message"]
    assert "commit" not in said()


@pytest.mark.parametrize("name", ["n" * 240, "é" * 120, "\u4e2d" * 80, '"\\' * 100, "\x01" * 200])
def test_the_termination_message_stays_small_whatever_is_in_it(run, hub, tmp_path, said, name):
    hub.model("acme/tiny", {"/".join([name] * 4): lfs(1000)})
    hub.fault("flip", host="cdn", times=None)
    result = run({"repos": [{"id": "acme/tiny", "revision": "main"}]})
    assert result.code in (40, 42), result
    text = (tmp_path / "termination").read_bytes()
    assert len(text) <= 3072 and text.startswith(b'{"message":"')
    assert said()["exitCode"] == result.code
    assert len(result.stderr.splitlines()[-1].encode()) < 2048


def test_a_missing_termination_file_is_no_error_and_is_not_made(run, hub, tmp_path):
    tiny(hub)
    result = run({**ONE, "terminationMessage": str(tmp_path / "no/such")})
    assert result.code == 0, result
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("by", ["file", "variable"])
def test_a_bad_spec_is_told_in_the_termination_message_too(run, tmp_path, said, by):
    where = {"HF_INIT_TERMINATION_MESSAGE": tmp_path / "termination"} if by == "variable" else {}
    result = run({"target": "/x", "repos": [{"id": "acme/tiny"}], "layuot": "dir"}, **where)
    assert result.code == 2, result
    assert said()["reason"] == "SpecInvalid" and "layout" in said()["message"]


# The log.

def test_every_line_of_the_log_is_json_and_the_last_one_is_the_verdict(run, hub):
    tiny(hub)
    hub.fault("status", code=503, host="cdn")
    hub.fault("cut", host="cdn", at=1000)
    result = run(ONE, "-v")
    assert result.code == 0, result
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    for line in lines:
        assert list(line)[:3] == ["ts", "level", "msg"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["ts"])
    assert lines[-1]["msg"].startswith("complete: 3 files") and lines[-1]["retries"] >= 2
    assert "debug" in {line["level"] for line in lines} and result.stdout == ""


def test_the_last_line_of_a_failure_says_all_there_is_to_say(run, hub):
    tiny(hub, private=True)
    result = run(ONE)
    assert result.code == 12, result
    last = json.loads(result.stderr.splitlines()[-1])
    assert last["level"] == "error" and (last["reason"], last["exit_code"], last["repo"]) == ("RepoNotFound", 12, "acme/tiny")
    assert "acme/tiny" in last["msg"] and "exit 12" in last["msg"] and "token" in last["msg"].lower()


def test_text_is_for_people(run, hub):
    tiny(hub)
    result = run(ONE, "--log-format", "text")
    assert result.code == 0, result
    lines = result.stderr.splitlines()
    assert not any(line.startswith("{") for line in lines) and "\x1b" not in result.stderr
    assert "complete: 3 files" in lines[-1]


def test_quiet_says_only_the_verdict(run, hub):
    tiny(hub)
    result = run(ONE, "-q")
    assert result.code == 0, result
    assert len(result.stderr.splitlines()) <= 1 and result.stdout == ""


def test_a_line_every_ten_seconds_says_how_far_it_is(run, hub):
    tiny(hub, 23 * MIB)
    hub.throttle(2 * MIB, host="cdn", per="all")  # 11.5 s
    result = run(ONE)
    assert result.code == 0, result
    beats = [line for line in result.lines if "percent" in line or "%" in line["msg"]]
    assert len(beats) == 1, result
    text = json.dumps(beats[0])
    assert re.search(r"eta", text, re.I) and re.search(r"per_second|/s", text)


def test_names_from_the_hub_cannot_forge_lines(run, hub):
    hub.model("acme/tiny", {"a\n{\"level\":\"error\"}\x1b[31m.bin": lfs(1000)})
    for form in ("json", "text"):
        result = run(ONE, "--log-format", form, "-v")
        assert result.code in (0, 42), result
        assert "\x1b" not in result.stderr and not any(line.startswith('{"level"') for line in result.stderr.splitlines())


# Results.

def test_a_run_prints_nothing_on_stdout_and_a_plan_touches_nothing(run, hub, volume):
    repo = tiny(hub)
    result = run(ONE, "--json", command="plan")
    assert result.code == 0, result
    plan = json.loads(result.stdout)
    assert plan["repos"][0]["commit"] == repo.head().sha
    assert plan["totals"] == {"files": 3, "bytes": 300_007, "bytesPresent": 0, "bytesToFetch": 300_007}
    assert plan["volumes"][0]["fits"] is True and plan["volumes"][0]["freeBytes"] > 0
    assert not volume.path.exists()
    result = run(ONE, "--dry-run")
    assert result.code == 0 and "acme/tiny" in result.stdout and repo.head().sha[:12] in result.stdout
    assert not volume.path.exists() and not [r for r in hub.requests() if r.file]
    assert run(ONE).stdout == ""
    before = sorted((p, p.lstat().st_mtime_ns) for p in volume.path.rglob("*"))
    result = run(ONE, "--json", command="plan")
    assert json.loads(result.stdout)["totals"]["bytesToFetch"] == 0
    assert sorted((p, p.lstat().st_mtime_ns) for p in volume.path.rglob("*")) == before


def test_a_plan_shows_what_a_killed_run_has_already(run, start, hub, until, volume):
    tiny(hub, 32 * MIB)
    gate = hub.gate(file="model.safetensors", host="cdn", file_at=20 * MIB)
    running = start({**ONE, "concurrency": {"connections": 1, "partSize": "4MiB"}})
    assert gate.wait()
    until(lambda: volume.status()["totals"]["bytesReceived"] >= 18 * MIB)
    running.kill()
    gate.release()
    totals = json.loads(run(ONE, "--json", command="plan").stdout)["totals"]
    assert totals["bytesPresent"] + totals["bytesToFetch"] == totals["bytes"] == 32 * MIB + 7
    assert totals["bytesPresent"] >= 12 * MIB


@pytest.mark.parametrize("layout", ["dir", "cache"])
@pytest.mark.parametrize("folder", ["plain", "it's a \"$HOME\" `x`"])
def test_the_env_file_can_be_sourced(run, hub, tmp_path, layout, folder):
    repo = tiny(hub)
    target = tmp_path / folder
    whole = {**ONE, "target": str(target), "layout": layout}
    result = run(whole)
    assert result.code == 0, result
    script = 'set -eua; . "$1"; ls "$HF_INIT_MODEL_PATH"; env'
    done = subprocess.run(["sh", "-c", script, "sh", target / ".hf-init/default.env"], capture_output=True, text=True,
                          env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:3] == ["config.json", "model.safetensors", "sub"]
    env = dict(line.split("=", 1) for line in lines[3:])
    assert env["HF_INIT_COMMIT"] == repo.head().sha and env["HF_INIT_TARGET"] == str(target)
    if layout == "cache":
        assert (env["HF_HUB_CACHE"], env["HF_HUB_OFFLINE"]) == (str(target), "1")
    else:
        assert env["HF_INIT_MODEL_PATH"] == str(target / "acme/tiny")
    again = run(whole, **{k: v for k, v in env.items() if k.startswith("HF_")})  # a container that has them knows us too
    assert again.code == 0, again


def test_a_plan_that_cannot_be_written_is_not_a_success(start, hub):
    tiny(hub)
    result = start(ONE, command="plan", prefix=("sh", "-c", 'exec "$@" > /dev/full', "sh")).wait()
    assert 0 < result.code < 128 and "output" in result.stderr, result


@pytest.mark.parametrize("words", ["validate -v --repos acme/tiny --target /x", "completion bash", "version", "run --help"])
def test_a_reader_of_results_may_leave_early(words, tmp_path):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([BIN, *words.split()], env={}, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=write,
                          stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.returncode == 0 and "output" not in done.stderr, done


def test_version_names_what_is_inside(run):
    result = run(command="version")
    assert result.code == 0 and result.stdout.startswith("hf-init ") and result.stderr == ""
    known = json.loads(run(None, "--json", command="version").stdout)
    assert {"curl", "mbedtls", "nghttp2", "zlib", "cjson", "libyaml"} <= set(known["libraries"])
    assert known["libraries"]["libgcrypt20"]["licence"] == "LGPL-2.1-or-later"  # a notice in every copy
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", known["roots"]["date"]) and known["roots"]["count"] > 100
    assert run(command="--version").stdout == result.stdout


@pytest.mark.parametrize("command", ["run", "plan", "validate", "status", "version"])
def test_every_command_has_help_with_examples(run, command):
    result = run(None, "--help", command=command)
    assert result.code == 0 and result.stderr == "", result
    assert "Usage: hf-init" in result.stdout and "hf-init " + command in result.stdout.split("Example", 1)[1]


# What is wrong with a spec, a word, a flag.

HEAD = "target: /x\nrepos:\n- id: a/b\n"
BAD = [
    ("a: 1\n", "1:1", "unknown key \"a\""),
    ("target: /x\nrepos:\n- id: a/b\n  revison: v1\n", "4:3", "did you mean revision"),
    ("target: /x\nrepos:\n- id: a/b/c\n", "3:7", "ORG/NAME"),
    ("target: /x\ntarget: /y\n", "2:1", "duplicate key"),
    (HEAD + "disk: {reserve: 1XB}\n", "4:17", "64MiB"),
    (HEAD + "- id: a/b\n", "4:7", "twice"),
    (HEAD + "  path: ../x\n", "4:9", "not allowed"),
    (HEAD + "  path: .hf-init/x\n", "4:9", "state"),
    (HEAD + "token: hf_abcdefghijklmnopqrstuvwxyz\n", "4:8", "Secret"),
    (HEAD + "layout: tree\n", "4:9", "dir, cache"),
    (HEAD + "quant: x\n", "4:1", "reserved"),
    (HEAD + "---\nx: 1\n", "4:1", "second document"),
    (HEAD + "  revision: 1.0\n", "4:13", 'write "1.0"'),
    (HEAD + "  revision: !!python/object x\n", "4:13", "tag"),
    (HEAD + "  optional: maybe\n", "4:13", "neither true nor false"),
    (HEAD + "  requireCommit: true\n", "4:18", "not a commit"),
    (HEAD + "shard: {index: 3, count: 2}\n", "4:16", "out of range"),
    (HEAD + "endpoint: ftp://x\n", "4:11", "http"),
    (HEAD + "retry: {attempts: 0}\n", "4:19", "allowed"),
    (HEAD + "fileMode: 8\n", "4:11", "octal"),
    ("- x\n", "1:1", "mapping"),
    ("a: &a [*a]\n", "1:8", "alias"),
    ("target: /x\n\tname: y\n", "2:1", "tab"),
    ("target: /x\nrepos: []\n", "2:8", "at least one")]


@pytest.mark.parametrize("text, place, words", BAD)
def test_a_bad_spec_is_refused_with_its_place_and_what_is_allowed(run, tmp_path, text, place, words):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    for command in ("validate", "run", "plan"):
        result = run(None, "--spec", str(path), command=command)
        assert result.code == 2, result
        said = result.lines[-1]["msg"] if result.lines else result.stderr
        assert "bad.yaml:%s: " % place in said and words in said, said
        assert "hf_abc" not in result.stderr


@pytest.mark.parametrize("text", ["", "# nothing\n", "{", "target: /x\nrepos: [\n", "\0", "\xff\xfe", "[" * 5000,
                                  "a: &a [1,1]\nb: &b [*a,*a]\nc: [*b,*b]\n", "!!python/object/apply:os.system [ls]\n"])
def test_any_garbage_is_exit_2_and_never_a_crash(run, tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="latin-1")
    result = run(None, "--spec", str(path), command="validate")
    assert result.code == 2 and "bad.yaml" in result.stderr, result


def test_a_spec_of_aliases_that_explode_is_refused_quickly(run, tmp_path):
    path = tmp_path / "bomb.yaml"
    names = "abcdefghijkl"
    path.write_text("a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        "%s: &%s [%s]\n" % (name, name, ",".join(["*" + before] * 9)) for before, name in zip(names, names[1:])))
    began = time.monotonic()
    assert run(None, "--spec", str(path), command="validate").code == 2
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("words, hint", [
    (["pln"], "hf-init plan"), (["run", "--tarket", "x"], "--target"), (["plan", "--jsn"], "--json"),
    (["frobnicate"], "--help"), (["run", "-z"], "-h, -q and -v"), (["run", "more"], "run --help"),
    (["run", "--spec"], "--spec FILE"), (["run", "--token", "hf_secret"], "--token-file"), ([], "--repos")])
def test_a_slip_of_the_hand_is_exit_2_with_a_hint(words, hint, tmp_path):
    done = subprocess.run([BIN, *words], env={}, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert hint in done.stderr and "hf_secret" not in done.stderr


def test_one_hint_is_enough(tmp_path):
    done = subprocess.run([BIN, "--versio"], env={}, cwd=tmp_path, capture_output=True, text=True)
    assert "did you mean --version" in done.stderr and done.stderr.count("did you mean") == 1


def test_an_unknown_variable_is_an_error_that_names_the_nearest(run):
    result = run(ONE, HF_INIT_LAYUOT="cache")
    assert result.code == 2 and "HF_INIT_LAYUOT" in result.stderr and "HF_INIT_LAYOUT" in result.stderr, result


def test_validate_shows_each_value_with_its_origin_and_no_secret(run, tmp_path, hub):
    (tmp_path / "token").write_text("hf_fromfile0123456789abcdef")
    result = run({**ONE, "token": {"file": str(tmp_path / "token")}}, "--log-level", "warn", "-v", command="validate",
                 HF_INIT_LAYOUT="cache", HF_TOKEN="hf_secret0123456789abcdef", HTTPS_PROXY="http://joe:hunter2@proxy.test:1")
    assert result.code == 0, result
    rows = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert "HF_INIT_LAYOUT" in rows["layout"] and "cache" in rows["layout"]
    assert "--log-level" in rows["log.level"] and "spec-0.yaml" in rows["target"] and "default" in rows["pageCache"]
    for secret in ("hf_secret", "hf_fromfile", "hunter2"):
        assert secret not in result.stdout + result.stderr
    assert hub.count() == 0


# What is never said.

def every_word(volume, tmp_path, result):
    """Everything a run said anywhere, by place; contents of the repo aside."""
    words = {"stdout": result.stdout, "stderr": result.stderr, "termination": (tmp_path / "termination").read_text()}
    for path in volume.path.rglob("*"):
        words[str(path)] = str(path)
        if path.is_file() and path.suffix not in (".safetensors", ".part"):
            words["in " + str(path)] = path.read_bytes().decode("latin-1")
    return words


@pytest.mark.parametrize("style", ["cloudfront", "s3"])
@pytest.mark.parametrize("ends", ["well", "badly"])
def test_neither_token_nor_signed_query_is_ever_said(start, volume, tmp_path, style, ends):
    with Hub(url_style=style) as hub:
        tiny(hub, 2 * MIB, private=True)
        times = None if ends == "badly" else 1
        hub.fault("expired", host="cdn")
        hub.fault("status", host="cdn", code=503)
        hub.fault("cut", host="cdn", at=1000, how="rst")
        hub.fault("status", path="*/resolve/*", code=500, body="no")
        hub.fault("status", path="*/tree/*", code=429, headers={"Retry-After": "0"})
        hub.fault("flip", host="cdn", at=7, times=times)
        gate = hub.gate(host="cdn", at=MIB)
        running = start({**ONE, "retry": {"attempts": 6, "maxWait": "1s"}}, "--log-level", "debug", hub=hub,
                        HF_TOKEN=hub.token)
        gate.wait()
        with open("/proc/%d/cmdline" % running.process.pid) as file:
            arguments = file.read()
        gate.release()
        result = running.wait()
        assert (result.code == 0) == (ends == "well"), result
        queries = {r.query for r in hub.requests(host="cdn") if r.query}
        signatures = {part.split("=", 1)[1] for query in queries for part in query.split("&") if "=" in part}
        secrets = {hub.token} | {s for s in signatures if len(s) > 12} | queries
        assert len(secrets) > 3
        for place, words in {**every_word(volume, tmp_path, result), "arguments": arguments}.items():
            for secret in secrets:
                assert secret not in words, place
        assert hub.leaks() == []


def test_a_server_that_repeats_the_token_is_not_quoted(run, hub, volume, tmp_path):
    tiny(hub, private=True)
    hub.fault("status", path="*/resolve/*", code=500, times=None, body="Authorization: Bearer %s was no help" % hub.token,
              headers={"X-Error-Message": "bad " + hub.token, "X-Request-Id": hub.token})
    result = run({**ONE, "retry": {"attempts": 2, "maxWait": "1s"}}, "-v", HF_TOKEN=hub.token)
    assert result.code == 32, result
    for place, words in every_word(volume, tmp_path, result).items():
        assert hub.token not in words, place


def test_a_process_with_a_token_leaves_no_core(start, hub):
    tiny(hub)
    gate = hub.gate(host="cdn")
    running = start(ONE, HF_TOKEN=hub.token)
    assert gate.wait()
    with open("/proc/%d/limits" % running.process.pid) as file:
        assert re.search(r"Max core file size +0 +0", file.read())
    gate.release()
    assert running.wait().code == 0


# Wherever it is started.

def as_command(**env):
    """The spec as variables, for places without a file."""
    return {"HF_INIT_REPOS": "acme/tiny", "HF_INIT_DISK_RESERVE": "0", **env}


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_descriptors_do_no_harm(start, hub, volume, closed):
    repo = tiny(hub)
    result = start(ONE, prefix=("sh", "-c", 'exec "$@" ' + closed, "sh")).wait()
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo)


def test_nobody_who_reads_the_log_does_not_stop_a_run(hub, volume, tmp_path):
    repo = hub.model("acme/tiny", {"f/%03d.bin" % n: lfs(1000 + n) for n in range(150)})
    env = as_command(HF_ENDPOINT=hub.endpoint, HF_INIT_TARGET=str(volume.path), HF_INIT_LOG_LEVEL="debug")
    silent = subprocess.Popen([BIN], env=env, cwd=tmp_path, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        assert silent.wait(30) == 0  # the pipe is full, and nobody empties it
    finally:
        silent.kill()
        silent.communicate()
    assert volume.files("acme/tiny") == content_of(repo)
    shutil.rmtree(volume.path)
    read, write = os.pipe()
    os.close(read)
    gone = subprocess.Popen([BIN], env=env, cwd=tmp_path, stdin=subprocess.DEVNULL, stderr=write)
    os.close(write)
    try:
        assert gone.wait(30) == 0
    finally:
        gone.kill()
    assert volume.files("acme/tiny") == content_of(repo)


def test_who_reads_the_log_late_is_told_how_much_of_it_is_lost(hub, volume, tmp_path, until):
    hub.model("acme/tiny", {**{"f/%03d.bin" % n: lfs(1000 + n) for n in range(150)}, "w.bin": lfs(2 * MIB)})
    gate = hub.gate(file="w.bin", host="cdn", at=MIB)
    env = as_command(HF_ENDPOINT=hub.endpoint, HF_INIT_TARGET=str(volume.path), HF_INIT_LOG_LEVEL="debug")
    late = subprocess.Popen([BIN], env=env, cwd=tmp_path, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    fcntl.fcntl(late.stderr, fcntl.F_SETPIPE_SZ, 16384)
    try:
        assert gate.wait()
        until(lambda: len(volume.files("acme/tiny")) == 150)
        gate.release()
        lines = [json.loads(line) for line in late.communicate(timeout=30)[1].splitlines()]
    finally:
        late.kill()
        late.communicate()
    lost = [line for line in lines if "lines_dropped" in line]
    assert late.returncode == 0 and lost and lost[0]["lines_dropped"] > 0
    assert all(list(line)[:3] == ["ts", "level", "msg"] for line in lines), lost


def test_an_empty_environment_is_enough(start, hub, volume):
    repo = tiny(hub)
    result = start(ONE, prefix=("env", "-i")).wait()
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo)


def test_a_spec_on_standard_input_is_read(hub, volume, tmp_path):
    repo = tiny(hub)
    whole = {**ONE, "target": str(volume.path), "endpoint": hub.endpoint, "disk": {"reserve": 0}}
    done = subprocess.run([BIN, "run", "--spec", "-"], input=json.dumps(whole), env={}, cwd=tmp_path, capture_output=True,
                          text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert volume.files("acme/tiny") == content_of(repo)


@needs_root
@pytest.mark.skipif(SANITIZED, reason="a leak checker needs a parent")
def test_as_pid_1_it_works_and_obeys_sigterm(start, hub, volume, until):
    if subprocess.run(["unshare", "-pf", "true"], capture_output=True).returncode:
        pytest.skip("no pid namespaces here")
    repo = tiny(hub)
    gate = hub.gate(host="cdn")
    running = start(ONE, prefix=("unshare", "-pf"))
    assert gate.wait()
    pid = running.process.pid
    with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
        child = int(file.read())
    os.kill(child, signal.SIGTERM)
    began = time.monotonic()
    result = running.wait()
    assert result.code == 143 and time.monotonic() - began < 2, result
    assert volume.status()["phase"] == "cancelled" and volume.status()["pid"] == 1
    gate.release()
    result = start(ONE, prefix=("unshare", "-pf")).wait()
    assert result.code == 0, result
    assert volume.files("acme/tiny") == content_of(repo)


def test_a_user_without_a_name_a_home_and_rights_can_run_it(start, hub, public):
    repo = tiny(hub)
    (public / "volume").mkdir()
    os.chmod(public / "volume", 0o777)
    result = start(None, bin=str(public / "hf-init"),
                   prefix=(*NOBODY, "--bounding-set=-all", "--no-new-privs"),
                   **as_command(HF_ENDPOINT=hub.endpoint, HF_INIT_TARGET=str(public / "volume"))).wait()
    assert result.code == 0, result
    assert Volume(public / "volume").files("acme/tiny") == content_of(repo)
    assert {p.stat().st_uid for p in (public / "volume").rglob("*")} == {65534}


@product
@pytest.mark.skipif(not shutil.which("chroot"), reason="needs chroot")
@pytest.mark.parametrize("layout", ["dir", "cache"])
def test_the_binary_and_the_volume_are_all_it_needs(start, hub, public, layout):
    repo = tiny(hub)
    (public / "volume").mkdir()
    os.chmod(public / "volume", 0o777)
    for _ in range(2):
        result = start(None, bin="/hf-init", prefix=(shutil.which("chroot"), "--userspec=65534:65534", str(public)),
                       **as_command(HF_ENDPOINT=hub.endpoint, HF_INIT_TARGET="/volume", HF_INIT_LAYOUT=layout)).wait()
        assert result.code == 0, result
    place = "acme/tiny" if layout == "dir" else "models--acme--tiny/snapshots/" + repo.head().sha
    assert Volume(public / "volume").files(place) == content_of(repo)
    assert sorted(p.name for p in public.iterdir()) == ["hf-init", "volume"]
