"""A browser for each module. A loop runs for each module too, because the browser is driven from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import pytest_asyncio

from tests.integration.server.console.visitor import Browser, running_browser
from tests.integration.server.hub import Hub, hub_with_main
from tests.remains import no_task_left

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    """A hub for each test all the same."""
    async with hub_with_main(tmp_path / "data") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def no_task_is_left() -> AsyncIterator[None]:
    """The loop outlives a test, and its threads would with it: each test has threads of its own, which end with it."""
    with ThreadPoolExecutor(thread_name_prefix="asyncio") as threads:
        asyncio.get_running_loop().set_default_executor(threads)
        async with no_task_left():
            yield
