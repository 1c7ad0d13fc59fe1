"""Faults of the family N: the network, HTTP and what comes over it. catalogue.py says how to read a row."""
from catalogue import COMPLETE, EMPTY, KEPT, Row  # noqa: F401

ROWS = [
]
