"""A page as the network sees one: a WebSocket that says hello, asks and is told. It follows a script instead of a person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp

from tests.integration.twin.twin import SECONDS, Json, Twin

BUILD = 2_000_000_000
"""Above what any test asks for."""


class ScriptedPage:
    """One open connection. What has come stands in `events` and `replies`, in the order in which it came."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self.events: list[Json] = []
        self.replies: dict[int, Json] = {}
        self._told = 0
        self._open = True

    async def event(self, name: str) -> Json:
        """The next event of that name after those that were asked for before."""
        while True:
            while self._told < len(self.events):
                self._told += 1
                if self.events[self._told - 1]["ev"] == name:
                    return self.events[self._told - 1]
            await self._take()

    async def say(self, op: str, **fields: object) -> int:
        """Sends a frame; returns the number that its reply will have."""
        self._number += 1
        await self._socket.send_json({"n": self._number, "op": op, **fields})
        return self._number

    async def reply(self, number: int) -> Json:
        """The reply to the frame of that number."""
        while number not in self.replies:
            await self._take()
        return self.replies[number]

    async def ask(self, op: str, **fields: object) -> Json:
        """Sends a frame and returns its reply."""
        return await self.reply(await self.say(op, **fields))

    async def send(self, message_id: str, chat: str = "12025550111@c.us", body: str = "text") -> Json:
        """Sends a message and returns its acknowledgement."""
        return await self.ask("send", id=message_id, chat=chat, body=body)

    async def end(self) -> None:
        """Reads until the other side closes the connection."""
        while self._open:
            await self._take()

    def told(self, name: str) -> Sequence[Json]:
        """All events of that name so far."""
        return [event for event in self.events if event["ev"] == name]

    async def _take(self) -> None:
        async with asyncio.timeout(SECONDS):
            message = await self._socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED)
            self._open = False
            return
        frame = message.json()
        if "n" in frame:
            assert frame["n"] not in self.replies, "answered twice"
            self.replies[frame["n"]] = frame
        else:
            self.events.append(frame)


@asynccontextmanager
async def open_page(
    twin: Twin, *, page: str = "tab", token: str = "", since: int = 0, build: int = BUILD
) -> AsyncIterator[ScriptedPage]:
    """Connects and says hello."""
    async with twin.http.ws_connect("/ws") as socket:
        await socket.send_json({"op": "hello", "page": page, "build": build, "token": token, "since": since})
        yield ScriptedPage(socket)


@asynccontextmanager
async def linked_page(twin: Twin, account: str, page: str = "tab") -> AsyncIterator[tuple[ScriptedPage, str]]:
    """A page that was linked to an account and has its history; with the link's token."""
    async with open_page(twin, page=page) as opened:
        await opened.event("qr")
        await twin.call("scan", page=page, account=account)
        paired = await opened.event("paired")
        await opened.event("history_done")
        yield opened, paired["token"]
