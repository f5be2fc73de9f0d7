"""Accepting straight into a lease (rule 12): which of the operations of one transaction come with one, and which were leased.

Who gets a lease is judged three times: here (one of a lane), by the channel's machine (credit, and nothing else waits), and by the
store inside the transaction (the epoch stands, and nothing of the lane is there). Where one of them says no, the operation waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from messenger_hub_server.delivery.actions import HANDED, Offer
from messenger_hub_server.model import ChannelId, LeaseId, LeaseMark, NewOperation, OperationId
from messenger_hub_server.store.base import Accept, Accepted, Outcome, Write

Taken = Sequence[tuple[LeaseId, NewOperation]]


def with_leases(
    writes: Sequence[Write], offer: Callable[[ChannelId, int], Offer | None]
) -> tuple[Sequence[Write], Mapping[ChannelId, Offer]]:
    """The same writes, with leases where `offer(channel, count)` gives some, and what it gave."""
    first: dict[ChannelId, dict[str, OperationId]] = {}
    for write in writes:
        if isinstance(write, Accept) and write.operation.due:
            first.setdefault(write.operation.channel_id, {}).setdefault(write.operation.lane, write.operation.id)
    offers = {channel_id: made for channel_id, lanes in first.items() if (made := offer(channel_id, len(lanes)))}
    if not offers:
        return writes, offers
    leases: dict[OperationId, tuple[Offer, LeaseId]] = {}
    for channel_id, made in offers.items():
        leases |= {
            new: (made, lease_id) for new, lease_id in zip(first[channel_id].values(), made.lease_ids, strict=False)
        }
    return [
        _with_lease(write, *leases[write.operation.id])
        if isinstance(write, Accept) and write.operation.id in leases
        else write
        for write in writes
    ], offers


def _with_lease(write: Accept, offer: Offer, lease_id: LeaseId) -> Accept:
    mark = LeaseMark(epoch=offer.epoch, lease_id=lease_id, journal_id=offer.journal_id)
    return Accept(operation=write.operation, lease=mark, lease_reason=HANDED)


def taken(writes: Sequence[Write], outcomes: Sequence[Outcome]) -> Mapping[ChannelId, Taken]:
    """What was accepted as leased, by channel, in the order of the writes."""
    found: dict[ChannelId, list[tuple[LeaseId, NewOperation]]] = {}
    for write, outcome in zip(writes, outcomes, strict=True):
        if isinstance(write, Accept) and write.lease and isinstance(outcome, Accepted) and outcome.leased:
            leased = found.setdefault(write.operation.channel_id, [])
            leased.append((write.lease.lease_id, write.operation))
    return found
