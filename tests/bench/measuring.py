"""One run of a plan: all processes up before the first slice, R before each slice, every slice verified."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.bench import verification, wrk
from tests.bench.children import Child
from tests.bench.estate import ElsewhereStore, Estate, running_estate
from tests.bench.plan import Plan, Scenario
from tests.bench.told import Told

SETTLE_SECONDS = 30.0
LEAST_ROUNDS = 2
REFERENCE_SHARE = 0.5  # of a slice
LATENCY_SHARE = 0.5  # of the highest rate: queues stay short, so that what is seen is the way itself
LATENCY_CONNECTIONS = 256

Tamper = Callable[[Path], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One slice. Rates are per second: `accepted` of answers, `settled` of the whole way. CPU is µs an operation, by process. Of an open
    loop, `agent_ms` is how long it took until the desktop had each lease, `settle_ms` until it was settled."""

    operations: int
    accepted: float
    settled: float
    cpu: Mapping[str, float]
    accept_ms: Sequence[float]
    settle_ms: Sequence[float]
    agent_ms: Sequence[float] = ()


class Helper(StrEnum):
    """A process beside hub and desktop, by the name of its module."""

    BASELINE = "baseline"  # R
    LOAD = "load"  # the open loop
    BATCHES = "batches"


class Bench:
    """The processes of a run. What a slice needs of helpers, the run was started with."""

    def __init__(self, estate: Estate, agent: Child, helpers: Mapping[Helper, Child], baseline_port: int) -> None:
        """`baseline_port`: where R listens, 0 without it."""
        self.estate = estate
        self._agent = agent
        self._helpers = helpers
        self._baseline_port = baseline_port
        self._next_number = 1
        self._last_id = 0
        self._credit = 0
        self.settled = 0

    async def reference(self, connections: int, seconds: float) -> Sample:
        """R."""
        baseline = self._helpers[Helper.BASELINE]
        before = {"server": baseline.cpu_seconds}
        told = await self._closed_loop(self._baseline_port, ["none"], connections, seconds)
        after = {"server": baseline.cpu_seconds}
        verification.check_slice([], told.refused, {}, [])
        return _sample(len(told.accepted), told.rate, told.rate, before, after, told.waits_ms, [])

    async def whole_way(
        self, scenario: Scenario, seconds: float, *, rate: float = 0.0, tamper: Tamper | None = None
    ) -> Sample:
        """From POST to settled. Raises NotTrue."""
        if scenario.credit != self._credit:
            await self._agent.ask({"do": "grant", "window": scenario.credit})
            self._credit = scenario.credit
        places = self.estate.places[1:] if scenario.many_channels else self.estate.places[:1]
        keys = [place.key for place in places]
        children = {"server": self.estate.server, "agent": self._agent}
        before = {name: child.cpu_seconds for name, child in children.items()}
        if scenario.batched:
            told = await self._batch_loop(keys[0], scenario.connections, seconds)
        elif rate:
            told = await self._open_loop(self.estate.http_port, keys, scenario.connections, seconds, rate)
        else:
            told = await self._closed_loop(
                self.estate.http_port, keys, scenario.connections, seconds, keyed=scenario.keyed
            )
        self.settled += len(told.accepted)
        done = await self._agent.ask({"do": "settled", "count": self.settled, "seconds": SETTLE_SECONDS})
        after = {name: child.cpu_seconds for name, child in children.items()}
        if tamper is not None:
            tamper(self.estate.database)
        self._verify(told, done)
        ends, leased = dict(done["settled"]), dict(done["leased"])
        settle = sorted((ends[number] - since) / 1e6 for number, since in told.since_ns.items())
        at_agent = sorted((leased[number] - since) / 1e6 for number, since in told.since_ns.items())
        settled = len(ends) / ((max(ends.values()) - told.start_ns) / 1e9) if ends else 0.0
        sample = _sample(len(ends), told.rate, settled, before, after, told.waits_ms, settle)
        return replace(sample, agent_ms=at_agent)

    def _verify(self, told: Told, done: Mapping[str, Any]) -> None:
        found = self.estate.recorded(self._last_id)
        verification.check_slice(told.accepted, told.refused, found, done["carried_out"])
        self._last_id = max(found, default=self._last_id)

    async def rival(self, port: int, connections: int, seconds: float) -> Told:
        """The same load on something else that answers as the hub does."""
        told = await self._closed_loop(port, ["none"], connections, seconds)
        verification.check_slice([], told.refused, {}, [])
        return told

    async def _closed_loop(
        self, port: int, keys: Sequence[str], connections: int, seconds: float, *, keyed: bool = False
    ) -> Told:
        told = await wrk.closed_loop(port, keys, connections, seconds, self._next_number, keyed=keyed)
        self._next_number += len(told.accepted) + connections
        return told

    async def _batch_loop(self, key: str, at_once: int, seconds: float) -> Told:
        command = {
            "address": self.estate.grpc,
            "key": key,
            "at_once": at_once,
            "seconds": seconds,
            "first": self._next_number,
        }
        told = await self._helpers[Helper.BATCHES].ask(command)
        self._next_number = told["next"]
        return Told.of_open_loop(told)

    async def _open_loop(self, port: int, keys: Sequence[str], connections: int, seconds: float, rate: float) -> Told:
        command = {
            "port": port,
            "keys": keys,
            "connections": connections,
            "seconds": seconds,
            "rate": rate,
            "first": self._next_number,
        }
        told = await self._helpers[Helper.LOAD].ask(command)
        self._next_number += len(told["accepted"]) + connections
        return Told.of_open_loop(told)


@asynccontextmanager
async def running_bench(
    folder: Path, many: int, store: ElsewhereStore | None = None, helpers: Collection[Helper] = frozenset(Helper)
) -> AsyncIterator[Bench]:
    """Everything up and connected, its data in SQLite or in `store`; afterwards everything is ended. `helpers`: those that its slices need,
    for each costs a second of processor to start."""
    async with AsyncExitStack() as stack:
        estate = await stack.enter_async_context(running_estate(folder, many, store))

        async def started(name: str) -> Child:
            child = await Child.start(name, [f"tests.bench.{name}"], folder)
            stack.push_async_callback(child.end)
            return child

        running = {helper: await started(helper) for helper in helpers}
        agent = await started("agent")
        port = (await running[Helper.BASELINE].line())["port"] if Helper.BASELINE in running else 0
        desktops = [(place.channel_id, place.credential) for place in estate.places]
        await agent.ask({"do": "connect", "address": estate.grpc, "desktops": desktops, "window": 0})
        yield Bench(estate, agent, running, port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A run's samples by scenario, one a round: of R, of the whole way; and one of each open loop."""

    reference: Mapping[str, Sequence[Sample]]
    scenarios: Mapping[str, Sequence[Sample]]
    latency: Mapping[str, Sample]
    seconds: float


async def measure(plan: Plan, folder: Path, tell: Callable[[str], None], tamper: Tamper | None = None) -> Result:
    """Raises NotTrue when a slice was not true. `tamper` gets the database before each slice is verified: for tests."""
    since = time.monotonic()
    reference: dict[str, list[Sample]] = {scenario.name: [] for scenario in plan.scenarios}
    scenarios: dict[str, list[Sample]] = {scenario.name: [] for scenario in plan.scenarios}
    async with running_bench(folder, plan.many, helpers=(Helper.BASELINE, Helper.LOAD)) as bench:
        tell(f"ready after {time.monotonic() - since:.1f} s: {1 + plan.many} channels")
        await _warm_up(bench, plan, tamper)
        for number in range(plan.rounds):
            if number >= LEAST_ROUNDS and time.monotonic() - since > plan.most_seconds:
                break
            for scenario in plan.scenarios if number % 2 == 0 else reversed(plan.scenarios):
                # Its own R, right before it: a machine that others use as well changes within seconds.
                reference[scenario.name].append(
                    await bench.reference(scenario.connections, plan.slice_seconds * REFERENCE_SHARE)
                )
                scenarios[scenario.name].append(await bench.whole_way(scenario, plan.slice_seconds, tamper=tamper))
            tell(f"round {number + 1} after {time.monotonic() - since:.1f} s")
        latency = await _latency(bench, plan, scenarios)
        verification.check_durable(await bench.estate.durability())
        await bench.estate.server.end()
        verification.check_after_kill(bench.estate.database, bench.settled)
    return Result(reference=reference, scenarios=scenarios, latency=latency, seconds=round(time.monotonic() - since, 1))


async def _warm_up(bench: Bench, plan: Plan, tamper: Tamper | None) -> None:
    await bench.reference(plan.scenarios[-1].connections, plan.slice_seconds / 4)
    for scenario in plan.scenarios:
        await bench.whole_way(scenario, plan.slice_seconds / 4, tamper=tamper)


async def _latency(bench: Bench, plan: Plan, scenarios: Mapping[str, Sequence[Sample]]) -> Mapping[str, Sample]:
    """An open loop at a share of the highest rate that was seen: nothing hides the waits of what comes late."""
    found = {}
    for many in sorted({scenario.many_channels for scenario in plan.scenarios}):
        names = [s.name for s in plan.scenarios if s.many_channels == many]
        rate = LATENCY_SHARE * max(sorted(s.settled for s in scenarios[n])[len(scenarios[n]) // 2] for n in names)
        way = Scenario(connections=LATENCY_CONNECTIONS, many_channels=many)
        where = "many channels" if many else "one channel"
        name = f"{where}, credit {way.credit}, {rate:.0f}/s"
        found[name] = await bench.whole_way(way, plan.latency_seconds, rate=rate)
    return found


def _sample(
    count: int,
    accepted: float,
    settled: float,
    before: Mapping[str, float],
    after: Mapping[str, float],
    accept_ms: Sequence[float],
    settle_ms: Sequence[float],
) -> Sample:
    cpu = {name: (after[name] - before[name]) * 1e6 / max(1, count) for name in before}
    return Sample(
        operations=count, accepted=accepted, settled=settled, cpu=cpu, accept_ms=accept_ms, settle_ms=settle_ms
    )
