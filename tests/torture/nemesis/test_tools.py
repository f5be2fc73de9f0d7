"""The hands' tools: a clock that is wrong, and an older copy of a database that is put back."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from messenger_hub.runtime.clock import SystemClock

from tests.torture.nemesis import databases
from tests.torture.nemesis.wrong_clock import set_clock


@pytest.mark.parametrize("seconds", [300.0, -300.0])
def test_a_wrong_clock_is_the_hubs_and_leaves_intervals_alone(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", time.time_ns)
    monkeypatch.setattr(time, "time", time.time)
    clock = SystemClock()
    before, interval = clock.now_ms(), clock.monotonic()
    set_clock(seconds)
    assert seconds * 1000 <= clock.now_ms() - before < seconds * 1000 + 10_000
    assert 0 <= clock.monotonic() - interval < 10
    assert abs(time.time() * 1000 - clock.now_ms()) < 10_000


@contextmanager
def writer(hub: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(hub / databases.DATABASE, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE IF NOT EXISTS told (word TEXT)")
        yield connection


async def test_a_file_that_is_put_back_holds_what_was_there_when_it_was_copied(tmp_path: Path) -> None:
    copy = databases.File(tmp_path, tmp_path / "copy")
    with writer(tmp_path) as connection:
        connection.execute("INSERT INTO told VALUES ('early')")
        assert await copy.make()
        connection.execute("INSERT INTO told VALUES ('late')")
    assert await copy.put_back() == ""
    with writer(tmp_path) as connection:
        assert connection.execute("SELECT word FROM told").fetchall() == [("early",)]


async def test_a_back_up_that_cannot_be_made_or_put_back_says_so(tmp_path: Path) -> None:
    copy = databases.BackUp(tmp_path / "no hub", tmp_path / "copy")
    assert not await copy.make()
    assert await copy.put_back() != ""
