"""Our own page with what lies inside it, for tests of its guards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from messenger_hub_agent.whatsapp.browser import BrowserOptions
from messenger_hub_agent.whatsapp.profile import discard_profile
from messenger_hub_agent.whatsapp.pyppeteer_connection import PageSession
from messenger_hub_agent.whatsapp.pyppeteer_page import PyppeteerPage


@asynccontextmanager
async def new_page(folder: Path, address: str, *extra: str) -> AsyncIterator[PyppeteerPage]:
    """Not open yet; nothing of it is left afterwards."""
    log = folder / "chromium.log"
    page = PyppeteerPage(folder, BrowserOptions(program=None, visible=False, log=log, extra=extra), address)
    try:
        yield page
    finally:
        await page.close()
        discard_profile(folder)


def session(page: PyppeteerPage) -> PageSession:
    assert page._running is not None
    assert page._running.session is not None
    return page._running.session


def leader(page: PyppeteerPage) -> int:
    assert page.process_id is not None
    return page.process_id
