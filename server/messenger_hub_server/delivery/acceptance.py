"""What a request becomes: a new operation, the answer to an earlier one, or a conflict (rule 1)."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a caller is told of an accepted request."""

    operation_id: OperationId
    recipient: str
    target: str
    replayed: bool


def operation(draft: Draft, number: OperationId, wa_id: WaId, now_ms: int) -> NewOperation:
    """The operation that a draft becomes at `now_ms`; its place is its send_at, else now."""
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
        due_at_ms=max(now_ms, draft.send_at_ms or now_ms),
        expires_at_ms=draft.expires_at_ms,
        reference=draft.reference,
        idempotency=draft.idempotency,
    )


def answer(draft: Draft, outcome: Accepted | Known | Late) -> Receipt | HubError:
    """The first answer, its repeat, the conflict of one key with two sets of parameters, or a key's first request that is too late."""
    match outcome:
        case Late():
            return ValidationFailed({"expires_at": [FUTURE.format("expires at")]})
        case Accepted(operation_id=number):
            return Receipt(operation_id=number, recipient=draft.recipient, target=draft.target, replayed=False)
        case Known(operation_id=number, recipient=recipient, target=target, parameters_hash=parameters):
            if draft.idempotency is None or draft.idempotency.parameters_hash != parameters:
                return IdempotencyKeyReused()
            # Those of an erased operation are blank: the same parameters say them again.
            recipient, target = recipient or draft.recipient, target or draft.target
            return Receipt(operation_id=number, recipient=recipient, target=target, replayed=True)
