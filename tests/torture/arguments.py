"""What the attacks' options may be."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path


def whole_number(text: str) -> int:
    """Raises ArgumentTypeError, as argparse wants it."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 10_000_000:
        raise argparse.ArgumentTypeError("write a whole number above 0")
    return int(text)


def made_folder(text: str) -> Path:
    """For the worlds; it is made where there is none. Raises ArgumentTypeError."""
    path = Path(text)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path} cannot be a folder ({error.strerror}): name another place") from error
    return path


def amount(unit: str, most: float) -> Callable[[str], float]:
    """Of minutes or seconds: above 0, so many at most. What it gives raises ArgumentTypeError."""

    def read(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = 0.0
        if not 0 < found <= most:
            raise argparse.ArgumentTypeError(f"write a number of {unit} above 0, {most:g} at most")
        return found

    return read
