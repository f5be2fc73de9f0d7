"""A world's own PostgreSQL: killed, stopped and started again in every way, and a way to it for each node that can be cut.

Its folder is a temporary one of the system, as its user has to get there, who is not root.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil

from tests.e2e.whole_way.world import free_port
from tests.postgresql import OWNER, PostgresqlServer, installed, own_folder
from tests.torture.nemesis.programs import ProgramFailed
from tests.torture.nemesis.proxy import Proxy

DATABASE = "hub"
CONNECTIONS = "100"  # half-open ones stay for a while
BACKENDS = """
SELECT pid FROM pg_stat_activity
WHERE datname = 'hub' AND application_name LIKE 'messenger-hub%' AND pid <> pg_backend_pid()
ORDER BY application_name = 'messenger-hub' DESC, backend_start
"""
END = "SELECT pg_terminate_backend({})"

T = TypeVar("T")


class NoPostgresql(Exception):
    """PostgreSQL is wanted and not installed."""


class Postgresql:
    """Use `standing`. `name` stands in the record of what was disturbed; one task works with it at a time: `lock`."""

    name = "database"

    def __init__(self, folder: Path, nodes: Sequence[str]) -> None:
        self.lock = asyncio.Lock()
        self._world = folder
        self._port = free_port()
        self._server: PostgresqlServer
        self._stopped: set[int] = set()
        self.ways = {node: Proxy(free_port(), self._port) for node in nodes}

    def address(self, node: str) -> str:
        """Of the database, by a node's own way."""
        return f"postgresql://{OWNER}@127.0.0.1:{self.ways[node].port}/{DATABASE}"

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[None]:
        """Makes and starts it, with an empty database. At its end its log and a dump are in the world's folder. Raises NoPostgresql."""
        programs = installed()
        if programs is None:
            raise NoPostgresql("PostgreSQL is not installed: apt-get install -y postgresql")
        folder = own_folder()
        self._server = PostgresqlServer(programs, folder, self._port)
        try:
            await _apart(self._server.make)
            await self.start()
            await _apart(self._server.sql, f"CREATE ROLE {OWNER} LOGIN")
            await _apart(self._server.sql, f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
            yield
        finally:
            with suppress(ProgramFailed, OSError):
                await _apart(self._server.dump, DATABASE, self._world / "database.sql")
            await self.kill()
            with suppress(OSError):
                shutil.copy(folder / "log", self._world / "database.log")
            shutil.rmtree(folder, ignore_errors=True)

    async def start(self) -> None:
        """Until it answers, which after a crash takes a recovery. Raises ProgramFailed."""
        self._server.launch(max_connections=CONNECTIONS)
        await self.answering()

    async def answering(self) -> None:
        """Waits until it answers. Raises ProgramFailed."""
        await _apart(self._server.wait)

    @property
    def runs(self) -> bool:
        """It was started, and has not been stopped."""
        return bool(self._server.pid)

    async def kill(self) -> None:
        """SIGKILL to all of its processes, as a machine dies. The first one is stopped before, so that it starts no more."""
        if self.runs:
            with suppress(ProcessLookupError):
                os.kill(self._server.pid, signal.SIGSTOP)
        for process in self._processes():
            _signal(process, signal.SIGKILL)
        await _apart(self._server.stop, signal.SIGKILL)

    async def stop(self, how: signal.Signals) -> None:
        """SIGQUIT: at once, and the next start recovers; SIGINT: in order, with every connection ended."""
        await _apart(self._server.stop, how)

    async def backend(self, pick: float) -> int:
        """A process that serves a hub, more often one that writes; 0 when there is none, or nobody answers."""
        with suppress(ProgramFailed):
            found = (await _apart(self._server.sql, BACKENDS)).split()
            return int(found[int(pick * pick * len(found))]) if found else 0
        return 0

    async def end_backend(self, number: int) -> None:
        """As an administrator ends a connection."""
        with suppress(ProgramFailed):
            await _apart(self._server.sql, END.format(number))

    def stop_backend(self, number: int) -> None:
        """SIGSTOP."""
        self._stopped.add(number)
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGSTOP)

    def go_on(self, number: int) -> None:
        """SIGCONT."""
        self._stopped.discard(number)
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGCONT)

    async def put_right(self) -> None:
        """It runs, and every way to it is open. Raises ProgramFailed."""
        for way in self.ways.values():
            way.heal(forgotten=True)
        for number in list(self._stopped):
            self.go_on(number)
        if not self.runs:
            await self.start()
        await self.answering()

    def _processes(self) -> Sequence[psutil.Process]:
        with suppress(psutil.Error):
            first = psutil.Process(self._server.pid) if self.runs else None
            return [first, *first.children(recursive=True)] if first is not None else ()
        return ()


async def _apart(work: Callable[..., T], *given: object) -> T:
    """In a thread: it waits for other processes. Raises ProgramFailed."""
    try:
        return await asyncio.to_thread(work, *given)
    except (AssertionError, subprocess.SubprocessError) as problem:
        raise ProgramFailed(f"PostgreSQL did not do as it was told: {problem}") from problem


def _signal(process: psutil.Process, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process.pid, number)
