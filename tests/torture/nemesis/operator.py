"""Somebody who makes keys for programs at any node, switches them off and on again at others, and tries them wherever a call goes."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from messenger_hub.admin.v1 import session_api_admin_service_pb2 as pb
from messenger_hub_cli.failures import CliError, NotFound
from messenger_hub_cli.running_hub import RunningHub, running_hub

from tests.torture.nemesis.clients import pause
from tests.torture.nemesis.estate import CALL_SECONDS, Estate
from tests.torture.nemesis.record import KeyChange, KeyUse

KEYS_MOST = 6
TURN_SECONDS = (0.1, 0.6)  # between two acts
MAKES, SWITCHES = 0.15, 0.45  # of the acts; the others are calls with a key
LAST_SECONDS = 60.0  # for all nodes to answer at the end


class Operator:
    """One act at a time, so that it knows their order. A key whose fate it does not know it leaves alone."""

    def __init__(self, estate: Estate, chance: random.Random) -> None:
        self.changes: list[KeyChange] = []
        self.uses: list[KeyUse] = []
        self.wrong: list[str] = []
        self._estate = estate
        self._chance = chance
        self._keys: dict[str, str] = {}  # by the name of their session API
        self._made = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        while not stop.is_set():
            act = self._chance.random()
            if not self._keys or (act < MAKES and len(self._keys) < KEYS_MOST):
                await self._make()
            elif act < SWITCHES:
                await self._switch(self._chance.choice(sorted(self._keys)))
            else:
                await self._use(self._chance.choice(sorted(self._keys)))
            await pause(stop, self._chance.uniform(*TURN_SECONDS))

    async def last_looks(self) -> None:
        """Each key once more at each node, when all of them answer."""
        async with asyncio.timeout(LAST_SECONDS):
            for name in sorted(self._keys):
                for _ in self._estate.nodes:
                    while not await self._use(name):
                        await asyncio.sleep(TURN_SECONDS[0])

    # ---- acts ---------------------------------------------------------------------------------------------------------------

    async def _make(self) -> None:
        self._made += 1
        name, channel = f"key {self._made}", self._chance.choice(self._estate.layout.channels)
        begun = time.monotonic()
        wanted = pb.CreateSessionApiRequest(name=name, channel=channel)
        if made := await self._asked(lambda hub: hub.session_apis.CreateSessionApi(wanted)):
            self._keys[name] = made.key
            self.changes.append(KeyChange(name=name, alive=True, begun=begun, ended=time.monotonic()))

    async def _switch(self, name: str) -> None:
        alive = not next(one.alive for one in reversed(self.changes) if one.name == name)
        begun = time.monotonic()
        on, off = pb.ActivateSessionApiRequest(session_api=name), pb.DeactivateSessionApiRequest(session_api=name)
        if await self._asked(
            lambda hub: hub.session_apis.ActivateSessionApi(on) if alive else hub.session_apis.DeactivateSessionApi(off)
        ):
            self.changes.append(KeyChange(name=name, alive=alive, begun=begun, ended=time.monotonic()))
        else:
            del self._keys[name]

    async def _asked(self, call: Callable[[RunningHub], Awaitable[Any]]) -> Any:
        """The answer of any node; None where nobody said that it was done: it may be, or may happen later."""
        node = self._chance.choice(self._estate.nodes)
        try:
            async with asyncio.timeout(CALL_SECONDS), running_hub(node.folder) as hub:
                return await call(hub)
        except NotFound as lost:
            self.wrong.append(f"what was made at a node is not found at {node.program.name}: {lost}")
        except (CliError, TimeoutError, grpc.aio.UsageError):
            pass
        return None

    async def _use(self, name: str) -> bool:
        """Whether a program was told if it is let in."""
        begun, channel = time.monotonic(), self._estate.layout.channels[0]
        status, _ = await self._estate.call(channel, "GET", "/status", **{"X-API-Key": self._keys[name]})
        use = KeyUse(name=name, begun=begun, ended=time.monotonic(), status=status)
        self.uses.append(use)
        return use.let_in is not None
