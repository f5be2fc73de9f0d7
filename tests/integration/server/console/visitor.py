"""A person's browser at the console: a real Chromium, signed in, that keeps what pages complain about."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from messenger_hub.admin.v1 import hub_admin_service_pb2
from messenger_hub_agent.whatsapp.finding import find_browser
from playwright.async_api import Browser, Page, Response, async_playwright

from tests.integration.server.hub import SECONDS, Hub

CONSOLE = "/console/"
Scheme = Literal["light", "dark"]


@dataclass(slots=True)
class Visitor:
    """`page` is the browser's; `complaints` are what it said of pages, `hosts` whom they called."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    async def go(self, path: str) -> Response:
        """Opens a page of the console."""
        response = await self.page.goto(f"{self.address}{CONSOLE}{path}")
        assert response is not None
        return response

    async def look(self, scheme: Scheme, width: int) -> None:
        """The page that is open, in another colour scheme and as wide as another screen."""
        await self.page.emulate_media(color_scheme=scheme)
        await self.page.set_viewport_size({"width": width, "height": 900})

    async def press(self, name: str) -> None:
        """Presses a button or follows a link by its words."""
        found = self.page.get_by_role("button", name=name, exact=True).or_(
            self.page.locator("main").get_by_role("link", name=name, exact=True)
        )
        await found.first.click()

    async def words(self) -> str:
        """What the page says."""
        return await self.page.locator("main").inner_text()


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """A Chromium, which takes longer to start than most visits take. Visits do not share anything that they can see."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), headless=True)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visiting(
    browser: Browser,
    hub: Hub,
    *,
    scheme: Scheme = "light",
    width: int = 1280,
    language: str = "en-US",
    signed_in: bool = True,
) -> AsyncIterator[Visitor]:
    """A window with cookies, storage and connections of its own."""
    context = await browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, locale=language)
    context.set_default_timeout(SECONDS * 1000)
    try:
        page = await context.new_page()
        visitor = Visitor(page, hub.running.http[0])
        page.on("console", lambda told: visitor.complaints.append(told.text) if told.type != "log" else None)
        page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
        page.on("request", lambda asked: visitor.hosts.add("/".join(asked.url.split("/")[:3])))
        if signed_in:
            await page.goto(await link(hub))
            await page.wait_for_url(f"**{CONSOLE}")
        yield visitor
    finally:
        await context.close()


async def link(hub: Hub) -> str:
    """A one-time link."""
    request = hub_admin_service_pb2.CreateConsoleLinkRequest()
    made = await hub.operator.hub.CreateConsoleLink(request, metadata=hub.operator.metadata, timeout=SECONDS)
    return str(made.url)
