"""A screen, a session bus and a program with a tray icon, all of them real."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.tray.desktop import WAIT_SECONDS, Desktop

PROGRAM = Path(__file__).parent / "program.py"
BUS_CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:dir={folder}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bus:
    """A session bus of this test's own."""

    address: str
    process: subprocess.Popen[str]


class Program:
    """The running test program."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._stdin, self._stdout = process.stdin, process.stdout

    def show(self, *channels: dict[str, object], connected: bool = True, disconnected_seconds: int = 0) -> None:
        view = {
            "channels": channels,
            "api_address": "http://127.0.0.1:8080",
            "connected": connected,
            "disconnected_seconds": disconnected_seconds,
        }
        self._stdin.write(json.dumps(view).encode() + b"\n")

    def end(self) -> None:
        """Lets it stop its icon."""
        self._stdin.close()

    async def said(self) -> dict[str, object]:
        """The next thing that it says; `{}` when it has ended."""
        line = await asyncio.wait_for(self._stdout.readline(), WAIT_SECONDS)
        answer: dict[str, object] = json.loads(line or b"{}")
        return answer

    async def exit_code(self) -> int:
        return await asyncio.wait_for(self.process.wait(), WAIT_SECONDS)


StartProgram = Callable[..., Awaitable[Program]]


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """The name of a screen that exists only in memory."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "800x480x24", "-nolisten", "tcp"]
    process = subprocess.Popen(command, pass_fds=[writing], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(writing)
    with _ended(process), os.fdopen(reading) as number:
        yield f":{number.readline().strip()}"


@contextmanager
def session_bus(folder: Path) -> Iterator[Bus]:
    """A bus whose files are in a folder."""
    configuration = folder / "bus.conf"
    configuration.write_text(BUS_CONFIGURATION.format(folder=folder))
    command = ["dbus-daemon", f"--config-file={configuration}", "--print-address", "--nofork"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    with _ended(process), process.stdout as output:
        yield Bus(address=output.readline().strip(), process=process)


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    with session_bus(tmp_path) as bus:
        yield bus


@pytest.fixture
async def desktop(bus: Bus) -> AsyncIterator[Desktop]:
    """A panel and a notification daemon on the bus."""
    desktop = await Desktop.start(bus.address)
    yield desktop
    await desktop.stop()


@pytest.fixture
def opened(tmp_path: Path) -> Path:
    """A file with the address that the desktop's web browser was opened with; there once it was."""
    file = tmp_path / "opened"
    browser = tmp_path / "web-browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {file}.draft && mv {file}.draft {file}\n')
    browser.chmod(0o755)
    return file


def session_environment(display: str, bus: Bus, folder: Path) -> dict[str, str]:
    """That of a desktop session, with a home of its own in a folder and nothing of the session that runs the tests."""
    foreign = ("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "XDG_", "PYSTRAY", "GTK", "GDK")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return own | {
        "DISPLAY": display,
        "DBUS_SESSION_BUS_ADDRESS": bus.address,
        "XDG_RUNTIME_DIR": str(folder),
        "XDG_CONFIG_HOME": str(folder / "configuration"),
        "MESSENGER_HUB_DATA_DIR": str(folder / "no hub here"),
        "NO_AT_BRIDGE": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }


@pytest.fixture
def environment(display: str, bus: Bus, tmp_path: Path, opened: Path) -> dict[str, str]:
    """That of a desktop session with a web browser."""
    return session_environment(display, bus, tmp_path) | {"BROWSER": str(opened.with_name("web-browser"))}


@pytest.fixture
async def start(environment: dict[str, str]) -> AsyncIterator[StartProgram]:
    """Starts the program in the test's environment, with variables changed, or removed where the value is None."""
    async with AsyncExitStack() as ends:

        async def start(*arguments: str, **variables: str | None) -> Program:
            changed = environment | {name: value for name, value in variables.items() if value is not None}
            for name in (name for name, value in variables.items() if value is None):
                changed.pop(name, None)
            process = await asyncio.create_subprocess_exec(
                sys.executable, PROGRAM, *arguments, env=changed, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            ends.push_async_callback(_end, process)
            return Program(process)

        yield start


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await asyncio.wait_for(process.wait(), WAIT_SECONDS)


@contextmanager
def _ended(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        process.wait(WAIT_SECONDS)
