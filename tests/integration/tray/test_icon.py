"""The icon as a panel sees it: a real program on a real session bus."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest
from messenger_hub_agent.tray.artwork import picture
from messenger_hub_agent.tray.menu import IconName

from tests.eventually import eventually
from tests.integration.tray.conftest import Bus, Program, StartProgram
from tests.integration.tray.desktop import WAIT_SECONDS, Desktop, Notification


def sales(state: str = "linked", **more: object) -> dict[str, object]:
    return {"id": "c1", "name": "Sales", "state": state, "queue_depth": 3} | more


def support(state: str = "linked", **more: object) -> dict[str, object]:
    return {"id": "c2", "name": "Support_2 & Co", "state": state, "queue_depth": 0} | more


@pytest.fixture
async def program(start: StartProgram, desktop: Desktop) -> Program:
    """The program with its icon up, showing one linked channel."""
    program = await start("--look-first")
    assert await program.said() == {"ready": True}
    program.show(sales())
    await desktop.until_registered()
    await desktop.until_title("Messenger Hub: Sales linked, 3 waiting")
    await desktop.until_picture(picture(IconName.LINKED))
    await desktop.until_item(lambda item: item.label == "3 operations are waiting")
    await desktop.until_item(lambda item: item.label == "Start at login" and item.enabled)  # it asks once it is up
    return program


async def test_the_icon_shows_title_picture_and_menu(program: Program, desktop: Desktop) -> None:
    assert await desktop.icon_title() == "Messenger Hub: Sales linked, 3 waiting"
    assert await desktop.labels() == [
        "Sales: linked",
        "3 operations are waiting",
        "Pause sending",
        "Pause for an hour",
        "Link WhatsApp…",
        "Open the console",
        "Copy API address",
        "Start at login",
        "About",
        "Quit",
    ]
    clickable = {item.label for item in await desktop.menu() if item.enabled}
    assert clickable >= {"Pause sending", "Open the console", "Copy API address", "Quit"}


async def test_pausing_asks_for_it_and_the_check_mark_follows_the_agents_answer(
    program: Program, desktop: Desktop
) -> None:
    await desktop.click("Pause sending")
    said = await program.said()
    assert said == {"command": "Pause", "channel_id": "c1", "seconds": None, "on_main_thread": True}
    program.show(sales("paused"))
    await desktop.until_item(lambda item: item.label == "Pause sending" and item.checked is True)
    assert await desktop.icon_title() == "Messenger Hub: Sales paused, 3 waiting"
    await desktop.click("Pause sending")
    assert (await program.said())["command"] == "Resume"


async def test_several_channels_open_submenus_whose_clicks_name_their_channel(
    program: Program, desktop: Desktop
) -> None:
    program.show(sales(), support("unlinked", reason="Scan the QR code."))
    # The menu's protocol doubles underscores, because a single one marks a shortcut key.
    label = "Support__2 & Co: not linked"
    await desktop.until_item(lambda item: item.label == label)
    menu = {item.label: item for item in await desktop.menu()}
    assert [item.label for item in menu[label].items] == [
        "Scan the QR code.",
        "Nothing is waiting",
        "Pause sending",
        "Pause for an hour",
        "Link WhatsApp…",
    ]
    await desktop.click(label, "Link WhatsApp…")
    assert await program.said() == {"command": "Link", "channel_id": "c2", "on_main_thread": True}


async def until_settled(program: Program, desktop: Desktop) -> None:
    """Waits for a notice whose view changes nothing to see: whatever was to be redrawn before it has been."""
    desktop.notifications.clear()
    program.show(sales(), disconnected_seconds=90)
    program.show(sales())
    await desktop.until_notified("Connected to the hub again")


async def test_a_view_that_looks_the_same_touches_nothing(program: Program, desktop: Desktop) -> None:
    await until_settled(program, desktop)
    # A rebuilt menu has items with new ids, and a redrawn icon a new file.
    menu, file = await desktop.menu(), await desktop.icon_file()
    program.show(sales(reason="  "))
    await until_settled(program, desktop)
    assert (await desktop.menu(), await desktop.icon_file()) == (menu, file)
    program.show(sales(queue_depth=4))
    await desktop.until_item(lambda item: item.label == "4 operations are waiting")
    assert await desktop.menu() != menu
    assert await desktop.icon_file() == file


async def test_a_log_out_changes_the_icon_and_is_told_with_its_cause(program: Program, desktop: Desktop) -> None:
    program.show(sales("unlinked", reason="The phone ended the link."))
    notice = await desktop.until_notified("Sales: logged out")
    assert notice.message == "The phone ended the link. Choose “Link WhatsApp…” in the icon's menu."
    await desktop.until_title("Messenger Hub: Sales not linked, 3 waiting")
    await desktop.until_picture(picture(IconName.UNLINKED))


async def test_two_changes_at_once_are_told_in_one_notice_with_markup_escaped(
    program: Program, desktop: Desktop
) -> None:
    program.show(sales(), support())
    program.show(sales("needs_update"), support("unlinked", reason="Gone."))
    notice = await desktop.until_notified("Messenger Hub")
    assert notice.message.startswith("Sales: needs an update. ")
    assert "\nSupport_2 &amp; Co: logged out. Gone." in notice.message


async def test_a_server_out_of_reach_for_a_minute_is_told(program: Program, desktop: Desktop) -> None:
    program.show(sales(), connected=False, disconnected_seconds=5)
    program.show(sales(), connected=False, disconnected_seconds=61)
    assert (await desktop.until_notified("No connection to the hub")).message.startswith("Nothing is lost")
    assert await desktop.icon_title() == "Messenger Hub: no connection to the hub"


READ_CLIPBOARD = """
import gi
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, Gtk
print(Gtk.Clipboard.get(Gdk.SELECTION_CLIPBOARD).wait_for_text())
"""


async def test_copying_the_address_fills_the_clipboard_and_tells_the_agent_and_the_person(
    program: Program, desktop: Desktop, environment: dict[str, str]
) -> None:
    await desktop.click("Copy API address")
    said = await program.said()
    assert (said["command"], said["address"]) == ("CopyAddress", "http://127.0.0.1:8080")
    notice = await desktop.until_notified("API address copied")
    assert notice == Notification(title="API address copied", message="http://127.0.0.1:8080")
    reader = await asyncio.create_subprocess_exec(
        sys.executable, "-c", READ_CLIPBOARD, env=environment, stdout=asyncio.subprocess.PIPE
    )
    copied, _ = await asyncio.wait_for(reader.communicate(), WAIT_SECONDS)
    assert copied.decode().strip() == "http://127.0.0.1:8080"


async def test_the_console_opens_at_the_hubs_address_where_the_hub_is_on_another_machine(
    program: Program, desktop: Desktop, opened: Path
) -> None:
    await desktop.click("Open the console")
    assert await program.said() == {
        "command": "OpenConsole",
        "address": "http://127.0.0.1:8080",
        "on_main_thread": True,
    }
    await asyncio.to_thread(eventually, opened.exists)
    assert opened.read_text().strip() == "http://127.0.0.1:8080/console/"


async def test_starting_at_login_is_turned_on_and_off_and_the_check_mark_follows(
    program: Program, desktop: Desktop, environment: dict[str, str]
) -> None:
    entry = Path(environment["XDG_CONFIG_HOME"]) / "autostart" / "messenger-hub.desktop"
    for wanted in (True, False):
        await desktop.click("Start at login")
        assert (await program.said())["wanted"] is wanted
        # A click sets the mark before anything was done, so the file is looked at first.
        await asyncio.to_thread(eventually, lambda wanted=wanted: entry.exists() is wanted)
        await desktop.until_item(lambda item, wanted=wanted: item.label == "Start at login" and item.checked is wanted)


async def test_quit_only_asks_and_the_icon_stays_until_the_agent_is_done(program: Program, desktop: Desktop) -> None:
    await desktop.click("Quit")
    assert (await program.said())["command"] == "Quit"
    assert "Quit" in await desktop.labels()
    program.end()
    assert await program.said() == {"ended": True}
    assert await program.exit_code() == 0


async def test_an_interrupt_reaches_the_programs_own_handler(program: Program) -> None:
    program.process.send_signal(signal.SIGINT)
    assert await program.said() == {"interrupted": True}
    assert await program.said() == {"ended": True}
    assert await program.exit_code() == 0


async def test_a_stop_before_the_icon_is_up_ends_the_run(start: StartProgram, desktop: Desktop) -> None:
    program = await start()
    program.end()
    assert await program.exit_code() == 0


async def test_without_a_notification_daemon_it_ends_cleanly(start: StartProgram, bus: Bus) -> None:
    panel = await Desktop.start(bus.address, notifications=False)
    program = await start()
    assert await program.said() == {"ready": True}
    program.end()
    assert await program.said() == {"ended": True}
    assert await program.exit_code() == 0
    await panel.stop()


async def test_the_program_outlives_its_session_bus(program: Program, bus: Bus) -> None:
    bus.process.terminate()
    bus.process.wait(10)
    program.end()
    assert await program.said() == {"ended": True}
    assert await program.exit_code() == 0


async def test_the_pictures_file_is_gone_afterwards(program: Program, desktop: Desktop) -> None:
    file = Path(await desktop.icon_file())
    program.end()
    assert await program.exit_code() == 0
    assert not file.exists()
