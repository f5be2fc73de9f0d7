"""Puts a back-up in the place of a data folder's database, and says what that means (rule 11)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from messenger_hub.runtime.database import DatabaseError, DatabaseTooNew
from messenger_hub.runtime.folder import FolderError, PrivateFolder
from messenger_hub.runtime.system import here

from messenger_hub_server import highwater, registry_ids, restoring
from messenger_hub_server.backup import archive, knowledge, replacing
from messenger_hub_server.backup.archive import Archive, Manifest, Sight
from messenger_hub_server.backup.problems import BackupProblem, Clash, Hindered, Unusable, writing
from messenger_hub_server.backup.staging import RESTORE, staging
from messenger_hub_server.config import FILE_NAME as CONFIG
from messenger_hub_server.data_folder import ADMIN_TOKEN, DATABASE, LAN_CERTIFICATE, LAN_KEY, PEPPER, VERSION, digest_of
from messenger_hub_server.model import OperationState
from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.base import StoreError
from messenger_hub_server.store.sqlite import SqliteStore
from messenger_hub_server.stores import elsewhere, postgresql

if TYPE_CHECKING:
    from messenger_hub_server.store.postgresql.store import PostgresqlStore

_SECRET = re.compile(rb"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a restore leads to. `waiting` are the names of the channels that wait for their desktops; `unwitnessed` says that no journal
    can tell what happened since the copy was made; `replaces` whether there is a database, `kept` the name under which it stays."""

    made_at_ms: int
    version: str
    waiting: tuple[str, ...]
    operations_open: int
    operations_uncertain: int
    unwitnessed: bool
    replaces: bool = False
    kept: Path | None = None


class Restore:
    """One restore, with the data folder in its hands. Use `opened`; then `unlock`, `prepare`, `put_in_place`."""

    def __init__(self, path: Path, archive_: Archive, folder: PrivateFolder, prepared: PrivateFolder) -> None:
        self._path = path
        self._archive = archive_
        self._folder = folder
        self._prepared = prepared
        self._beside: list[str] = []

    async def prepare(self, passphrase: str, sight: Sight) -> Outcome:
        """Decrypts, checks and marks a copy, and changes nothing else. Raises BackupProblem."""
        key = self._archive.unlock(passphrase)
        with writing(self._folder.path):
            facts = self._archive.unpack(key, self._prepared.path, sight)
            sight("Checking the copy", 0, 0)
            self._check(facts)
            lost = self._put_beside()
            outcome = await self._mark(facts, lost=lost)
        return replace(outcome, replaces=self._folder.file(DATABASE).exists())

    def put_in_place(self, outcome: Outcome, now_ms: int, passed: Callable[[str], None] = lambda step: None) -> Outcome:
        """Replaces the database with what was prepared; durable when this returns. `passed` is called after each step. Raises
        BackupProblem."""
        kept = self._unused_name(now_ms)
        for step in replacing.steps(self._prepared, self._folder, self._beside, kept):
            try:
                step.take()
            except OSError as error:
                raise Hindered(
                    f"{self._folder.path} cannot be written ({error.strerror or error}): make it writable, then repeat the restore.",
                    "not_writable",
                ) from error
            passed(step.name)
        return replace(outcome, kept=kept if outcome.replaces else None)

    # ---- the copy -----------------------------------------------------------------------------------------------------------

    def _check(self, facts: Manifest) -> None:
        if facts.layout > VERSION:
            raise archive.newer_database(self._path, facts.version)
        copy = self._prepared.file(DATABASE)
        try:
            with closing(sqlite3.connect(f"file:{copy}?immutable=1", uri=True)) as connection:
                (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            raise archive.damaged(self._path) from error
        if verdict != "ok" or not _SECRET.fullmatch(self._prepared.read(PEPPER) or b""):
            raise archive.damaged(self._path)
        own = self._folder.read(PEPPER)
        if own is not None and _SECRET.fullmatch(own) and own != self._prepared.read(PEPPER):
            raise Clash(
                f"{self._folder.path} belongs to another hub than this back-up: give an empty folder with --data-dir, or move the "
                "one that is there away.",
                "another_hub",
            )

    def _put_beside(self) -> bool:
        """Prepares what goes beside the database. Returns whether what was given out since the back-up is lost."""
        own, new = self._folder, self._prepared
        try:
            known = knowledge.high_water(own.read(highwater.NAME), new.read(highwater.NAME))
        except FolderError as error:
            raise archive.damaged(self._path) from error
        new.write_private(highwater.NAME, known.content)
        ids = knowledge.registry_ids(own.read(registry_ids.FILE_NAME), new.read(registry_ids.FILE_NAME))
        new.write_private(registry_ids.FILE_NAME, ids)
        self._beside = [highwater.NAME, registry_ids.FILE_NAME]
        for name in (PEPPER, ADMIN_TOKEN, CONFIG):
            there = own.read(name)
            usable = there is not None and (name == CONFIG or _SECRET.fullmatch(there))
            if not usable and new.file(name).exists():
                self._beside.append(name)
        pair = (LAN_CERTIFICATE, LAN_KEY)  # one without the other is none
        if not all(own.file(name).exists() for name in pair):
            self._beside += [name for name in pair if new.file(name).exists()]
        return known.lost

    async def _mark(self, facts: Manifest, *, lost: bool) -> Outcome:
        """Marks the copy before it is put in place, so that no hub ever starts with it unmarked."""
        try:
            outcome = await _marked(self._prepared, lost=lost, made_at_ms=facts.made_at_ms, version=facts.version)
        except DatabaseTooNew as error:
            raise archive.newer_database(self._path, facts.version) from error
        except (DatabaseError, StoreError) as error:
            raise archive.damaged(self._path) from error
        here.sync_file(self._prepared.file(DATABASE))
        return outcome

    def _unused_name(self, now_ms: int) -> Path:
        time = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
        names = (
            self._folder.file(f"{DATABASE}.before-{time}{again}") for again in ("", *(f"-{n}" for n in range(2, 100)))
        )
        return next(name for name in names if not name.exists())


@contextmanager
def opened(data_dir: Path, path: Path) -> Iterator[Restore]:
    """Takes the data folder, which is made where there is none, and looks at the back-up's outside. Raises BackupProblem."""
    with (
        archive.opened(path) as archive_,
        held(data_dir) as folder,
        staging(folder.path, RESTORE, "messenger-hub restore") as prepared,
    ):
        if (place := elsewhere(folder)) is not None:
            raise Clash(
                f"The data of the hub in {folder.path} is in {place}: put a dump back there with pg_restore; docs/postgresql.md tells how "
                "to go back to SQLite.",
                "elsewhere",
            )
        yield Restore(path, archive_, folder, prepared)


@contextmanager
def held(data_dir: Path) -> Iterator[PrivateFolder]:
    """The data folder, while no hub runs in it. Raises Hindered."""
    try:
        with writing(data_dir):
            folder = PrivateFolder(data_dir)
            folder.lock("messenger-hub restore")
    except FolderError as error:
        raise Hindered(str(error), "data_folder") from error
    try:
        with writing(data_dir):
            folder.claim_version(VERSION)
        yield folder
    except FolderError as error:
        raise Hindered(str(error), "data_folder") from error
    finally:
        folder.unlock()


async def in_place(folder: PrivateFolder, now_ms: int, address: StoreAddress | None = None) -> Outcome:
    """Declares the database that is there an older copy about whose time since nothing is known: the one at `address`, else the file in
    the folder. Raises BackupProblem or StartupProblem."""
    if address is None and (place := elsewhere(folder)) is not None:
        raise Unusable(
            f"The data of the hub in {folder.path} is in {place}: give its address in MESSENGER_HUB_STORE or config.toml.",
            "elsewhere",
        )
    if address is None and not folder.file(DATABASE).is_file():
        raise Unusable(f"There is no hub in {folder.path}: give its folder with --data-dir.", "no_hub")
    with writing(folder.path):
        try:
            await (await _opened(folder, address)).close()
            # Numbers are raised before the marks are written: a hub that started in between would find nothing amiss.
            replacing.interrupt(folder)
            _drop_damaged(folder)
            outcome = await _marked(folder, lost=True, made_at_ms=now_ms, version="", address=address)
        except (DatabaseError, StoreError) as error:
            raise Hindered(str(error), "database_damaged" if address is None else "database") from error
        replacing.finish(folder)
    return replace(outcome, replaces=True)


async def _opened(folder: PrivateFolder, address: StoreAddress | None) -> SqliteStore | PostgresqlStore:
    if address is None:
        return await SqliteStore.open(folder.file(DATABASE))
    pepper = folder.read(PEPPER)
    if pepper is None or not _SECRET.fullmatch(pepper):
        raise Unusable(
            f"{folder.file(PEPPER)} is missing or damaged: no key works without it, so put it back first.", "no_pepper"
        )
    return await postgresql().open(address, digest_of(bytes.fromhex(pepper.decode())), alone=True)


def _drop_damaged(folder: PrivateFolder) -> None:
    """A high-water file that cannot be read counts as lost."""
    try:
        highwater.parse(folder.read(highwater.NAME))
    except FolderError:
        folder.file(highwater.NAME).unlink()


async def _marked(
    folder: PrivateFolder, *, lost: bool, made_at_ms: int, version: str, address: StoreAddress | None = None
) -> Outcome:
    store = await _opened(folder, address)
    try:
        file = highwater.HighWater(folder) if isinstance(store, SqliteStore) else await store.highwater(folder)
        marks = await restoring.mark(store, file, file_lost=lost)
        names = {channel.id: channel.name for channel in (await store.registry()).channels}
        counts = await store.counts()
    finally:
        await store.close()
    return Outcome(
        made_at_ms=made_at_ms,
        version=version,
        waiting=tuple(names.get(mark.channel_id, f"channel {mark.channel_id}") for mark in marks),
        operations_open=counts[OperationState.PENDING] + counts[OperationState.LEASED],
        operations_uncertain=counts[OperationState.UNCERTAIN],
        unwitnessed=lost,
    )


__all__ = ["BackupProblem", "Outcome", "Restore", "held", "in_place", "opened"]
