"""The steps that put a prepared folder in the place of the one that is there.

Everything is prepared and synced in a folder on the same disk, so each step is a rename or a link: it happens as a whole or not at all,
and needs no room. The order:

    keep       what was written to the old database is folded into its one file, and that gets a second name: nothing has changed
    interrupt  from here on no hub starts: the files would be of two times
    beside     high-water file and registry ids, whose numbers only grow; secrets and settings where there are none
    database   one rename puts the new database, marked already, over the old one
    finish     a hub may start

A crash before "interrupt" leaves the old hub, one after "finish" the new one. In between the hub refuses to start until the restore is
repeated; that finds numbers at least as large, and does all steps again.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from messenger_hub.runtime.folder import PrivateFolder, sync_folder
from messenger_hub.runtime.system import here

from messenger_hub_server.backup.problems import Hindered
from messenger_hub_server.data_folder import DATABASE, INTERRUPTED

_WAL, _SHARED = f"{DATABASE}-wal", f"{DATABASE}-shm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One of the steps above."""

    name: str
    take: Callable[[], None]


def steps(prepared: PrivateFolder, folder: PrivateFolder, beside: Sequence[str], kept: Path) -> Sequence[Step]:
    """All steps, in order. `beside` are files that lie in `prepared` next to the database; `kept` is the old database's second name."""
    return [
        Step(name="keep", take=lambda: _keep(folder, kept)),
        Step(name="interrupt", take=lambda: interrupt(folder)),
        *(Step(name=name, take=lambda name=name: _move(prepared, folder, name)) for name in beside),  # type: ignore[misc]
        Step(name="database", take=lambda: _replace_database(prepared, folder)),
        Step(name="finish", take=lambda: finish(folder)),
    ]


def interrupt(folder: PrivateFolder) -> None:
    """No hub starts any more. Raises OSError."""
    folder.write_private(INTERRUPTED, b"")


def finish(folder: PrivateFolder) -> None:
    """A hub may start."""
    folder.file(INTERRUPTED).unlink(missing_ok=True)
    sync_folder(folder.path)


def _keep(folder: PrivateFolder, kept: Path) -> None:
    database = folder.file(DATABASE)
    if not database.exists():
        return
    log, kept_log = folder.file(_WAL), kept.with_name(f"{kept.name}-wal")
    # Of a database that is beyond reading, opening it may throw the log away.
    if log.exists():
        _second_name(log, kept_log)
    try:
        if _fold(database):
            kept_log.unlink(missing_ok=True)
    except Hindered:
        kept_log.unlink(missing_ok=True)
        raise
    _second_name(database, kept)
    sync_folder(folder.path)


def _fold(database: Path) -> bool:
    """Leaves one file that needs no log beside it; false when it is too damaged for that. Fails while any other program has it open:
    such a program would write its log over the new database's. Raises Hindered."""
    try:
        with closing(sqlite3.connect(database, timeout=1.0, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.DatabaseError as error:
        match getattr(error, "sqlite_errorcode", 0) & 0xFF:
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                return False
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                raise Hindered(
                    f"{database} is in use by another program, perhaps a back-up or a check: wait for it, then try again; nothing was "
                    "changed.",
                    "in_use",
                ) from error
            case _:
                raise Hindered(
                    f"{database} cannot be closed properly ({error}): try again; nothing was changed.",
                    "database_unreadable",
                ) from error
    return True


def _second_name(file: Path, name: Path) -> None:
    try:
        name.hardlink_to(file)
    except OSError:
        # Not every file system has links.
        shutil.copy2(file, name)
        here.sync_file(name)


def _move(prepared: PrivateFolder, folder: PrivateFolder, name: str) -> None:
    here.replace(prepared.file(name), folder.file(name))
    sync_folder(folder.path)


def _replace_database(prepared: PrivateFolder, folder: PrivateFolder) -> None:
    # A log of the old database would be taken for one of the new.
    folder.file(_WAL).unlink(missing_ok=True)
    folder.file(_SHARED).unlink(missing_ok=True)
    sync_folder(folder.path)
    _move(prepared, folder, DATABASE)
