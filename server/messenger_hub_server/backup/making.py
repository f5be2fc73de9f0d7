"""Makes a back-up of a data folder, whether or not the hub runs.

The copy of the database comes first and the files beside it after it: the high-water file and the registry's ids are written before the
commits that they cover, so files that are read later cover every row of the copy.

The agent's folder is not part of it. Its journal is evidence of what was sent, and an older journal put back would take that evidence
away; its browser profile is a log-in to WhatsApp that cannot be rolled back either.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from messenger_hub.runtime.folder import PrivateFolder, sync_folder
from messenger_hub.runtime.system import here

from messenger_hub_server.backup import archive
from messenger_hub_server.backup.archive import Manifest, Sight
from messenger_hub_server.backup.problems import Clash, Hindered, Unusable, no_room, writing
from messenger_hub_server.backup.staging import BACKUP, staging
from messenger_hub_server.data_folder import DATABASE, PEPPER, VERSION
from messenger_hub_server.stores import elsewhere

# Pages of one step of the copy. The copy is made inside one read transaction, so steps only give progress a chance.
_PAGES = 2_048
_BUSY_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A finished back-up: its size in bytes, what it holds, and how many operations the copy has."""

    path: Path
    size: int
    files: tuple[str, ...]
    operations: int


def back_up(
    data_dir: Path, target: Path, passphrase: str, *, replace: bool, now_ms: int, version: str, sight: Sight
) -> Made:
    """Writes a back-up to `target`, mode 0600, durable when this returns. Raises BackupProblem; then nothing is left behind."""
    data_dir, target = data_dir.absolute(), target.absolute()
    _look(data_dir, target, replace=replace)
    with staging(data_dir, BACKUP, "messenger-hub backup") as folder:
        with writing(data_dir):
            _have_room(data_dir)
            copy = folder.file(DATABASE)
            operations = _copy(data_dir / DATABASE, copy, sight)
            files: dict[str, Path | bytes] = {DATABASE: copy, **_beside(data_dir)}
        if PEPPER not in files:
            raise Unusable(
                f"{data_dir / PEPPER} is missing: no key works without it, so put it back first.", "no_pepper"
            )
        facts = Manifest(format=archive.FORMAT, made_at_ms=now_ms, version=version, layout=VERSION, files={})
        with writing(target.parent), _draft(target, replace=replace) as draft, draft.open("w+b") as file:
            archive.write(file, files, facts, passphrase, sight)
            file.flush()
            os.fsync(file.fileno())
    return Made(path=target, size=target.stat().st_size, files=tuple(files), operations=operations)


def _look(data_dir: Path, target: Path, *, replace: bool) -> None:
    if not (data_dir / DATABASE).is_file() and (place := elsewhere(PrivateFolder(data_dir))) is not None:
        raise Unusable(
            f"The data of the hub in {data_dir} is in {place}: back it up there with pg_dump, and after it this folder with your own tools.",
            "elsewhere",
        )
    if not (data_dir / DATABASE).is_file():
        raise Unusable(f"There is no hub in {data_dir}: give its folder with --data-dir.", "no_hub")
    if target.resolve().is_relative_to(data_dir.resolve()):
        raise Unusable(f"{target} lies in the data folder, and would be lost with it: write it elsewhere.", "inside")
    if not target.parent.is_dir():
        raise Unusable(
            f"There is no folder {target.parent}: make it, or write the back-up elsewhere.", "no_such_folder"
        )
    _is_free(target, replace=replace)


def _is_free(target: Path, *, replace: bool) -> None:
    if target.is_dir():
        raise Unusable(f"{target} is a folder: give the name of a file in it.", "is_a_folder")
    if target.exists() and not replace:
        raise Clash(f"{target} is there already: choose another name, or add --force to replace it.", "exists")


def _have_room(data_dir: Path) -> None:
    """Before the copy fills the disk on which a running hub needs room for its commits."""
    parts = (data_dir / DATABASE, data_dir / f"{DATABASE}-wal")
    needed = sum(path.stat().st_size for path in parts if path.exists())
    if shutil.disk_usage(data_dir).free < needed:
        raise no_room(data_dir)


def _beside(data_dir: Path) -> dict[str, Path | bytes]:
    found: dict[str, Path | bytes] = {}
    for name in archive.CONTENT:
        if name != DATABASE and (data_dir / name).is_file():
            found[name] = (data_dir / name).read_bytes()
    return found


def _copy(source: Path, copy: Path, sight: Sight) -> int:
    """A sound copy of the database as it is now. Returns its number of operations."""
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, isolation_level=None)) as original:
            original.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}")
            # One read transaction: commits go on meanwhile and are not in the copy, which otherwise would begin again at each of them.
            original.execute("BEGIN")
            operations = int(original.execute("SELECT count(*) FROM operation").fetchone()[0])
            with closing(sqlite3.connect(copy, isolation_level=None)) as new:
                # Should the machine go down, the copy is thrown away.
                new.execute("PRAGMA synchronous = OFF")
                original.backup(
                    new, pages=_PAGES, progress=lambda _, left, total: sight("Copying", total - left, total)
                )
            original.rollback()
        sight("Checking the copy", 0, 0)
        with closing(sqlite3.connect(f"file:{copy}?immutable=1", uri=True)) as new:
            (verdict,) = new.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise _told(source, error) from error
    if verdict != "ok":
        raise Unusable(
            f"{source} is damaged ({verdict}): stop the hub and restore the newest sound back-up; none was made of it.",
            "database_damaged",
        )
    return operations


def _told(source: Path, error: sqlite3.Error) -> Hindered | Unusable:
    code = getattr(error, "sqlite_errorcode", 0)
    match code & 0xFF:
        case sqlite3.SQLITE_FULL:
            return no_room(source.parent)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_ERROR:
            return Unusable(
                f"{source} is damaged ({error}): stop the hub and restore the newest sound back-up; none was made of it.",
                "database_damaged",
            )
        case _ if code == sqlite3.SQLITE_IOERR_WRITE:
            return Hindered(
                f"{source.parent} cannot be written ({error}): see whether its disk is sound and has room.",
                "not_writable",
            )
        case _:
            return Hindered(f"{source} cannot be read ({error}): try again.", "database_unreadable")


@contextmanager
def _draft(target: Path, *, replace: bool) -> Iterator[Path]:
    """A file beside the target that takes its place when all went well, and is gone else."""
    draft = target.with_name(f".{target.name}.{os.getpid()}.draft")
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
        here.keep_private(draft)
        yield draft
        _is_free(target, replace=replace)
        here.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(target.parent)
