"""The faults that hf-init has an answer to: what goes wrong, what must happen then, and what proves it.

One table per family, a row per fault; ids never change and are never used again. Three ways to prove a row:

    server=…     the row is its own test: the stand-in Hub misbehaves as told, test_scripted.py runs hf-init and
                 compares exit code, reason, volume and requests with the row
    proved=…     tests elsewhere, by name; the name of a parametrized test stands for all of its cases
    not_here=…   nothing proves it on a machine like ours, and why

A row may be scripted and have tests elsewhere; then both count. `make torture` runs everything and prints how many rows
of each family are green (report.py).
"""
import dataclasses
import importlib
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
FAMILIES = {"N": "network", "L": "tls", "D": "disk", "P": "process", "I": "input"}
LAST = {"N": 68, "L": 14, "D": 30, "P": 26, "I": 18}
COMPLETE, EMPTY, KEPT = "complete", "empty", "kept"


@dataclasses.dataclass(frozen=True)
class Row:
    """`fault` and `expects` are for people. The rest:

    server    faults of the stand-in Hub, {"kind": …, "host": …, …} as test/hub/README.md has them, set before the run
    files     of the repo acme/tiny: {path: content}; None: a small text, a JSON file and 3 MB of LFS
    spec      merged into the spec
    env       variables of the run
    exit      exit code; reason: the one in status and termination message, None for success
    disk      COMPLETE: the repo and nothing else · EMPTY: no file of it, no marker · KEPT: no marker, and what is there
              is right
    asked     {host: most requests} or {host: (least, most)}; api, cdn, sink
    says      words of the message
    within_s  the run ends in that time, by the clock on the wall
    """
    id: str
    fault: str
    expects: str
    server: tuple = ()
    files: dict = None
    spec: dict = dataclasses.field(default_factory=dict)
    env: dict = dataclasses.field(default_factory=dict)
    exit: int = 0
    reason: str = None
    disk: str = COMPLETE
    asked: dict = dataclasses.field(default_factory=dict)
    says: tuple = ()
    within_s: float = 30
    proved: tuple = ()
    not_here: str = None


def family(letter):
    """The rows of one family, in order."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
    try:
        return importlib.import_module(FAMILIES[letter]).ROWS
    finally:
        sys.path.pop(0)


def rows():
    return [row for letter in FAMILIES for row in family(letter)]
