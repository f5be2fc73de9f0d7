"""Cancelling everything that a filter finds, in steps that let others in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from messenger_hub.runtime.clock import Clock

from messenger_hub_server.model import Operation, OperationId, OperationState
from messenger_hub_server.queue import UNSTARTED, Queue
from messenger_hub_server.store.base import Change, Filter

PAGE = 100
MOST = 10_000
ANY = OperationId(2**63 - 2)
"""Up to whichever there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What has not started, MOST at most; `more`: there may be more than these."""

    operations: Sequence[Operation]
    more: bool

    @property
    def newest(self) -> int:
        """0: none."""
        return max((one.id for one in self.operations), default=0)


async def find(queue: Queue, wanted: Filter, until: OperationId) -> Found:
    """Those up to `until`. Raises Restored when what is stored of one of their channels may not be what has happened."""
    found: list[Operation] = []
    more = False
    for state in sorted(UNSTARTED):
        before = OperationId(until + 1)
        while page := await queue.list(replace(wanted, state=state, before=before, limit=PAGE)):
            before = page[-1].id
            found += [one for one in page if state is OperationState.PENDING or not (one.lease and one.lease.started)]
            if len(found) >= MOST:
                more = True
                break
    if found:
        await queue.restored.require_told(*{one.channel_id for one in found})
    return Found(operations=found, more=more)


async def cancel(queue: Queue, clock: Clock, found: Found, reason: str) -> int:
    """Cancels what has still not started; says how many."""
    cancelled = 0
    for start in range(0, len(found.operations), PAGE):
        some = found.operations[start : start + PAGE]
        changes = [_change(one, clock.now_ms(), reason) for one in some]
        outcomes = await queue.commit(changes, frees=tuple({one.channel_id for one in some}))
        cancelled += sum(outcome is True for outcome in outcomes)
    return cancelled


def _change(operation: Operation, now_ms: int, reason: str) -> Change:
    return Change(
        operation_id=operation.id,
        from_states=UNSTARTED,
        started=False,
        to=OperationState.CANCELLED,
        at_ms=now_ms,
        reason=reason,
    )
