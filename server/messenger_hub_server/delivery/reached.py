"""What committed writes have made of operations, for counting: without a look at the database, as each commit pays for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from messenger_hub_server.model import ChannelId, OperationState
from messenger_hub_server.store.base import (
    Accept,
    Accepted,
    Change,
    ChangeQueue,
    Claim,
    ExpireDue,
    Import,
    Leased,
    Outcome,
    Replace,
    Write,
)

_PENDING, _LEASED = OperationState.PENDING.value, OperationState.LEASED.value
_DONE = frozenset({OperationState.SENT.value, OperationState.SUCCEEDED.value})


class Reached:
    """`confirmed_ms`: of each channel when a desktop last proved that WhatsApp had taken something."""

    __slots__ = ("confirmed_ms", "counts")

    def __init__(self) -> None:
        # By the state's word: the hash of a member of an enum is computed in Python each time.
        self.counts = {state.value: 0 for state in OperationState}
        self.confirmed_ms: dict[ChannelId, int] = {}

    @property
    def states(self) -> Mapping[OperationState, int]:
        """How often operations reached each state since this was made. What a journal brings back counts as leased, and a return to the
        queue as pending."""
        return {OperationState(word): count for word, count in self.counts.items()}

    def committed(self, writes: Sequence[Write], outcomes: Sequence[Outcome]) -> None:
        """A transaction is durable; one outcome per write."""
        for write, outcome in zip(writes, outcomes, strict=True):
            if outcome and (count := _COUNTS.get(type(write))) is not None:
                count(self, write, outcome)


def _accept(reached: Reached, _: Accept, outcome: Outcome) -> None:
    if isinstance(outcome, Accepted):
        reached.counts[_PENDING] += 1
        if outcome.leased:
            reached.counts[_LEASED] += 1


def _claim(reached: Reached, _: Claim, outcome: Leased) -> None:
    reached.counts[_LEASED] += len(outcome.operations)


def _change(reached: Reached, write: Change, _: Outcome) -> None:
    to = write.to._value_
    reached.counts[to] += 1
    # A person's decision names the operation by its number, a desktop's fact by its WhatsApp id.
    if to in _DONE and write.wa_id is not None and write.channel_id is not None:
        reached.confirmed_ms[write.channel_id] = write.at_ms


def _replace(reached: Reached, _write: Replace, _: Outcome) -> None:
    reached.counts[OperationState.FAILED.value] += 1
    reached.counts[_PENDING] += 1


def _import(reached: Reached, _write: Import, _: Outcome) -> None:
    reached.counts[_LEASED] += 1


def _change_queue(reached: Reached, write: ChangeQueue, outcome: Sequence[object]) -> None:
    reached.counts[write.to.value] += len(outcome)


def _expire(reached: Reached, _: ExpireDue, outcome: Sequence[object]) -> None:
    reached.counts[OperationState.EXPIRED.value] += len(outcome)


# By the kind of write, whose outcome is of the kind that its docstring says.
_COUNTS: Mapping[type, Callable[[Reached, Any, Any], None]] = {
    Accept: _accept,
    Claim: _claim,
    Change: _change,
    Replace: _replace,
    Import: _import,
    ChangeQueue: _change_queue,
    ExpireDue: _expire,
}
