"""A world's PostgreSQL comes back from everything that is done to it, with what was committed; and only the way that is cut is cut."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.torture.nemesis.postgresql import Postgresql
from tests.torture.nemesis.proxy import Mode

SECONDS = 30
GONE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
WHO = {"application_name": "messenger-hub"}


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Postgresql]:
    made = Postgresql(tmp_path, ["server 1", "server 2"])
    async with made.ways["server 1"].serving(), made.ways["server 2"].serving(), made.standing():
        yield made
    assert "CREATE TABLE" in (tmp_path / "database.sql").read_text()
    assert (tmp_path / "database.log").exists()


async def connected(database: Postgresql, node: str = "server 1") -> Any:
    return await asyncpg.connect(database.address(node), timeout=SECONDS, server_settings=WHO)


async def committed(database: Postgresql, *words: str) -> list[str]:
    """Of one table, all words after these were added."""
    connection = await connected(database)
    await connection.execute("CREATE TABLE IF NOT EXISTS told (word text)")
    await connection.executemany("INSERT INTO told VALUES ($1)", [(word,) for word in words])
    found = [row[0] for row in await connection.fetch("SELECT word FROM told ORDER BY word")]
    await connection.close()
    return found


@pytest.mark.parametrize(
    "end",
    [
        lambda one: one.kill(),
        lambda one: one.stop(signal.SIGQUIT),
        lambda one: one.stop(signal.SIGINT),
    ],
    ids=["killed", "immediate", "fast"],
)
async def test_what_was_committed_is_there_after_every_end(
    database: Postgresql, end: Callable[[Postgresql], Coroutine[None, None, None]]
) -> None:
    assert await committed(database, "early") == ["early"]
    left = await connected(database)
    await end(database)
    assert not database.runs
    await database.start()
    with pytest.raises(GONE):
        await left.execute("SELECT 1")
    assert await committed(database, "late") == ["early", "late"]


async def test_the_process_that_serves_a_hub_is_found_ended_stopped_and_killed(database: Postgresql) -> None:
    assert await database.backend(0.0) == 0
    await committed(database, "early")
    hub = await connected(database)
    own = await hub.fetchval("SELECT pg_backend_pid()")
    assert await database.backend(0.9) == own
    database.stop_backend(own)
    asking = asyncio.ensure_future(hub.fetchval("SELECT 1"))
    assert await committed(database, "late") == ["early", "late"]
    assert not asking.done()
    database.go_on(own)
    assert await asyncio.wait_for(asking, SECONDS) == 1
    await database.end_backend(own)
    with pytest.raises(GONE):
        await hub.execute("SELECT 1")


async def test_only_the_way_that_is_cut_is_cut_and_all_is_put_right(database: Postgresql) -> None:
    await committed(database, "early")
    database.ways["server 1"].set(Mode.CUT)
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await connected(database)
    other = await connected(database, "server 2")
    assert await other.fetchval("SELECT 1") == 1
    await other.close()
    await database.kill()
    await database.put_right()
    assert await committed(database) == ["early"]
