#!/usr/bin/env python3
"""test/torture/mutate.py [--only TEXT] [--every N] [--list]: would anybody notice?

Breaks the commit path one place at a time, in a copy of the tree: each sync is left out, each comparison in the
functions below is turned round. The tests must notice. A mutant that survives is printed, and is a failure unless
KNOWN says why it makes no difference that a test could see."""
import argparse
import concurrent.futures
import os
import pathlib
import queue
import re
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]

# Calls that put something on disk: left out, they do nothing and succeed.
SYNCS = "fs_sync_data fs_sync_dir_at journal_note_sync store_partial_sync store_repo_sync sync_touched".split()

# Where a wrong decision would make a wrong file or a false marker: file -> functions, None for all of them.
DECISIONS = {
    "lib/store_publish.c": None,
    "lib/store_write.c": ["sync_early", "store_partial_sync"],
    "lib/store_journal.c": ["same_boot", "read_marks", "journal_read"],
    "lib/report_marker.c": None,
    "lib/snapshot.c": ["marker_has", "matches_marker", "marker_holds", "all_shares_are_there", "finish_repos", "make_it_match",
                       "resolve_and_judge", "is_missing", "has_work"],
    "lib/snapshot_state.c": ["snapshot_learn_whose_status", "read_whose_status", "check_stop", "snapshot_read_marker",
                             "snapshot_write_marker", "contradicts_us", "is_false_marker", "visit_state",
                             "snapshot_remove_false_markers"],
    "lib/fetch_finish.c": None,
}
TURNS = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">", "&&": "||", "||": "&&"}

UNITS = "test_store_dir test_store_cache test_store_partial test_store_write test_journal test_inventory test_report".split()
TESTS = ["test/run/test_regressions.py", "test/faults/test_disk.py", "test/run/test_resume.py", "test/run/test_layouts.py",
         "test/run/test_engine.py", "test/run/test_space.py", "test/run/test_together.py"]
FIRST = ["test/faults/test_order.py", "test/run/test_regressions.py", "-k", "disk or order"]  # seconds, and most are noticed by then
TREES = 2           # copies of the tree in which mutants are tried side by side

# file:line-independent: "file: the changed line, stripped" -> why no test can tell
KNOWN = {}


def code_spans(text):
    """The text with comments and literals blanked, of the same length."""
    def blank(found):
        return re.sub(r"[^\n]", " ", found[0])
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|^\s*#[^\n]*', blank, text, flags=re.S | re.M)


def functions(code):
    """(name, start, end) of each function of a file in our format."""
    for found in re.finditer(r"^[a-z][^\n;=]*?(\w+)\([^;{]*?\)\n\{\n.*?^\}\n", code, re.S | re.M):
        yield found[1], found.start(), found.end()


def closing(code, start):
    depth = 0
    for place in range(start, len(code)):
        depth += (code[place] == "(") - (code[place] == ")")
        if depth == 0:
            return place
    raise ValueError("unbalanced")


def mutants():
    """(file, what, start, end, replacement)"""
    for path in sorted((TOP / "lib").glob("*.c")):
        name = f"lib/{path.name}"
        text = path.read_text()
        code = code_spans(text)
        for function, start, end in functions(code):
            for found in re.finditer(rf"\b({'|'.join(SYNCS)})\(", code[start:end]):
                if found[1] == function:
                    continue
                first = start + found.start()
                last = closing(code, start + found.end() - 1) + 1
                yield name, f"{function}: without {found[1]}", first, last, f"((void)sizeof({text[first:last]}), 0)"
            if name not in DECISIONS or (DECISIONS[name] is not None and function not in DECISIONS[name]):
                continue
            for found in re.finditer(r"(?<=\s)(==|!=|<=|>=|<|>|&&|\|\|)(?=\s)", code[start:end]):
                first = start + found.start()
                line = text[text.rfind("\n", 0, first) + 1:text.find("\n", first)]
                if line.lstrip().startswith("for "):
                    continue                                 # loops that never end or never begin: found by any test
                yield name, f"{function}: {found[1]} becomes {TURNS[found[1]]}", first, first + len(found[1]), TURNS[found[1]]


def run(words, cwd, limit_s):
    """True: all went well. A hang counts as noticed."""
    try:
        return subprocess.run(words, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=limit_s,
                              env={**os.environ, "HF_INIT_BIN": str(cwd / "build/hf-init")}).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def is_noticed(tree):
    """By the compiler's warnings too: what does not build does not ship."""
    programs = [f"build/musl/unit/{name}" for name in UNITS if (tree / f"test/unit/{name}.c").exists()]
    if not run(["make", "-s", "build/hf-init", *programs], tree, 300):
        return "build"
    for program in programs:
        if not run([str(tree / program)], tree, 60):
            return program.rpartition("/")[2]
    python = TOP / "build/venv/bin/python"
    pytest = [str(python), "-B", "-m", "pytest", "-p", "no:cacheprovider", "-q", "-x"]
    return None if run([*pytest, *FIRST], tree, 300) and run([*pytest, "-n", "2", *TESTS], tree, 600) else "a run"


def line_of(name, place):
    """(number, the line without the spaces around it)"""
    text = (TOP / name).read_text()
    number = text.count("\n", 0, place) + 1
    return number, text.splitlines()[number - 1].strip()


def in_a_tree(trees, mutant):
    """Tries one mutant, or the tree as it is; returns what to complain about, or None."""
    tree = trees.get()
    try:
        if mutant is None:
            return is_noticed(tree)
        name, what, first, last, instead = mutant
        text = (TOP / name).read_text()
        (tree / name).write_text(text[:first] + instead + text[last:])
        by = is_noticed(tree)
        (tree / name).write_text(text)
        number, shown = line_of(name, first)
        known = KNOWN.get(f"{name}: {what}: {shown}")
        print(f"{name}:{number}: {what}: {'noticed by ' + by if by else 'SURVIVES' + (', known: ' + known if known else '')}", flush=True)
        return None if by or known else f"{name}:{number}: {what}: {shown}"
    finally:
        trees.put(tree)


def main():
    parser = argparse.ArgumentParser(description="Breaks the commit path one place at a time; some test must notice.")
    parser.add_argument("--only", default="", help="mutants whose file or description has this text")
    parser.add_argument("--every", type=int, default=1, help="only every N-th turned comparison; syncs are all left out")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    chosen = [m for m in mutants() if options.only in f"{m[0]} {m[1]}"]
    chosen = [m for m in chosen if "without" in m[1]] + [m for m in chosen if "without" not in m[1]][::options.every]
    if options.list:
        for name, what, first, *_ in chosen:
            number, shown = line_of(name, first)
            print(f"{name}:{number}: {what}: {shown}")
        return
    with tempfile.TemporaryDirectory(prefix="hf-init-mutants-") as folder:
        trees = queue.Queue()
        for number in range(TREES):
            tree = pathlib.Path(folder) / f"tree{number}"
            shutil.copytree(TOP, tree, ignore=lambda at, _: ("build", ".git", "demo-volume") if at == str(TOP) else ())
            trees.put(tree)
        with concurrent.futures.ThreadPoolExecutor(TREES) as pool:
            broken, *found = pool.map(lambda mutant: in_a_tree(trees, mutant), [None, *chosen])
    if broken:
        sys.exit(f"mutate: without any mutation {broken} fails")
    survivors = [text for text in found if text]
    print(f"{len(chosen)} mutants, {len(chosen) - len(survivors)} noticed or known, {len(survivors)} survive", *survivors, sep="\n")
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
