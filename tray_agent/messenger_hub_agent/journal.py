"""The agent's journal: one channel's durable log of intents and outcomes, in SQLite.

`append` returns when the entries survive a power cut. An entry's number grows by one and is never used again under the same
journal id; `renew` takes a new id and numbers what is kept from 1.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime.database import Database, Migration, statements
from messenger_hub.runtime.failpoints import Failpoint, passing_entries

from messenger_hub_agent.delivery.channel import RANKS, JournalView
from messenger_hub_agent.delivery.work import is_message

RETENTION_MS = 7 * 24 * 3600 * 1000

BEFORE_APPEND = {
    "intent": Failpoint.JOURNAL_BEFORE_INTENT,
    "end": Failpoint.JOURNAL_BEFORE_END,
    "receipt": Failpoint.JOURNAL_BEFORE_RECEIPT,
}
AFTER_APPEND = {
    "intent": Failpoint.JOURNAL_AFTER_INTENT,
    "end": Failpoint.JOURNAL_AFTER_END,
    "receipt": Failpoint.JOURNAL_AFTER_RECEIPT,
}

_SCHEMA = """
CREATE TABLE head (
  journal_id TEXT NOT NULL, last INTEGER NOT NULL, epoch INTEGER NOT NULL, acknowledged INTEGER NOT NULL
) STRICT;
CREATE TABLE entry (sequence INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
"""


def _create(connection: sqlite3.Connection) -> None:
    for statement in statements(_SCHEMA):
        connection.execute(statement)
    connection.execute("INSERT INTO head VALUES (?, 0, 0, 0)", (_new_id(),))


def _new_id() -> str:
    return secrets.token_hex(16)


class Journal:
    """One channel's journal. Use `open`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, path: Path) -> Journal:
        """Opens or makes the file. Raises DatabaseError with a sentence."""
        return cls(await Database.open(path, [Migration(name="1-journal", apply=_create)]))

    async def view(self) -> JournalView:
        """What the channel's machine needs to know, read from the file."""
        return await self._database.read(_view)

    async def append(self, entries: Sequence[pb.JournalEntry], acknowledged: int = 0) -> None:
        """Numbers the entries after the last one and makes them durable, and with them the highest sequence that the server has
        acknowledged.

        Raises DatabaseError; then only a fresh `view` tells what is there.
        """

        def work(connection: sqlite3.Connection) -> None:
            # Here and not before: the journal may have been renewed since the entries were made.
            (last,) = connection.execute("SELECT last FROM head").fetchone()
            for number, entry in enumerate(entries, last + 1):
                entry.sequence = number
            rows = [(entry.sequence, entry.at.ToMilliseconds(), entry.SerializeToString()) for entry in entries]
            connection.executemany("INSERT INTO entry VALUES (?, ?, ?)", rows)
            connection.execute(
                "UPDATE head SET last = ?, acknowledged = max(acknowledged, ?)", (rows[-1][0], acknowledged)
            )

        passing_entries(BEFORE_APPEND, entries)
        await self._database.write(work)
        passing_entries(AFTER_APPEND, entries)

    async def read(self, after: int, until: int, limit: int) -> Sequence[pb.JournalEntry]:
        """At most `limit` entries above `after`, up to `until`, ascending."""

        def work(connection: sqlite3.Connection) -> Sequence[pb.JournalEntry]:
            rows = connection.execute(
                "SELECT body FROM entry WHERE sequence > ? AND sequence <= ? ORDER BY sequence LIMIT ?",
                (after, until, limit),
            )
            return [pb.JournalEntry.FromString(body) for (body,) in rows]

        return await self._database.read(work)

    async def save_epoch(self, epoch: int) -> None:
        """Makes the highest epoch seen durable."""
        await self._database.write(lambda c: c.execute("UPDATE head SET epoch = max(epoch, ?)", (epoch,)).rowcount)

    async def renew(self) -> tuple[str, int]:
        """A new id, entries numbered from 1; returns both id and the last number."""

        def work(connection: sqlite3.Connection) -> tuple[str, int]:
            bodies = [body for (body,) in connection.execute("SELECT body FROM entry ORDER BY sequence")]
            connection.execute("DELETE FROM entry")
            for number, body in enumerate(bodies, 1):
                entry = pb.JournalEntry.FromString(body)
                entry.sequence = number
                row = (number, entry.at.ToMilliseconds(), entry.SerializeToString())
                connection.execute("INSERT INTO entry VALUES (?, ?, ?)", row)
            journal_id = _new_id()
            connection.execute("UPDATE head SET journal_id = ?, last = ?, acknowledged = 0", (journal_id, len(bodies)))
            return journal_id, len(bodies)

        return await self._database.write(work)

    async def forget(self, up_to: int, before_ms: int) -> int:
        """Drops the oldest entries that the server has (`up_to`) and whose retention is over, never beyond an open intent.

        Returns the number of the oldest entry that is kept, last + 1 when none is.
        """

        def work(connection: sqlite3.Connection) -> int:
            view = _view(connection)
            opened = _opened(connection, view)
            keep = min([up_to + 1, *opened])
            found = connection.execute("SELECT min(sequence) FROM entry WHERE at_ms >= ?", (before_ms,)).fetchone()[0]
            keep = min(keep, found if found is not None else keep)
            connection.execute("DELETE FROM entry WHERE sequence < ?", (keep,))
            first = connection.execute("SELECT min(sequence) FROM entry").fetchone()[0]
            return int(first) if first is not None else view.last + 1

        return await self._database.write(work)

    async def blank(self, whatsapp_ids: Sequence[str]) -> int:
        """Blanks number, text, name and reference in the intents of these operations, those without an end aside; says in how many."""
        wanted = frozenset(whatsapp_ids)

        def work(connection: sqlite3.Connection) -> int:
            opened = frozenset(_opened(connection, _view(connection)))
            rows = connection.execute("SELECT sequence, body FROM entry ORDER BY sequence").fetchall()
            blanked = [
                (_blank(entry).SerializeToString(), sequence)
                for sequence, body in rows
                if sequence not in opened
                and (entry := pb.JournalEntry.FromString(body)).whatsapp_id in wanted
                and entry.WhichOneof("fact") == "intent"
            ]
            connection.executemany("UPDATE entry SET body = ? WHERE sequence = ?", blanked)
            return len(blanked)

        count = await self._database.write(work)
        if count:
            await self._database.truncate_log()
        return count

    async def close(self) -> None:
        """Closes the file."""
        await self._database.close()


def _blank(entry: pb.JournalEntry) -> pb.JournalEntry:
    """Its action's kind stays: a message is still one."""
    action = entry.intent.WhichOneof("action")
    if action is not None:
        getattr(entry.intent, action).Clear()
        getattr(entry.intent, action).SetInParent()
    entry.intent.provenance.reference = ""
    return entry


def _view(connection: sqlite3.Connection) -> JournalView:
    head = connection.execute("SELECT journal_id, last, epoch, acknowledged FROM head").fetchone()
    journal_id, last, epoch, acknowledged = head
    view = JournalView(journal_id=journal_id, first=last + 1, last=last, epoch=epoch, acknowledged=acknowledged)
    for sequence, body in connection.execute("SELECT sequence, body FROM entry ORDER BY sequence"):
        view.first = min(view.first, sequence)
        _fold(view, pb.JournalEntry.FromString(body))
    return view


def _fold(view: JournalView, entry: pb.JournalEntry) -> None:
    if entry.WhichOneof("fact") == "intent":
        view.open[entry.lease_id] = entry.intent
        if is_message(entry.intent):
            view.last_message_at_ms = entry.at.ToMilliseconds()
        return
    lease = view.open.pop(entry.lease_id, None)
    if entry.outcome.kind == pb.Outcome.KIND_VOID or (lease is not None and not is_message(lease)):
        return
    rank = RANKS.get(entry.outcome.kind, 0)
    view.known[entry.whatsapp_id] = max(rank, view.known.get(entry.whatsapp_id, 0))


def _opened(connection: sqlite3.Connection, view: JournalView) -> Sequence[int]:
    numbers: list[int] = []
    for sequence, body in connection.execute("SELECT sequence, body FROM entry ORDER BY sequence"):
        entry = pb.JournalEntry.FromString(body)
        if entry.lease_id in view.open and entry.WhichOneof("fact") == "intent":
            numbers.append(sequence)
    return numbers
