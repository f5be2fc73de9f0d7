"""What an agent's words mean for an operation: journal entries, returns, silence, and a forced move → compare-and-set writes.

Facts beat decisions. A fact (sent, delivered, read, succeeded) of any epoch is always applied; a decision (failed, uncertain,
void, returned) only while its lease stands. Every write is conditional, so repeating the same words changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from google.protobuf.timestamp_pb2 import Timestamp
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.v1 import operation_pb2
from msgspec.structs import replace

from messenger_hub_server.delivery.states import NOT_SENT, sources
from messenger_hub_server.model import (
    ChannelId,
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
    SessionApiId,
    WaId,
)
from messenger_hub_server.store.base import Change, Import, Start, Write

LEASED = frozenset({OperationState.LEASED})
PENDING = frozenset({OperationState.PENDING})

FACTS = {
    pb.Outcome.KIND_SENT: (OperationState.SENT, "Accepted by WhatsApp"),
    pb.Outcome.KIND_DELIVERED: (OperationState.DELIVERED, "Delivered to the recipient's phone"),
    pb.Outcome.KIND_READ: (OperationState.READ, "Read by the recipient"),
    pb.Outcome.KIND_SUCCEEDED: (OperationState.SUCCEEDED, "Done, and read back from WhatsApp"),
}

# Where each fact is not a correction.
LEADING = {to: sources(to) - NOT_SENT for to, _ in FACTS.values()}

# Facts that a lease ends with: their first write leads there straight from leased.
DIRECT = frozenset({pb.Outcome.KIND_SENT, pb.Outcome.KIND_SUCCEEDED})

EVIDENCE_LOST = Problem(
    code="evidence_lost",
    message="The desktop app had started it, and its journal is gone: look into the chat on the phone, then resolve it.",
)
JOURNAL_SILENT = Problem(
    code="journal_silent",
    message="The desktop app's journal does not know that it had started it: look into the chat on the phone, then resolve it.",
)


def started(entry: pb.JournalEntry, channel_id: ChannelId, epoch: int) -> Start:
    """An intent on a live stream asks for go: the answer is whether its lease still stands."""
    return Start(channel_id=channel_id, lease_id=LeaseId(entry.lease_id), epoch=epoch)


def outcome(entry: pb.JournalEntry, channel_id: ChannelId, now_ms: int, *, started: bool = False) -> Sequence[Write]:
    """The writes for an entry that carries an outcome: nothing that an agent says changes another channel. `started`: its lease has
    started and stands, so the operation cannot be decided otherwise and one write is enough."""
    if fact := FACTS.get(entry.outcome.kind):
        to, reason = fact
        wa_id = WaId(entry.whatsapp_id)
        learnt = Change(wa_id=wa_id, channel_id=channel_id, from_states=LEADING[to], to=to, at_ms=now_ms, reason=reason)
        return [learnt] if started and entry.outcome.kind in DIRECT else _fact(learnt)
    return [_decision(entry, channel_id, now_ms)]


def _fact(learnt: Change) -> Sequence[Write]:
    """A fact whatever was decided; `learnt` is its write where nothing was."""
    to, reason = learnt.to, learnt.reason

    def change(from_states: frozenset[OperationState], state: OperationState, why: str) -> Change:
        return replace(learnt, from_states=from_states, to=state, reason=why)

    corrected = f"Corrected: {reason[0].lower()}{reason[1:]}"
    writes = [learnt, change(NOT_SENT, to, corrected)]
    if OperationState.PENDING not in LEADING[to]:
        # After a restore a pending operation may turn out to be delivered: the table leads there by way of sent.
        writes.insert(0, change(PENDING, OperationState.SENT, FACTS[pb.Outcome.KIND_SENT][1]))
    return writes


def _decision(entry: pb.JournalEntry, channel_id: ChannelId, now_ms: int) -> Change:
    said = Problem(code=entry.outcome.problem.code, message=entry.outcome.problem.message)
    problem: Problem | None = said
    match entry.outcome.kind:
        case pb.Outcome.KIND_VOID:
            source, to, reason, problem = LEASED, OperationState.PENDING, "Back in the queue: nothing was sent", None
        case pb.Outcome.KIND_FAILED:
            source, to, reason = LEASED | {OperationState.UNCERTAIN}, OperationState.FAILED, said.message
        case pb.Outcome.KIND_UNCERTAIN:
            source, to, reason = LEASED, OperationState.UNCERTAIN, said.message
        case kind:
            raise ValueError(f"journal entry {entry.sequence} has no known outcome ({kind})")
    return Change(
        wa_id=WaId(entry.whatsapp_id),
        channel_id=channel_id,
        lease_id=LeaseId(entry.lease_id),
        from_states=source,
        to=to,
        at_ms=now_ms,
        reason=reason,
        problem=problem,
    )


def returned(wa_id: WaId, back: pb.Return, now_ms: int) -> Change:
    """A lease that ended before an intent. `started=False`: what has started can only end by the journal."""
    problem, not_before = None, None
    match back.WhichOneof("how"):
        case "release":
            to, reason = OperationState.PENDING, back.release.reason or "Given back by the desktop app"
            if back.release.HasField("not_before"):
                not_before = back.release.not_before.ToMilliseconds()
        case "failed":
            to, reason = OperationState.FAILED, back.failed.message
            problem = Problem(code=back.failed.code, message=back.failed.message)
        case "expired":
            to, reason = OperationState.EXPIRED, "expires_at had passed before it could start"
        case None:
            raise ValueError(f"return of lease {back.lease_id} says nothing")
        case how:
            assert_never(how)
    return Change(
        wa_id=wa_id,
        lease_id=LeaseId(back.lease_id),
        from_states=LEASED,
        started=False,
        to=to,
        at_ms=now_ms,
        reason=reason,
        problem=problem,
        not_before_ms=not_before,
    )


def given_back(operations: Sequence[tuple[WaId, LeaseId]], reason: str, now_ms: int) -> Sequence[Write]:
    """Unstarted leases of a stream that is gone: nothing can start any more under them, so they wait again."""
    return [
        Change(
            wa_id=wa_id,
            lease_id=lease_id,
            from_states=LEASED,
            started=False,
            to=OperationState.PENDING,
            at_ms=now_ms,
            reason=reason,
        )
        for wa_id, lease_id in operations
    ]


def sweep(
    leased: Sequence[Operation], epoch: int, journal_id: JournalId, open_leases: frozenset[str], now_ms: int
) -> tuple[Sequence[Write], bool]:
    """What becomes of the leases of older epochs, and whether this journal is silent about one that it had started.

    Not started → pending. Started and open in this journal → left to the agent, which looks it up. Started otherwise: this
    journal would have told its end by now, so its evidence is gone → uncertain.
    """
    writes: list[Write] = []
    silent = False
    for operation in leased:
        mark = operation.lease
        if mark is None or mark.epoch >= epoch:
            continue
        if not mark.started:
            writes += given_back(
                [(operation.wa_id, mark.lease_id)], "Back in the queue: the desktop app reconnected", now_ms
            )
        elif mark.journal_id != journal_id:
            writes.append(_uncertain(operation, mark, EVIDENCE_LOST, now_ms))
        elif mark.lease_id not in open_leases:
            silent = True
            writes.append(_uncertain(operation, mark, JOURNAL_SILENT, now_ms))
    return writes, silent


def _uncertain(operation: Operation, mark: LeaseMark, problem: Problem, now_ms: int) -> Change:
    return Change(
        wa_id=operation.wa_id,
        lease_id=mark.lease_id,
        from_states=LEASED,
        to=OperationState.UNCERTAIN,
        at_ms=now_ms,
        reason=problem.message,
        problem=problem,
    )


def imported(
    entry: pb.JournalEntry,
    channel_id: ChannelId,
    journal_id: JournalId,
    spare_id: OperationId,
    now_ms: int,
    *,
    free_to: OperationId,
    adopts: bool = False,
) -> Import:
    """An intent that a hello brings: if this database does not know its wa_id, the operation is taken over from the journal.

    `free_to`: its number is kept if it is smaller; this process gives out the others, also those that a copy of the whole disk has
    given out before. `adopts`: this is an older copy, so of a known operation that is open here the intent may be the start.
    """
    lease, origin = entry.intent, entry.intent.provenance
    kind, target, body = _action(lease)
    accepted_at_ms = origin.accepted_at.ToMilliseconds()
    number = OperationId(origin.operation_id)
    operation = NewOperation(
        id=number if number < free_to else spare_id,
        wa_id=WaId(entry.whatsapp_id),
        channel_id=channel_id,
        session_api_id=SessionApiId(origin.session_api_id),
        kind=kind,
        recipient=target.removesuffix("@c.us") if kind is OperationKind.SEND_MESSAGE else target,
        target=target,
        body=body,
        priority=Priority(lease.priority or Priority.NORMAL),
        accepted_at_ms=accepted_at_ms,
        place_ms=accepted_at_ms,
        expires_at_ms=lease.expires_at.ToMilliseconds() if lease.HasField("expires_at") else None,
        reference=origin.reference,
        reason="Taken over from the desktop app's journal",
        idempotency=Idempotency(key_hash=origin.key_hash, parameters_hash=origin.parameters_hash)
        if origin.key_hash
        else None,
    )
    # Its epoch was of a database that is gone, and may be higher than this one's: the next sweep is about it in any case.
    mark = LeaseMark(epoch=0, lease_id=LeaseId(entry.lease_id), journal_id=journal_id, started=True)
    return Import(
        operation=operation,
        spare_id=spare_id,
        lease=mark,
        at_ms=now_ms,
        reason="Taken over from the desktop app's journal",
        adopts=adopts,
    )


def _action(lease: pb.Lease) -> tuple[OperationKind, str, str]:
    match lease.WhichOneof("action"):
        case "send_text":
            return OperationKind.SEND_MESSAGE, lease.send_text.chat, lease.send_text.text
        case "save_contact":
            return OperationKind.SAVE_CONTACT, lease.save_contact.contact, lease.save_contact.name
        case "remove_contact":
            return OperationKind.REMOVE_CONTACT, lease.remove_contact.contact, ""
        case None:
            raise ValueError(f"lease {lease.lease_id} has no action")
        case action:
            assert_never(action)


def lease_frame(operation: Operation | NewOperation, lease_id: LeaseId, epoch: int) -> pb.Lease:
    """A leased operation as the agent gets it."""
    lease = pb.Lease(
        lease_id=lease_id,
        epoch=epoch,
        whatsapp_id=operation.wa_id,
        priority=operation_pb2.Priority.ValueType(operation.priority),
    )
    if operation.expires_at_ms is not None:
        _set(lease.expires_at, operation.expires_at_ms)
    origin = lease.provenance
    origin.operation_id, origin.session_api_id = operation.id, operation.session_api_id
    origin.reference = operation.reference
    _set(origin.accepted_at, operation.accepted_at_ms)
    if operation.idempotency is not None:
        origin.key_hash = operation.idempotency.key_hash
        origin.parameters_hash = operation.idempotency.parameters_hash
    match operation.kind:
        case OperationKind.SEND_MESSAGE:
            lease.send_text.chat, lease.send_text.text = operation.target, operation.body
        case OperationKind.SAVE_CONTACT:
            lease.save_contact.contact, lease.save_contact.name = operation.target, operation.body
        case OperationKind.REMOVE_CONTACT:
            lease.remove_contact.contact = operation.target
        case kind:
            assert_never(kind)
    return lease


def _set(moment: Timestamp, at_ms: int) -> None:
    """As FromMilliseconds, which checks for a microsecond what acceptance has checked."""
    seconds, rest = divmod(at_ms, 1000)
    moment.seconds, moment.nanos = seconds, rest * 1_000_000
