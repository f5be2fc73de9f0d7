"""What is stored of a person: read out, and erased. A person is a target: a chat with somebody, or a contact."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from messenger_hub.runtime.clock import Clock
from messenger_hub.runtime.log import logger

from messenger_hub_server.errors import InProgress
from messenger_hub_server.model import ChannelId, Operation, OperationId, OperationState, WaId
from messenger_hub_server.queue import Queue
from messenger_hub_server.store.base import ChangeQueue, Erase, StoreError

log = logger(__name__)

PAGE = 500
UNSETTLED = frozenset({OperationState.PENDING, OperationState.LEASED})
CANCELLED = "Cancelled: the person's data was erased"


Named = tuple[OperationId, WaId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """How many operations were blanked, and how many of them waited and were cancelled."""

    erased: int
    cancelled: int


class Persons:
    """`tell` reaches the desktops that are connected; those that are away hear of it at their next hello."""

    def __init__(self, queue: Queue, tell: Callable[[ChannelId, Sequence[WaId]], None], clock: Clock) -> None:
        self._queue = queue
        self._tell = tell
        self._clock = clock

    async def operations(self, target: str) -> AsyncIterator[Operation]:
        """Everything that is stored of a person, oldest first."""
        last = OperationId(0)
        while page := await self._queue.store.operations_of(target, last, PAGE):
            for operation in page:
                yield operation
            last = page[-1].id

    async def count(self, target: str) -> Erased:
        """What `erase` would do now."""
        states = [operation.state async for operation in self.operations(target)]
        unsettled = sum(state in UNSETTLED for state in states)
        return Erased(erased=len(states), cancelled=unsettled)

    async def erase(self, target: str) -> Erased:
        """Cancels what waits, then blanks everything. Raises InProgress while a message to the person is being sent, and Restored."""
        found, states = await self._found(target)
        await self._queue.restored.require_told(*found)
        cancelled = 0
        if states & UNSETTLED:
            cancelled = await self._cancel(target, found)
            found, states = await self._found(target)
        if OperationState.LEASED in states:
            raise InProgress
        erased = 0
        for channel_id, named in found.items():
            for start in range(0, len(named), PAGE):
                part = named[start : start + PAGE]
                erase = Erase(operation_ids=[number for number, _ in part], at_ms=self._clock.now_ms())
                (count,) = await self._queue.commit([erase], frees=())
                erased += count if isinstance(count, int) else 0
                self._tell(channel_id, [wa_id for _, wa_id in part])
        await self._scrub()
        return Erased(erased=erased, cancelled=cancelled)

    async def _found(self, target: str) -> tuple[Mapping[ChannelId, Sequence[Named]], frozenset[OperationState]]:
        """What is stored of a person, by channel, and in which states."""
        found: defaultdict[ChannelId, list[Named]] = defaultdict(list)
        states: set[OperationState] = set()
        async for operation in self.operations(target):
            found[operation.channel_id].append((operation.id, operation.wa_id))
            states.add(operation.state)
        return found, frozenset(states)

    async def _cancel(self, target: str, channels: Iterable[ChannelId]) -> int:
        cancelled = 0
        for channel_id in channels:
            change = ChangeQueue(
                channel_id=channel_id,
                target=target,
                leased_too=True,
                to=OperationState.CANCELLED,
                at_ms=self._clock.now_ms(),
                reason=CANCELLED,
            )
            (changed,) = await self._queue.commit([change], frees=(channel_id,))
            cancelled += len(changed) if isinstance(changed, Sequence) else 0
        return cancelled

    async def _scrub(self) -> None:
        try:
            await self._queue.store.scrub()
        except StoreError:
            # The rows are blank; the retention's next round empties the log.
            log.warning("log not emptied", exc_info=True)
