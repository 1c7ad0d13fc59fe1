"""Faults of the family P: the process and its neighbours. catalogue.py says how to read a row."""
from catalogue import COMPLETE, EMPTY, KEPT, Row  # noqa: F401

ROWS = [
]
