"""Faults of the family I: what people write. test/unit/test_spec*.c has the parser's own table; here the real binary
meets what is too large, too deep or no text at all. A limit of memory and of CPU, far above what is needed, is the
watchdog."""
import json
import os
import random
import socket
import subprocess
import threading

import pytest
from conftest import BIN, content_of
from standin import Hub

SANITIZED = "asan" in BIN or "tsan" in BIN
SMALL = () if SANITIZED else ("prlimit", "--as=67108864", "--cpu=3")           # 64 MiB of memory, 3 s of CPU
PATIENT = () if SANITIZED else ("prlimit", "--cpu=60")
ONE = {"repos": [{"id": "acme/tiny"}]}
HEAD = "target: /m\nrepos:\n- id: org/a\n"
MIB = 1 << 20


def tiny(hub, **settings):
    return hub.model("acme/tiny", {"config.json": b'{"a":1}', "sub/notes.txt": b"hello\n"}, **settings)


def laughs(first, each):
    """Ten levels of ten aliases: `first` is what &a0 stands for, each(n) makes ten aliases of level n."""
    return "".join([f"a0: &a0 {first}\n"] + [f"a{n}: &a{n} {each(n - 1)}\n" for n in range(1, 10)])


# Too much.

TOO_MUCH = {
    "10 MB of comments": "# nothing\n" * MIB,
    "10 MB in one value": "target: " + "x" * (10 * MIB) + "\n" + HEAD,
    "a million entries": HEAD + "  allow: [" + "a," * 1_000_000 + "]\n",
    "all the entries that fit": HEAD + "  allow: [" + "a," * 524_000 + "]\n",
    "all the entries that fit, one to a line": HEAD + "  allow:\n" + "  - a\n" * 174_000,
    "all the repos that fit": "target: /m\nrepos:\n" + "- id: a/b\n" * 104_000,
    "all the keys that fit": "".join(f"k{n}: 1\n" for n in range(100_000)),
    "a key without end": "k" * (MIB - 10) + ": x\n",
    "a quote without end": HEAD + "name: '" + "x" * (MIB - 100),
    "quotes": "'" * (MIB - 1),
    "escapes": HEAD + 'name: "' + "\\x41" * 260_000 + '"\n',
    "a block of empty lines": HEAD + "name: |\n" + " \n" * 500_000,
    "brackets": "[" * 1000 + "]" * 1000,
    "all the brackets that fit": "[" * (MIB - 1),
    "all the braces that fit": "{" * (MIB - 1),
    "braces in braces": "{a: " * 1000 + "}" * 1000,
    "dashes in dashes": "- " * 1000 + "x\n",
    "all the dashes that fit": "- " * (MIB // 2 - 1),
    "all the question marks that fit": "? " * (MIB // 2 - 1),
    "mappings in mappings": "".join(" " * n + "a:\n" for n in range(1000)),
    "all the colons that fit": ": " * (MIB // 2 - 1),
    "all the directives that fit": "".join(f"%TAG !{n:x}! x:\n" for n in range(65_000)) + "--- {}\n",
    "all the unknown directives that fit": "%x\n" * (MIB // 3 - 10) + "--- {}\n",
    "all the documents that fit": "---\n" * (MIB // 4 - 1),
    "all the anchors that fit": "[" + "".join(f"&a{n} x," for n in range(90_000)) + "]\n",
    "all the tags that fit": "[" + "! x," * (MIB // 4 - 10) + "]\n",
    "anchors on anchors": "&a " * (MIB // 3 - 1),
    "a list of lists that laughs": laughs("[x,x,x,x,x,x,x,x,x,x]", lambda n: "[" + ",".join([f"*a{n}"] * 10) + "]"),
    "a mapping that laughs": laughs("{k: v}", lambda n: "{" + ",".join(f"k{k}: *a{n}" for k in range(10)) + "}"),
    "merges that laugh": laughs("{k: v}", lambda n: "{<<: [" + ",".join([f"*a{n}"] * 10) + f"], k{n}: *a{n}" + "}"),
    "aliases without end": "a: &a " + "x" * 4000 + "\nb: [" + "*a," * 300_000 + "]\n",
}


@pytest.mark.parametrize("what", TOO_MUCH)
def test_too_much_is_refused_within_64_mb(run, tmp_path, what):
    path = tmp_path / "much.yaml"
    path.write_text(TOO_MUCH[what])
    result = run(None, "--spec", str(path), command="validate", prefix=SMALL)
    assert result.code == 2 and "much.yaml" in result.stderr and result.stdout == "", result
    assert len(result.stderr) < 2000, "and not by printing it"


def test_an_endless_standard_input_is_left(tmp_path):
    with open("/dev/zero", "rb") as endless:
        done = subprocess.run([*SMALL, BIN, "validate", "--spec", "-"], stdin=endless, env={}, cwd=tmp_path,
                              capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "standard input" in done.stderr, done


@pytest.mark.parametrize("variable, value, words", [
    ("HF_INIT_REPOS", "a/b " * 30_000, "too many repos"), ("HF_INIT_ALLOW", "a " * 60_000, "too many patterns"),
    ("HF_INIT_IGNORE", "x" * 120_000, "4096"), ("HF_INIT_SPEC_YAML", "[" * 120_000, "nested too deeply"),
    ("HF_INIT_TARGET", "/x" * 60_000, "4096"), ("HF_INIT_SPEC", "/x" * 60_000, "too long"),
    ("HF_INIT_DISK_RESERVE", "9" * 120_000, "not a size"), ("HF_INIT_" + "X" * 100_000, "1", "unknown variable"),
    ("SSL_CERT_DIR", ":" * 120_000 + "/none", "nothing to do"), ("HF_HUB_CACHE", "$A" * 60_000, "nothing to do")])
def test_variables_of_any_length_are_bounded_too(run, variable, value, words):
    result = run(None, command="validate", prefix=SMALL, **{variable: value})
    assert result.code == 2 and words in result.stderr, result.stderr[:2000]
    assert len(result.stderr) < 2000


def test_flags_without_end_are_bounded_too(run):
    result = run(None, *["--repo=a/b"] * 20_000, command="validate", prefix=SMALL)
    assert result.code == 2 and "too many repos" in result.stderr and len(result.stderr) < 2000, result.stderr[:2000]


@pytest.mark.parametrize("seed", range(4))
def test_no_change_of_a_few_bytes_is_a_crash(tmp_path, seed):
    good = ("apiVersion: hf-init/v1\ntarget: &t /m\nlayout: dir\nendpoint: [http://mirror:8080/hf, 'https://[::1]']\n"
            "repos:\n- &r {id: org/a, revision: v1.0, allow: ['*.json', \"a\\tb\"], maxBytes: 20GB}\n"
            "- {<<: *r, id: org/b, path: ./x//y}\ndisk: {reserve: 1.5Gi, check: true}\nfileMode: 0640\n"
            "timeouts: {stall: 1m30s}\nshard: {index: 1, count: 4}\n").encode()
    pieces = [b"&a ", b"*t", b"<<: ", b"- ", b"[", b"]", b"{", b"}", b": ", b"'", b'"', b"\n", b"\t", b"\0", b"\xff",
              b"\xef\xbb\xbf",
              b"!!str ", b"%", b"---\n", b"|\n", b"9" * 30, b"\xe2\x80\xae", b"#", b"\\", b"~", b"org/a"]
    rng = random.Random(seed)
    for _ in range(60):
        text = bytearray(good)
        for _ in range(rng.randint(1, 6)):
            begin = rng.randrange(len(text) + 1)
            piece = rng.choice(pieces) if rng.random() < 0.8 else bytes([rng.randrange(256)])
            text[begin:begin + rng.choice((0, 0, 1, 1, 5, 40))] = piece
        done = subprocess.run([BIN, "validate", "--spec", "-"], input=bytes(text), env={}, cwd=tmp_path,
                              capture_output=True, timeout=60)
        words = {0: b"the spec is valid", 2: b"hf-init: "}.get(done.returncode)
        assert words and done.stderr.startswith(words), (bytes(text), done)


# Patterns.

STARS = {
    "stars": "*" * 4095 + "x", "stars and letters": "*a" * 2047 + "x", "brackets": "[" * 4096,
    "brackets and stars": "[*" * 2048,
    "classes": "[a-z]*" * 682 + "x", "negations": "[!" * 2048, "closed at last": "[" * 4095 + "]",
    "question marks": "?*" * 2047 + "x",
    "backslashes": "\\" * 4096, "braces": "{a,b}" * 819, "stars of two": "**/" * 1365,
}


def test_no_pattern_takes_for_ever(run, hub, volume):
    """As many patterns as this, on names of 3,800 bytes: pattern × path steps each; a matcher that goes back
    to more than the last star would not see the end of the first."""
    deep = "/".join(["a" * 250] * 15)
    hub.model("acme/tiny", {f"{deep}/{n}": "x" for n in range(20)})
    result = run({"repos": [{"id": "acme/tiny", "allow": list(STARS.values())}]}, prefix=PATIENT)
    assert result.code == 12 and "NothingSelected" in result.stderr, result
    assert volume.files() == {}


@pytest.mark.parametrize("pattern", ["*" * 10_000, "[" * 10_000, "*[" * 5000])
def test_ten_kilobytes_of_pattern_are_too_many(run, hub, pattern):
    result = run({"repos": [{"id": "acme/tiny", "ignore": [pattern]}]}, prefix=SMALL)
    assert result.code == 2 and "4096" in result.stderr and hub.requests() == [], result


# What is no file.

def test_a_spec_that_is_no_file_is_refused_and_not_waited_for(run, tmp_path):
    fifo, loop, server = tmp_path / "fifo", tmp_path / "loop", socket.socket(socket.AF_UNIX)
    os.mkfifo(fifo)
    loop.symlink_to(loop)
    (tmp_path / "nowhere").symlink_to("no/such/file")
    server.bind(str(tmp_path / "socket"))
    with server:
        for path in (fifo, loop, tmp_path / "nowhere", tmp_path / "socket", tmp_path, "/dev/zero", "/dev/null",
                     tmp_path / ("x" * 300)):
            result = run(None, "--spec", str(path), command="validate", prefix=SMALL)
            assert result.code == 2 and str(path) in result.stderr, result


def test_a_spec_in_a_fifo_is_refused_even_with_a_writer(run, tmp_path):
    """Half a spec would be a spec: whoever has a pipe gives it to standard input, which is read to its end."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    keep = os.open(fifo, os.O_RDWR)
    os.write(keep, HEAD.encode())
    try:
        result = run(None, "--spec", str(fifo), command="validate")
        assert result.code == 2 and "regular file" in result.stderr, result
    finally:
        os.close(keep)


def test_standard_input_is_read_to_its_end_however_it_comes(tmp_path):
    process = subprocess.Popen([BIN, "validate", "--spec", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE,
                               env={}, cwd=tmp_path)

    def drip():
        for byte in HEAD.encode():
            process.stdin.write(bytes([byte]))
            process.stdin.flush()
        process.stdin.close()

    writer = threading.Thread(target=drip)
    writer.start()
    writer.join(20)
    assert process.wait(20) == 0
    process.stdout.close()
    process.stderr.close()


def test_a_config_map_is_read_through_its_links(run, hub, volume, tmp_path):
    """As the kubelet mounts it: spec.yaml → ..data/spec.yaml, ..data → ..2026_01_01."""
    repo = tiny(hub)
    real = tmp_path / "mount/..2026_01_01"
    real.mkdir(parents=True)
    (real / "spec.yaml").write_text(json.dumps({**ONE, "target": str(volume.path), "endpoint": hub.endpoint,
                                                "disk": {"reserve": 0}}))
    (tmp_path / "mount/..data").symlink_to("..2026_01_01")
    (tmp_path / "mount/spec.yaml").symlink_to("..data/spec.yaml")
    assert run(None, "--spec", str(tmp_path / "mount/spec.yaml")).code == 0
    assert volume.files("acme/tiny") == content_of(repo)


# Where the Hub is.

@pytest.mark.parametrize("form", ["http://127.0.0.1:{port}/", "http://127.0.0.1:{port}///", "HTTP://127.0.0.1:{port}",
                                  "http://localhost:{port}",
                                  "http://127.1:{port}"])
def test_an_endpoint_may_be_written_in_many_ways(run, hub, complete, form):
    repo = tiny(hub, gated="auto")
    endpoint = form.format(port=hub.address()[1])
    complete(run({**ONE, "endpoint": endpoint}, HF_TOKEN=hub.token), repo)
    assert hub.leaks() == []


@pytest.mark.parametrize("prefix", ["", "/hf", "/a/b/c"])
def test_an_endpoint_may_be_an_ipv6_address_and_have_a_path(run, complete, prefix):
    with Hub(host="::1", cdn_host="::1", prefix=prefix) as hub:
        repo = tiny(hub, gated="auto")
        complete(run({**ONE, "endpoint": hub.endpoint + "/"}, hub=hub, HF_TOKEN=hub.token), repo)
        assert hub.endpoint.startswith("http://[::1]:")


@pytest.mark.parametrize("endpoint", [
    "https://me:sEcReT0123@hub.test", "https://sEcReT0123@hub.test", "https://", "https://:80", "https://[::1",
    "https://[::1]x", "https://hub.test:0",
    "https://hub.test:99999", "https://hub.test:x", "ftp://hub.test", "file:///etc/passwd", "//hub.test",
    "hub.test:443", " https://hub.test",
    "https://hub test", "https://hub.test?x=sEcReT0123", "https://hub.test#x", "https://hub.test\\@evil.test",
    "https://h\u00fcb.test", "https://hub.test\u202e",
    "https://" + "x" * 300, "https://hub.test/" + "x" * 5000])
def test_an_endpoint_that_is_none_is_refused_in_every_source(run, endpoint):
    for flags, env, wish in (((), {}, {**ONE, "endpoint": endpoint}), ((), {"HF_INIT_ENDPOINT": endpoint}, ONE),
                             ((f"--endpoint={endpoint}",), {}, ONE), ((), {"HF_ENDPOINT": endpoint}, ONE)):
        if " " in endpoint and (flags or "HF_INIT_ENDPOINT" in env):
            continue                                         # there it separates the items of a list
        result = run(wish, *flags, command="validate", **env)
        assert result.code == 2 and "sEcReT" not in result.stderr + result.stdout, result


# Who asks.

FIRST, SECOND = "sEcReTone0123456789", "sEcReTtwo0123456789"
TOKENS = {
    "a line end inside": f"hf_{FIRST}\n{SECOND}", "CR and LF": f"hf_{FIRST}\r\n{SECOND}\r\n",
    "a header after it": f"{FIRST}\r\nX-Other: {SECOND}",
    "a space": f"{FIRST} {SECOND}", "a tab": f"{FIRST}\t{SECOND}", "NUL": f"{FIRST}\0{SECOND}",
    "escape": f"{FIRST}\x1b[2J{SECOND}",
    "DEL": f"{FIRST}\x7f{SECOND}", "beyond ASCII": f"{FIRST}\u00e9{SECOND}", "a byte order mark": f"\ufeff{FIRST}",
    "quotes": f'"{FIRST}"',
    "as a header": f"Bearer {FIRST}", "as a variable": f"HF_TOKEN={FIRST}", "100 KB": f"{FIRST}" * 5000,
    "1 MB": f"{FIRST}" * 55_000,
    "5 KB": f"{FIRST}" * 260, "nothing": "", "only line ends": "\r\n\n", "only blanks": " \t ",
}


def everything_said(tmp_path, volume, result):
    said = {"stdout": result.stdout, "stderr": result.stderr, "termination": (tmp_path / "termination").read_text()}
    for path in volume.path.rglob("*"):
        said[str(path)] = path.read_bytes().decode("latin-1") if path.is_file() else ""
    return said


def may_be_in(source, text):
    """The kernel lets no variable hold NUL or more than 128 KB."""
    return source in ("token.file", "HF_TOKEN_PATH") or ("\0" not in text and len(text) < 120_000)


SOURCES = ("HF_TOKEN", "token.env", "token.file", "HF_TOKEN_PATH")


@pytest.mark.parametrize("source, what", [(source, what) for source in SOURCES for what, text in TOKENS.items()
                                          if may_be_in(source, text)])
def test_no_part_of_a_token_is_echoed_whatever_is_in_it(run, hub, volume, tmp_path, source, what):
    text, path = TOKENS[what], tmp_path / "secret"
    tiny(hub, private=True)
    path.write_text(text)
    wish, env = {**ONE, "log": {"level": "debug"}, "retry": {"attempts": 1}}, {}
    if source == "HF_TOKEN":
        env = {"HF_TOKEN": text}
    elif source == "token.env":
        wish, env = {**wish, "token": {"env": "MINE"}}, {"MINE": text}
    elif source == "token.file":
        wish = {**wish, "token": {"file": str(path)}}
    else:
        env = {"HF_TOKEN_PATH": str(path)}
    path_of = str(path)
    for command in ("validate", "plan", "run"):
        result = run(wish, *(["-v"] if command == "validate" else []), command=command, prefix=PATIENT,
                     **env)
        assert result.code in (0, 2, 10, 12), result
        for place, words in everything_said(tmp_path, volume, result).items():
            assert place == path_of or ("sEcReT" not in words and "0123456789" not in words), (place, command)
    for record in hub.requests():
        sent = [value for name, value in record.headers.items() if name.lower() == "authorization"]
        assert "x-other" not in {name.lower() for name in record.headers}
        assert all(value.isprintable() and value.isascii() and len(value) < 5000 for value in sent)


@pytest.mark.parametrize("place", [
    {"name": "{} x"}, {"target": "~/{}"}, {"verify": "{}"}, {"layout": "{}"}, {"fileMode": "{}"}, {"bandwidth": "{}"},
    {"allowedHosts": ["{} x"]},
    {"endpoint": "{}"}, {"endpoint": "https://{}@x"}, {"token": "{}"}, {"token": {"file": "{}"}},
    {"token": {"env": "{}"}}, {"token": {"value": "{}"}},
    {"apiVersion": "{}"}, {"{}": 1}, {"disk": {"{}": 1}}, {"retry": {"attempts": "{}"}}, {"repos": "{}"},
    {"repos": [{"id": "{}/x/y"}]},
    {"repos": [{"id": "{} x"}]}, {"repos": [{"id": "a/b", "revision": "{}.."}]}, {"repos": [{"id": "a/b",
                                                                                             "path": "../{}"}]},
    {"repos": [{"id": "a/b", "files": ["../{}"]}]}, {"repos": [{"id": "a/b", "{}": 1}]}])
@pytest.mark.parametrize("token", ["hf_sEcReTsEcReTsEcReTsEcReTsEcReT0123",
                                   "hf_oauth_eyJhbGciOiJFZERTQSJ9.sEcReTsEcReT_sEcReT.0123-sEcReT"], ids=["user", "app"])
def test_a_token_in_the_wrong_place_is_not_repeated(run, hub, tmp_path, place, token):
    def filled(value):
        if isinstance(value, str):
            return value.format(token)
        if isinstance(value, dict):
            return {filled(k): filled(v) for k, v in value.items()}
        return [filled(v) for v in value] if isinstance(value, list) else value

    result = run({**ONE, **filled(place)})
    assert result.code == 2, result
    assert "sEcReT" not in result.stderr + result.stdout + (tmp_path / "termination").read_text(), result
    assert hub.requests() == []


# Contradictions.

def test_the_stronger_source_wins_and_validate_says_which(run, tmp_path):
    result = run({**ONE, "name": "of-file", "verify": "size", "pageCache": "keep"}, "--name", "of-flag", "-v",
                 command="validate",
                 HF_INIT_NAME="of-variable", HF_INIT_VERIFY="always", HF_ENDPOINT="https://official.test")
    assert result.code == 0, result
    rows = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert "of-flag" in rows["name"] and "--name" in rows["name"]
    assert "always" in rows["verify"] and "HF_INIT_VERIFY" in rows["verify"]
    assert "keep" in rows["pageCache"] and "spec-0.yaml" in rows["pageCache"]
    assert "official.test" in rows["endpoint"] and "HF_ENDPOINT" in rows["endpoint"]


# Ids.

@pytest.mark.parametrize("repo_id", ["a/b/c", "a b/c", "../../etc", "..", ".", "/", "a//b", "", "\u00e9/x", "a/b\u202e",
                                     "org/" + "x" * 97, "x" * 5000, "-x/y", "x/y.git",
                                     "https://huggingface.co/a/b", "a/b?x", "a/b#x", "a/b%2f..", "a\\b", "a/b\tc", "~",
                                     "a/$HOME"])
def test_an_id_that_is_none_is_refused_before_a_request(run, hub, repo_id):
    for wish, env in (({"repos": [{"id": repo_id}]}, {}),
                      ({}, {"HF_INIT_REPOS": repo_id.replace(" ", "%20").replace("\t", "%09") or "/"})):
        result = run(wish, **env)
        assert result.code == 2 and len(result.stderr) < 2000, result
    assert hub.requests() == []
