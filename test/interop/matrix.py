#!/usr/bin/env python3
"""The matrix client × scenario: which cells there must be, and the page docs/interop.md that shows what came of them.

A cell is one test marked @scenario("title") in a test_*.py of this folder: one for each generation of huggingface_hub,
or one for the client it names. The marks are read from the source, so that the page can be checked where no client is
installed."""
import ast
import json
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "interop.md"
HEAD = (HERE / "page.md").read_text(encoding="utf-8")


def pins(name):
    """{package: version} of an environment, as pins/NAME.txt has it."""
    text = (HERE / "pins" / (name + ".txt")).read_text(encoding="utf-8")
    return dict(line.split("==") for line in text.splitlines() if "==" in line and not line.startswith("#"))


HUBS = sorted((path.stem for path in (HERE / "pins").glob("hub-*.txt")),
              key=lambda name: [int(part) for part in pins(name)["huggingface_hub"].split(".")])
LOADERS = ["transformers", "safetensors", "datasets"]  # all of pins/loaders.txt


def javascript():
    """{package: version} of the environment of npm."""
    return json.loads((HERE / "pins" / "package.json").read_text(encoding="utf-8"))["dependencies"]


def label(client):
    """A client as the page calls it."""
    if client in HUBS:
        return "huggingface_hub " + pins(client)["huggingface_hub"]
    version = {**pins("loaders"), **javascript()}.get(client)
    return "%s %s" % (client, version) if version else client


def _mark(function):
    """(title, client or None) of a test's @scenario, None if it has none."""
    for mark in function.decorator_list:
        if isinstance(mark, ast.Call) and getattr(mark.func, "id", None) == "scenario":
            named = {word.arg: ast.literal_eval(word.value) for word in mark.keywords}
            return ast.literal_eval(mark.args[0]), named.get("client")
    return None


def sections():
    """[(heading, [(title, [clients])])]: the page as it must be, in the order of the files and of what is in them."""
    found = []
    for path in sorted(HERE.glob("test_*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        marks = [mark for node in module.body if isinstance(node, ast.FunctionDef) and (mark := _mark(node))]
        rows = [(title, [client] if client else HUBS) for title, client in marks]
        found.append((ast.get_docstring(module).splitlines()[0], rows))
    return found


def wanted():
    """[(title, client)] of all cells."""
    return [(title, client) for _, rows in sections() for title, clients in rows for client in clients]


class Cell:
    """What came of one scenario with one client. notes: what a reader should know of it."""

    def __init__(self):
        self.outcome, self.notes = "not run", []

    def add(self, outcome, notes):
        worst = ["not run", "passed", "absent", "failed"]
        self.outcome = max(self.outcome, outcome, key=worst.index)
        self.notes += [note for note in notes if note not in self.notes]


class Notes:
    def __init__(self):
        self.texts = []

    def numbers(self, notes):
        """ [1][2] as links would be written, for texts that are numbered as they come."""
        self.texts += [note for note in notes if note not in self.texts]
        return "".join(" [%d]" % (self.texts.index(note) + 1) for note in notes)


WORDS = {"passed": "pass", "absent": "–", "failed": "**FAIL**", "not run": "**not run**"}


def render(cells):
    """The page, from {(title, client): Cell}."""
    notes, lines = Notes(), [HEAD.rstrip("\n")]

    def show(title, client):
        cell = cells.get((title, client)) or Cell()
        return WORDS[cell.outcome] + notes.numbers(cell.notes)

    for heading, rows in sections():
        lines += ["", "## " + heading, ""]
        if all(clients == HUBS for _, clients in rows):
            lines += ["| | %s |" % " | ".join(map(label, HUBS)), "|---|" + "---|" * len(HUBS)]
            lines += ["| %s | %s |" % (title, " | ".join(show(title, client) for client in clients))
                      for title, clients in rows]
        else:
            lines += ["| | client | |", "|---|---|---|"]
            lines += ["| %s | %s | %s |" % (title, label(client), show(title, client))
                      for title, clients in rows for client in clients]
    lines += ["", "## Notes", ""] + ["%d. %s" % entry for entry in enumerate(notes.texts, 1)]
    return "\n".join(lines) + "\n"


def complaints(page):
    """What is wrong with a page: rows and columns other than the tests have, cells that are not a pass or a reason."""
    tables, found = [], []
    for line in page.splitlines():
        if line.startswith("## "):
            tables.append((line[3:], []))
        elif line.startswith("| ") and tables:
            tables[-1][1].append([cell.strip() for cell in line.strip("|").split(" | ")])
    if not page.startswith(HEAD.rstrip("\n")):
        found.append("the head is not that of test/interop/page.md")
    should = []
    for heading, rows in sections():
        if all(clients == HUBS for _, clients in rows):
            should.append((heading, [[""] + [label(hub) for hub in HUBS]] + [[title] for title, _ in rows]))
        else:
            cells = [[title, label(client)] for title, clients in rows for client in clients]
            should.append((heading, [["", "client", ""]] + cells))
    shown = dict(tables)
    if [heading for heading, _ in tables] != [heading for heading, _ in should] + ["Notes"]:
        found.append("the sections are not those of the tests")
    numbers = len(re.findall(r"^\d+\. ", page.partition("\n## Notes\n")[2], re.M))
    for heading, rows in should:
        got = shown.get(heading, [])
        if [row[:len(want)] for row, want in zip(got, rows)] != rows or len(got) != len(rows):
            found.append("%s: other rows or columns than the tests have" % heading)
        for row, want in zip(got[1:], rows[1:]):
            for cell in row[len(want):]:
                word, *refs = cell.split(" [")
                refs = [int(ref.rstrip("]")) for ref in refs]
                if not (word == "pass" or word == "–" and refs) or max(refs, default=0) > numbers:
                    found.append("%s, %s: %r is neither a pass nor a reason" % (heading, want[0], cell))
    return found
