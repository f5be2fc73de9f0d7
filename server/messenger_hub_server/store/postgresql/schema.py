"""The schema's steps, each run once, all that are due in one transaction: wholly done, or not at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files

import asyncpg
from messenger_hub.runtime.database import DatabaseTooNew

from messenger_hub_server.delivery.states import TRANSITIONS
from messenger_hub_server.store.postgresql.types import Connection

NAME = "messenger_hub"
"""The PostgreSQL schema that holds the tables."""

_LOCK = 0x6D68_0002  # of this database's advisory locks

_LEDGER = f"""
CREATE SCHEMA IF NOT EXISTS {NAME};
CREATE TABLE IF NOT EXISTS {NAME}.migration (name text PRIMARY KEY, done_at timestamptz NOT NULL DEFAULT now());
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema. A name, once released, never changes its meaning."""

    name: str
    apply: Callable[[Connection], Awaitable[None]]


async def _start(connection: Connection) -> None:
    await connection.execute(_file("1-start"))
    pairs = [("", "pending"), *((source.value, to.value) for source, targets in TRANSITIONS.items() for to in targets)]
    await connection.executemany("INSERT INTO transition VALUES ($1, $2)", pairs)


def _step(name: str) -> Migration:
    """A step that is a file."""

    async def apply(connection: Connection) -> None:
        await connection.execute(_file(name))

    return Migration(name=name, apply=apply)


def _file(name: str) -> str:
    return files(__package__).joinpath("schema").joinpath(f"{name}.sql").read_text()


MIGRATIONS: Sequence[Migration] = (
    Migration(name="1-start", apply=_start),
    _step("2-numbers"),
    _step("3-places"),
    _step("4-events"),
    _step("5-failovers"),
    _step("6-nodes"),
    _step("7-deleted-channels"),
)


async def migrate(connection: Connection, migrations: Sequence[Migration], where: str) -> None:
    """Brings the schema up to date. Raises DatabaseTooNew, or what asyncpg raises, and then nothing was done."""
    names = [migration.name for migration in migrations]
    if await _done(connection) == set(names):
        return
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        done = await _done(connection)
        if strangers := done - set(names):
            raise DatabaseTooNew(
                f"{where} was written by a newer version (it has {', '.join(sorted(strangers))}): install that version again."
            )
        if not done:
            await connection.execute(_LEDGER)
        for migration in migrations:
            if migration.name not in done:
                await migration.apply(connection)
                await connection.execute(f"INSERT INTO {NAME}.migration (name) VALUES ($1)", migration.name)  # noqa: S608


async def _done(connection: Connection) -> set[str]:
    try:
        async with connection.transaction():
            return {row[0] for row in await connection.fetch(f"SELECT name FROM {NAME}.migration")}  # noqa: S608
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return set()
