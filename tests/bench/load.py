"""The open loop: requests at a rate over kept-open HTTP/1.1 connections. A process of its own; see `children`.

Every request goes to another number, so that no chat holds another up. Each answer that was accepted is reported with its id and
number, when it should have been sent and when it came.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

from tests.bench.baseline import PATH
from tests.bench.children import answer, commands

ACCEPTED = b"201"
FIRST_NUMBER = 49_000_000_000_000  # 14 digits
LATE_SECONDS = 20.0

_length = re.compile(rb"content-length: *(\d+)", re.IGNORECASE).search
_id = re.compile(rb'"message_id": *(\d+)').search


@dataclass(slots=True)
class Tally:
    """What came of a slice. `accepted`: id, number, since when (ns), until when (ns)."""

    accepted: list[tuple[int, int, int, int]] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)


class Connection(asyncio.Protocol):
    """One request at a time; `idle` is called when an answer is complete."""

    def __init__(self, tally: Tally, idle: Callable[[Connection], None]) -> None:
        self._tally = tally
        self._idle = idle
        self._buffer = b""
        self._since = 0
        self._number = 0
        self._transport: asyncio.Transport | None = None
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.busy:
            self.busy = False
            self._tally.refused["connection lost"] += 1
            self._idle(self)

    def request(self, head: bytes, number: int, since: int) -> None:
        assert self._transport is not None
        self.busy, self._since, self._number = True, since, number
        self._transport.write(b'%s{"mobile":"%d","message":"Hello from the bench"}' % (head, number))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _length(self._buffer, 0, end)
        total = end + 4 + (int(length[1]) if length else 0)
        if len(self._buffer) < total:
            return
        status, body = self._buffer[9:12], self._buffer[end + 4 : total]
        self._buffer = self._buffer[total:]
        self.busy = False
        found = _id(body) if status == ACCEPTED else None
        if found:
            self._tally.accepted.append((int(found[1]), self._number, self._since, time.monotonic_ns()))
        else:
            self._tally.refused[status.decode()] += 1
        self._idle(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Slice:
    """One slice against one port."""

    def __init__(self, port: int, keys: Sequence[str], first: int) -> None:
        self.tally = Tally()
        self._port = port
        self._heads = [_head(port, key) for key in keys]
        self._next = first
        self._done = asyncio.Event()
        self._connections: list[Connection] = []
        self._ends_ns = 0
        self._ready: deque[Connection] = deque()
        self._due: deque[int] = deque()

    async def open(self, connections: int, idle: Callable[[Connection], None]) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, one = await loop.create_connection(lambda: Connection(self.tally, idle), "127.0.0.1", self._port)
            self._connections.append(one)

    async def run(self, connections: int, seconds: float, rate: float) -> None:
        """Sends at a rate, whatever the answers do; what finds no free connection waits, and its latency counts."""
        await self.open(connections, self._freed)
        self._ready.extend(self._connections)
        start = time.monotonic_ns()
        for position in range(int(rate * seconds)):
            due = start + int(position / rate * 1e9)
            if (wait := due - time.monotonic_ns()) > 0:
                await asyncio.sleep(wait / 1e9)
            self._due.append(due)
            self._feed()
        self._ends_ns = time.monotonic_ns()
        self._finish()
        await self._drained(seconds)

    def _freed(self, one: Connection) -> None:
        self._ready.append(one)
        self._feed()
        self._finish()

    def _feed(self) -> None:
        while self._due and self._ready:
            self._send(self._ready.popleft(), self._due.popleft())

    def _send(self, one: Connection, since: int) -> None:
        number = self._next
        self._next += 1
        one.request(self._heads[number % len(self._heads)], FIRST_NUMBER + number, since)

    def _finish(self) -> None:
        if self._ends_ns and not self._due and not any(one.busy for one in self._connections):
            self._done.set()

    async def _drained(self, seconds: float) -> None:
        async with asyncio.timeout(seconds + LATE_SECONDS):
            await self._done.wait()
        for one in self._connections:
            one.close()


def _head(port: int, key: str) -> bytes:
    length = len(b'{"mobile":"%d","message":"Hello from the bench"}' % FIRST_NUMBER)
    return (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-API-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


async def main() -> None:
    """Runs slices until standard input ends."""
    reader = await commands()
    gc.disable()
    while line := await reader.readline():
        wanted = json.loads(line)
        one = Slice(wanted["port"], wanted["keys"], wanted["first"])
        since = time.monotonic_ns()
        await one.run(wanted["connections"], wanted["seconds"], wanted["rate"])
        answer({"accepted": one.tally.accepted, "refused": one.tally.refused, "since_ns": since})
        gc.collect()


if __name__ == "__main__":
    asyncio.run(main())
