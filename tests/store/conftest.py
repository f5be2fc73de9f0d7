"""Databases for the stores."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.postgresql.store import PostgresqlStore

from tests.postgresql import PostgresqlServer

DIGEST = b"whose it is"


@pytest.fixture(scope="session")
def template(postgresql: PostgresqlServer) -> str:
    """A database with the tables, to copy."""
    name = postgresql.database()

    async def make() -> None:
        await (await PostgresqlStore.open(postgresql.address(name), DIGEST)).close()

    asyncio.run(make())
    return name


@pytest.fixture
def new_database(postgresql: PostgresqlServer, template: str) -> Callable[[], StoreAddress]:
    """Makes a database with the tables."""
    return lambda: postgresql.address(postgresql.database(template))


@pytest.fixture
def address(new_database: Callable[[], StoreAddress]) -> StoreAddress:
    """A new database with the tables."""
    return new_database()


@pytest.fixture(scope="session")
def emptied(postgresql: PostgresqlServer, template: str) -> Callable[[], StoreAddress]:
    """Empties one database and gives its address, for tests that want a new one many times."""
    name = postgresql.database(template)

    def empty() -> StoreAddress:
        # Quicker than TRUNCATE, which makes every file anew.
        tables = ("operation", "place", "epoch", "journal", "restored", "record", "channel_groups")
        postgresql.sql("; ".join(f"DELETE FROM messenger_hub.{table}" for table in tables), name)
        return postgresql.address(name)

    return empty
