"""A person's browser at the console: a real Chromium, signed in, that keeps what pages complain about."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from messenger_hub.admin.v1 import hub_admin_service_pb2
from messenger_hub_agent.whatsapp.finding import find_browser
from playwright import async_api as playwright
from playwright.async_api import BrowserContext, Page, Response, ViewportSize, async_playwright

from tests.integration.server.hub import SECONDS, Hub

CONSOLE = "/console/"
Scheme = Literal["light", "dark"]
LOOKS: Sequence[tuple[Scheme, int]] = (("light", 1280), ("dark", 390))
"""Contrast is of the scheme, and room of the width: two looks have both of each. A visit begins with the first one."""


def screen(width: int) -> ViewportSize:
    """A screen that is so wide."""
    return {"width": width, "height": 900}


@dataclass(slots=True)
class Visitor:
    """`page` is the browser's; `complaints` are what it said of pages, `hosts` whom they called, `seen` the
    colour scheme and the width that they have."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    seen: tuple[Scheme, int] = LOOKS[0]

    async def go(self, path: str) -> Response:
        """Opens a page of the console."""
        response = await self.page.goto(f"{self.address}{CONSOLE}{path}")
        assert response is not None
        return response

    async def look(self, scheme: Scheme, width: int) -> None:
        """The page that is open, in another colour scheme and as wide as another screen."""
        await self.page.emulate_media(color_scheme=scheme)
        await self.page.set_viewport_size(screen(width))
        self.seen = scheme, width

    async def press(self, name: str) -> None:
        """Presses a button or follows a link by its words."""
        found = self.page.get_by_role("button", name=name, exact=True).or_(
            self.page.locator("main").get_by_role("link", name=name, exact=True)
        )
        await found.first.click()

    async def words(self) -> str:
        """What the page says."""
        return await self.page.locator("main").inner_text()


class Browser:
    """A Chromium. A profile takes it as long as some pages, so that each is kept and emptied: visits share nothing that they can see."""

    def __init__(self, chromium: playwright.Browser) -> None:
        self._chromium = chromium
        self._unused: dict[str, list[BrowserContext]] = {}

    @asynccontextmanager
    async def profile(self, language: str) -> AsyncIterator[BrowserContext]:
        """Cookies and permissions of somebody who reads this language, with all their pages."""
        unused = self._unused.setdefault(language, [])
        context = unused.pop() if unused else await self._made(language)
        try:
            yield context
        finally:
            for page in context.pages[1:]:
                await page.close()
            await context.clear_cookies()
            await context.clear_permissions()
            unused.append(context)  # one that could not be emptied never gets here

    async def _made(self, language: str) -> BrowserContext:
        scheme, width = LOOKS[0]
        made = await self._chromium.new_context(locale=language, color_scheme=scheme, viewport=screen(width))
        made.set_default_timeout(SECONDS * 1000)
        # An empty one that stays: without any, the window closes, and the next visit needs another.
        await made.new_page()
        return made


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """A Chromium, which takes longer to start than most visits take."""
    async with async_playwright() as driver:
        chromium = await driver.chromium.launch(executable_path=find_browser(), headless=True)
        try:
            yield Browser(chromium)
        finally:
            await chromium.close()


@asynccontextmanager
async def visiting(browser: Browser, hub: Hub, *, language: str = "en-US") -> AsyncIterator[Visitor]:
    """An empty page of somebody who is signed in."""
    async with browser.profile(language) as profile:
        entered = await profile.request.get(await link(hub))
        assert entered.ok
        page = await profile.new_page()
        visitor = Visitor(page, hub.running.http[0])
        page.on("console", lambda told: visitor.complaints.append(told.text) if told.type != "log" else None)
        page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
        page.on("request", lambda asked: visitor.hosts.add("/".join(asked.url.split("/")[:3])))
        yield visitor


async def link(hub: Hub) -> str:
    """A one-time link."""
    request = hub_admin_service_pb2.CreateConsoleLinkRequest()
    made = await hub.operator.hub.CreateConsoleLink(request, metadata=hub.operator.metadata, timeout=SECONDS)
    return str(made.url)
