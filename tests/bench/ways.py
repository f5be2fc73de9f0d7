"""The ways in, beside each other and beside rivals: keys, batches, a JSON proxy, FastAPI, and how soon a desktop has what was accepted.

All in turn in every round, whose order alternates; a figure is the median of the rounds' ratios. Every slice of the hub is verified as in
`measuring`; a rival's is counted, and FastAPI's rows too.
"""

from __future__ import annotations

import sqlite3
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from tests.bench import verification
from tests.bench.children import Child
from tests.bench.measuring import Bench, running_bench
from tests.bench.plan import Scenario
from tests.bench.verification import NotTrue

CONNECTIONS = 64
BATCHES_AT_ONCE = 8
RATE = 200.0  # of the open loop, a second
OPEN_CONNECTIONS = 256

PLAIN = Scenario(connections=CONNECTIONS)
KEYED = Scenario(connections=CONNECTIONS, keyed=True)
BATCHED = Scenario(connections=BATCHES_AT_ONCE, batched=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """Of a run."""

    rounds: int
    slice_seconds: float
    open_seconds: float


WHOLE = Length(rounds=7, slice_seconds=1.2, open_seconds=15.0)
QUICK = Length(rounds=3, slice_seconds=0.5, open_seconds=2.0)


class Rivals:
    """What the hub is held against. Use `start`."""

    def __init__(self, bench: Bench, proxy: int, fastapi: int, rows: Path) -> None:
        self._bench = bench
        self._proxy = proxy
        self._fastapi = fastapi
        self._rows = rows

    @classmethod
    async def start(cls, stack: AsyncExitStack, bench: Bench, folder: Path) -> Rivals:
        """Both, until the stack ends."""
        rows, ports = folder / "rows.db", []
        for name, arguments in (("json_proxy", []), ("fastapi_rival", [str(rows)])):
            child = await Child.start(name, [f"tests.bench.{name}", *arguments], folder)
            stack.push_async_callback(child.end)
            ports.append((await child.line())["port"])
        return cls(bench, *ports, rows)

    async def proxied(self, seconds: float) -> float:
        """Requests a second."""
        return (await self._bench.rival(self._proxy, CONNECTIONS, seconds)).rate

    async def committed(self, seconds: float) -> float:
        """Requests a second, each of them a row. Raises NotTrue."""
        before = self._count()
        told = await self._bench.rival(self._fastapi, CONNECTIONS, seconds)
        if self._count() - before != len(told.accepted):
            raise NotTrue(f"FastAPI accepted {len(told.accepted)} and has {self._count() - before} rows more.")
        return told.rate

    def _count(self) -> int:
        with closing(sqlite3.connect(f"file:{self._rows}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM message").fetchone()[0])


async def measure(folder: Path, length: Length) -> Mapping[str, float]:
    """Rows of `aims`. Raises NotTrue or ChildFailed."""
    async with AsyncExitStack() as stack:
        bench = await stack.enter_async_context(running_bench(folder, 0))
        rivals = await Rivals.start(stack, bench, folder)
        rounds = await _rounds(bench, rivals, length)
        way = Scenario(connections=OPEN_CONNECTIONS)
        waits = (await bench.whole_way(way, length.open_seconds, rate=RATE)).agent_ms
        verification.check_durable(await bench.estate.durability())

    def ratio(of: str, to: str) -> float:
        return statistics.median(one[of] / one[to] for one in rounds)

    return {
        "one channel, credit 512, c64, ÷ R": ratio("plain", "R"),
        "the same, an idempotency key on every request": ratio("keyed", "R"),
        "direct gRPC, batches of 100: operations ÷ R's requests": ratio("batched", "R"),
        "÷ grpc.aio behind a JSON proxy": ratio("plain", "proxied"),
        "÷ FastAPI, one commit per row (FULL)": ratio("plain", "committed"),
        "accept to agent, 200/s, p50": waits[len(waits) // 2],
        "accept to agent, 200/s, p99": waits[len(waits) * 99 // 100],
    }


async def _rounds(bench: Bench, rivals: Rivals, length: Length) -> Sequence[Mapping[str, float]]:
    """Rates a second by way, a round each; one before them warms all up."""

    async def settled(scenario: Scenario, seconds: float) -> float:
        return (await bench.whole_way(scenario, seconds)).settled

    async def reference(seconds: float) -> float:
        return (await bench.reference(CONNECTIONS, seconds)).accepted

    ways: Mapping[str, Callable[[float], Awaitable[float]]] = {
        "R": reference,
        "plain": lambda seconds: settled(PLAIN, seconds),
        "keyed": lambda seconds: settled(KEYED, seconds),
        "batched": lambda seconds: settled(BATCHED, seconds),
        "proxied": rivals.proxied,
        "committed": rivals.committed,
    }
    for way in ways.values():
        await way(length.slice_seconds / 4)
    found = []
    for number in range(length.rounds):
        names = [*ways] if number % 2 == 0 else [*reversed(ways)]
        found.append({name: await ways[name](length.slice_seconds) for name in names})
    return found
