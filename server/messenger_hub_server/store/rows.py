"""Rows to records and back: operations as columns, what operators configure as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from messenger_hub_server.model import (
    Agent,
    ApiKey,
    Channel,
    ChannelId,
    Enrolment,
    Event,
    Idempotency,
    JournalId,
    LeaseId,
    LeaseMark,
    NewOperation,
    Operation,
    OperationId,
    OperationKind,
    OperationState,
    Priority,
    Problem,
    Restoration,
)
from messenger_hub_server.model import SessionApi as SessionApiRecord
from messenger_hub_server.store.base import Accept, Age, Claim, Passed, Registry

Record = Channel | SessionApiRecord | ApiKey | Agent | Enrolment
KINDS: dict[str, type[Record]] = {
    "channel": Channel,
    "session_api": SessionApiRecord,
    "key": ApiKey,
    "agent": Agent,
    "enrolment": Enrolment,
}

# Looking up is faster than calling the enumeration.
_KIND_OF = {kind.value: kind for kind in OperationKind}
_PRIORITY_OF = {priority.value: priority for priority in Priority}

Value = str | int | bytes | None
Row = tuple[Value, ...]


class Named(Protocol):
    """A row that a database gives: its columns by their names."""

    def __getitem__(self, name: str, /) -> Any:
        """A column."""
        ...


def parameters(new: NewOperation) -> dict[str, Value]:
    """What `insert_operation` binds."""
    return {
        "id": new.id,
        "wa_id": new.wa_id,
        "channel_id": new.channel_id,
        "session_api_id": new.session_api_id,
        "kind": new.kind.value,
        "recipient": new.recipient,
        "target": new.target,
        "lane": new.lane,
        "body": new.body,
        "priority": int(new.priority),
        "reason": new.reason,
        "reference": new.reference,
        "accepted_at_ms": new.accepted_at_ms,
        "place_ms": new.place_ms,
        "send_at_ms": new.send_at_ms,
        "expires_at_ms": new.expires_at_ms,
    }


def inserted(new: NewOperation) -> Row:
    """As one row of `insert_operations`."""
    return tuple(parameters(new).values())


def handed(write: Accept) -> Row:
    """As one row of `insert_leased`."""
    if write.lease is None:
        raise ValueError("there is no lease")
    lease = write.lease
    return (*inserted(write.operation), lease.epoch, lease.lease_id, lease.journal_id, write.lease_reason)


def operation(row: Named) -> Operation:
    """A row of `operation` joined with its idempotency record."""
    return Operation(
        id=OperationId(row["id"]),
        wa_id=row["wa_id"],
        channel_id=row["channel_id"],
        session_api_id=row["session_api_id"],
        kind=OperationKind(row["kind"]),
        recipient=row["recipient"],
        target=row["target"],
        body=row["body"],
        priority=Priority(row["priority"]),
        state=OperationState(row["state"]),
        reason=row["reason"],
        reference=row["reference"],
        accepted_at_ms=row["accepted_at_ms"],
        place_ms=row["place_ms"],
        send_at_ms=row["send_at_ms"],
        expires_at_ms=row["expires_at_ms"],
        not_before_ms=row["not_before_ms"],
        changed_at_ms=row["changed_at_ms"],
        attempts=row["attempts"],
        lease=_mark(row),
        problem=Problem(code=row["problem_code"], message=row["problem_message"]) if row["problem_code"] else None,
        successor=row["successor"],
        idempotency=Idempotency(key_hash=row["key_hash"], parameters_hash=row["parameters_hash"])
        if row["key_hash"]
        else None,
    )


def leased(columns: Sequence[Any], claim: Claim, lease_id: LeaseId) -> Operation:
    """A candidate of `claimable`, its lane taken off, as it is once it is leased."""
    (number, wa_id, channel_id, session_api_id, kind, recipient, target, body, priority, reference, accepted_at_ms,
     place_ms, send_at_ms, expires_at_ms, attempts, problem_code, problem_message, successor, key_hash, parameters_hash) = columns  # fmt: skip
    return Operation(
        id=OperationId(number),
        wa_id=wa_id,
        channel_id=channel_id,
        session_api_id=session_api_id,
        kind=_KIND_OF[kind],
        recipient=recipient,
        target=target,
        body=body,
        priority=_PRIORITY_OF[priority],
        state=OperationState.LEASED,
        reason=claim.reason,
        reference=reference,
        accepted_at_ms=accepted_at_ms,
        place_ms=place_ms,
        send_at_ms=send_at_ms,
        expires_at_ms=expires_at_ms,
        not_before_ms=None,
        changed_at_ms=claim.now_ms,
        attempts=attempts + 1,
        lease=LeaseMark(epoch=claim.epoch, lease_id=lease_id, journal_id=claim.journal_id),
        problem=Problem(code=problem_code, message=problem_message) if problem_code else None,
        successor=successor,
        idempotency=Idempotency(key_hash=bytes.fromhex(key_hash), parameters_hash=bytes.fromhex(parameters_hash))
        if key_hash
        else None,
    )


def _mark(row: Named) -> LeaseMark | None:
    if row["lease_id"] is None:
        return None
    return LeaseMark(
        epoch=row["epoch"],
        lease_id=LeaseId(row["lease_id"]),
        journal_id=JournalId(row["journal_id"]),
        started=bool(row["started"]),
    )


def restoration(row: Named) -> Restoration:
    """A row of `restored`."""
    return Restoration(
        channel_id=ChannelId(row["channel_id"]),
        journal_id=JournalId(row["journal_id"]),
        before=OperationId(row["before"]),
    )


def age(row: Named) -> Age:
    """A row of `ages`."""
    return Age(
        id=OperationId(row["id"]),
        state=OperationState(row["state"]),
        changed_at_ms=row["changed_at_ms"],
        erased=bool(row["erased"]),
    )


def passed(row: Named) -> Passed:
    """A row of `passed`."""
    before = OperationState(row["from_state"]) if row["from_state"] else None
    return Passed(step=row["step"], before=before, state=OperationState(row["state"]), count=row["count"])


def event(row: Named) -> Event:
    """A row of `event`."""
    return Event(
        id=row["id"],
        operation_id=OperationId(row["operation_id"]),
        state=OperationState(row["state"]),
        at_ms=row["at_ms"],
        reason=row["reason"],
    )


def registry(records: Sequence[Record]) -> Registry:
    """All records, each with its kind."""
    return Registry(
        channels=[r for r in records if isinstance(r, Channel)],
        session_apis=[r for r in records if isinstance(r, SessionApiRecord)],
        keys=[r for r in records if isinstance(r, ApiKey)],
        agents=[r for r in records if isinstance(r, Agent)],
        enrolments=[r for r in records if isinstance(r, Enrolment)],
    )


def record_key(record: Record) -> tuple[str, str]:
    """Kind and id under which a record is stored."""
    match record:
        case Channel():
            return "channel", str(record.id)
        case SessionApiRecord():
            return "session_api", str(record.id)
        case ApiKey():
            return "key", record.key_id
        case Agent():
            return "agent", str(record.id)
        case Enrolment():
            return "enrolment", record.token_digest.hex()


def encode(record: Record) -> str:
    """As JSON; bytes in base64."""
    return msgspec.json.encode(record).decode()


def decode(kind: str, body: str) -> Record:
    """The record again."""
    return msgspec.json.decode(body, type=KINDS[kind])
