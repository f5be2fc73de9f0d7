"""The tables could be spread over several servers by channel, as docs/scaling.md says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from messenger_hub_server.store.postgresql.store import PostgresqlStore

from tests.postgresql import PostgresqlServer

PAGE = (Path(__file__).parents[2] / "docs/scaling.md").read_text(encoding="utf-8")
WITHOUT_CHANNEL = """
SELECT relname FROM pg_class WHERE relnamespace = 'messenger_hub'::regnamespace AND relkind IN ('r', 'p') AND NOT EXISTS (
  SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'channel_id' AND NOT attisdropped)
"""
UNIQUE_WITHOUT_CHANNEL = """
SELECT i.indexrelid::regclass::text FROM pg_index i
JOIN pg_class t ON t.oid = i.indrelid AND t.relnamespace = 'messenger_hub'::regnamespace
JOIN pg_attribute c ON c.attrelid = t.oid AND c.attname = 'channel_id'
WHERE (i.indisunique OR i.indisexclusion) AND NOT (c.attnum = ANY (i.indkey))
"""
FOREIGN = """
SELECT f.conrelid::regclass || ' ' || f.confrelid::regclass FROM pg_constraint f
JOIN pg_class t ON t.oid = f.conrelid AND t.relnamespace = 'messenger_hub'::regnamespace
WHERE f.contype = 'f' AND NOT EXISTS (
  SELECT FROM unnest(f.conkey, f.confkey) AS pair (here, there)
  JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = pair.here AND a.attname = 'channel_id'
  JOIN pg_attribute b ON b.attrelid = f.confrelid AND b.attnum = pair.there AND b.attname = 'channel_id')
"""


class Catalogue:
    """What a hub's database says of its own tables."""

    def __init__(self, server: PostgresqlServer, database: str) -> None:
        self._server = server
        self._database = database

    def lines(self, statement: str) -> set[str]:
        return {line.replace("messenger_hub.", "") for line in self._server.sql(statement, self._database).splitlines()}


@pytest.fixture
async def catalogue(postgresql: PostgresqlServer) -> Catalogue:
    database = postgresql.database()
    store = await PostgresqlStore.open(postgresql.address(database), b"a digest")
    await store.close()
    return Catalogue(postgresql, database)


def reference_tables() -> set[str]:
    (listed,) = re.findall(r"^- Reference tables, .+?: (.+)\.$", PAGE, re.MULTILINE)
    return set(re.findall(r"`(\w+)`", listed))


def test_every_unique_constraint_of_a_channels_table_holds_the_channel(catalogue: Catalogue) -> None:
    assert catalogue.lines(UNIQUE_WITHOUT_CHANNEL) == {"operation_number"}


def test_foreign_keys_go_to_the_same_channel_or_to_a_reference_table(catalogue: Catalogue) -> None:
    others = {line.split()[1] for line in catalogue.lines(FOREIGN)}
    assert others
    assert others <= reference_tables()


def test_tables_without_a_channel_are_those_that_the_page_names(catalogue: Catalogue) -> None:
    without = catalogue.lines(WITHOUT_CHANNEL)
    assert {"transition", "record", "hub"} <= without <= reference_tables()
