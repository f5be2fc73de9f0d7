"""A disk to fill, for each kind that this machine allows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.torture.storage.disks import KINDS, Disk, disk


@pytest.fixture(params=KINDS)
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """An empty disk."""
    with disk(request.param, tmp_path / "disk") as made:
        yield made
