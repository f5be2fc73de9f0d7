"""Servers that are there in 50 ms: each is forked off a process that has imported everything and used nothing of it yet.

What runs is `messenger_hub_server.app.run` with real settings, its real SQLite file and its real doors.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from messenger_hub_server import app, config

READY_SECONDS = 30.0
END_SECONDS = 30.0
RATE_PER_MINUTE = 1_000_000
LOG = "server.log"


class EndedByItself(Exception):
    """A server ended, or said nothing in time, and nobody had killed it; the message says what is known."""


class Child:
    """One life of a server."""

    def __init__(self, process: multiprocessing.process.BaseProcess, telling: Connection) -> None:
        self._process = process
        self._telling = telling

    async def ready(self) -> tuple[str, str]:
        """Waits until it answers; the URL of its HTTP door and HOST:PORT of its gRPC door. Raises EndedByItself."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                await _readable(self._telling.fileno())
            http, grpc = self._telling.recv()
        except (TimeoutError, EOFError) as error:
            raise EndedByItself("it ended before it was ready, or took too long") from error
        return http, grpc

    def kill(self) -> None:
        """SIGKILL."""
        pid = self._process.pid
        assert pid is not None
        # Not yet waited for, so that the number is still its own.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    async def ended(self) -> None:
        """Waits for the end. Raises EndedByItself when it was not killed."""
        async with asyncio.timeout(END_SECONDS):
            await _readable(self._process.sentinel)
        self._process.join()
        self._telling.close()
        code = self._process.exitcode
        self._process.close()
        if code != -signal.SIGKILL:
            raise EndedByItself(f"it ended by itself, with {code}")


class Nursery:
    """Where servers come from. It ends with this process."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__])

    def start(self, folder: Path) -> Child:
        """A new life of the server of this folder, which holds its data and its log."""
        here, there = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_serve, args=(folder, there), daemon=True)
        process.start()
        there.close()
        return Child(process, here)


def _serve(folder: Path, telling: Connection) -> None:
    with (folder / LOG).open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    given = {"http": "127.0.0.1:0", "grpc": "127.0.0.1:0", "data_dir": folder / "data", "log_level": "warning"}
    settings = config.load({**given, "rate_per_minute": RATE_PER_MINUTE}, {})
    app.configure_logging(settings)
    asyncio.run(_live(settings, telling))


async def _live(settings: config.Settings, telling: Connection) -> None:
    stop = asyncio.Event()
    # Whoever started it may be killed too.
    parent = multiprocessing.parent_process()
    assert parent is not None
    asyncio.get_running_loop().add_reader(parent.sentinel, stop.set)
    await app.run(settings, lambda running: telling.send((running.http[0], running.grpc[0])), stop)


async def _readable(descriptor: int) -> None:
    """Waits until there is something to read, or the other side is gone."""
    loop = asyncio.get_running_loop()
    there: asyncio.Future[None] = loop.create_future()

    def now() -> None:
        if not there.done():
            there.set_result(None)

    loop.add_reader(descriptor, now)
    try:
        await there
    finally:
        loop.remove_reader(descriptor)
