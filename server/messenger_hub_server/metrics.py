"""What /metrics tells: numbers by RPC, code, state and channel id, never anything that a caller sent."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from messenger_hub_server.model import OperationState
from messenger_hub_server.presence import Presence
from messenger_hub_server.store.base import Store

CONTENT_TYPE = CONTENT_TYPE_LATEST
# A commit waits for the disk: from a fast NVMe's 50 µs to a busy disk's seconds.
_COMMIT_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
LATELY_MS = 180_000  # desktops tell of their browsers' memory once a minute
_CALL_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 30)


class Metrics:
    """A registry of its own, so that two hubs in one process do not mix."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._series: dict[tuple[str, str], tuple[Counter, Histogram]] = {}  # looking them up by labels costs more
        self.calls = Counter(
            "messenger_hub_calls", "Calls through both doors.", ["rpc", "code"], registry=self._registry
        )
        self.call_seconds = Histogram(
            "messenger_hub_call_seconds", "Duration of calls.", ["rpc"], buckets=_CALL_BUCKETS, registry=self._registry
        )
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

    def called(self, rpc: str, code: str, seconds: float) -> None:
        """One call has ended."""
        series = self._series.get((rpc, code))
        if series is None:
            series = self._series[rpc, code] = self.calls.labels(rpc, code), self.call_seconds.labels(rpc)
        series[0].inc()
        series[1].observe(seconds)

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
