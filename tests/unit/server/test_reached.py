"""What is counted of committed writes is what the store's own timeline says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from messenger_hub_server.delivery.reached import Reached
from messenger_hub_server.model import (
    ChannelId,
    JournalId,
    LeaseId,
    LeaseMark,
    NewOperation,
    OperationId,
    OperationKind,
    Problem,
    SessionApiId,
    WaId,
)
from messenger_hub_server.model import OperationState as S
from messenger_hub_server.store import base
from messenger_hub_server.store.memory.store import MemoryStore

CHANNEL, JOURNAL = ChannelId(1), JournalId("j1")
PROBLEM = Problem(code="x", message="X.")


def wa(number: int) -> WaId:
    return WaId(f"3EB0{number:018X}")


def new(number: int, **more: object) -> NewOperation:
    values: dict[str, object] = {"accepted_at_ms": number, "place_ms": number, **more}
    return NewOperation(
        id=OperationId(number),
        wa_id=wa(number),
        channel_id=CHANNEL,
        session_api_id=SessionApiId(1),
        kind=OperationKind.SEND_MESSAGE,
        recipient="",
        target=f"{number}@c.us",
        body="",
        **values,  # type: ignore[arg-type]
    )


def fact(number: int, to: S, *, at_ms: int = 100) -> base.Change:
    froms = frozenset({S.LEASED, S.SENT, S.DELIVERED})
    return base.Change(wa_id=wa(number), channel_id=CHANNEL, from_states=froms, to=to, at_ms=at_ms, reason="fact")


def decision(number: int, to: S, *froms: S) -> base.Change:
    return base.Change(
        operation_id=OperationId(number), from_states=frozenset(froms), to=to, at_ms=900, reason="a person"
    )


async def counted(batches: Sequence[Sequence[base.Write]]) -> tuple[Reached, Counter[S]]:
    """What was counted, and what the store's timeline holds."""
    store, reached = MemoryStore(), Reached()
    await store.apply([base.TakeEpoch(channel_id=CHANNEL, epoch=1, journal_id=JOURNAL)])
    for writes in batches:
        reached.committed(writes, await store.apply(writes))
    timeline: Counter[S] = Counter()
    for passed in await store.passed(0, 1_000_000):
        timeline[passed.state] += passed.count
    return reached, timeline


CLAIM = base.Claim(
    channel_id=CHANNEL,
    epoch=1,
    journal_id=JOURNAL,
    lease_ids=[LeaseId(f"l{n}") for n in range(4)],
    now_ms=50,
    reason="leased",
)
HANDED = base.Accept(
    operation=new(9), lease=LeaseMark(epoch=1, lease_id=LeaseId("h"), journal_id=JOURNAL), lease_reason="handed"
)


async def test_every_way_through_the_states_is_counted_as_the_timeline_has_it() -> None:
    given_back = base.Change(
        wa_id=wa(3), from_states=frozenset({S.LEASED}), to=S.PENDING, at_ms=60, reason="back", lease_id=LeaseId("l2")
    )
    resent = base.Replace(
        operation_id=OperationId(2), at_ms=70, reason="again", problem=PROBLEM, successor=new(20, accepted_at_ms=70)
    )
    cancelled = base.ChangeQueue(channel_id=CHANNEL, leased_too=False, to=S.CANCELLED, at_ms=80, reason="cleared")
    reached, timeline = await counted(
        [
            [HANDED, *(base.Accept(operation=new(n)) for n in (1, 2, 3)), CLAIM],
            [fact(1, S.SENT), fact(2, S.UNCERTAIN), given_back],
            [fact(1, S.DELIVERED), fact(1, S.READ), resent],
            [base.Accept(operation=new(30, accepted_at_ms=75, expires_at_ms=79))],
            [base.ExpireDue(now_ms=79, reason="late"), cancelled, decision(9, S.FAILED, S.LEASED)],
        ]
    )
    assert {state: count for state, count in reached.states.items() if count} == timeline
    assert set(timeline) == set(S) - {S.SUCCEEDED}


async def test_a_write_whose_condition_does_not_hold_and_a_late_request_count_for_nothing() -> None:
    late = base.Accept(operation=new(1, expires_at_ms=1))
    reached, timeline = await counted([[late, fact(1, S.SENT), decision(1, S.CANCELLED, S.PENDING)]])
    assert not timeline
    assert not any(reached.states.values())
    assert not reached.confirmed_ms


async def test_a_channel_was_confirmed_when_its_desktop_said_so_and_not_when_a_person_did() -> None:
    accepted = [base.Accept(operation=new(n)) for n in (1, 2)]
    reached, _ = await counted([[*accepted, CLAIM], [fact(1, S.UNCERTAIN), fact(2, S.SENT, at_ms=300)]])
    assert reached.confirmed_ms == {CHANNEL: 300}
    reached, _ = await counted([[*accepted, CLAIM], [fact(1, S.UNCERTAIN)], [decision(1, S.SENT, S.UNCERTAIN)]])
    assert reached.states[S.SENT] == 1
    assert not reached.confirmed_ms


async def test_a_receipt_of_an_old_message_does_not_confirm_that_new_ones_go_out() -> None:
    batches = [[HANDED], [fact(9, S.SENT, at_ms=100)], [fact(9, S.DELIVERED, at_ms=500)]]
    reached, _ = await counted(batches)
    assert reached.confirmed_ms == {CHANNEL: 100}
