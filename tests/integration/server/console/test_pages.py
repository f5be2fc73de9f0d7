"""Every page as a person sees it: in light and dark, wide and narrow, with nothing and with much, for everybody."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from tests.integration.server.agent import connected, enrolled
from tests.integration.server.console.visitor import LOOKS, Browser, Visitor, link, visiting
from tests.integration.server.hub import SECONDS, Hub
from tests.integration.server.test_operations import send, uncertain

EMPTY = (
    "",
    "channels",
    "session-apis",
    "session-apis/new",
    "operations",
    "agents",
    "settings",
    "checks",
    "log",
    "sign-in",
)
FULL = (
    *(
        "",
        "channels",
        "channels/1",
        "channels/1/link",
        "channels/1/page",
        "channels/1/clear",
        "channels/1/unlink",
        "channels/1/delete",
    ),
    *("session-apis", "session-apis/new", "session-apis/1", "operations", "operations/1", "operations/2", "nowhere"),
    *("agents", "agents/1/revoke", "settings", "checks", "log", "operations/cancel"),
)


async def sound(visitor: Visitor, path: str) -> None:
    """Nothing that keeps somebody out, nothing wider than the screen."""
    response = await visitor.go(path)
    assert response.status in (200, 404, 409), path
    await sees(visitor, path)


async def sees(visitor: Visitor, path: str, part: str | None = None) -> None:
    """The same of a page that is open, or of a part of it, as a selector. Axe is brought into the page once for both looks; the one
    that the page has comes first, and the next page is opened in the other one."""
    looks = sorted(LOOKS, key=visitor.seen.__ne__)
    for axe, (scheme, width) in zip((Axe(), Axe(axe_script="void 0")), looks, strict=True):
        if visitor.seen != (scheme, width):
            await visitor.look(scheme, width)
        found = await axe.run(visitor.page, context=part)
        assert found.violations_count == 0, f"{path}, {scheme}, {width}: {found.generate_report()}"
        wide = await visitor.page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        assert not wide, f"{path}, {width}"


def complaints(visitor: Visitor) -> list[str]:
    # An address that is none, and a desktop that gives no picture.
    return [told for told in visitor.complaints if "404" not in told and "409" not in told]


async def test_pages_without_anything_teach_and_everybody_can_read_them(hub: Hub, browser: Browser) -> None:
    async with visiting(browser, hub) as visitor:
        for path in EMPTY:
            await sound(visitor, path)
        assert complaints(visitor) == []
        assert visitor.hosts == {hub.running.http[0]}


async def test_pages_with_much_can_be_read_by_everybody(hub: Hub, browser: Browser) -> None:
    api = await hub.session_api("W" * 64)
    async with connected(hub, 1, await enrolled(hub, "desk")) as agent:
        await uncertain(hub, api, agent)
    for number in range(60):
        await send(hub, api, mobile=f"1202555{number:04}", reference=f"order-{number}")
    async with visiting(browser, hub) as visitor:
        for path in FULL:
            await sound(visitor, path)
        assert complaints(visitor) == []


async def test_a_link_leads_a_browser_to_the_first_page(hub: Hub, browser: Browser) -> None:
    async with browser.profile("en-US") as profile:
        page = await profile.new_page()
        await page.goto(await link(hub))
        await page.wait_for_url("**/console/")
        await expect(page.get_by_role("button", name="Sign out")).to_be_visible()


async def test_all_of_it_works_with_the_keyboard_alone(hub: Hub, browser: Browser) -> None:
    async with visiting(browser, hub) as visitor:
        page = visitor.page
        await visitor.go("channels")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "main"
        await page.focus("#name")
        await page.keyboard.type("by keyboard")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/channels/2?done=made", timeout=SECONDS * 1000)


async def test_times_are_said_in_the_readers_zone_with_the_exact_one_beside(hub: Hub, browser: Browser) -> None:
    async with visiting(browser, hub) as visitor:
        await visitor.go("channels/1")
        found = visitor.page.locator("time").last
        assert await found.get_attribute("title")
        assert "UTC" not in (await found.inner_text())


def test_every_page_file_is_small(request: pytest.FixtureRequest) -> None:
    static = Path(request.config.rootpath) / "server/messenger_hub_server/console/static"
    assert all(path.stat().st_size < 40_000 for path in static.iterdir())
