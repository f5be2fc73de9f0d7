"""The bench's other processes: each reads one JSON command a line and answers with one JSON line."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

ANSWER_SECONDS = 60.0
LONGEST_LINE = 256 * 1024 * 1024


class ChildFailed(Exception):
    """A process ended or did not answer; the message names its log."""


class Child:
    """One process. Use `start`, and `end` however the run ends."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.process = process
        self._log = log
        self._usage = psutil.Process(process.pid)

    @classmethod
    async def start(cls, name: str, arguments: list[str], folder: Path, **environment: str) -> Child:
        """Runs `python -m ARGUMENTS`; what it logs goes to NAME.log in the folder."""
        log = folder / f"{name}.log"
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=file,
                env={**os.environ, **environment},
                limit=LONGEST_LINE,
            )
        return cls(name, process, log)

    @property
    def cpu_seconds(self) -> float:
        """Processor time so far, user and system."""
        times = self._usage.cpu_times()
        return float(times.user + times.system)

    async def line(self, seconds: float = ANSWER_SECONDS) -> Any:
        """What it says next."""
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(seconds):
                line = await self.process.stdout.readline()
        except TimeoutError as error:
            raise ChildFailed(f"{self.name} did not answer within {seconds:.0f} s.\n{self._tail()}") from error
        if not line:
            raise ChildFailed(f"{self.name} ended.\n{self._tail()}")
        return json.loads(line)

    async def ask(self, command: Mapping[str, object], seconds: float = ANSWER_SECONDS) -> Any:
        """One command, one answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        await self.process.stdin.drain()
        return await self.line(seconds)

    async def end(self) -> None:
        """Kills it: nothing of a bench is worth waiting for, and the hub must stand it."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    def _tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])


async def commands() -> asyncio.StreamReader:
    """In such a process: its standard input."""
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


def answer(value: object) -> None:
    """In such a process: one answer."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
