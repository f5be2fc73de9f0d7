"""A twin for each module, and the implementation of the Page protocol that the driver's tests are about."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio
from messenger_hub_agent.whatsapp.browser import BrowserOptions
from messenger_hub_agent.whatsapp.page import Page
from messenger_hub_agent.whatsapp.profile import discard_profile
from messenger_hub_agent.whatsapp.pyppeteer_page import PyppeteerPage

from tests.e2e.driver.desk import Driver
from tests.integration.twin.twin import Twin, running_twin


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def twin(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Twin]:
    async with running_twin(tmp_path_factory.mktemp("twin") / "arrivals.jsonl") as running:
        yield running


@pytest.fixture(scope="session")
def driver() -> Driver:
    """What the conformance suite is run against; another implementation is plugged in here."""

    def make(folder: Path, address: str) -> Page:
        options = BrowserOptions(program=None, visible=False, log=folder / "chromium.log")
        return PyppeteerPage(folder, options, address)

    def process_id(page: Page) -> int:
        leader = cast(PyppeteerPage, page).process_id
        assert leader is not None, "its browser does not run"
        return leader

    return Driver(make=make, process_id=process_id, discard=discard_profile)
