"""What the stores with a database decide alike, in between their statements: pure, and for many writes of one kind at once.

The outcomes are those of the same writes one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar, cast

from messenger_hub_server.model import ChannelId, NewOperation, Operation, OperationId, OperationState
from messenger_hub_server.store import base, rows

MOST_PRIORITIES = 3  # so many candidates may one lane have

T = TypeVar("T", bound=base.Write)


def runs(writes: Sequence[base.Write]) -> Iterator[tuple[type[base.Write], Sequence[base.Write]]]:
    """Neighbours of one kind."""
    for kind, neighbours in groupby(writes, key=type):
        run = [*neighbours]
        parts = _apart(of_kind(run, base.Claim)) if kind is base.Claim else [run]
        for part in parts:
            yield kind, part


def _apart(claims: Sequence[base.Claim]) -> Iterator[Sequence[base.Claim]]:
    """A channel's second claim sees what its first has leased: it starts another run."""
    run: list[base.Claim] = []
    channels: set[ChannelId] = set()
    for claim in claims:
        if claim.channel_id in channels:
            yield run
            run, channels = [], set()
        run.append(claim)
        channels.add(claim.channel_id)
    yield run


def of_kind(run: Sequence[base.Write], _: type[T]) -> Sequence[T]:
    """For types: all of a run are of its kind."""
    return cast("Sequence[T]", run)


# ---- accepting --------------------------------------------------------------------------------------------------------------


def accepted(
    run: Sequence[base.Accept], known: Mapping[bytes, base.Known]
) -> tuple[list[base.Outcome], list[base.Accept]]:
    """An outcome each, as if none came with a lease, and those to insert. Of one key twice in a run the second is known."""
    held = dict(known)
    fresh: list[base.Accept] = []
    outcomes: list[base.Outcome] = []
    for write in run:
        new = write.operation
        key = new.idempotency
        if key is not None and key.key_hash in held:
            outcomes.append(held[key.key_hash])
            continue
        if new.late:
            outcomes.append(base.Late())
            continue
        if key is not None:
            held[key.key_hash] = base.Known(
                operation_id=new.id,
                recipient=new.recipient,
                target=new.target,
                parameters_hash=key.parameters_hash,
            )
        fresh.append(write)
        outcomes.append(base.Accepted(operation_id=new.id))
    return outcomes, fresh


def leasable(fresh: Sequence[base.Accept]) -> Sequence[tuple[OperationId, tuple[ChannelId, str, int]]]:
    """Those with a lease that could go now and before which nothing of the same run stands: each with channel, lane and epoch."""
    lanes: set[tuple[ChannelId, str]] = set()
    asked: list[tuple[OperationId, tuple[ChannelId, str, int]]] = []
    for write in fresh:
        new, lease = write.operation, write.lease
        lane = new.channel_id, new.lane
        if lease is not None and new.due and lane not in lanes:
            asked.append((new.id, (*lane, lease.epoch)))
        lanes.add(lane)
    return asked


def with_leases(outcomes: Sequence[base.Outcome], leased: frozenset[OperationId]) -> Sequence[base.Outcome]:
    """The same, with what was leased at once."""
    if not leased:
        return outcomes
    return [
        base.Accepted(operation_id=outcome.operation_id, leased=True)
        if isinstance(outcome, base.Accepted) and outcome.operation_id in leased
        else outcome
        for outcome in outcomes
    ]


# ---- claiming and changing --------------------------------------------------------------------------------------------------


def chosen(claim: base.Claim, candidates: Sequence[Sequence[rows.Value]]) -> list[Operation]:
    """The first of each lane as leased, as long as there are leases. A candidate is its lane, then the columns of `rows.leased`."""
    leased: list[Operation] = []
    lanes: set[rows.Value] = set()
    for lane, *columns in candidates:
        if len(leased) == len(claim.lease_ids):
            break
        if lane not in lanes:
            lanes.add(lane)
            leased.append(rows.leased(columns, claim, claim.lease_ids[len(leased)]))
    return leased


@dataclass(slots=True)
class Seen:
    """What decides about a change, as it is after those before it."""

    id: int
    state: str
    started: bool
    lease_id: str | None
    session_api_id: int
    channel_id: int

    def admits(self, change: base.Change) -> bool:
        """Every condition of the change holds."""
        started = self.state == OperationState.LEASED and self.started
        return (
            self.state in change.from_states
            and (change.lease_id is None or self.lease_id == change.lease_id)
            and change.session_api_id in (None, self.session_api_id)
            and change.channel_id in (None, self.channel_id)
            and (change.started is None or started == change.started)
        )


def steps(
    run: Sequence[base.Change], by_wa_id: Mapping[str, Seen], by_number: Mapping[int, Seen]
) -> tuple[list[base.Outcome], list[list[tuple[Seen, base.Change]]]]:
    """Whether each applies, and those that do, in steps that name no operation twice: each transition has its event."""
    found: list[list[tuple[Seen, base.Change]]] = []
    taken: dict[int, int] = {}
    outcomes: list[base.Outcome] = []
    for change in run:
        number, wa_id = change.operation_id, change.wa_id
        seen = by_number.get(number) if number is not None else by_wa_id.get(wa_id or "")
        applies = seen is not None and seen.admits(change)
        outcomes.append(applies)
        if seen is None or not applies:
            continue
        seen.state = change.to.value
        step = taken[seen.id] = taken.get(seen.id, 0) + 1
        if step > len(found):
            found.append([])
        found[step - 1].append((seen, change))
    return outcomes, found


def highest(run: Sequence[base.AdvanceJournal]) -> Mapping[tuple[ChannelId, str], int]:
    """The largest sequence of each journal."""
    found: dict[tuple[ChannelId, str], int] = {}
    for write in run:
        key = write.channel_id, write.journal_id
        found[key] = max(write.sequence, found.get(key, write.sequence))
    return found


def adoptable(state: str, started: bool) -> bool:
    """A hello's intent may be its start: it is not known to have started yet, and has no end."""
    return state == OperationState.PENDING or (state == OperationState.LEASED and not started)


def keys(news: Sequence[NewOperation]) -> list[bytes]:
    """The hashes of the idempotency keys that came along."""
    return [new.idempotency.key_hash for new in news if new.idempotency]
