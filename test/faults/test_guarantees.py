"""docs/guarantees.md: every test that a promise names exists where the link leads."""
import re

import pytest
from conftest import ROOT

PAGE = (ROOT / "docs" / "guarantees.md").read_text()
LINKS = re.findall(r"\[(test_\w+)\]\(\.\./([\w/.]+)\)", PAGE)


@pytest.mark.parametrize("name,path", sorted(set(LINKS)))
def test_the_proof_of_a_promise_exists(name, path):
    assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.M)


def test_every_promise_names_its_proof():
    promises = [line for line in PAGE.splitlines() if line.startswith("| **") and "**all**" not in line]
    assert len(promises) > 20
    assert [line for line in promises if not re.search(r"\[test_\w+\]", line)] == []
