"""Cancelling everything that a filter finds, in steps that let others in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from messenger_hub.runtime.clock import Clock

from messenger_hub_server.model import Operation, OperationId, OperationState
from messenger_hub_server.queue import UNSTARTED, Queue
from messenger_hub_server.store.base import Change, Filter

PAGE = 100
MOST = 10_000
ANY = 2**63 - 2
"""Up to whichever there is."""


async def newest(queue: Queue, wanted: Filter) -> tuple[int, OperationId]:
    """How many could be cancelled, MOST at most, and the newest of them (0: none)."""
    count, last = 0, OperationId(0)
    async for page in _pages(queue, wanted):
        count += len(page)
        last = max([last, *(one.id for one in page)])
    return count, last


async def cancel(queue: Queue, clock: Clock, wanted: Filter, until: OperationId, reason: str) -> int:
    """Cancels those up to `until` that have not started, MOST at most; says how many. Raises Restored."""
    cancelled = 0
    async for page in _pages(queue, replace(wanted, before=OperationId(until + 1))):
        channels = {one.channel_id for one in page}
        for channel_id in channels:
            queue.require_told(channel_id)
        changes = [_change(one, clock.now_ms(), reason) for one in page]
        cancelled += sum(outcome is True for outcome in await queue.commit(changes, frees=tuple(channels)))
    return cancelled


async def _pages(queue: Queue, wanted: Filter) -> AsyncIterator[Sequence[Operation]]:
    """What may not have started yet, newest first; a page is cancelled before the next one is read."""
    left = MOST
    for state in sorted(UNSTARTED):
        before = wanted.before
        while left and (page := await queue.list(replace(wanted, state=state, before=before, limit=min(PAGE, left)))):
            before, left = page[-1].id, left - len(page)
            yield [one for one in page if state is OperationState.PENDING or not (one.lease and one.lease.started)]


def _change(operation: Operation, now_ms: int, reason: str) -> Change:
    return Change(
        operation_id=operation.id,
        from_states=UNSTARTED,
        started=False,
        to=OperationState.CANCELLED,
        at_ms=now_ms,
        reason=reason,
    )
