"""The catalogue itself: complete, and everything it names exists."""
import re

import catalogue
import pytest

ROWS = catalogue.rows()


@pytest.mark.parametrize("letter", catalogue.FAMILIES)
def test_every_fault_has_its_row(letter):
    ids = [row.id for row in catalogue.family(letter)]
    assert ids == [f"{letter}{n:02}" for n in range(1, catalogue.LAST[letter] + 1)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_is_proved_or_says_why_not(row):
    assert bool(row.server or row.files or row.proved) != bool(row.not_here), "proved, or a reason why it is not: one of the two"


def functions(path):
    text = (catalogue.TOP / path).read_text()
    return set(re.findall(r"^def (test_\w+)", text, re.M)) | set(re.findall(r"^(?:static )?void (test_\w+|\w+)\(", text, re.M))


@pytest.mark.parametrize("row", [row for row in ROWS if row.proved], ids=lambda row: row.id)
def test_what_a_row_names_exists(row):
    for name in row.proved:
        path, _, function = name.partition("::")
        assert (catalogue.TOP / path).exists(), name
        assert function.partition("[")[0] in functions(path) | {""}, name
