"""Where in its chat an operation stands, for several nodes with clocks of their own.

A node gives a place by its clock. The database moves it behind everything that was committed before on its channel, by whichever node.
Of one transaction's operations several may have the same place: they are one node's, and their ids are in the order of acceptance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from messenger_hub_server.model import ChannelId, NewOperation
from messenger_hub_server.store import base

UNMOVED = -1


def is_held(operation: NewOperation) -> bool:
    """It stands at its send_at, whatever is accepted before."""
    return operation.place_ms == operation.send_at_ms and operation.place_ms > operation.accepted_at_ms


def accepted(write: base.Write) -> NewOperation | None:
    """What a write accepts."""
    match write:
        case base.Accept(operation=operation) | base.Replace(successor=operation):
            return operation
        case _:
            return None


def wanted(writes: Sequence[base.Write]) -> dict[ChannelId, int]:
    """The last place that the writes want on each channel, in the order of channels. UNMOVED of a channel on which nothing else may be
    accepted meanwhile: what a journal brings back and what is held keep their own places, and a deletion lets nothing follow."""
    last: dict[ChannelId, int] = {}
    for write in writes:
        match write:
            case base.Import(operation=operation):
                last.setdefault(operation.channel_id, UNMOVED)
            case base.Remove(channel_id=channel_id) if channel_id is not None:
                last.setdefault(channel_id, UNMOVED)
            case base.Accept(operation=operation) | base.Replace(successor=operation):
                place = UNMOVED if is_held(operation) else operation.place_ms
                last[operation.channel_id] = max(place, last.get(operation.channel_id, UNMOVED))
            case _:
                pass
    return dict(sorted(last.items()))


def placed(writes: Sequence[base.Write], before: Mapping[ChannelId, int]) -> Sequence[base.Write]:
    """The writes, with what they accept behind the last places that were there before."""
    return [_placed(write, before) for write in writes]


def _placed(write: base.Write, before: Mapping[ChannelId, int]) -> base.Write:
    operation = accepted(write)
    if operation is None or is_held(operation) or operation.place_ms > before[operation.channel_id]:
        return write
    behind = msgspec.structs.replace(operation, place_ms=before[operation.channel_id] + 1)
    if isinstance(write, base.Replace):
        return msgspec.structs.replace(write, successor=behind)
    return msgspec.structs.replace(write, operation=behind)
