"""Domain values → the contract's messages, and the contract's enums → domain values."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp
from messenger_hub.agent.v1 import agent_service_pb2
from messenger_hub.v1 import channel_service_pb2, operation_pb2

from messenger_hub_server.delivery.states import FACTS
from messenger_hub_server.errors import ValidationFailed
from messenger_hub_server.model import Event, Operation, OperationKind, OperationState, Pace, Priority

STATUSES: dict[OperationState, operation_pb2.OperationStatus.ValueType] = {
    OperationState.PENDING: operation_pb2.OPERATION_STATUS_PENDING,
    OperationState.LEASED: operation_pb2.OPERATION_STATUS_PROCESSING,
    OperationState.SENT: operation_pb2.OPERATION_STATUS_SENT,
    OperationState.DELIVERED: operation_pb2.OPERATION_STATUS_DELIVERED,
    OperationState.READ: operation_pb2.OPERATION_STATUS_READ,
    OperationState.SUCCEEDED: operation_pb2.OPERATION_STATUS_SUCCEEDED,
    OperationState.FAILED: operation_pb2.OPERATION_STATUS_FAILED,
    OperationState.CANCELLED: operation_pb2.OPERATION_STATUS_CANCELLED,
    OperationState.EXPIRED: operation_pb2.OPERATION_STATUS_EXPIRED,
    OperationState.UNCERTAIN: operation_pb2.OPERATION_STATUS_UNCERTAIN,
}
KINDS: dict[OperationKind, operation_pb2.OperationType.ValueType] = {
    OperationKind.SEND_MESSAGE: operation_pb2.OPERATION_TYPE_SEND_MESSAGE,
    OperationKind.SAVE_CONTACT: operation_pb2.OPERATION_TYPE_SAVE_CONTACT,
    OperationKind.REMOVE_CONTACT: operation_pb2.OPERATION_TYPE_REMOVE_CONTACT,
}
PACES: dict[Pace, agent_service_pb2.Pace.ValueType] = {
    Pace.OFF: agent_service_pb2.PACE_OFF,
    Pace.NORMAL: agent_service_pb2.PACE_NORMAL,
    Pace.CAREFUL: agent_service_pb2.PACE_CAREFUL,
}
_STATES = {status: state for state, status in STATUSES.items()}
_KINDS = {number: kind for kind, number in KINDS.items()}
_PACES = {number: pace for pace, number in PACES.items()}
_PROBLEMATIC = frozenset({OperationState.FAILED, OperationState.UNCERTAIN})
_CURSOR_PREFIX = b"mh1:"


def status_of(state: OperationState) -> operation_pb2.OperationStatus.ValueType:
    """The client's word for a state."""
    return STATUSES[state]


def state_of(status: operation_pb2.OperationStatus.ValueType) -> OperationState | None:
    """The state of a filter; None for any."""
    return _STATES.get(status)


def kind_of(number: operation_pb2.OperationType.ValueType) -> OperationKind | None:
    """The kind of a filter; None for any."""
    return _KINDS.get(number)


def pace_of(number: agent_service_pb2.Pace.ValueType) -> Pace:
    """Unset is normal."""
    return _PACES.get(number, Pace.NORMAL)


def priority_of(number: operation_pb2.Priority.ValueType) -> Priority:
    """Unset is normal."""
    return Priority(number) if number else Priority.NORMAL


def timestamp(at_ms: int | None) -> Timestamp | None:
    """None stays None, which protobuf's constructors read as unset."""
    if at_ms is None:
        return None
    return Timestamp(seconds=at_ms // 1000, nanos=at_ms % 1000 * 1_000_000)


def milliseconds(at: Timestamp) -> int:
    """Down to the millisecond; nanoseconds are cut."""
    return at.seconds * 1000 + at.nanos // 1_000_000


def operation_message(operation: Operation, reason: str, timeline: Sequence[Event] = ()) -> operation_pb2.Operation:
    """An operation as programs see it; `reason` is the sentence of now."""
    return operation_pb2.Operation(
        operation_id=operation.id,
        type=KINDS[operation.kind],
        recipient=operation.recipient,
        status=STATUSES[operation.state],
        reason=reason,
        reference=operation.reference,
        attempts=operation.attempts,
        whatsapp_message_id=operation.wa_id if may_have_been_sent(operation) else "",
        error=_problem(operation),
        timeline=transitions(timeline),
    )


def may_have_been_sent(operation: Operation) -> bool:
    """A message whose id WhatsApp may know."""
    if operation.kind is not OperationKind.SEND_MESSAGE:
        return False
    started = operation.lease is not None and operation.lease.started
    return started or operation.state in FACTS or operation.state is OperationState.UNCERTAIN


def transitions(events: Sequence[Event]) -> Sequence[operation_pb2.Transition]:
    """One entry per change of status. Events in a row that a client cannot tell apart become one: the first's time, the last's reason."""
    told: list[operation_pb2.Transition] = []
    for event in events:
        if told and told[-1].status == STATUSES[event.state]:
            told[-1].reason = event.reason or told[-1].reason
        else:
            told.append(transition(event))
    return told


def transition(event: Event) -> operation_pb2.Transition:
    """One event."""
    return operation_pb2.Transition(status=STATUSES[event.state], at=timestamp(event.at_ms), reason=event.reason)


def channel_state(name: str) -> channel_service_pb2.ChannelState.ValueType:
    """From the name in lower case."""
    return channel_service_pb2.ChannelState.Value(f"CHANNEL_STATE_{name.upper()}")


def cursor(number: int) -> str:
    """An opaque page or resume token."""
    return base64.urlsafe_b64encode(_CURSOR_PREFIX + str(number).encode()).rstrip(b"=").decode()


def cursor_number(text: str) -> int | None:
    """What `cursor` was made of; None for an empty one. Raises ValidationFailed for anything else."""
    if not text:
        return None
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _not_a_cursor() from error
    number = plain.removeprefix(_CURSOR_PREFIX)
    if number == plain or not number.isdigit() or len(number) > 18:
        raise _not_a_cursor()
    return int(number)


def _not_a_cursor() -> ValidationFailed:
    return ValidationFailed({"cursor": ["The cursor field format is invalid."]})


def _problem(operation: Operation) -> operation_pb2.Problem | None:
    if operation.problem is None or operation.state not in _PROBLEMATIC:
        return None
    return operation_pb2.Problem(code=operation.problem.code, message=operation.problem.message)
