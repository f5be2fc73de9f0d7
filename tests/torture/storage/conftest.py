"""A disk to fill, for each kind that this machine allows, and one that fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nursery.nursery import nursery
from tests.torture.storage.disks import KINDS, Disk, disk
from tests.torture.storage.faults import Faulty, build


@pytest.fixture(params=KINDS)
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """An empty disk."""
    with disk(request.param, tmp_path / "disk") as made:
        yield made


@pytest.fixture(scope="session")
def _library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = build(tmp_path_factory.mktemp("faulty"))
    nursery(str(library))
    return library


@pytest.fixture
def faulty(_library: Path, tmp_path: Path) -> Faulty:
    """Sound so far."""
    return Faulty(_library, tmp_path / "order")
