"""The other ways of the bench are verified as the whole way is, and each gives the rows that it is named for."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.bench import aims, postgresql, ways, week
from tests.bench.measuring import running_bench
from tests.bench.plan import Scenario
from tests.bench.ways import Length

SHORT = Length(rounds=1, slice_seconds=0.2, open_seconds=0.5)


def named(command: str) -> set[str]:
    return {name for name, aim in aims.AIMS.items() if aim.command == command}


async def test_keys_batches_rivals_and_the_open_loop_give_their_rows(tmp_path: Path) -> None:
    found = await ways.measure(tmp_path, SHORT)
    assert set(found) == named("ways")
    assert min(found.values()) > 0


async def test_each_request_of_a_keyed_slice_has_a_key_that_the_hub_has_kept(tmp_path: Path) -> None:
    async with running_bench(tmp_path, 0) as bench:
        sample = await bench.whole_way(Scenario(connections=8, keyed=True), 0.2)
        kept = count(bench.estate.database, "idempotency")
        await bench.whole_way(Scenario(connections=8), 0.2)
        assert (sample.operations, count(bench.estate.database, "idempotency")) == (kept, kept)
    assert kept > 0


async def test_a_batch_is_a_hundred_operations_that_all_are_settled(tmp_path: Path) -> None:
    async with running_bench(tmp_path, 0) as bench:
        sample = await bench.whole_way(Scenario(connections=2, batched=True), 0.2)
        assert sample.operations == count(bench.estate.database, "operation")
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
