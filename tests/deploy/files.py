"""What lies in deploy/, read as its programs read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted(DEPLOY.glob("systemd/*.service"))

Unit = Mapping[str, Sequence[str]]


def documents(name: str) -> Sequence[Any]:
    """A YAML file's documents."""
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def service(path: Path) -> Unit:
    """The settings of a unit's section [Service], each with its values in their order."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def texts() -> Iterator[tuple[Path, str]]:
    """Every file, and the page that tells of them."""
    for path in (*sorted(DEPLOY.rglob("*")), ROOT / "docs/operating.md"):
        if path.is_file():
            yield path.relative_to(ROOT), path.read_text()
