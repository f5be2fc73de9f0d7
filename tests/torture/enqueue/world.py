"""One world: a data folder whose server lives for some milliseconds, again and again, while programs ask it for messages."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path

import aiohttp
from messenger_hub.admin.v1 import channel_admin_service_pb2, session_api_admin_service_pb2
from messenger_hub_cli.running_hub import running_hub

from tests.torture.answers import NO_ANSWER
from tests.torture.enqueue.callers import CALL_SECONDS, Door, Grpc, Rest
from tests.torture.enqueue.nursery import Child, EndedByItself, Nursery
from tests.torture.enqueue.record import Records, Row, Wish

CALLERS = 6
LONGEST_SECONDS = 0.06  # from the first call to the kill
START_SECONDS = 0.05  # about what a start takes
IN_START = 0.1  # the share of lives that are killed before they answer
BY_GRPC = 0.25  # the share of the others in which one caller has gRPC
KEYED = 0.7
AGAIN, IN_DOUBT = 0.07, 0.3
"""How often a call repeats one that was answered, and one that was not, if there is such a one."""
CHECK_SECONDS = 300.0


class World:
    """Use `play`, then `end`; while it plays, `kills` and `accepted` grow."""

    def __init__(self, nursery: Nursery, folder: Path, seed: str) -> None:
        self.kills = 0
        self.moments = Counter[str]()
        self.own_ends: dict[int, str] = {}
        self.wishes: list[Wish] = []
        self._nursery = nursery
        self._folder = folder
        self._seed = seed
        self._chance = random.Random(seed)
        self._life = 0
        self._key = ""
        self._in_doubt: list[Wish] = []
        self._answered: list[Wish] = []

    @property
    def accepted(self) -> int:
        """Messages."""
        return len(self._answered)

    async def play(self, kills: int) -> None:
        """So many lives. Raises EndedByItself when the first one cannot be set up."""
        await self._set_up()
        connector = aiohttp.TCPConnector(limit=CALLERS, force_close=False)
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as http:
            while self.kills < kills:
                await self._live(http)

    async def end(self) -> Records:
        """What is to be judged, looked at in one more life; then that one is killed too. Raises EndedByItself, OSError."""
        self._life += 1
        child = self._nursery.start(self._folder)
        url, _ = await child.ready()
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            listed = await Rest(http, url, self._key).listed()
        rows = await asyncio.to_thread(_rows, self._folder / "data" / "hub.db")
        child.kill()
        await child.ended()
        findings = await _findings(self._folder / "data")
        return Records(wishes=self.wishes, rows=rows, listed=listed, findings=findings, own_ends=self.own_ends)

    async def _set_up(self) -> None:
        self._folder.mkdir(exist_ok=True)
        child = self._nursery.start(self._folder)
        await child.ready()
        async with running_hub(self._folder / "data") as hub:
            await hub.channels.CreateChannel(channel_admin_service_pb2.CreateChannelRequest(name="main"))
            request = session_api_admin_service_pb2.CreateSessionApiRequest(name="shop", channel="main")
            self._key = (await hub.session_apis.CreateSessionApi(request)).key
        child.kill()
        await child.ended()

    # ---- one life -----------------------------------------------------------------------------------------------------------

    async def _live(self, http: aiohttp.ClientSession) -> None:
        self._life += 1
        child = self._nursery.start(self._folder)
        with self._noting():
            if self._chance.random() < IN_START:
                self.moments["in the start"] += 1
                await asyncio.sleep(self._chance.uniform(0, START_SECONDS))
            else:
                self.moments["under calls"] += 1
                await self._asked(child, http)
        child.kill()
        with self._noting():
            await child.ended()
        self.kills += 1

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except EndedByItself as why:
            self.own_ends[self._life] = str(why)

    async def _asked(self, child: Child, http: aiohttp.ClientSession) -> None:
        """Programs ask at once, from the moment at which it answers to its death."""
        url, address = await child.ready()
        async with AsyncExitStack() as stack:
            doors: list[Door] = [Rest(http, url, self._key)] * CALLERS
            if self._chance.random() < BY_GRPC:
                doors[0] = await stack.enter_async_context(Grpc.open(address, self._key))
            async with asyncio.TaskGroup() as group:
                for door in doors:
                    group.create_task(self._ask(door))
                await asyncio.sleep(self._chance.uniform(0, LONGEST_SECONDS))
                child.kill()

    async def _ask(self, door: Door) -> None:
        """One call after another until one breaks."""
        while True:
            wish = self._next(door.name)
            attempt = await door.send(wish, self._life)
            wish.attempts.append(attempt)
            if attempt.accepted:
                self._answered += [wish] if len(wish.accepted) == 1 else []
            else:
                self._in_doubt.append(wish)
            if attempt.status == NO_ANSWER:
                return

    def _next(self, door: str) -> Wish:
        """A message that is in doubt again, one that was answered and has a key again, or a new one."""
        drawn = self._chance.random()
        if self._in_doubt and drawn < IN_DOUBT:
            return self._in_doubt.pop(self._chance.randrange(len(self._in_doubt)))
        if self._answered and drawn > 1 - AGAIN and (wish := self._chance.choice(self._answered)).key:
            return wish
        number = len(self.wishes) + 1
        key = f"key {number}" if self._chance.random() < KEYED else ""
        wish = Wish(reference=f"message {number}", text=f"text {number} of {self._seed}", door=door, key=key)
        self.wishes.append(wish)
        return wish


def _rows(database: Path) -> Sequence[Row]:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        found = connection.execute("SELECT id, reference, body FROM operation ORDER BY id").fetchall()
    return [Row(number=number, reference=reference, text=body) for number, reference, body in found]


async def _findings(data: Path) -> Sequence[str]:
    """What `messenger-hub check` says is wrong."""
    command = (sys.executable, "-m", "messenger_hub_cli", "check", "--json", "--data-dir", str(data))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(CHECK_SECONDS):
        told, _ = await process.communicate()
    findings = json.loads(told)["findings"]
    return [str(one) for one in findings if one["wrong"]] + ([] if process.returncode in (0, 1) else [told.decode()])
