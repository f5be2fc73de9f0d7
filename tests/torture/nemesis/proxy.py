"""A TCP proxy that can be told to misbehave: between one agent and the server, where it sees when the stream works again, or between a
node and its database. With several far ports it is a balancer too: each connection goes to the next one that takes it.

cut        every connection is reset, new ones are reset at once
stall      nothing passes; what is sent meanwhile waits, also on new connections
half-open  what is sent vanishes, in both directions; both ends believe in their connection. Those connections stay dead when
           the network is back: they are reset then, as by a router that has forgotten them, or stay silent for ever
slow       a few kilobytes a second, each piece late
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto

CHUNK = 16 * 1024
SLOW_CHUNK = 512
SLOW_SECONDS = 0.05  # for each piece
CONNECT_SECONDS = 5.0

FRAME_HEAD = 9  # of HTTP/2: length (3 bytes), type, flags, stream (4 bytes)
DATA, HEADERS, RST_STREAM = 0, 1, 3
END_STREAM = 1  # among the flags of DATA and HEADERS


class Mode(Enum):
    """What the network does."""

    OPEN = auto()
    CUT = auto()
    STALLED = auto()
    VANISHING = auto()
    SLOW = auto()


class DataFrames:
    """Finds DATA frames in what a server sends over HTTP/2: `feed` tells whether the piece held the head of one with content.

    `ended`: the server has ended the call since the last of them. The connection may outlive that.
    """

    def __init__(self) -> None:
        self.ended = False
        self._rest = b""
        self._skip = 0

    def feed(self, piece: bytes) -> bool:
        """Counts frames across pieces."""
        found = False
        data = self._rest + piece
        while True:
            skipped = min(self._skip, len(data))
            data, self._skip = data[skipped:], self._skip - skipped
            if self._skip or len(data) < FRAME_HEAD:
                self._rest = data
                return found
            length, kind, flags = int.from_bytes(data[:3], "big"), data[3], data[4]
            if kind == DATA and length > 0:
                found, self.ended = True, False
            if kind == RST_STREAM or (kind in (DATA, HEADERS) and flags & END_STREAM):
                self.ended = True
            self._skip = FRAME_HEAD + length


class _Link:
    """One proxied connection."""

    def __init__(self, near: asyncio.StreamWriter) -> None:
        self.near = near
        self.far: asyncio.StreamWriter | None = None
        self.far_port = 0
        self.vanished = False  # something of it: it never works again, and nobody hears of its end
        self.over = False
        self.worked = False
        self.frames = DataFrames()

    def reset(self) -> None:
        """Both ends learn at once that it is gone."""
        self.over = True
        for writer in (self.near, self.far):
            if writer is not None:
                _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    handle = writer.get_extra_info("socket")
    with suppress(OSError):
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Proxy:
    """One agent's way to the server. `worked` is called whenever the server's application is heard through it; `others` are more
    far ports, in whose turn connections go."""

    def __init__(
        self, port: int, far_port: int, worked: Callable[[], None] = lambda: None, others: Sequence[int] = ()
    ) -> None:
        self.port = port
        self._far_ports = deque([far_port, *others])
        self._left_out: set[int] = set()
        self._worked = worked
        self._links: set[_Link] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._mode = Mode.OPEN
        self._changed = asyncio.Event()
        self._heard = asyncio.Event()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listens on its port."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        try:
            yield
        finally:
            server.close()
            self.set(Mode.CUT)
            if self._serving:
                await asyncio.wait(self._serving, timeout=CONNECT_SECONDS)
            await server.wait_closed()

    # ---- faults -------------------------------------------------------------------------------------------------------------

    def set(self, mode: Mode) -> None:
        """From now on."""
        self._set(mode)
        if mode is Mode.CUT:
            self.cut_now()
        if mode is Mode.VANISHING:
            for link in self._links:
                link.vanished = True

    def heal(self, *, forgotten: bool) -> None:
        """All passes again. `forgotten`: connections of which something vanished are reset, else they stay silent."""
        if forgotten:
            for link in [one for one in self._links if one.vanished]:
                link.reset()
        self._heard.clear()
        self._set(Mode.OPEN)

    def cut_now(self) -> None:
        """Resets all connections."""
        for link in list(self._links):
            link.reset()

    def leave_out(self, far_port: int) -> None:
        """As a balancer that takes a server for dead: its connections are reset, and no other goes there while there is another one."""
        self._left_out.add(far_port)
        for link in [one for one in self._links if one.far_port == far_port]:
            link.reset()

    def take_in(self, far_port: int) -> None:
        """It gets its turn again."""
        self._left_out.discard(far_port)

    @property
    def unbroken(self) -> bool:
        """A stream that has worked is still whole: neither has its connection suffered, nor has the server ended it."""
        return any(link.worked and not (link.vanished or link.over or link.frames.ended) for link in self._links)

    async def works(self, seconds: float) -> float | None:
        """Call right after `heal`: seconds until the stream works, None when it does not within so many."""
        if self.unbroken:
            return 0.0
        begun = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                await self._heard.wait()
        except TimeoutError:
            return None
        return time.monotonic() - begun

    def _set(self, mode: Mode) -> None:
        self._mode = mode
        self._changed.set()
        self._changed = asyncio.Event()

    # ---- connections --------------------------------------------------------------------------------------------------------

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        link = _Link(writer)
        if self._mode is Mode.CUT:
            link.reset()
            return
        link.vanished = self._mode is Mode.VANISHING
        self._links.add(link)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                far_reader = await self._reach(link)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(link, reader, link.far, answers=False))
                group.create_task(self._pump(link, far_reader, writer, answers=True))
        except* (OSError, TimeoutError, _Ended):
            pass
        finally:
            self._links.discard(link)
            link.reset()

    async def _reach(self, link: _Link) -> asyncio.StreamReader:
        """Connects to the next one that is there. Raises OSError."""
        problem = OSError("every server is left out")
        for _ in range(len(self._far_ports)):
            self._far_ports.rotate(-1)
            port = self._far_ports[0]
            if port in self._left_out and not self._left_out.issuperset(self._far_ports):
                continue
            link.far_port = port
            try:
                reader, link.far = await asyncio.open_connection("127.0.0.1", port)
            except OSError as error:
                problem = error
            else:
                return reader
        raise problem

    async def _pump(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        while True:
            try:
                piece = await reader.read(SLOW_CHUNK if self._mode is Mode.SLOW else CHUNK)
            except OSError:
                piece = b""
            while self._mode is Mode.STALLED:
                await self._changed.wait()
            if not piece and (link.vanished or self._mode is Mode.VANISHING):
                return  # the other end does not hear of it
            if not piece:
                raise _Ended
            if self._mode is Mode.SLOW:
                await asyncio.sleep(SLOW_SECONDS)
            if link.vanished or self._mode is Mode.VANISHING:
                link.vanished = True
                continue
            writer.write(piece)
            await writer.drain()
            if answers and link.frames.feed(piece):
                link.worked = True
                self._heard.set()
                self._worked()


class _Ended(Exception):
    """One end has closed: the other one learns it."""
