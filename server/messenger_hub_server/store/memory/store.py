"""The same writes and reads as the other stores, without a file.

`apply_now` and the reads without `async` in front of them are the store itself, so that the simulator needs no event loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import takewhile

from msgspec.structs import replace

from messenger_hub_server.model import (
    ChannelId,
    Event,
    Group,
    JournalId,
    Operation,
    OperationId,
    OperationState,
    Restoration,
    SessionApiId,
    WaId,
)
from messenger_hub_server.store import base
from messenger_hub_server.store.memory.rows import Rows
from messenger_hub_server.store.memory.writes import Writer


class MemoryStore:
    """See base.Store."""

    def __init__(self) -> None:
        self._have(Rows())

    def _have(self, rows: Rows) -> None:
        self._rows, self._writer = rows, Writer(rows)

    def snapshot(self) -> MemoryStore:
        """A copy as it is now."""
        twin = MemoryStore()
        twin._have(self._rows.copied())
        return twin

    async def apply(self, writes: Sequence[base.Write]) -> Sequence[base.Outcome]:
        """One transaction."""
        return self.apply_now(writes)

    def apply_now(self, writes: Sequence[base.Write]) -> Sequence[base.Outcome]:
        """One transaction, without an event loop."""
        return [self._writer.apply(write) for write in writes]

    async def delivery(self, channel_id: ChannelId, journal_id: JournalId) -> base.Delivery:
        """What a hello needs of a channel."""
        return self.delivery_now(channel_id, journal_id)

    def delivery_now(self, channel_id: ChannelId, journal_id: JournalId) -> base.Delivery:
        """What a hello needs of a channel, without an event loop."""
        epoch, journal = self._rows.epochs.get(channel_id, (0, JournalId("")))
        live = self._rows.live.values()
        return base.Delivery(
            epoch=epoch,
            journal_id=journal,
            sequence=self._rows.sequences.get((channel_id, journal_id), 0),
            leased=[o for o in live if o.channel_id == channel_id and o.state is OperationState.LEASED],
            restored=self._rows.restored.get(channel_id),
        )

    def restored_now(self, channel_id: ChannelId) -> Restoration | None:
        """What is known of a channel whose database is an older copy, without an event loop; None where it is not."""
        return self._rows.restored.get(channel_id)

    def operation_now(self, operation_id: OperationId) -> Operation:
        """One operation, without an event loop. Raises KeyError."""
        return self._rows.operations[operation_id]

    def live_now(self) -> Sequence[Operation]:
        """Every operation that is pending or leased, in the order of acceptance."""
        return list(self._rows.live.values())

    def operations_now(self) -> Sequence[Operation]:
        """Every operation, in the order of acceptance."""
        return list(self._rows.operations.values())

    def events_now(self) -> Sequence[Event]:
        """Every event, oldest first."""
        return list(self._rows.events)

    async def known_wa_ids(self, wa_ids: Sequence[WaId]) -> frozenset[WaId]:
        """Those of the given ids that an operation has."""
        return frozenset(wa_ids) & self._rows.by_wa_id.keys()

    async def operation(self, operation_id: OperationId) -> Operation | None:
        """One operation."""
        return self._rows.operations.get(operation_id)

    async def events(self, operation_id: OperationId) -> Sequence[Event]:
        """The events of one operation, oldest first."""
        return [e for e in self._rows.events if e.operation_id == operation_id]

    async def operations(self, wanted: base.Filter) -> Sequence[Operation]:
        """A page of operations, newest first."""
        found = [o for o in self._rows.operations.values() if _matches(o, wanted)]
        return sorted(found, key=lambda o: -o.id)[: wanted.limit]

    async def operations_of(self, target: str, after: OperationId, limit: int) -> Sequence[Operation]:
        """Operations of one chat or contact, oldest first."""
        found = [o for o in self._rows.operations.values() if o.target == target and o.id > after]
        return sorted(found, key=lambda o: o.id)[:limit]

    async def ages(self, after: OperationId, accepted_before_ms: int, limit: int) -> Sequence[base.Age]:
        """The next operations by id that were accepted before then."""
        following = sorted((o for o in self._rows.operations.values() if o.id > after), key=lambda o: o.id)[:limit]
        old = takewhile(lambda o: o.accepted_at_ms < accepted_before_ms, following)
        return [
            base.Age(id=o.id, state=o.state, changed_at_ms=o.changed_at_ms, erased=o.id in self._rows.erased)
            for o in old
        ]

    async def erased(self, channel_id: ChannelId, changed_since_ms: int) -> Sequence[WaId]:
        """Erased operations of a channel."""
        named = [self._rows.operations[number] for number in self._rows.erased if number in self._rows.operations]
        return [o.wa_id for o in named if o.channel_id == channel_id and o.changed_at_ms >= changed_since_ms]

    async def events_after(
        self, event_id: int, session_api_id: SessionApiId | None, limit: int
    ) -> Sequence[tuple[Event, Operation]]:
        """Events with a larger id, ascending."""
        found = []
        for event in self._rows.events:
            operation = self._rows.operations[event.operation_id]
            if event.id > event_id and session_api_id in (None, operation.session_api_id):
                found.append((event, replace(operation, state=event.state, reason=event.reason)))
        return found[:limit]

    async def event_range(self) -> tuple[int, int]:
        """The smallest and largest event id kept."""
        events = self._rows.events
        return (events[0].id, events[-1].id) if events else (0, 0)

    async def queue_depths(self) -> dict[ChannelId, base.QueueDepth]:
        """Every channel that has something pending."""
        pending = [o for o in self._rows.live.values() if o.state is OperationState.PENDING]
        return {i: await self.queue_depth(i) for i in {o.channel_id for o in pending}}

    async def queue_depth(self, channel_id: ChannelId) -> base.QueueDepth:
        """What is pending on one channel."""
        pending = self._rows.pending(channel_id)
        return base.QueueDepth(
            pending=len(pending),
            oldest_accepted_at_ms=min((o.accepted_at_ms for o in pending), default=None),
        )

    async def uncertain_counts(self) -> dict[ChannelId, int]:
        """Every channel that has something uncertain."""
        found = [o.channel_id for o in self._rows.operations.values() if o.state is OperationState.UNCERTAIN]
        return {channel_id: found.count(channel_id) for channel_id in found}

    async def waiting_since(self, now_ms: int) -> dict[ChannelId, int]:
        """The first place of what could go or is under way."""
        found: dict[ChannelId, int] = {}
        for one in self._rows.live.values():
            goes = max(one.send_at_ms or 0, one.not_before_ms or 0) <= now_ms
            if one.state is OperationState.LEASED or (one.state is OperationState.PENDING and goes):
                found[one.channel_id] = min(one.place_ms, found.get(one.channel_id, one.place_ms))
        return found

    async def overdue(self, channel_id: ChannelId, from_ms: int, before_ms: int, limit: int) -> tuple[int, int]:
        """How many wait with a place in that time, and the first one."""
        places = [o.place_ms for o in self._rows.pending(channel_id) if from_ms <= o.place_ms < before_ms]
        return min(limit, len(places)), min(places, default=0)

    async def passed(self, since_ms: int, step_ms: int) -> Sequence[base.Passed]:
        """What happened since then."""
        states: dict[OperationId, OperationState] = {}
        found: Counter[tuple[int, OperationState | None, OperationState]] = Counter()
        for event in self._rows.events:
            before, states[event.operation_id] = states.get(event.operation_id), event.state
            if event.at_ms >= since_ms:
                found[(event.at_ms - since_ms) // step_ms, before, event.state] += 1
        return [
            base.Passed(step=step, before=before, state=state, count=count)
            for (step, before, state), count in found.items()
        ]

    async def counts(self) -> dict[OperationState, int]:
        """Live states only."""
        live = (OperationState.PENDING, OperationState.LEASED, OperationState.UNCERTAIN)
        states = [o.state for o in self._rows.operations.values()]
        return {state: states.count(state) for state in live}

    async def next_wake_at_ms(self, now_ms: int) -> int | None:
        """When the next pending operation that was held comes due, or any may be tried again or expires."""
        pending = [o for o in self._rows.live.values() if o.state is OperationState.PENDING]
        held = [o.send_at_ms for o in pending if o.send_at_ms is not None]
        again = [o.not_before_ms for o in pending if o.not_before_ms is not None]
        living = [o for o in pending if o.channel_id not in self._rows.restored]
        expiring = [o.expires_at_ms for o in living if o.expires_at_ms is not None]
        return min((*(t for t in (*held, *again) if t > now_ms), *expiring), default=None)

    async def latest_place_ms(self) -> int:
        """The last place of what is pending or leased and does not stand at its send_at."""
        return self.latest_place_now()

    def latest_place_now(self) -> int:
        """The same, without an event loop."""
        waiting = (o for o in self._rows.live.values() if o.place_ms != o.send_at_ms)
        return max((o.place_ms for o in waiting), default=0)

    async def groups(self, channel_id: ChannelId) -> tuple[Sequence[Group], int | None]:
        """The groups of a channel and when they were reported."""
        return self._rows.groups.get(channel_id, ((), None))

    async def registry(self) -> base.Registry:
        """Every record of the registry."""
        rows = self._rows
        return base.Registry(
            channels=list(rows.channels.values()),
            session_apis=list(rows.session_apis.values()),
            keys=list(rows.keys.values()),
            agents=list(rows.agents.values()),
            enrolments=list(rows.enrolments.values()),
        )

    async def restored(self) -> Sequence[Restoration]:
        """The channels that are marked as restored."""
        return [self._rows.restored[channel_id] for channel_id in sorted(self._rows.restored)]

    async def high_marks(self) -> base.HighMarks:
        """The largest operation id, and each channel's epoch."""
        return base.HighMarks(
            operation_id=max(self._rows.operations, default=0), epochs={c: e for c, (e, _) in self._rows.epochs.items()}
        )

    async def scrub(self) -> None:
        """Memory has no file."""

    async def check_writable(self) -> None:
        """Memory always is."""

    async def close(self) -> None:
        """Nothing to close."""


def _matches(operation: Operation, wanted: base.Filter) -> bool:
    return (
        wanted.channel_id in (None, operation.channel_id)
        and wanted.session_api_id in (None, operation.session_api_id)
        and wanted.state in (None, operation.state)
        and wanted.kind in (None, operation.kind)
        and wanted.reference in (None, operation.reference)
        and (wanted.recipient is None or wanted.recipient in operation.recipient)
        and (wanted.placed_before_ms is None or operation.place_ms < wanted.placed_before_ms)
        and (wanted.before is None or operation.id < wanted.before)
    )
