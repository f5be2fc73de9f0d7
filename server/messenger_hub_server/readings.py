"""The gauges of /metrics: what is read when somebody asks, and how it is told."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from messenger_hub.runtime.clock import Clock
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from messenger_hub_server.model import Channel, ChannelId, OperationState
from messenger_hub_server.presence import Presence
from messenger_hub_server.queue import Queue
from messenger_hub_server.registry import Registry
from messenger_hub_server.reports import LinkReport
from messenger_hub_server.services.explanation import ChannelState
from messenger_hub_server.services.sights import Sights

LATELY_MS = 180_000  # desktops tell of their browsers' memory once a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelReadings:
    """One channel. `report` is None when its desktop has not sent one lately, `confirmed_ms` when nothing was confirmed since the start."""

    id: ChannelId
    state: ChannelState
    pending: int
    oldest_seconds: float
    uncertain: int
    confirmed_ms: int | None = None
    report: LinkReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Everything that has a value now. `disk`: all and free bytes where the data folder is."""

    operations: Mapping[OperationState, int]
    channels: Sequence[ChannelReadings]
    agents_connected: int
    commit_callers: int
    disk: tuple[int, int]


class Reader:
    """Reads them."""

    def __init__(
        self,
        *,
        queue: Queue,
        registry: Registry,
        presence: Presence,
        sights: Sights,
        confirmed_ms: Mapping[ChannelId, int],
        folder: Path,
        clock: Clock,
    ) -> None:
        self._queue = queue
        self._registry = registry
        self._presence = presence
        self._sights = sights
        self._confirmed_ms = confirmed_ms
        self._folder = folder
        self._clock = clock

    async def read(self) -> Readings:
        """As it is now. Raises StoreError."""
        store, now_ms = self._queue.store, self._clock.now_ms()
        depths, since = await store.queue_depths(), await store.waiting_since(now_ms)
        uncertain, operations = await store.uncertain_counts(), await store.counts()
        lately = self._presence.told_lately(LATELY_MS)

        def one(channel: Channel) -> ChannelReadings:
            told = lately.get(channel.id)
            return ChannelReadings(
                id=channel.id,
                state=self._sights.view(channel).state,
                pending=depths[channel.id].pending if channel.id in depths else 0,
                oldest_seconds=max(0, now_ms - since.get(channel.id, now_ms)) / 1000,
                uncertain=uncertain.get(channel.id, 0),
                confirmed_ms=self._confirmed_ms.get(channel.id),
                report=told.report if told is not None else None,
            )

        usage = shutil.disk_usage(self._folder)
        return Readings(
            operations=operations,
            channels=[one(channel) for channel in self._registry.channels()],
            agents_connected=self._presence.connected_here(),
            commit_callers=self._queue.callers,
            disk=(usage.total, usage.free),
        )


@dataclass(frozen=True, slots=True)
class _PerChannel:
    """A family of one number a channel; None leaves a channel out."""

    name: str
    told: str
    value: Callable[[ChannelReadings], float | None]
    family: type[GaugeMetricFamily | CounterMetricFamily] = GaugeMetricFamily


PER_CHANNEL = (
    _PerChannel("queue_depth", "Pending operations.", lambda c: c.pending),
    _PerChannel(
        "queue_oldest_seconds",
        "How long the oldest operation waits that is due or under way; 0 when none does.",
        lambda c: c.oldest_seconds,
    ),
    _PerChannel("uncertain", "Operations on which a person has to decide.", lambda c: c.uncertain),
    _PerChannel(
        "last_confirmed_timestamp_seconds",
        "When WhatsApp last took something, as the desktop proved.",
        lambda c: c.confirmed_ms / 1000 if c.confirmed_ms is not None else None,
    ),
    _PerChannel(
        "browser_bytes",
        "Memory of a channel's browser.",
        lambda c: c.report.browser_bytes if c.report is not None else None,
    ),
    _PerChannel(
        "browser_restarts",
        "How often a browser was started anew because it took too much memory.",
        lambda c: c.report.browser_restarts if c.report is not None else None,
        CounterMetricFamily,
    ),
)


class Gauges(Collector):
    """Tells the last readings; nothing before the first."""

    def __init__(self) -> None:
        self.readings: Readings | None = None

    def collect(self) -> Iterator[Metric]:
        """For the page."""
        if self.readings is not None:
            yield from _of_the_hub(self.readings)
            yield from _of_channels(self.readings.channels)


def _of_the_hub(readings: Readings) -> Iterator[Metric]:
    info = GaugeMetricFamily("messenger_hub_info", "Always 1; the label says which version runs.", labels=["version"])
    info.add_metric([version("messenger-hub")], 1)
    yield info
    operations = GaugeMetricFamily("messenger_hub_operations", "Operations that are not settled.", labels=["state"])
    for state in (OperationState.PENDING, OperationState.LEASED, OperationState.UNCERTAIN):
        operations.add_metric([state.value], readings.operations.get(state, 0))
    yield operations
    yield GaugeMetricFamily(
        "messenger_hub_agents_connected", "Agents with an open stream to this node.", readings.agents_connected
    )
    yield GaugeMetricFamily("messenger_hub_commit_callers", "Callers that wait for a commit.", readings.commit_callers)
    total, free = readings.disk
    yield GaugeMetricFamily("messenger_hub_disk_bytes", "Size of the disk that holds the data folder.", total)
    yield GaugeMetricFamily("messenger_hub_disk_free_bytes", "What is free of it.", free)


def _of_channels(channels: Sequence[ChannelReadings]) -> Iterator[Metric]:
    states = GaugeMetricFamily(
        "messenger_hub_channel_state", "1 for the state in which a channel is.", labels=["channel", "state"]
    )
    for channel in channels:
        for state in ChannelState:
            states.add_metric([str(channel.id), state.value], float(state is channel.state))
    yield states
    for one in PER_CHANNEL:
        family = one.family(f"messenger_hub_{one.name}", one.told, labels=["channel"])
        for channel in channels:
            if (value := one.value(channel)) is not None:
                family.add_metric([str(channel.id)], value)
        yield family
