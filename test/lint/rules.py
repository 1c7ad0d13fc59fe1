#!/usr/bin/env python3
"""The house rules that a compiler cannot check. Run from the top of the repo; prints file:line: what
is wrong and what to do instead, and fails if there is anything.

ROWS is the shape of the program (docs/architecture.md), bottom first. An include points to a lower
row: never up, never sideways. Row 0 is the ground; its modules may use one another. A file with a
suffix (store_dir.c, hub_reply.h) belongs to the module before the first underscore.
To add a module, add its name to a row."""
import re
import sys
from pathlib import Path

ROWS = [
    "err str buf arena range log secret pattern url repo",
    "tls json fs digest clock cgroup",  # walls: mbedTLS, cJSON, system calls, hashes, time
    "http serve",                       # curl, microhttpd; they stand on tls and clock
    "hub spec version",
    "plan store progress",
    "fetch report",
    "metrics",
    "snapshot",
    "hfinit",
]

# Foreign header (prefix) -> the only files that may include it. A header among them is private to
# its module: another module that includes it is told so.
HOMES = {
    "curl/": ["lib/http.c", "lib/http_*.[ch]"],
    "cJSON.h": ["lib/json.c"],
    "yaml.h": ["lib/spec_yaml.c"],
    "microhttpd.h": ["lib/serve.c"],
    "mbedtls/": ["lib/tls.c", "lib/tls_*.[ch]"],
    "psa/": ["lib/tls.c", "lib/tls_*.[ch]"],
    "kernels.h": ["lib/digest.c", "lib/digest_*.c"],
    "gcrypt.h": [],
    "roots.h": ["lib/tls.c", "lib/tls_*.[ch]"],
    "zlib.h": [],
    "nghttp2/": [],
}

# Call -> what to use instead. Outside lib/, exit is fine: the process is cmd's.
BANNED = {
    **dict.fromkeys("strcpy strcat strncpy strncat sprintf vsprintf".split(), "buf.h"),
    **dict.fromkeys("atoi atol atoll atof strtok strtok_r sscanf".split(), "str.h"),
    **dict.fromkeys("localtime gmtime ctime asctime mktime".split(), "clock.h, or the _r form"),
    **dict.fromkeys("gets tmpnam mktemp alloca rand srand".split(), "something safe"),
}
BANNED_IN_LIB = dict.fromkeys("exit _exit quick_exit".split(), "return an error: a library does not end its process")

LONGEST_FILE = 600

ROW = {module: row for row, modules in enumerate(ROWS) for module in modules.split()}
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def module(path):
    return Path(path).stem.split("_")[0]


def code_only(text):
    """The text without comments and literals, line breaks kept, so that words in them do not count."""
    def blank(m):
        return m[0] if m[0].startswith("#") else "\n" * m[0].count("\n") + " "
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', blank, text, flags=re.S)


def homes_of(name):
    """The HOMES of a foreign header, None for any other."""
    for prefix, homes in HOMES.items():
        if name == prefix or (prefix.endswith("/") and name.startswith(prefix)):
            return homes
    return None


def is_foreign_inside(header):
    return header.exists() and any(
        (found := INCLUDE.match(line)) and homes_of(found[2]) is not None for line in header.open(encoding="utf-8")
    )


def include_problem(path, quoted, name):
    homes = homes_of(name)
    if homes is not None:
        if any(path.match(home) for home in homes):
            return None
        return f"<{name}> lives in {' '.join(homes) or 'no file of ours'} only"
    if not quoted:
        return None
    if path.parts[0] == "cmd":
        beside = path.parent / name
        return None if name == "hfinit.h" or beside.exists() else f'"{name}": cmd sees only hfinit.h of lib'
    me, other = module(path), module(name)
    for m in (me, other):
        if m not in ROW:
            return f"module '{m}' has no row: give it one in test/lint/rules.py"
    if me != other and is_foreign_inside(path.parent / name):
        return f'"{name}" is private to {other}: it brings a foreign header along'
    if me == other or ROW[other] < ROW[me] or ROW[me] == 0 == ROW[other]:
        return None
    way = "sideways" if ROW[other] == ROW[me] else "up"
    return f'"{name}" points {way}: {me} is row {ROW[me]}, {other} is row {ROW[other]}'


def problems(path):
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    if len(lines) > LONGEST_FILE:
        yield len(lines), f"{len(lines)} lines, more than {LONGEST_FILE}: look for its second reason to exist"
    for number, line in enumerate(lines, 1):
        if found := INCLUDE.match(line):
            if what := include_problem(path, found[1] == '"', found[2]):
                yield number, what
    banned = BANNED | (BANNED_IN_LIB if path.parts[0] == "lib" else {})
    for number, line in enumerate(code_only(text).splitlines(), 1):
        for call in re.findall(r"(?<![\w.>])(\w+)\s*\(", line):
            if call in banned:
                yield number, f"{call}(): {banned[call]}"


def main():
    files = [p for top in ("lib", "cmd") for p in sorted(Path(top).rglob("*.[ch]"))]
    found = [f"{p}:{number}: {what}" for p in files for number, what in problems(p)]
    print("\n".join(found) or f"house rules: {len(files)} files, all good")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
