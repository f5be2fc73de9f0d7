"""Checks a whole data folder. The database is read first and the files beside it after it: they are written before the commits that
they cover, so on a running hub they are never behind what was read."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from messenger_hub.runtime.folder import FolderUnusable
from messenger_hub.runtime.soundness import Finding, reading, too_open, unreadable, unsound

from messenger_hub_server import highwater
from messenger_hub_server.backup.staging import BACKUP, RESTORE
from messenger_hub_server.checking import rows
from messenger_hub_server.config import FILE_NAME as CONFIG
from messenger_hub_server.data_folder import ADMIN_TOKEN, DATABASE, ELSEWHERE, INTERRUPTED, MOVED, PEPPER
from messenger_hub_server.model import ChannelId
from messenger_hub_server.registry_ids import FILE_NAME as REGISTRY_IDS
from messenger_hub_server.store.base import HighMarks

_SECRET = re.compile(rb"[0-9a-f]{64}")

OnStep = Callable[[str], None]


class NoHub(Exception):
    """There is no database in the folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What one view of the database says that the files beside it must cover."""

    marks: HighMarks
    journals: Mapping[ChannelId, str]
    restored: Sequence[str]


def check(data_dir: Path, on_step: OnStep) -> Iterator[Finding]:
    """Everything that is found, in no particular order. `on_step` is told what is looked at, again and again. Raises NoHub."""
    database = data_dir / DATABASE
    if not database.is_file():
        if not (data_dir / ELSEWHERE).is_file():
            raise NoHub
        yield from _modes(data_dir)
        yield from _beside(data_dir)
        yield from _elsewhere(data_dir / ELSEWHERE)
        return
    yield from _modes(data_dir)
    seen: _Seen | None = None
    try:
        with reading(database, lambda: on_step("")) as connection:
            on_step("The database's pages")
            yield from unsound(connection, database, rows.ADVICE)
            yield from rows.broken(connection, database, on_step)
            seen = _seen(connection)
    except sqlite3.Error as error:
        yield unreadable(database, error, rows.ADVICE)
    yield from _beside(data_dir)
    if seen is not None:
        yield from _high_water(data_dir, seen)
        yield from _told(database, seen)


def _seen(connection: sqlite3.Connection) -> _Seen:
    largest = connection.execute("SELECT max(id) FROM operation").fetchone()[0] or 0
    epochs = connection.execute("SELECT channel_id, epoch, journal_id FROM epoch").fetchall()
    names = connection.execute(
        """SELECT coalesce((SELECT body ->> '$.name' FROM record WHERE kind = 'channel' AND id = CAST(channel_id AS TEXT)),
            'channel ' || channel_id) FROM restored ORDER BY channel_id"""
    )
    return _Seen(
        marks=HighMarks(operation_id=largest, epochs={ChannelId(row[0]): row[1] for row in epochs}),
        journals={ChannelId(row[0]): row[2] for row in epochs},
        restored=[name for (name,) in names],
    )


def _told(database: Path, seen: _Seen) -> Iterator[Finding]:
    for name in seen.restored:
        sentence = f"The channel {name} was restored and waits for its desktop: start the desktop app."
        yield Finding(code="restored", file=database, sentence=sentence, wrong=False)


# ---- what lies beside the database ------------------------------------------------------------------------------------------


def _modes(data_dir: Path) -> Iterator[Finding]:
    yield from too_open(data_dir)
    for path in sorted(data_dir.iterdir()):
        # A person writes the settings; others are kept out by the folder, should they hold a password.
        if path.name != CONFIG:
            yield from too_open(path)


def _beside(data_dir: Path) -> Iterator[Finding]:
    for name, loss in (
        (PEPPER, "no key works without it"),
        (ADMIN_TOKEN, "the hub makes a new one at its next start if you delete it"),
    ):
        path = data_dir / name
        content = path.read_bytes() if path.is_file() else None
        if content is None or not _SECRET.fullmatch(content):
            sentence = f"{path} is missing or damaged: restore it from a back-up; {loss}."
            yield Finding(code="secret", file=path, sentence=sentence)
    ids = data_dir / REGISTRY_IDS
    try:
        msgspec.json.decode(ids.read_bytes() if ids.exists() else b"{}", type=dict[str, int])
    except msgspec.DecodeError:
        yield Finding(code="registry_ids", file=ids, sentence=f"{ids} is damaged: restore it from a back-up.")
    interrupted = data_dir / INTERRUPTED
    if interrupted.exists():
        sentence = "A restore was interrupted, and the hub does not start: repeat messenger-hub restore."
        yield Finding(code="interrupted", file=interrupted, sentence=sentence)
    for path in (data_dir / BACKUP, data_dir / RESTORE):
        if path.exists():
            sentence = f"A back-up or a restore is at work in {path}, or was killed: the next start of the hub deletes it then."
            yield Finding(code="leftover", file=path, sentence=sentence, wrong=False)
    if (moved := data_dir / MOVED).exists():
        sentence = f"{moved} is the database from before the move to PostgreSQL, which retention and erasure do not reach: delete it when all is well."
        yield Finding(code="kept", file=moved, sentence=sentence, wrong=False)
    for path in sorted(data_dir.glob(f"{DATABASE}.before-*")):
        sentence = f"{path} is the database from before a restore, which retention and erasure do not reach: delete it when all is well."
        yield Finding(code="kept", file=path, sentence=sentence, wrong=False)


def _elsewhere(path: Path) -> Iterator[Finding]:
    place = path.read_text(errors="replace").strip()
    sentence = (
        f"The data is in {place}, which is not looked at here: its server checks it, with pg_amcheck for example."
    )
    yield Finding(code="elsewhere", file=path, sentence=sentence, wrong=False)


def _high_water(data_dir: Path, seen: _Seen) -> Iterator[Finding]:
    path = data_dir / highwater.NAME
    try:
        content = highwater.parse(path.read_bytes() if path.exists() else None)
    except FolderUnusable as error:
        yield Finding(code="high_water", file=path, sentence=str(error))
        return
    if content.is_behind(seen.marks):
        sentence = f"{path} is missing or older than the database: {highwater.WAY_OUT}"
        yield Finding(code="high_water", file=path, sentence=sentence)
    for channel_id, epoch in seen.marks.epochs.items():
        known = content.channels.get(str(channel_id))
        if known and known.epoch == epoch and known.journal_id and known.journal_id != seen.journals[channel_id]:
            sentence = f"{path} and the database name different journals for channel {channel_id}: {highwater.WAY_OUT}"
            yield Finding(code="high_water", file=path, sentence=sentence)
    if content.is_ahead(seen.marks):
        sentence = "The database is an older copy: at the next start its channels wait for their desktops."
        yield Finding(code="older_copy", file=path, sentence=sentence, wrong=False)
