"""A queue that is very deep: what a million waiting operations change for a start, for accepting one more, and for looking at them.

The operations are put into the stopped hub's database by its own store. Verified: as many are there as were put there, every request of
a slice is answered with 201, and what was accepted is recorded; else there are no figures.
"""

from __future__ import annotations

import sqlite3
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import aiohttp
import psutil
from messenger_hub.runtime.folder import PrivateFolder
from messenger_hub_server.data_folder import DATABASE
from messenger_hub_server.delivery import ids
from messenger_hub_server.highwater import HighWater
from messenger_hub_server.model import ChannelId, NewOperation, OperationId, OperationKind, SessionApiId
from messenger_hub_server.randomness import Randomness
from messenger_hub_server.store.base import Accept
from messenger_hub_server.store.sqlite import SqliteStore

from tests.bench import wrk
from tests.bench.estate import Estate, Place, again, running_estate
from tests.bench.verification import NotTrue

CONNECTIONS = 64
SLICE_SECONDS = 5.0
AT_ONCE = 1_000  # operations a transaction
LISTED = 100  # pages
CHATS = 49_200_000_000_000  # other numbers than the load's
MIB = 1 << 20


async def measure(folder: Path, pending: int) -> Mapping[str, Mapping[str, float]]:
    """An empty hub's figures and a full one's, by the same names. Raises NotTrue or ChildFailed."""
    async with running_estate(folder, 0) as estate:
        place = estate.places[0]
    empty = await _started(folder, place, first=1)
    before = size_of(folder)
    put = await _fill(folder, ChannelId(place.channel_id), pending)
    each = (size_of(folder) - before) / pending
    full = await _started(folder, place, first=10_000_000)
    return {"empty": empty, "full": {**full, "put_a_second": put, "bytes_an_operation": each}}


def table(found: Mapping[str, Mapping[str, float]]) -> str:
    """The figures in Markdown."""
    names = {
        "pending": "operations that wait",
        "start_seconds": "start, s",
        "memory_mib": "memory after the start, MiB",
        "accepted": "accepted/s, c64",
        "p50_ms": "accept p50, ms",
        "p99_ms": "accept p99, ms",
        "first_page_ms": "first page of the list, ms",
        "later_page_ms": f"page {LISTED} of it, ms",
    }
    each = found["full"]["bytes_an_operation"]
    lines = [f"| {name} | {found['empty'][key]:.1f} | {found['full'][key]:.1f} |" for key, name in names.items()]
    lines.append(f"| of the disk for each, bytes | | {each:.0f} |")
    return "\n".join(("| | empty | deep |", "| --- | --- | --- |", *lines))


def rows(found: Mapping[str, Mapping[str, float]]) -> Mapping[str, float]:
    """Rows of `aims`."""
    return {
        "server memory, idle": found["empty"]["memory_mib"],
        "server memory, with what waits": found["full"]["memory_mib"],
    }


async def _started(folder: Path, place: Place, first: int) -> Mapping[str, float]:
    since = time.monotonic()
    async with again(folder, [place]) as estate:
        return await _figures(estate, place.key, time.monotonic() - since, first)


async def _figures(estate: Estate, key: str, start_seconds: float, first: int) -> Mapping[str, float]:
    memory = psutil.Process(estate.server.process.pid).memory_info().rss
    before = _pending(estate.database)
    told = await wrk.closed_loop(estate.http_port, [key], CONNECTIONS, SLICE_SECONDS, first)
    if told.refused or _pending(estate.database) != before + len(told.accepted):
        raise NotTrue(f"{len(told.accepted)} accepted, {_pending(estate.database) - before} recorded, {told.refused}.")
    pages = await _pages(estate.http_port, key)
    return {
        "pending": before,
        "start_seconds": start_seconds,
        "memory_mib": memory / MIB,
        "accepted": told.rate,
        "p50_ms": told.waits_ms[49],
        "p99_ms": told.waits_ms[98],
        "first_page_ms": pages[0],
        "later_page_ms": statistics.median(pages[-10:]),
    }


async def _pages(port: int, key: str) -> Sequence[float]:
    """How long each of the first pages takes, one after the other."""
    took: list[float] = []
    cursor = ""
    async with aiohttp.ClientSession(headers={"X-API-Key": key}) as client:
        for _ in range(LISTED):
            since = time.monotonic()
            url = f"http://127.0.0.1:{port}/api/whatsapp-session/operations"
            async with client.get(url, params={"cursor": cursor} if cursor else {}) as answer:
                answer.raise_for_status()
                data = (await answer.json())["data"]
            took.append((time.monotonic() - since) * 1000)
            cursor = data.get("next_cursor", "")
            if not cursor:
                break
    return took


async def _fill(folder: Path, channel_id: ChannelId, count: int) -> float:
    """Puts that many operations into the database of the hub, which is stopped; says how many a second."""
    private = PrivateFolder(folder / "data")
    highwater, randomness, since = HighWater(private), Randomness(), time.monotonic()
    first = highwater.operation_id_limit + 1
    highwater.raise_limit(first + count)
    store = await SqliteStore.open(private.file(DATABASE))
    try:
        for start in range(first, first + count, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, first + count))
            await store.apply([Accept(operation=_operation(number, channel_id, randomness)) for number in numbers])
    finally:
        await store.close()
    return count / (time.monotonic() - since)


def size_of(folder: Path) -> int:
    """Bytes of the hub's database, whose log is copied into it first; the hub is stopped."""
    database = folder / "data" / DATABASE
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return database.stat().st_size


def _operation(number: int, channel_id: ChannelId, randomness: Randomness) -> NewOperation:
    recipient = str(CHATS + number)
    now_ms = time.time_ns() // 1_000_000
    return NewOperation(
        id=OperationId(number),
        wa_id=ids.wa_id(randomness),
        channel_id=channel_id,
        session_api_id=SessionApiId(1),
        kind=OperationKind.SEND_MESSAGE,
        recipient=recipient,
        target=f"{recipient}@c.us",
        body="Hello from the bench",
        accepted_at_ms=now_ms,
        place_ms=now_ms,
    )


def _pending(database: Path) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        (found,) = connection.execute("SELECT count(*) FROM operation WHERE state = 'pending'").fetchone()
    return int(found)
