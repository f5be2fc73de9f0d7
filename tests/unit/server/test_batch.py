"""Many callers in one transaction: whose each outcome is, and what nobody has seen yet."""

from __future__ import annotations

import pytest
from messenger_hub_server.delivery.batch import left_waiting, mixed, shares
from messenger_hub_server.model import (
    ChannelId,
    JournalId,
    LeaseId,
    NewOperation,
    OperationId,
    OperationKind,
    SessionApiId,
    WaId,
)
from messenger_hub_server.store.base import Accept, Accepted, Claim, EndRestored, Leased, Outcome, Start, Write

CHANNEL = ChannelId(1)
CLAIM = Claim(
    channel_id=CHANNEL, epoch=1, journal_id=JournalId("j"), lease_ids=[LeaseId("a")], now_ms=5, reason="leased"
)
NOTHING = Leased(operations=[], waits=True)


def accept(number: int, *, send_at_ms: int | None = None) -> Accept:
    new = NewOperation(
        id=OperationId(number), wa_id=WaId(f"3EB0{number}"), channel_id=CHANNEL, session_api_id=SessionApiId(1),
        kind=OperationKind.SEND_MESSAGE, recipient="1", target="1@c.us", body="hello", accepted_at_ms=9, place_ms=9,
        send_at_ms=send_at_ms,
    )  # fmt: skip
    return Accept(operation=new)


def stored(number: int, *, leased: bool = False) -> Accepted:
    return Accepted(operation_id=OperationId(number), leased=leased)


@pytest.mark.parametrize(
    ("writes", "outcomes", "left"),
    [
        ([accept(1)], [stored(1)], {CHANNEL}),
        ([accept(1)], [stored(1, leased=True)], set()),
        ([accept(1), CLAIM], [stored(1), NOTHING], set()),
        ([CLAIM, accept(1)], [NOTHING, stored(1)], {CHANNEL}),
        # The claim was asked for at 5, before the send_at of 7; it is accepted at 9.
        ([accept(1, send_at_ms=7), CLAIM], [stored(1), NOTHING], {CHANNEL}),
    ],
    ids=["it waits", "it is leased", "a claim has seen it", "the claim came before", "the claim came too early for it"],
)
def test_a_channel_is_woken_for_what_no_claim_has_seen(
    writes: list[Write], outcomes: list[Outcome], left: set[ChannelId]
) -> None:
    assert left_waiting(writes, outcomes) == left


def test_writes_of_a_kind_come_together_and_each_caller_gets_its_own_outcomes_in_its_order() -> None:
    start = Start(channel_id=CHANNEL, lease_id=LeaseId("a"), epoch=1)
    callers: list[list[Write]] = [
        [CLAIM],
        [accept(1)],
        [start, EndRestored(channel_id=CHANNEL)],
        [accept(2), accept(3)],
    ]
    order, writes = mixed(callers)
    assert [type(write) for write in writes] == [Accept, Accept, Accept, Start, Claim, EndRestored]
    names: list[Outcome] = [stored(position) for position, _ in enumerate(writes)]
    assert [list(share) for share in shares(callers, order, names)] == [
        [stored(4)],
        [stored(0)],
        [stored(3), stored(5)],
        [stored(1), stored(2)],
    ]
