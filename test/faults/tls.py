"""Faults of the family L: TLS. catalogue.py says how to read a row."""
from catalogue import COMPLETE, EMPTY, KEPT, Row  # noqa: F401

ROWS = [
]
