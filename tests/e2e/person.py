"""Somebody's browser, in which they look at the console."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from messenger_hub_agent.whatsapp.finding import find_browser
from playwright.async_api import Page, async_playwright


@asynccontextmanager
async def somebody(patience_seconds: float) -> AsyncIterator[Page]:
    """An empty page, which waits so long for what should be on it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), headless=True)
        page = await browser.new_page()
        page.set_default_timeout(patience_seconds * 1000)
        yield page
        await browser.close()
