"""Invariants over the rows of the database, as a table of queries that find what breaks them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from messenger_hub.runtime.soundness import Finding

from messenger_hub_server.delivery.states import TRANSITIONS
from messenger_hub_server.store.sqlite import MIGRATIONS

ADVICE = "restore a back-up in which this check finds nothing (messenger-hub restore FILE), and please report it."
_MOST = 5
_LIMIT = 1_000

ALLOWED = [("", "pending"), *((source.value, to.value) for source, targets in TRANSITIONS.items() for to in targets)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """`query` selects the ids of operations, one or several (joined by commas) a row, for which it does not hold. `:allowed` are the
    allowed transitions as JSON."""

    code: str
    told: str
    query: str


INVARIANTS = (
    Invariant(
        code="state",
        told="whose last event is another state than their own",
        query="""SELECT o.id FROM operation AS o
            LEFT JOIN event AS e ON e.id = (SELECT max(id) FROM event WHERE operation_id = o.id)
            WHERE e.state IS NOT o.state""",
    ),
    Invariant(
        code="history",
        told="whose events do not follow on each other, so one is missing or too many",
        query="""SELECT DISTINCT operation_id FROM (
              SELECT operation_id, from_state, lag(state, 1, '') OVER (PARTITION BY operation_id ORDER BY id) AS before FROM event)
            WHERE from_state <> before""",
    ),
    Invariant(
        code="transition",
        told="with a transition that the table of states does not have",
        query="""SELECT DISTINCT operation_id FROM event WHERE (from_state, state) NOT IN
            (SELECT value ->> 0, value ->> 1 FROM json_each(:allowed))""",
    ),
    Invariant(
        code="lease",
        told="that are leased without saying to whom",
        query="""SELECT id FROM operation
            WHERE state = 'leased' AND (lease_id IS NULL OR epoch IS NULL OR journal_id IS NULL)""",
    ),
    Invariant(
        code="started",
        told="that have started without a lease",
        query="SELECT id FROM operation WHERE started AND lease_id IS NULL",
    ),
    Invariant(
        code="epoch",
        told="that are leased under an epoch that their channel never had",
        query="""SELECT o.id FROM operation AS o LEFT JOIN epoch AS e ON e.channel_id = o.channel_id
            WHERE o.state = 'leased' AND o.epoch > coalesce(e.epoch, 0)""",
    ),
    Invariant(
        code="lane",
        told="that are leased at the same time for one chat or contact",
        query="""SELECT group_concat(id) FROM operation WHERE state = 'leased'
            GROUP BY channel_id, lane HAVING count(*) > 1""",
    ),
    Invariant(
        code="whatsapp_id",
        told="with one WhatsApp id",
        query="SELECT group_concat(id) FROM operation NOT INDEXED GROUP BY wa_id HAVING count(*) > 1",
    ),
)


def broken(connection: sqlite3.Connection, path: Path, on_step: Callable[[str], None]) -> Iterator[Finding]:
    """What does not hold. Raises sqlite3.Error."""
    yield from _schema(connection, path)
    for invariant in INVARIANTS:
        on_step(f"Operations {invariant.told}")
        values = {"allowed": json.dumps(ALLOWED)} if ":allowed" in invariant.query else {}
        found = [
            number
            for (ids,) in connection.execute(f"{invariant.query} LIMIT {_LIMIT}", values)
            for number in str(ids).split(",")
        ]
        if found:
            yield Finding(code=invariant.code, file=path, sentence=f"{_count(found)} {invariant.told}: {ADVICE}")


def _count(found: Sequence[str]) -> str:
    shown = ", ".join(found[:_MOST]) + (", …" if len(found) > _MOST else "")
    count = f"{_LIMIT} or more" if len(found) >= _LIMIT else str(len(found))
    return f"{count} operation{'s' if len(found) > 1 else ''} ({shown})"


def _schema(connection: sqlite3.Connection, path: Path) -> Iterator[Finding]:
    """Tables, indices, triggers and the table of states are those of its version: they keep the rows in order."""
    applied = _applied(connection)
    if strangers := applied - {migration.name for migration in MIGRATIONS}:
        sentence = f"{path} was written by a newer version (it has {', '.join(sorted(strangers))}): check it with that version."
        yield Finding(code="newer", file=path, sentence=sentence)
        return
    if len(applied) < len(MIGRATIONS):
        sentence = f"{path} was written by an earlier version: the hub brings it up to date at its next start."
        yield Finding(code="earlier", file=path, sentence=sentence, wrong=False)
    statement = "SELECT type || ' ' || name, sql FROM sqlite_master WHERE sql IS NOT NULL"
    there = dict(connection.execute(statement).fetchall())
    for name, sql in _expected(statement, applied).items():
        if there.get(name) != sql:
            sentence = f"The {name} is missing from {path}, or not as it should be: {ADVICE}"
            yield Finding(code="schema", file=path, sentence=sentence)
    if "table transition" in there:
        allowed = {(row[0], row[1]) for row in connection.execute("SELECT from_state, state FROM transition")}
        if allowed != set(ALLOWED):
            yield Finding(
                code="schema", file=path, sentence=f"The table of states in {path} is not this version's: {ADVICE}"
            )


def _applied(connection: sqlite3.Connection) -> frozenset[str]:
    """The steps of the schema that this database has taken; without a list of them it should be of this version."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone():
        return frozenset(migration.name for migration in MIGRATIONS)
    return frozenset(name for (name,) in connection.execute("SELECT name FROM _sqlite_migrations"))


def _expected(statement: str, applied: Collection[str]) -> dict[str, str]:
    fresh = sqlite3.connect(":memory:")
    try:
        for migration in MIGRATIONS:
            if migration.name in applied:
                migration.apply(fresh)
        return dict(fresh.execute(statement).fetchall())
    finally:
        fresh.close()
