#!/usr/bin/env python3
"""test/faults/report.py OUTCOMES [--write]: the table family × rows × green from what the tests wrote down.

OUTCOMES is what a pytest run leaves with TORTURE_OUTCOMES=FILE. --write puts the table into docs/guarantees.md, between
its two marks. Ends with 1 when a row is red."""
import argparse
import datetime
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
import catalogue  # noqa: E402

NAMES = {"N": "network and HTTP", "L": "TLS", "D": "disk", "P": "process and neighbours", "I": "input"}
PAGE = catalogue.TOP / "docs" / "guarantees.md"
MARKS = ("<!-- torture: begin -->", "<!-- torture: end -->")


def outcomes(path):
    """{test: worst outcome}; the outcome of an interrupted set-up counts as well."""
    worst = {}
    rank = ["passed", "skipped", "failed"]
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        test, outcome = entry["test"], entry["outcome"]
        worst[test] = max(worst.get(test, "passed"), outcome, key=rank.index)
    return worst


def judge(row, seen):
    """green, red, not run or not here; and the tests that say so."""
    if row.not_here:
        return "not here", []
    wanted = list(row.proved)
    if row.server or row.files:
        wanted.append(f"test/faults/test_scripted.py::test_scripted[{row.id}]")
    said, bad = [], []
    for name in wanted:
        if name.partition("::")[0].endswith(".c"):   # `make unit` stops at the first failure: one word for all of it
            name = "make unit"
        found = [outcome for test, outcome in seen.items() if test == name or test.startswith(name + "[") or test.startswith(name + "::")]
        said += found or ["missing"]
        if set(found) != {"passed"}:
            bad.append(name)
    if "failed" in said:
        return "red", bad
    return ("not run", bad) if bad else ("green", [])


def table(seen):
    """Lines of markdown, and the rows that are not green."""
    lines = ["| family | rows | green | red | not run | not provable here |", "|---|---:|---:|---:|---:|---:|"]
    open_rows, total = [], [0] * 5
    for letter in catalogue.FAMILIES:
        judged = [(row, *judge(row, seen)) for row in catalogue.family(letter)]
        counts = [len(judged)] + [sum(verdict == kind for _, verdict, _ in judged) for kind in ("green", "red", "not run", "not here")]
        total = [a + b for a, b in zip(total, counts)]
        lines.append(f"| {letter}: {NAMES[letter]} | " + " | ".join(map(str, counts)) + " |")
        open_rows += [entry for entry in judged if entry[1] != "green"]
    lines.append("| **all** | " + " | ".join(f"**{n}**" for n in total) + " |")
    return lines, open_rows


def main():
    parser = argparse.ArgumentParser(description="How much of the catalogue of faults is green.")
    parser.add_argument("outcomes", type=pathlib.Path)
    parser.add_argument("--write", action="store_true", help="into docs/guarantees.md")
    options = parser.parse_args()
    seen = outcomes(options.outcomes)
    lines, open_rows = table(seen)
    failed = sorted(test for test, outcome in seen.items() if outcome == "failed")
    for row, verdict, bad in open_rows:
        lines += [""] if row is open_rows[0][0] else []
        lines.append(f"- {row.id}, {row.fault}: {verdict}. {row.not_here or ', '.join(bad)}")
    passed = sum(outcome == "passed" for outcome in seen.values())
    head = [f"`make torture` on {datetime.date.today().isoformat()}: {passed} of {len(seen)} tests passed.", ""]
    print("\n".join(head + lines))
    for test in failed:
        print("FAILED", test)
    if options.write:
        before, _, rest = PAGE.read_text().partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        PAGE.write_text(before + MARKS[0] + "\n" + "\n".join(head + lines) + "\n" + MARKS[1] + after)
    sys.exit(1 if failed or any(verdict == "red" for _, verdict, _ in open_rows) else 0)


if __name__ == "__main__":
    main()
