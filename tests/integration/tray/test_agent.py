"""The desktop app as a person has it: icon, menu and a browser window, over a real hub, twin, screen and session bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.whole_way.world import World
from tests.eventually import eventually
from tests.integration.tray.desktop import Desktop

pytestmark = pytest.mark.e2e


@pytest.fixture
async def world(tmp_path: Path, environment: dict[str, str], desktop: Desktop) -> AsyncIterator[World]:
    made = World(tmp_path, shown_on=environment)
    try:
        # In a thread: the panel on the bus lives on this loop.
        await asyncio.to_thread(made.set_up)
        await desktop.until_registered()
        yield made
    finally:
        await asyncio.to_thread(made.close)


async def test_the_icon_shows_the_channel_pauses_it_and_quits(world: World, desktop: Desktop) -> None:
    await desktop.until_title("Messenger Hub: shop linked")
    await desktop.click("Pause sending")
    await desktop.until_title("Messenger Hub: shop paused")
    status = await asyncio.to_thread(eventually, lambda: world.status()["channel"] == "paused" and world.status())
    assert "resume it in the tray's menu" in status["reason"]
    waiting = await asyncio.to_thread(world.send, "after the break")
    await desktop.until_item(lambda item: item.label == "1 operation is waiting")
    await desktop.click("Pause sending")
    await asyncio.to_thread(world.reaches, waiting, "read")
    await desktop.until_title("Messenger Hub: shop linked")
    await desktop.click("Pause for an hour")
    await asyncio.to_thread(eventually, lambda: " until 20" in world.status()["reason"])
    await desktop.click("Pause sending")
    await desktop.until_title("Messenger Hub: shop linked")
    browser = world.browser()
    assert browser is not None
    assert "--headless" not in browser.cmdline()
    await desktop.click("Quit")
    await asyncio.to_thread(eventually, lambda: not world.runs("agent"))
    assert not browser.is_running()
    assert world.end("agent") == 0


async def test_a_device_that_the_phone_removed_is_notified_once(world: World, desktop: Desktop) -> None:
    await asyncio.to_thread(world.phones, "logout")
    await desktop.until_title("Messenger Hub: shop not linked")
    notice = await desktop.until_notified("shop: logged out")
    assert notice.message == "The phone has removed this device. Choose “Link WhatsApp…” in the icon's menu."


async def test_whoever_chooses_to_link_gets_a_new_code_where_whatsapp_has_stopped_showing_any(
    world: World, desktop: Desktop
) -> None:
    await asyncio.to_thread(world.phones, "logout")
    await desktop.until_title("Messenger Hub: shop not linked")
    await asyncio.to_thread(world.phones, "codes", count=0)
    await desktop.until_item(lambda item: "no more codes" in item.label)
    await asyncio.to_thread(world.phones, "codes")
    await desktop.click("Link WhatsApp…")
    await asyncio.to_thread(world.scan)
    await desktop.until_title("Messenger Hub: shop linked")
