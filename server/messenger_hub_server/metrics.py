"""What /metrics tells: numbers by RPC, code, state and channel id, never anything that a caller sent."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from messenger_hub_server.model import OperationState
from messenger_hub_server.presence import Presence
from messenger_hub_server.store.base import Store

CONTENT_TYPE = CONTENT_TYPE_LATEST
# A commit waits for the disk: from a fast NVMe's 50 µs to a busy disk's seconds.
_COMMIT_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
LATELY_MS = 180_000  # desktops tell of their browsers' memory once a minute
_CALL_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 30)


class _Durations:
    """A histogram's numbers."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(_CALL_BUCKETS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(_CALL_BUCKETS, seconds)] += 1
        self.sum += seconds

    def buckets(self) -> Sequence[tuple[str, float]]:
        """Upper bounds and how many were not above, as Prometheus counts."""
        bounds = [*map(floatToGoString, _CALL_BUCKETS), "+Inf"]
        return [(bound, float(sum(self.counts[: at + 1]))) for at, bound in enumerate(bounds)]


class _Calls(Collector):
    """Calls and their durations. Plain numbers, as every call pays for them: the library's own have a lock each, for threads, of which
    none calls here."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._durations: dict[str, _Durations] = {}

    def called(self, rpc: str, code: str, seconds: float) -> None:
        """One call has ended."""
        self._counts[rpc, code] += 1
        durations = self._durations.get(rpc)
        if durations is None:
            durations = self._durations[rpc] = _Durations()
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


class Metrics:
    """A registry of its own, so that two hubs in one process do not mix."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        calls = _Calls()
        self.called = calls.called
        self._registry.register(calls)
        self.commit_seconds = Histogram(
            "messenger_hub_commit_seconds", "Duration of commits.", buckets=_COMMIT_BUCKETS, registry=self._registry
        )
        self._operations = Gauge(
            "messenger_hub_operations", "Operations that are not settled.", ["state"], registry=self._registry
        )
        self._depth = Gauge("messenger_hub_queue_depth", "Pending operations.", ["channel"], registry=self._registry)
        self._browser = Gauge(
            "messenger_hub_browser_bytes", "Memory of a channel's browser.", ["channel"], registry=self._registry
        )
        self._agents = Gauge("messenger_hub_agents_connected", "Agents with an open stream.", registry=self._registry)

    async def render(self, store: Store, presence: Presence) -> bytes:
        """The page, with the gauges as they are now."""
        counts = await store.counts()
        for state in (OperationState.PENDING, OperationState.LEASED, OperationState.UNCERTAIN):
            self._operations.labels(state.value).set(counts.get(state, 0))
        self._depth.clear()
        for channel_id, depth in (await store.queue_depths()).items():
            self._depth.labels(str(channel_id)).set(depth.pending)
        self._browser.clear()
        for channel_id, told in presence.told_lately(LATELY_MS).items():
            self._browser.labels(str(channel_id)).set(told.report.browser_bytes)
        self._agents.set(presence.connected_agents())
        return generate_latest(self._registry)
