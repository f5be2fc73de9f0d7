"""Reads a store's queries.sql: every statement once, by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def load(package: str) -> Mapping[str, str]:
    """Name → statement, of the package that holds the file."""
    text = files(package).joinpath("queries.sql").read_text()
    _, *parts = _NAME.split(text)
    return dict(zip(parts[::2], (part.strip().rstrip(";") for part in parts[1::2]), strict=True))
