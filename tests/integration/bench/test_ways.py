"""The other ways of the bench are verified as the whole way is, and each gives the rows that it is named for."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from tests.bench import aims, postgresql, ways, week
from tests.bench.measuring import Bench, Helper, running_bench
from tests.bench.plan import Scenario
from tests.bench.ways import Length

SHORT = Length(rounds=1, slice_seconds=0.2, open_seconds=0.5)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """One that several slices are played on, one after the other."""
    async with running_bench(tmp_path_factory.mktemp("bench"), 0, helpers=(Helper.BATCHES,)) as running:
        yield running


def named(command: str) -> set[str]:
    return {name for name, aim in aims.AIMS.items() if aim.command == command}


async def test_keys_batches_rivals_and_the_open_loop_give_their_rows(tmp_path: Path) -> None:
    found = await ways.measure(tmp_path, SHORT)
    assert set(found) == named("ways")
    assert min(found.values()) > 0


@pytest.mark.asyncio(loop_scope="module")
async def test_each_request_of_a_keyed_slice_has_a_key_that_the_hub_has_kept(bench: Bench) -> None:
    before = count(bench.estate.database, "idempotency")
    sample = await bench.whole_way(Scenario(connections=8, keyed=True), 0.2)
    kept = count(bench.estate.database, "idempotency")
    assert sample.operations == kept - before > 0
    await bench.whole_way(Scenario(connections=8), 0.2)
    assert count(bench.estate.database, "idempotency") == kept


@pytest.mark.asyncio(loop_scope="module")
async def test_a_batch_is_a_hundred_operations_that_all_are_settled(bench: Bench) -> None:
    before = count(bench.estate.database, "operation")
    sample = await bench.whole_way(Scenario(connections=2, batched=True), 0.2)
    assert sample.operations == count(bench.estate.database, "operation") - before
    assert sample.operations >= 100
    assert sample.operations % 100 == 0


async def test_a_compressed_week_counts_every_operation_that_was_settled(tmp_path: Path) -> None:
    found = await week.measure(tmp_path, hours=2, hour_seconds=0.2)
    assert named("week") <= set(found)
    assert found["operations"] == count(tmp_path / "data/hub.db", "operation")


async def test_a_hub_on_postgresql_is_verified_by_what_its_database_says(tmp_path: Path) -> None:
    found = await postgresql.measure(tmp_path, SHORT)
    assert set(found) == named("postgresql")
    assert json.loads(json.dumps(found)) == found


def count(database: Path, table: str) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
