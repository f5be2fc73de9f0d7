"""A hub for each test, and what may not be left behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.server.hub import Hub, running_hub


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    """A running hub with the channel `main`; nothing of it is left afterwards."""
    async with running_hub(tmp_path / "data") as running:
        await running.channel()
        yield running
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not [task for task in others if "messenger_hub" in repr(task)]
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("database-")]
