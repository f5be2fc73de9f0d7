"""What the attacks' options may be."""

from __future__ import annotations

import argparse


def whole_number(text: str) -> int:
    """Raises ArgumentTypeError, as argparse wants it."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 10_000_000:
        raise argparse.ArgumentTypeError("write a whole number above 0")
    return int(text)
