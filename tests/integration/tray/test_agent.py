"""The desktop app as a person has it: icon, menu and a browser window, over a real hub, twin, screen and session bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.whole_way.world import World
from tests.eventually import eventually
from tests.integration.tray.conftest import session_bus, session_environment
from tests.integration.tray.desktop import Desktop

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A person's session at a desktop, with the app in it."""

    world: World
    desktop: Desktop


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def session(display: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Session]:
    folder: Path = tmp_path_factory.mktemp("session")
    with session_bus(folder) as bus:
        desktop = await Desktop.start(bus.address)
        world = World(folder, shown_on=session_environment(display, bus, folder))
        try:
            # In a thread: the panel on the bus lives on this loop.
            await asyncio.to_thread(world.set_up)
            yield Session(world=world, desktop=desktop)
        finally:
            await asyncio.to_thread(world.close)
            await desktop.stop()


@pytest.fixture
def desktop(session: Session) -> Desktop:
    return session.desktop


@pytest_asyncio.fixture(loop_scope="module")
async def world(session: Session) -> World:
    """The app runs, is linked and shows it; nothing was notified yet."""
    world, desktop = session.world, session.desktop
    if not world.runs("agent"):
        await asyncio.to_thread(world.start, "agent")
    await asyncio.to_thread(world.phones, "reset")
    if not await asyncio.to_thread(_settled, world):
        await asyncio.to_thread(world.scan)
    await asyncio.to_thread(world.is_linked)
    await desktop.until_registered()
    await desktop.until_title("Messenger Hub: shop linked")
    desktop.notifications.clear()
    return world


def _settled(world: World) -> bool:
    """Whether a message would go out, once the page has started."""
    return bool(
        eventually(lambda: world.status()["channel"] not in ("starting", "offline") and world.status())["can_send"]
    )


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
