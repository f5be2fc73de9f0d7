"""The hands at a world's PostgreSQL: its processes, the connections that it serves, and the ways to it.

How long each node then takes to say that it can accept is measured where the fault had the world for itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

from tests.torture.nemesis.done import Done, Recovery
from tests.torture.nemesis.estate import Estate
from tests.torture.nemesis.nodes import Node
from tests.torture.nemesis.plan import (
    CRASH_DATABASE,
    CUT_DATABASE,
    END_BACKEND,
    HALF_OPEN_DATABASE,
    KILL_BACKEND,
    KILL_DATABASE,
    RESTART_DATABASE,
    STALL_DATABASE,
    STOP_BACKEND,
    Step,
)
from tests.torture.nemesis.postgresql import Postgresql
from tests.torture.nemesis.proxy import Mode

RECOVERY_SECONDS = 60.0
LOOK_SECONDS = 0.05

WAYS = {CUT_DATABASE: Mode.CUT, STALL_DATABASE: Mode.STALLED, HALF_OPEN_DATABASE: Mode.VANISHING}

Disturbing = Callable[[Step, str], AbstractAsyncContextManager[None]]


class DatabaseHands:
    """Carries out `acts`, and notes it in `done`. `disturbing`: notes what is disturbed, and for how long."""

    def __init__(self, estate: Estate, database: Postgresql, done: Done, disturbing: Disturbing) -> None:
        self._estate = estate
        self._database = database
        self._done = done
        self._disturbing = disturbing
        self._way = asyncio.Lock()
        self.acts: Mapping[str, Callable[[Step], Coroutine[None, None, None]]] = {
            KILL_DATABASE: self._kill,
            CRASH_DATABASE: lambda step: self._stop(step, signal.SIGQUIT),
            RESTART_DATABASE: lambda step: self._stop(step, signal.SIGINT),
            KILL_BACKEND: self._kill_backend,
            END_BACKEND: self._end_backend,
            STOP_BACKEND: self._stop_backend,
            **dict.fromkeys(WAYS, self._disturb_way),
        }

    # ---- the server ---------------------------------------------------------------------------------------------------------

    async def _kill(self, step: Step) -> None:
        async with self._down(step) as free:
            if free:
                await self._database.kill()
                self._done.kills += 1

    async def _stop(self, step: Step, how: signal.Signals) -> None:
        async with self._down(step) as free:
            if free:
                await self._database.stop(how)

    @asynccontextmanager
    async def _down(self, step: Step) -> AsyncIterator[bool]:
        """Whether it is in nobody's hands; then it is started again after what is done to it."""
        if self._database.lock.locked():
            self._pass_over(step)
            yield False
            return
        async with self._database.lock:
            async with self._disturbing(step, self._database.name):
                yield True
                await asyncio.sleep(step.seconds)
                await self._database.start()
            await self._recover(step, self._estate.nodes)

    # ---- connections --------------------------------------------------------------------------------------------------------

    async def _kill_backend(self, step: Step) -> None:
        """SIGKILL to one of its processes: PostgreSQL ends all the others, and recovers."""
        async with self._backend(step) as number:
            if number:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
                    self._done.kills += 1
                await self._database.answering()

    async def _end_backend(self, step: Step) -> None:
        async with self._backend(step) as number:
            if number:
                await self._database.end_backend(number)

    async def _stop_backend(self, step: Step) -> None:
        """It holds what it has locked, and answers to nothing."""
        async with self._backend(step) as number:
            if number:
                self._database.stop_backend(number)
                await asyncio.sleep(step.seconds)
                self._database.go_on(number)

    @asynccontextmanager
    async def _backend(self, step: Step) -> AsyncIterator[int]:
        """A process that serves a hub; 0 when there is none, or the database is in other hands."""
        number = 0 if self._database.lock.locked() else await self._database.backend(step.pick)
        if not number or self._database.lock.locked():
            self._pass_over(step)
            yield 0
            return
        async with self._database.lock, self._disturbing(step, self._database.name):
            yield number

    # ---- ways ---------------------------------------------------------------------------------------------------------------

    async def _disturb_way(self, step: Step) -> None:
        if self._way.locked():
            self._pass_over(step)
            return
        node = self._estate.nodes[int(step.pick * len(self._estate.nodes))]
        way = self._database.ways[node.program.name]
        async with self._way:
            async with self._disturbing(step, f"{node.program.name} and its {self._database.name}"):
                way.set(WAYS[step.fault.name])
                await asyncio.sleep(step.seconds)
                way.heal(forgotten=True)
            await self._recover(step, [node])

    # ---- what came of it ----------------------------------------------------------------------------------------------------

    async def _recover(self, step: Step, nodes: Sequence[Node]) -> None:
        """Waits until these say that they can accept, when that is measured."""
        if not step.alone:
            return
        begun = time.monotonic()
        seconds: float | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(RECOVERY_SECONDS):
                while not all([await self._estate.ready(node) for node in nodes]):
                    await asyncio.sleep(LOOK_SECONDS)
                seconds = time.monotonic() - begun
        recovery = Recovery(fault=step.fault.name, lasted_seconds=step.seconds, seconds=seconds)
        self._done.recoveries.append(recovery)

    def _pass_over(self, step: Step) -> None:
        self._done.missed[step.fault.name] += 1
