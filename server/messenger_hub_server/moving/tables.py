"""What is copied, table by table: in both databases the same columns under the same names, and a key to go on from."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from messenger_hub_server.store.rows import Row, Value

# Truths, which SQLite keeps as numbers.
_TRUTHS = frozenset({"started"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`source` is what SQLite's is read from. `key` grows, and its first value comes after `before`; a table without one is small, and
    copied whole. `told`: what people call it."""

    name: str
    told: str
    columns: Sequence[str]
    source: str
    key: str = ""
    before: Value = 0

    def row(self, found: sqlite3.Row) -> Row:
        """A row of SQLite as PostgreSQL holds it, but for what its texts may not hold."""
        return tuple(bool(found[name]) if name in _TRUTHS else found[name] for name in self.columns)


_OPERATION = (
    "id", "wa_id", "channel_id", "session_api_id", "kind", "recipient", "target", "lane", "body", "priority", "state", "reason",
    "reference", "accepted_at_ms", "place_ms", "send_at_ms", "expires_at_ms", "not_before_ms", "changed_at_ms", "attempts", "epoch",
    "lease_id", "journal_id", "started", "problem_code", "problem_message", "successor", "erased_at_ms",
)  # fmt: skip

TABLES: Sequence[Table] = (
    Table(name="operation", told="operations", columns=_OPERATION, source="operation", key="id"),
    Table(
        name="event",
        told="events",
        columns=("id", "operation_id", "channel_id", "from_state", "state", "at_ms", "reason"),
        source="(SELECT event.*, channel_id FROM event JOIN operation ON operation.id = operation_id)",
        key="id",
    ),
    Table(
        name="idempotency",
        told="idempotency keys",
        columns=("key_hash", "channel_id", "parameters_hash", "operation_id"),
        source="(SELECT idempotency.*, channel_id FROM idempotency JOIN operation ON operation.id = operation_id)",
        key="key_hash",
        before=b"",
    ),
    Table(name="epoch", told="epochs", columns=("channel_id", "epoch", "journal_id"), source="epoch"),
    Table(name="journal", told="journals", columns=("channel_id", "journal_id", "sequence"), source="journal"),
    Table(name="restored", told="restored channels", columns=("channel_id", "journal_id", "before"), source="restored"),
    Table(name="record", told="records", columns=("kind", "id", "body"), source="record"),
    Table(name="channel_groups", told="groups", columns=("channel_id", "body", "as_of_ms"), source="channel_groups"),
)
