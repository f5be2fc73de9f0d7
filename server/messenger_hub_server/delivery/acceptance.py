"""What a request becomes: a new operation, the answer to an earlier one, or a conflict (rule 1)."""

from __future__ import annotations

from msgspec import Struct

from messenger_hub_server.errors import FUTURE, HubError, IdempotencyKeyReused, ValidationFailed
from messenger_hub_server.model import (
    ChannelId,
    Idempotency,
    NewOperation,
    OperationId,
    OperationKind,
    Priority,
    SessionApiId,
    WaId,
)
from messenger_hub_server.store.base import Accepted, Known, Late


class Draft(Struct, frozen=True, kw_only=True, gc=False):
    """A checked request. A `send_at_ms` in the past means now."""

    channel_id: ChannelId
    session_api_id: SessionApiId
    kind: OperationKind
    recipient: str
    target: str
    body: str
    priority: Priority = Priority.NORMAL
    send_at_ms: int | None = None
    expires_at_ms: int | None = None
    reference: str = ""
    idempotency: Idempotency | None = None


class Receipt(Struct, frozen=True, kw_only=True, gc=False):
    """What a caller is told of an accepted request."""

    operation_id: OperationId
    recipient: str
    target: str
    replayed: bool


class Places:
    """Where operations stand in their lanes: in the order of their acceptance, also after the server's clock was set back.

    `latest_ms`: the place of the last one that still waits.
    """

    def __init__(self, latest_ms: int = 0) -> None:
        self._latest_ms = latest_ms

    def place(self, now_ms: int) -> int:
        """Of what is accepted at `now_ms`: that time, and never before an earlier one's place."""
        self._latest_ms = max(self._latest_ms, now_ms)
        return self._latest_ms


def operation(draft: Draft, number: OperationId, wa_id: WaId, places: Places, now_ms: int) -> NewOperation:
    """The operation that a draft becomes at `now_ms`."""
    send_at_ms = draft.send_at_ms or 0
    return NewOperation(
        id=number,
        wa_id=wa_id,
        channel_id=draft.channel_id,
        session_api_id=draft.session_api_id,
        kind=draft.kind,
        recipient=draft.recipient,
        target=draft.target,
        body=draft.body,
        priority=draft.priority,
        accepted_at_ms=now_ms,
        place_ms=send_at_ms if send_at_ms > now_ms else places.place(now_ms),
        send_at_ms=draft.send_at_ms,  # also one that has come: the clock may be set back before it is leased
        expires_at_ms=draft.expires_at_ms,
        reference=draft.reference,
        idempotency=draft.idempotency,
    )


def answer(draft: Draft, outcome: Accepted | Known | Late) -> Receipt | HubError:
    """The first answer, its repeat, the conflict of one key with two sets of parameters, or a key's first request that is too late."""
    match outcome:
        case Accepted(operation_id=number):
            return Receipt(operation_id=number, recipient=draft.recipient, target=draft.target, replayed=False)
        case Late():
            return ValidationFailed({"expires_at": [FUTURE.format("expires at")]})
        case Known(operation_id=number, recipient=recipient, target=target, parameters_hash=parameters):
            if draft.idempotency is None or draft.idempotency.parameters_hash != parameters:
                return IdempotencyKeyReused()
            # Those of an erased operation are blank: the same parameters say them again.
            recipient, target = recipient or draft.recipient, target or draft.target
            return Receipt(operation_id=number, recipient=recipient, target=target, replayed=True)
