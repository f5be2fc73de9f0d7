"""One transaction for many callers: in which order their writes are applied, whose each outcome is, and what is left to be handed out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from messenger_hub_server.model import ChannelId
from messenger_hub_server.store.base import Accept, Accepted, AdvanceJournal, Change, Claim, Outcome, Start, Write

RANKS = {kind: rank for rank, kind in enumerate((Accept, Start, Change, AdvanceJournal, Claim))}

Order = Sequence[tuple[int, int]]
"""Whose each write is: (caller, position)."""


def mixed(callers: Sequence[Sequence[Write]]) -> tuple[Order, Sequence[Write]]:
    """All writes with those of a kind together, which the store does in one go.

    The callers are there at the same time, so nothing is promised about the order between them; each one's own writes keep theirs.
    """
    kinds: defaultdict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for caller, writes in enumerate(callers):
        turn = last = 0
        for position, write in enumerate(writes):
            rank = RANKS.get(type(write), len(RANKS))
            turn += rank < last
            last = rank
            kinds[turn, rank].append((caller, position))
    order = [one for kind in sorted(kinds) for one in kinds[kind]]
    return order, [callers[caller][position] for caller, position in order]


def shares(
    callers: Sequence[Sequence[Write]], order: Order, outcomes: Sequence[Outcome]
) -> Sequence[Sequence[Outcome]]:
    """Each caller's outcomes, in the order of its writes."""
    given: list[list[Outcome]] = [[False] * len(writes) for writes in callers]
    for (caller, position), outcome in zip(order, outcomes, strict=True):
        given[caller][position] = outcome
    return given


def left_waiting(writes: Sequence[Write], outcomes: Sequence[Outcome]) -> Collection[ChannelId]:
    """The channels on which something was accepted that waits, and that no claim behind it has seen."""
    waits: set[ChannelId] = set()
    timed: set[ChannelId] = set()
    for write, outcome in zip(writes, outcomes, strict=True):
        match write:
            case Accept(operation=new) if isinstance(outcome, Accepted) and not outcome.leased:
                # A claim may have been asked for before a send_at that was reached by the time of the acceptance.
                (waits if new.send_at_ms is None else timed).add(new.channel_id)
            case Claim(channel_id=channel_id):
                waits.discard(channel_id)
            case _:
                pass
    return waits | timed
