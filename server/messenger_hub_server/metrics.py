"""What /metrics tells: numbers by RPC, code, state and channel id, never anything that a caller sent.

What every call and every commit pays for is plain numbers: the library's own have a lock each, for threads, of which none counts here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from messenger_hub_server.delivery.reached import Reached
from messenger_hub_server.model import ChannelId
from messenger_hub_server.readings import Gauges, Readings
from messenger_hub_server.store.base import Outcome, Write

CONTENT_TYPE = CONTENT_TYPE_LATEST
# A commit waits for the disk: from a fast NVMe's 50 µs to a busy disk's seconds.
_COMMIT_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_WRITES_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000)
_CALL_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 30)


class _Distribution:
    """A histogram's numbers. `bounds`: upper ones, ascending."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """One more."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def buckets(self) -> Sequence[tuple[str, float]]:
        """Upper bounds and how many were not above, as Prometheus counts."""
        bounds = [*map(floatToGoString, self.bounds), "+Inf"]
        return [(bound, float(sum(self.counts[: at + 1]))) for at, bound in enumerate(bounds)]


class _Calls(Collector):
    """Calls and their durations."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._durations: dict[str, _Distribution] = {}

    def called(self, rpc: str, code: str, seconds: float) -> None:
        """One call has ended."""
        self._counts[rpc, code] += 1
        durations = self._durations.get(rpc)
        if durations is None:
            durations = self._durations[rpc] = _Distribution(_CALL_BUCKETS)
        durations.observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """For the page."""
        calls = CounterMetricFamily("messenger_hub_calls", "Calls through both doors.", labels=["rpc", "code"])
        for labels, count in self._counts.items():
            calls.add_metric(labels, count)
        yield calls
        seconds = HistogramMetricFamily("messenger_hub_call_seconds", "Duration of calls.", labels=["rpc"])
        for rpc, durations in self._durations.items():
            seconds.add_metric([rpc], durations.buckets(), durations.sum)
        yield seconds


class _Commits(Collector):
    """Commits: how long they take, how much goes into one, and what they make of operations."""

    def __init__(self) -> None:
        self._seconds = _Distribution(_COMMIT_BUCKETS)
        self._writes = _Distribution(_WRITES_BUCKETS)
        self.reached = Reached()

    def committed(self, seconds: float, writes: Sequence[Write], outcomes: Sequence[Outcome]) -> None:
        """One transaction is durable."""
        self._seconds.observe(seconds)
        self._writes.observe(len(writes))
        self.reached.committed(writes, outcomes)

    def collect(self) -> Iterator[Metric]:
        """For the page."""
        for name, told, one in (
            ("messenger_hub_commit_seconds", "Duration of commits.", self._seconds),
            ("messenger_hub_commit_writes", "Writes that share a commit.", self._writes),
        ):
            yield HistogramMetricFamily(name, told, one.buckets(), one.sum)
        outcomes = CounterMetricFamily(
            "messenger_hub_outcomes", "Operations that reached a state since the start.", labels=["state"]
        )
        for state, count in self.reached.states.items():
            outcomes.add_metric([state.value], count)
        yield outcomes


class Metrics:
    """A registry of its own, so that two hubs in one process do not mix."""

    def __init__(self) -> None:
        calls, commits, self._gauges = _Calls(), _Commits(), Gauges()
        self.called = calls.called
        self.committed = commits.committed
        self.confirmed_ms: Mapping[ChannelId, int] = commits.reached.confirmed_ms
        self._registry = CollectorRegistry()
        for one in (calls, commits, self._gauges):
            self._registry.register(one)
        ProcessCollector(registry=self._registry)

    def render(self, readings: Readings) -> bytes:
        """The page, with the gauges as they were read."""
        self._gauges.readings = readings
        return generate_latest(self._registry)
