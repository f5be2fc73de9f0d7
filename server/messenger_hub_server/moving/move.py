"""Copies a hub's database from SQLite to PostgreSQL, checks the copy, and only then lets the hub go on there.

It can be killed at any point and repeated: rows go over in the order of their keys, so the largest key that is there says where to go
on. The file in the data folder keeps its name until the copy has been found to be the same; then it gets another one, so that no
hub can be started on it by mistake and send again what was sent since.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from messenger_hub.runtime.folder import FolderError, PrivateFolder, sync_folder

from messenger_hub_server.data_folder import DATABASE, ELSEWHERE, INTERRUPTED, MOVED, PEPPER, VERSION, digest_of
from messenger_hub_server.moving.source import Source, reading
from messenger_hub_server.moving.tables import TABLES, Table
from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.rows import Row, Value
from messenger_hub_server.store.sqlite import SqliteStore
from messenger_hub_server.stores import postgresql

if TYPE_CHECKING:
    from messenger_hub_server.store.postgresql.copying import Copying

Sight = Callable[[str, int, int], None]

AT_ONCE = 2_000
_SECRET = re.compile(rb"[0-9a-f]{64}")


class MoveProblem(Exception):
    """It cannot be moved; the sentence says what to do. Nothing is lost: the file in the data folder is as it was."""

    def __init__(self, sentence: str, code: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code


@dataclass(slots=True)
class Content:
    """What is in a table: how many rows, and a digest over them in the order of their key."""

    count: int = 0
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    def add(self, rows: Sequence[Row]) -> None:
        """The next rows."""
        self.count += len(rows)
        for row in rows:
            self._hash.update(msgspec.json.encode(row) + b"\n")

    @property
    def digest(self) -> str:
        """In hexadecimal digits."""
        return self._hash.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A finished move. `tables` are named as people call them; `kept` is the file that it came from."""

    place: str
    tables: Mapping[str, Content]
    kept: Path


async def move(data_dir: Path, address: StoreAddress, sight: Sight, *, at_once: int = AT_ONCE) -> Moved:
    """Copies, checks, and hands over. `at_once`: rows of one transaction. Raises MoveProblem, StartupProblem or DatabaseError."""
    with _held(data_dir) as folder:
        digest = _digest(folder)
        # What is older gets today's tables, and a log beside it goes into the file.
        await (await SqliteStore.open(folder.file(DATABASE))).close()
        postgresql()
        from messenger_hub_server.store.postgresql.copying import Copying  # noqa: PLC0415 an extra of the project

        target = await Copying.open(address)
        try:
            with reading(folder.file(DATABASE)) as source:
                tables = await _Move(source, target, address, sight, at_once).run(digest)
        finally:
            await target.close()
        return Moved(place=str(address), tables=tables, kept=_hand_over(folder, address))


class _Move:
    """One move, with both databases open."""

    def __init__(self, source: Source, target: Copying, address: StoreAddress, sight: Sight, at_once: int) -> None:
        self._source = source
        self._target = target
        self._address = address
        self._sight = sight
        self._at_once = at_once

    async def run(self, digest: bytes) -> Mapping[str, Content]:
        from messenger_hub_server.store.postgresql.copying import Found  # noqa: PLC0415

        found = await self._target.claim(digest)
        if found is Found.ANOTHER_HUB:
            raise MoveProblem(
                f"{self._address} holds another hub: give an empty database with --to, for example a new one of createdb.",
                "another_hub",
            )
        if found is not Found.THIS_HUB:
            await self._copy()
        if (tables := await self._same()) is None and found is Found.HALF:
            # The hub has worked on the file since the copy was interrupted.
            await self._target.empty([table.name for table in TABLES])
            await self._copy()
            tables = await self._same()
        if tables is None and found is Found.THIS_HUB:
            raise MoveProblem(
                f"{self._address} has been this hub's database before and differs from {DATABASE}: give an empty database with --to.",
                "differs",
            )
        if tables is None:
            raise MoveProblem("The copy is not the same as the original: report this, and repeat the move.", "differs")
        await self._target.finish(self._source.last_event())
        return tables

    async def _copy(self) -> None:
        for table in TABLES:
            if table.key:
                await self._copy_from(table)
            else:
                rows = self._source.rows(table, None, 0)
                await self._target.put(table.name, table.columns, rows, whole=True)

    async def _copy_from(self, table: Table) -> None:
        """From where an interrupted copy has ended."""
        last = await self._target.last(table.name, table.key)
        after = table.before if last is None else last
        done, total = self._source.count_to(table, after), self._source.count(table)
        while rows := self._source.rows(table, after, self._at_once):
            await self._target.put(table.name, table.columns, rows, whole=False)
            done += len(rows)
            self._sight(f"Copying {table.told}", done, total)
            after = _key(table, rows)

    async def _same(self) -> Mapping[str, Content] | None:
        """What is in the tables; None when they are not the same in both."""
        found: dict[str, Content] = {}
        for table in TABLES:
            mine, theirs = Content(), Content()
            total = self._source.count(table)
            after: Value = table.before
            while rows := self._source.rows(table, after, self._at_once):
                copied = await self._target.rows(table.name, table.columns, table.key, after, self._at_once)
                mine.add(_ordered(table, rows))
                theirs.add(_ordered(table, copied))
                self._sight(f"Checking {table.told}", mine.count, total)
                if not table.key or mine.digest != theirs.digest:
                    break
                after = _key(table, rows)
            beyond = not rows and await self._target.rows(table.name, table.columns, table.key, after, 1)
            if beyond or (mine.count, mine.digest) != (theirs.count, theirs.digest):
                return None
            found[table.told] = mine
        return found


def _key(table: Table, rows: Sequence[Row]) -> Value:
    return rows[-1][table.columns.index(table.key)]


def _ordered(table: Table, rows: Sequence[Row]) -> Sequence[Row]:
    """Small tables come in no order."""
    return rows if table.key else sorted(rows, key=msgspec.json.encode)


@contextmanager
def _held(path: Path) -> Iterator[PrivateFolder]:
    """The data folder of a hub that is stopped."""
    data_dir = path.absolute()
    if not any((data_dir / name).is_file() for name in (DATABASE, MOVED)):
        raise MoveProblem(f"There is no hub in {data_dir}: give its folder with --from.", "no_hub")
    folder = PrivateFolder(data_dir)
    try:
        folder.lock("messenger-hub migrate-store")
    except FolderError as error:
        raise MoveProblem(str(error), "data_folder") from error
    try:
        folder.claim_version(VERSION)
        if not folder.file(DATABASE).is_file():
            raise MoveProblem(f"The hub in {data_dir} was moved before: start it with --store.", "moved")
        if folder.file(INTERRUPTED).exists():
            raise MoveProblem(
                f"A restore into {data_dir} was interrupted: repeat messenger-hub restore first.", "interrupted"
            )
        yield folder
    except FolderError as error:
        raise MoveProblem(str(error), "data_folder") from error
    finally:
        folder.unlock()


def _digest(folder: PrivateFolder) -> bytes:
    pepper = folder.read(PEPPER)
    if pepper is None or not _SECRET.fullmatch(pepper):
        raise MoveProblem(
            f"{folder.file(PEPPER)} is missing or damaged: restore it from a back-up, no key works without it.",
            "no_pepper",
        )
    return digest_of(bytes.fromhex(pepper.decode()))


def _hand_over(folder: PrivateFolder, address: StoreAddress) -> Path:
    """From here on no hub starts on the file."""
    folder.write_private(ELSEWHERE, f"{address}\n".encode())
    kept = folder.file(MOVED)
    folder.file(DATABASE).replace(kept)
    for left in ("-wal", "-shm"):
        folder.file(f"{DATABASE}{left}").unlink(missing_ok=True)
    sync_folder(folder.path)
    return kept
