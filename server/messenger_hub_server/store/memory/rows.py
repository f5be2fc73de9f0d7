"""The tables of the store in memory."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

from messenger_hub_server.delivery.states import LIVE
from messenger_hub_server.model import (
    Agent,
    AgentId,
    ApiKey,
    Channel,
    ChannelId,
    Enrolment,
    Event,
    Group,
    JournalId,
    Operation,
    OperationId,
    OperationState,
    Restoration,
    SessionApi,
    SessionApiId,
    WaId,
)


@dataclass(slots=True)
class Rows:
    """All that is stored."""

    operations: dict[OperationId, Operation] = field(default_factory=dict)
    # Those of them that are pending or leased, in the same order.
    live: dict[OperationId, Operation] = field(default_factory=dict)
    by_wa_id: dict[WaId, OperationId] = field(default_factory=dict)
    idempotency: dict[bytes, OperationId] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    last_event: int = 0
    epochs: dict[ChannelId, tuple[int, JournalId]] = field(default_factory=dict)
    sequences: dict[tuple[ChannelId, JournalId], int] = field(default_factory=dict)
    channels: dict[ChannelId, Channel] = field(default_factory=dict)
    session_apis: dict[SessionApiId, SessionApi] = field(default_factory=dict)
    keys: dict[str, ApiKey] = field(default_factory=dict)
    agents: dict[AgentId, Agent] = field(default_factory=dict)
    enrolments: dict[bytes, Enrolment] = field(default_factory=dict)
    groups: dict[ChannelId, tuple[Sequence[Group], int]] = field(default_factory=dict)
    erased: dict[OperationId, int] = field(default_factory=dict)
    restored: dict[ChannelId, Restoration] = field(default_factory=dict)

    def put(self, operation: Operation) -> None:
        """A new one, or what has become of one that is there."""
        number = operation.id
        comes_back = number in self.operations and number not in self.live
        self.operations[number] = operation
        if operation.state not in LIVE:
            self.live.pop(number, None)
        elif comes_back:
            self.live = {i: one for i, one in self.operations.items() if one.state in LIVE}
        else:
            self.live[number] = operation

    def copied(self) -> Rows:
        """As it is now: every row is a value, so that the tables alone are copied."""
        return Rows(**{one.name: copy.copy(getattr(self, one.name)) for one in dataclasses.fields(self)})

    def pending(self, channel_id: ChannelId) -> Sequence[Operation]:
        """What waits on a channel, in the order of acceptance."""
        return [o for o in self.live.values() if o.channel_id == channel_id and o.state is OperationState.PENDING]
