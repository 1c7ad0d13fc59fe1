"""Faults of the family I: what people write: specs, variables, flags. catalogue.py says how to read a row."""
from catalogue import COMPLETE, EMPTY, KEPT, Row  # noqa: F401

ROWS = [
]
