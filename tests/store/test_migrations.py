"""A database of an earlier version gets the columns of this one, and what they hold."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from messenger_hub.runtime.database import Database
from messenger_hub_server.model import OperationId
from messenger_hub_server.store.sqlite import MIGRATIONS, SqliteStore

FIRST = """
INSERT INTO operation (id, wa_id, channel_id, session_api_id, kind, recipient, target, lane, body, priority, state, reason,
  reference, accepted_at_ms, due_at_ms, changed_at_ms)
VALUES (?1, '3EB0' || ?1, 1, 1, 'send_message', '', '1@c.us', 'chat:1@c.us', '', 2, 'pending', '', '', 100, ?2, 100)
"""


def _first(connection: sqlite3.Connection) -> None:
    for number, due in ((1, 100), (2, 900)):
        connection.execute(FIRST, (number, due))


async def test_what_was_held_is_held_and_what_was_not_keeps_its_place(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "hub.db", MIGRATIONS[:1])
    await database.write(_first)
    await database.close()
    store = await SqliteStore.open(tmp_path / "hub.db")
    at_once, held = [await store.operation(OperationId(number)) for number in (1, 2)]
    assert at_once is not None
    assert held is not None
    assert (at_once.place_ms, at_once.send_at_ms) == (100, None)
    assert (held.place_ms, held.send_at_ms) == (900, 900)
    assert await store.next_wake_at_ms(100) == 900
    await store.close()
