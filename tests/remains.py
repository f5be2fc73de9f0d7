"""What a block of a test leaves behind in its loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

ENDING_SECONDS = 1.0


@asynccontextmanager
async def no_task_left() -> AsyncIterator[None]:
    """Fails when the loop has tasks at the end that it did not have before. Those that were cancelled get a moment to end: a call of
    gRPC's takes several turns of the loop to notice."""
    before = asyncio.all_tasks()
    yield
    left = {task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=ENDING_SECONDS)
    assert not left, f"left behind: {sorted(map(repr, left))}"
