"""Why there is no tray, said in one sentence by a real program, before anything hangs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.tray.conftest import Bus, Program, StartProgram
from tests.integration.tray.desktop import Desktop


async def problem(program: Program) -> str:
    """What it says instead of showing an icon, and that it ends by itself."""
    said = await program.said()
    assert await program.exit_code() == 3
    return str(said["problem"])


async def test_without_a_screen_it_says_so(start: StartProgram) -> None:
    program = await start("--look-first", DISPLAY=None)
    assert await problem(program) == "There is no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set)."


async def test_a_screen_that_cannot_be_opened_is_named(start: StartProgram) -> None:
    program = await start("--look-first", DISPLAY=":4242")
    assert await problem(program) == "The screen :4242 cannot be opened."


async def test_without_a_session_bus_it_says_so_and_starts_none(start: StartProgram) -> None:
    program = await start("--look-first", DBUS_SESSION_BUS_ADDRESS=None)
    assert await problem(program) == "There is no D-Bus session bus (DBUS_SESSION_BUS_ADDRESS is not set)."


async def test_a_session_bus_that_is_gone_is_told(start: StartProgram, bus: Bus) -> None:
    bus.process.terminate()
    bus.process.wait(10)
    assert (await problem(await start("--look-first"))).startswith("The D-Bus session bus does not answer: ")


async def test_without_a_panel_it_says_so(start: StartProgram) -> None:
    said = await problem(await start("--look-first"))
    assert said == "No system tray is running on this desktop (nothing owns org.kde.StatusNotifierWatcher)."


async def test_on_gnome_it_names_the_extension_that_helps(start: StartProgram) -> None:
    said = await problem(await start("--look-first", XDG_CURRENT_DESKTOP="ubuntu:GNOME"))
    assert said == "GNOME shows no tray icons by itself: install and switch on its AppIndicator extension."


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("gi", "PyGObject is not installed: pip install 'messenger-hub[tray]'."),
        ("pystray", "The tray icon's packages are not installed: pip install 'messenger-hub[tray]'."),
    ],
)
async def test_a_package_that_is_missing_is_named(
    tmp_path: Path, environment: dict[str, str], missing: str, sentence: str
) -> None:
    """A finder in front of all others hides the package from a real interpreter."""
    (tmp_path / "hidden.py").write_text(
        "import sys, importlib.machinery as m\n"
        "class Hidden(m.PathFinder):\n"
        "    @classmethod\n"
        "    def find_spec(cls, name, *rest):\n"
        f"        return None if name.split('.')[0] == {missing!r} else super().find_spec(name, *rest)\n"
        "sys.meta_path[:] = [f for f in sys.meta_path if f is not m.PathFinder] + [Hidden]\n"
        "from messenger_hub_agent.tray.availability import tray_problem\n"
        "print(tray_problem())\n"
    )
    command = [sys.executable, str(tmp_path / "hidden.py")]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=True)
    assert finished.stdout.strip() == sentence


async def test_an_icon_started_without_looking_fails_with_the_same_sentence(start: StartProgram) -> None:
    program = await start(DISPLAY=None)
    assert (await problem(program)).startswith("There is no screen here")


async def test_a_bus_address_found_in_the_runtime_folder_is_enough(
    start: StartProgram, bus: Bus, desktop: Desktop, tmp_path: Path
) -> None:
    (tmp_path / "bus").symlink_to(bus.address.split("path=")[1].split(",")[0])
    program = await start("--look-first", DBUS_SESSION_BUS_ADDRESS=None, XDG_RUNTIME_DIR=str(tmp_path))
    assert await program.said() == {"ready": True}
    program.end()
    assert await program.exit_code() == 0
