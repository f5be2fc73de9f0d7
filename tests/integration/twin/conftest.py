"""A twin for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.twin.page import ScriptedPage, linked_page
from tests.integration.twin.twin import Twin, running_twin

ME = "12015550100"


@pytest.fixture
async def twin(tmp_path: Path) -> AsyncIterator[Twin]:
    async with running_twin(tmp_path / "arrivals.jsonl") as running:
        yield running


@pytest.fixture
async def page(twin: Twin) -> AsyncIterator[ScriptedPage]:
    """A page that is linked to the first account."""
    async with linked_page(twin, ME) as (linked, _):
        yield linked
