"""The last day, hour by hour, from the counts of what happened. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from messenger_hub_server.model import OperationState
from messenger_hub_server.store.base import Passed

HOUR_MS = 3_600_000
HOURS = 24

DONE = frozenset({OperationState.SENT, OperationState.DELIVERED, OperationState.READ, OperationState.SUCCEEDED})
FAILED = frozenset({OperationState.FAILED, OperationState.EXPIRED})
WAITING = frozenset({OperationState.PENDING, OperationState.LEASED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """What happened in one hour from `begin_ms` on, and how many waited at its end."""

    begin_ms: int
    accepted: int
    sent: int
    failed: int
    uncertain: int
    waiting: int


def begin_ms(now_ms: int) -> int:
    """When the first of the HOURS began; the last one is under way."""
    return (now_ms // HOUR_MS - HOURS + 1) * HOUR_MS


def hours(passed: Sequence[Passed], waiting: int, now_ms: int) -> Sequence[Hour]:
    """Oldest first. `passed` since `begin_ms` in steps of HOUR_MS; `waiting`: how many do now, from which the hours are counted back."""
    shown: list[Hour] = []
    for step in reversed(range(HOURS)):
        mine = [one for one in passed if one.step == step]
        shown.append(
            Hour(
                begin_ms=begin_ms(now_ms) + step * HOUR_MS,
                accepted=sum(one.count for one in mine if one.before is None),
                sent=_entered(mine, DONE),
                failed=_entered(mine, FAILED),
                uncertain=_entered(mine, frozenset({OperationState.UNCERTAIN})),
                waiting=max(0, waiting),
            )
        )
        waiting -= _entered(mine, WAITING) - sum(
            one.count for one in mine if one.before in WAITING and one.state not in WAITING
        )
    return shown[::-1]


def _entered(passed: Sequence[Passed], states: frozenset[OperationState]) -> int:
    """How many came into one of the states from outside of them."""
    return sum(one.count for one in passed if one.state in states and one.before not in states)
