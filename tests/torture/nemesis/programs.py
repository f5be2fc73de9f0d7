"""The hub's programs as users run them, each its own process, which can be killed, stopped and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from tests.nursery.nursery import ForkedAsync, fork

READY_SECONDS = 60.0
END_SECONDS = 45.0
AGAIN_SECONDS = 0.2
REFUSED = 6
"""The exit code of a server that cannot start right now, as docs/command-line.md has it."""


class ProgramFailed(Exception):
    """A program ended by itself or said nothing in time; the message names its log."""


class Program:
    """`messenger-hub ARGUMENTS`; what it logs is appended to NAME.log in the folder. One task works with it at a time: `lock`."""

    def __init__(self, name: str, arguments: Sequence[str], folder: Path) -> None:
        self.name = name
        self.arguments = arguments
        self.log = folder / f"{name}.log"
        self.lock = asyncio.Lock()
        self.clock_seconds = 0.0  # how far its clock is ahead at every start from now on
        self._process: ForkedAsync | None = None

    @property
    def pid(self) -> int:
        """Of the running process. Raises ProgramFailed when there is none."""
        if self._process is None or self._process.returncode is not None:
            raise ProgramFailed(f"{self.name} does not run; its log is {self.log}.")
        return self._process.pid

    @property
    def runs(self) -> bool:
        """It was started, and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def own_end(self) -> str:
        """What to say about its having ended by itself: a negative code is the signal that ended it."""
        code = self._process.returncode if self._process is not None else None
        return f"{self.name} had ended by itself with {code}; its log is {self.log}"

    async def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Starts it and waits until it says that it works. Raises ProgramFailed."""
        await self.spawn(environment)
        await self.ready()

    async def spawn(self, environment: Mapping[str, str] | None = None) -> None:
        """Starts it."""
        with self.log.open("ab") as log:
            command = (*self._command(), *self.arguments, "--with-parent", "--debug")
            # Its standard input is held: it ends when we do, however we end.
            told = {**os.environ, "PYTHONFAULTHANDLER": "1", **(environment or {})}
            self._process = await ForkedAsync(fork(command, told, log)).ready()

    def _command(self) -> Sequence[str]:
        wrong = ("tests.torture.nemesis.wrong_clock", f"{self.clock_seconds:.3f}")
        return wrong if self.clock_seconds else ("messenger_hub_cli",)

    async def ready(self, seconds: float = READY_SECONDS) -> None:
        """Waits for its first line. Raises ProgramFailed when it ends instead, or says nothing."""
        process = self._process
        if process is None:
            raise ProgramFailed(f"{self.name} was not started.")
        try:
            async with asyncio.timeout(seconds):
                line = await process.stdout.readline()
        except TimeoutError as error:
            raise ProgramFailed(f"{self.name} said nothing for {seconds:.0f} s; its log is {self.log}.") from error
        if not line:
            code = await process.wait()
            raise ProgramFailed(f"{self.name} ended with {code}; its log is {self.log}.")

    def signal(self, number: int) -> None:
        """Sends it a signal. Raises ProgramFailed when it does not run."""
        os.kill(self.pid, number)

    async def kill(self) -> None:
        """SIGKILL, and waits for the end."""
        self.signal(signal.SIGKILL)
        await self.ended()

    async def ended(self, seconds: float = END_SECONDS) -> int:
        """Waits for its end; the exit code. Raises TimeoutError."""
        process = self._process
        if process is None:
            return 0
        async with asyncio.timeout(seconds):
            return await process.wait()

    async def end(self) -> None:
        """Asks it to stop and waits; kills it when it does not."""
        if not self.runs:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            await self.ended()
        except TimeoutError:
            await self.kill()

    def browsers(self) -> Sequence[psutil.Process]:
        """The main processes of an agent's browsers, oldest first."""
        with suppress(ProgramFailed, psutil.Error):
            children = psutil.Process(self.pid).children()
            found = [child for child in children if "--remote-debugging-pipe" in _words(child)]
            return sorted(found, key=lambda one: one.create_time())
        return []


class Supervised(Program):
    """One that is started again when it ends before it works, as a service manager does it: a server whose database is away."""

    async def ready(self, seconds: float = READY_SECONDS) -> None:
        """Of one of its starts. Raises ProgramFailed when there is none in time, or it has ended otherwise than by refusing."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                await super().ready(max(AGAIN_SECONDS, deadline - time.monotonic()))
            except ProgramFailed:
                if self.runs or time.monotonic() > deadline or await self.ended() != REFUSED:
                    raise
            else:
                return
            await asyncio.sleep(AGAIN_SECONDS)
            await self.spawn()


def pages(browser: psutil.Process) -> Sequence[psutil.Process]:
    """A browser's renderers: the processes of its pages."""
    with suppress(psutil.Error):
        return [one for one in browser.children(recursive=True) if "--type=renderer" in _words(one)]
    return []


def _words(process: psutil.Process) -> Sequence[str]:
    with suppress(psutil.Error):
        return list(process.cmdline())
    return ()
