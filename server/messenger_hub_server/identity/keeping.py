"""Where the console's sign-ins are kept: in a private file, or in the database for all nodes of a hub."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec
from messenger_hub.runtime.folder import FolderError, PrivateFolder
from messenger_hub.runtime.log import logger

from messenger_hub_server.errors import StoreUnavailable
from messenger_hub_server.store.base import StoreError

FILE = "console.json"

log = logger(__name__)


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """One browser. `csrf` must come back with everything that it changes."""

    id: str
    digest: bytes
    csrf: str
    browser: str
    at_ms: int
    expires_at_ms: int


class Password(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a password: scrypt's output."""

    salt: bytes
    digest: bytes


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A link that signs one browser in."""

    digest: bytes
    expires_at_ms: int


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """All of one hub."""

    password: Password | None = None
    sign_ins: tuple[SignIn, ...] = ()
    links: tuple[Link, ...] = ()


Decide = Callable[[Kept], Kept]


class Keeping(Protocol):
    """One place."""

    async def look(self) -> Kept:
        """What is kept now. Raises StoreUnavailable when that cannot be told."""
        ...

    async def change(self, decide: Decide) -> bool:
        """Keeps what `decide` makes of what is kept; True when that survives a restart. Raises StoreUnavailable, and what `decide`
        raises, and then nothing has changed."""
        ...


class Row(Protocol):
    """A row of the database, in which all nodes write."""

    async def read(self) -> bytes:
        """What it holds; nothing at first. Raises StoreError."""
        ...

    async def change(self, decide: Callable[[bytes], bytes]) -> None:
        """In one transaction, which may be done again. Raises StoreError, and what `decide` raises."""
        ...


class FileKeeping:
    """In the data folder. What was decided holds at once, and in this process also when it cannot be written: who was signed out must not
    come in while the disk is busy, or full."""

    def __init__(self, folder: PrivateFolder) -> None:
        self._folder = folder
        self._writing = asyncio.Lock()
        self._kept = read_file(folder)

    async def look(self) -> Kept:
        """See Keeping."""
        return self._kept

    async def change(self, decide: Decide) -> bool:
        """See Keeping."""
        self._kept = decide(self._kept)
        async with self._writing:
            try:
                # What is kept by now: of two that wait here the second writes the same.
                await asyncio.to_thread(self._folder.write_private, FILE, msgspec.json.encode(self._kept))
            except OSError:
                log.warning("console sign-ins not written", exc_info=True)
                return False
        return True


class SharedKeeping:
    """In the database; what it says holds, on every node, from the moment it is written."""

    def __init__(self, row: Row) -> None:
        self._row = row

    async def take_over(self, folder: PrivateFolder) -> None:
        """What a data folder still keeps from the time before moves here, unless something is here. Raises StoreError or OSError."""
        if not (file := folder.file(FILE)).exists():
            return
        before = msgspec.json.encode(read_file(folder))
        await self._row.change(lambda stored: stored or before)
        await asyncio.to_thread(file.unlink, missing_ok=True)

    async def look(self) -> Kept:
        """See Keeping."""
        try:
            return _read(await self._row.read())
        except StoreError as error:
            raise StoreUnavailable from error

    async def change(self, decide: Decide) -> bool:
        """See Keeping."""
        try:
            await self._row.change(lambda stored: msgspec.json.encode(decide(_read(stored))))
        except StoreError as error:
            raise StoreUnavailable from error
        return True


def read_file(folder: PrivateFolder) -> Kept:
    """Of a damaged one nothing: everybody signs in again."""
    try:
        return _read(folder.read(FILE) or b"")
    except FolderError:
        log.warning("console sign-ins not read", exc_info=True)
        return Kept()


def _read(stored: bytes) -> Kept:
    try:
        return msgspec.json.decode(stored or b"{}", type=Kept)
    except msgspec.DecodeError:
        log.warning("console sign-ins not read", exc_info=True)
        return Kept()
