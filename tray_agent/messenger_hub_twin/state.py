"""What must survive a kill of the twin beside the log: people, links, contacts, messages with their receipts.

A small SQLite file of facts. WAL and ``synchronous=OFF``: a kill of the twin at any moment loses and tears nothing, a crash of
the whole machine may, which a stand-in can bear.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from messenger_hub_twin.mailbox import Message
from messenger_hub_twin.network import Contact, Fact, Link, Network
from messenger_hub_twin.people import Person

T = TypeVar("T", Person, Link, Contact, Message)


class UnreadableState(RuntimeError):
    """The state file is not one of ours; the message says what to do."""


class StateFile:
    """Facts by kind and key. Used by one thread only."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._connection = sqlite3.connect(path, isolation_level=None)
        try:
            self._connection.executescript(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
                "CREATE TABLE IF NOT EXISTS fact"
                " (kind TEXT, key TEXT, value TEXT NOT NULL, UNIQUE (kind, key));"
            )
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise UnreadableState(f"{path} is not a twin's state file; move it away, or name another log.") from error

    def remember(self, kind: str, key: str, fact: Fact | None) -> None:
        """Store a fact, or forget it (None); durable against a kill when this returns."""
        if fact is None:
            self._connection.execute("DELETE FROM fact WHERE kind = ? AND key = ?", (kind, key))
        else:
            self._connection.execute(
                "INSERT INTO fact VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value",
                (kind, key, json.dumps(dict(fact))),
            )

    def restore(self, network: Network) -> None:
        """Give a network everything that an earlier run remembered."""
        network.restore(
            people=self._all("person", Person),
            links=self._all("link", Link),
            contacts=self._all("contact", Contact),
            messages=self._all("message", Message),
        )

    def has(self, kind: str) -> bool:
        """Whether there is any fact of a kind."""
        return self._connection.execute("SELECT 1 FROM fact WHERE kind = ? LIMIT 1", (kind,)).fetchone() is not None

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _all(self, kind: str, of: type[T]) -> list[T]:
        rows = self._connection.execute("SELECT value FROM fact WHERE kind = ? ORDER BY rowid", (kind,))
        found: list[Mapping[str, object]] = [json.loads(value) for (value,) in rows]
        return [of(**values) for values in found]  # type: ignore[arg-type]
