"""A wire between a store and its PostgreSQL that breaks at a COMMIT, in one of the ways that a network does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, auto
from pathlib import Path

from messenger_hub_server.store.address import StoreAddress

from tests.postgresql import OWNER


class Break(Enum):
    """What becomes of the next COMMIT."""

    BEFORE = auto()
    """It is lost with both ends of the connection."""
    ANSWER = auto()
    """The server carries it out; its answer is lost."""
    CLIENT = auto()
    """It is delivered, and nobody is there for the answer any more."""
    HELD = auto()
    """The client is cut off; the server's end stands, and gets it when it is let go."""


class Wire:
    """Listens on loopback. `breaks` is what becomes of the next COMMIT; None lets it pass."""

    def __init__(self, server: Path) -> None:
        self._server = server / ".s.PGSQL.5432"
        self._group = asyncio.TaskGroup()
        self.breaks: Break | None = None
        self.broken = asyncio.Event()
        self.let_go = asyncio.Event()
        self.over = asyncio.Event()
        self.port = 0

    def address(self, database: str) -> StoreAddress:
        """The database's address through this wire."""
        return StoreAddress(f"postgresql://{OWNER}@127.0.0.1:{self.port}/{database}?sslmode=disable")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either end closes it."""
        try:
            there, thither = await asyncio.open_unix_connection(str(self._server))
        except OSError:
            writer.close()
            return
        try:
            async with asyncio.TaskGroup() as group:
                back = group.create_task(_pass(there, writer))
                await self._forth(reader, thither, writer, back)
                back.cancel()
        finally:
            writer.transport.abort()
            thither.transport.abort()

    async def _forth(
        self,
        reader: asyncio.StreamReader,
        thither: asyncio.StreamWriter,
        client: asyncio.StreamWriter,
        back: asyncio.Task[None],
    ) -> None:
        while (chunk := await _read(reader)) and not back.done():
            how = self.breaks if chunk.startswith(b"Q") and b"COMMIT" in chunk else None
            if how is not None:
                self.breaks = None
                await self._break(how, chunk, thither, client, back)
                return
            thither.write(chunk)

    async def _break(
        self,
        how: Break,
        chunk: bytes,
        thither: asyncio.StreamWriter,
        client: asyncio.StreamWriter,
        back: asyncio.Task[None],
    ) -> None:
        if how is Break.ANSWER:
            client.write = lambda _: self.broken.set()  # type: ignore[method-assign]
            thither.write(chunk)
            await self.broken.wait()
        elif how is Break.CLIENT:
            thither.write(chunk)
            await thither.drain()
            client.transport.abort()
            thither.transport.abort()
        elif how is Break.HELD:
            client.transport.abort()
            self.broken.set()
            await self.let_go.wait()
            thither.write(chunk)
            await asyncio.wait([back])
            self.over.set()
        self.broken.set()


@asynccontextmanager
async def wire(server: Path) -> AsyncIterator[Wire]:
    """A wire until the block ends."""
    one = Wire(server)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await one.serve(reader, writer)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    one.port = listener.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(65_536)
    except OSError:
        return b""


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await _read(reader):
        writer.write(chunk)
    writer.transport.abort()
