"""The SQLite database that is moved: read only, one view of it all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from messenger_hub_server.moving.tables import Table
from messenger_hub_server.store.rows import Row, Value


class Source:
    """Use `reading`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def count(self, table: Table) -> int:
        """How many rows it has."""
        (count,) = self._connection.execute(f"SELECT count(*) FROM {table.source}").fetchone()  # noqa: S608 our own names
        return int(count)

    def count_to(self, table: Table, key: Value) -> int:
        """How many rows it has up to that key."""
        wanted = f"SELECT count(*) FROM {table.source} WHERE {table.key} <= ?"  # noqa: S608
        return int(self._connection.execute(wanted, (key,)).fetchone()[0])

    def rows(self, table: Table, after: Value, limit: int) -> Sequence[Row]:
        """The next rows by key; of a table without one all."""
        values: tuple[Value, ...] = ()
        wanted = f"SELECT {', '.join(table.columns)} FROM {table.source}"  # noqa: S608
        if table.key:
            wanted += f" WHERE {table.key} > ? ORDER BY {table.key} LIMIT ?"
            values = after, limit
        return [table.row(row) for row in self._connection.execute(wanted, values)]

    def last_event(self) -> int:
        """The largest event id ever given."""
        found = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
        return int(found[0]) if found else 0


@contextmanager
def reading(path: Path) -> Iterator[Source]:
    """The database as it is now."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")
        yield Source(connection)
