"""docs/interop.md has the form that the tests of test/interop give it. `make interop`, which writes it, needs a network."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))
import matrix  # noqa: E402


def test_the_page_has_the_rows_and_columns_of_the_tests_and_no_open_cell():
    assert matrix.complaints(matrix.PAGE.read_text(encoding="utf-8")) == []


def passed():
    """A page on which everything passes."""
    cells = {cell: matrix.Cell() for cell in matrix.wanted()}
    for cell in cells.values():
        cell.add("passed", [])
    return cells


def test_a_page_of_passes_and_reasons_is_in_order():
    cells = passed()
    next(iter(cells.values())).add("absent", ["has no such thing"])
    assert matrix.complaints(matrix.render(cells)) == []


@pytest.mark.parametrize("spoil", [
    lambda page, cells: page.replace(" pass ", " **FAIL** ", 1),
    lambda page, cells: page.replace(" pass ", " – ", 1),
    lambda page, cells: page.replace(" pass ", " pass [7] ", 1),
    lambda page, cells: page.replace(matrix.label(matrix.HUBS[-1]), "huggingface_hub 99", 1),
    lambda page, cells: "\n".join(line for line in page.splitlines() if next(iter(cells))[0] not in line),
    lambda page, cells: page.replace("## Patterns", "## Pattern"),
    lambda page, cells: matrix.render({}),
], ids=["failure", "no reason", "no such note", "another version", "a missing row", "another section", "nothing ran"])
def test_a_page_that_shows_something_else_is_found_out(spoil):
    cells = passed()
    assert matrix.complaints(spoil(matrix.render(cells), cells))
