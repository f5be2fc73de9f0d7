"""The writes of base.py on tables in memory, one by one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import assert_never

from msgspec.structs import replace

from messenger_hub_server.delivery.states import LIVE, NOT_SENT, SETTLED, TRANSITIONS
from messenger_hub_server.model import (
    Agent,
    ApiKey,
    Channel,
    Enrolment,
    Event,
    JournalId,
    LeaseMark,
    NewOperation,
    Operation,
    OperationId,
    OperationState,
    Problem,
    SessionApi,
)
from messenger_hub_server.store import base
from messenger_hub_server.store.base import NOBODY
from messenger_hub_server.store.memory.rows import Rows


class ForbiddenTransition(Exception):
    """A write asked for a transition that the table does not have."""


class Writer:
    """Applies writes, in order. What is forbidden raises, and a transaction is not taken back."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def apply(self, write: base.Write) -> base.Outcome:  # noqa: C901, PLR0912
        """What came of it. Raises ForbiddenTransition."""
        match write:
            case base.Accept():
                return self._accept(write)
            case base.Claim():
                return self._claim(write)
            case base.Start():
                return self._start(write)
            case base.Change():
                return self._change(write)
            case base.Replace():
                return self._replace(write)
            case base.Import():
                return self._import(write)
            case base.TakeEpoch(channel_id=channel_id, epoch=epoch, journal_id=journal_id):
                if epoch <= self._rows.epochs.get(channel_id, (0, JournalId("")))[0]:
                    return False
                self._rows.epochs[channel_id] = epoch, journal_id
                return True
            case base.AdvanceJournal(channel_id=channel_id, journal_id=journal_id, sequence=sequence):
                key = channel_id, journal_id
                self._rows.sequences[key] = max(sequence, self._rows.sequences.get(key, 0))
                return True
            case base.ChangeQueue():
                return self._change_queue(write)
            case base.ExpireDue(now_ms=now_ms, reason=reason):
                return self._expire(now_ms, reason)
            case base.Put(record=record):
                return self._put(record)
            case base.Redeem():
                return self._redeem(write)
            case base.Remove():
                return self._remove(write)
            case base.PutGroups(channel_id=channel_id, groups=groups, as_of_ms=as_of_ms):
                self._rows.groups[channel_id] = groups, as_of_ms
                return True
            case base.MarkRestored(restoration=restoration):
                self._rows.restored[restoration.channel_id] = restoration
                return True
            case base.EndRestored(channel_id=channel_id):
                return self._rows.restored.pop(channel_id, None) is not None
            case base.Erase(operation_ids=operation_ids, at_ms=at_ms):
                return self._erase(operation_ids, at_ms)
            case base.Purge(operation_ids=operation_ids):
                return self._purge(operation_ids)
            case _:
                assert_never(write)

    def _accept(self, write: base.Accept) -> base.Accepted | base.Known | base.Late:
        rows, new = self._rows, write.operation
        if new.idempotency and (holder := rows.idempotency.get(new.idempotency.key_hash)) is not None:
            known = rows.operations[holder]
            parameters = known.idempotency.parameters_hash if known.idempotency else b""
            return base.Known(
                operation_id=holder, recipient=known.recipient, target=known.target, parameters_hash=parameters
            )
        if new.late:
            return base.Late()
        free = self._goes_at_once(write)
        self._insert(_operation(new))
        if free and write.lease is not None:
            self._lease(_operation(new), write.lease, new.accepted_at_ms, write.lease_reason)
        return base.Accepted(operation_id=new.id, leased=free)

    def _goes_at_once(self, write: base.Accept) -> bool:
        """Whether nothing stands before what is about to be inserted."""
        new, lease = write.operation, write.lease
        if lease is None or not new.due or new.channel_id in self._rows.restored:
            return False
        if self._rows.epochs.get(new.channel_id, (0, ""))[0] != lease.epoch:
            return False
        return not any(
            one.lane == new.lane and one.channel_id == new.channel_id and one.state in LIVE
            for one in self._rows.live.values()
        )

    def _insert(self, operation: Operation) -> None:
        rows = self._rows
        rows.put(operation)
        rows.by_wa_id[operation.wa_id] = operation.id
        if operation.idempotency:
            rows.idempotency.setdefault(operation.idempotency.key_hash, operation.id)
        self._event(operation)

    def _event(self, operation: Operation) -> None:
        self._rows.last_event += 1
        self._rows.events.append(
            Event(
                id=self._rows.last_event,
                operation_id=operation.id,
                state=operation.state,
                at_ms=operation.changed_at_ms,
                reason=operation.reason,
            )
        )

    def _move(self, changed: Operation) -> None:
        before = self._rows.operations[changed.id]
        if changed.state not in TRANSITIONS[before.state]:
            raise ForbiddenTransition(f"{before.state} to {changed.state}")
        self._rows.put(changed)
        self._event(changed)

    def _claim(self, claim: base.Claim) -> base.Leased:
        return base.Leased(operations=self._claimed(claim), waits=bool(self._rows.pending(claim.channel_id)))

    def _claimed(self, claim: base.Claim) -> Sequence[Operation]:
        if (
            self._rows.epochs.get(claim.channel_id, (0, ""))[0] != claim.epoch
            or claim.channel_id in self._rows.restored
        ):
            return []
        busy: set[str] = set()
        earlier: set[tuple[str, int]] = set()
        for operation in self._rows.live.values():
            if operation.channel_id == claim.channel_id and operation.state is OperationState.LEASED:
                busy.add(operation.lane)
        waiting = self._rows.pending(claim.channel_id)
        claimed: list[Operation] = []
        for operation in sorted(waiting, key=lambda o: (o.priority, o.place_ms, o.id)):
            if len(claimed) == len(claim.lease_ids):
                break
            if (operation.send_at_ms or 0) > claim.now_ms:
                continue
            first = (operation.lane, operation.priority) not in earlier
            earlier.add((operation.lane, operation.priority))
            if first and operation.lane not in busy and _eligible(operation, claim.now_ms):
                busy.add(operation.lane)
                mark = LeaseMark(epoch=claim.epoch, lease_id=claim.lease_ids[len(claimed)], journal_id=claim.journal_id)
                claimed.append(self._lease(operation, mark, claim.now_ms, claim.reason))
        return claimed

    def _lease(self, operation: Operation, mark: LeaseMark, at_ms: int, reason: str) -> Operation:
        leased = replace(
            operation,
            state=OperationState.LEASED,
            lease=mark,
            attempts=operation.attempts + 1,
            changed_at_ms=at_ms,
            reason=reason,
            not_before_ms=None,
        )
        self._move(leased)
        return leased

    def _start(self, start: base.Start) -> bool:
        if self._rows.epochs.get(start.channel_id, (0, ""))[0] != start.epoch:
            return False
        for operation in self._rows.operations.values():
            mark = operation.lease
            if mark is None or (mark.lease_id, mark.epoch) != (start.lease_id, start.epoch):
                continue
            if operation.channel_id == start.channel_id and operation.state is OperationState.LEASED:
                self._rows.put(replace(operation, lease=replace(mark, started=True)))
                return True
        return False

    def _change(self, change: base.Change) -> bool:
        operation_id = change.operation_id
        if operation_id is None and change.wa_id is not None:
            operation_id = self._rows.by_wa_id.get(change.wa_id)
        operation = self._rows.operations.get(operation_id) if operation_id is not None else None
        if operation is None or operation.state not in change.from_states or not _holds(operation, change):
            return False
        self._move(
            replace(
                operation,
                state=change.to,
                changed_at_ms=change.at_ms,
                reason=change.reason,
                problem=change.problem,
                not_before_ms=change.not_before_ms,
            )
        )
        return True

    def _replace(self, write: base.Replace) -> bool:
        operation = self._rows.operations.get(write.operation_id)
        if operation is None or operation.state is not OperationState.UNCERTAIN:
            return False
        if write.session_api_id is not None and operation.session_api_id != write.session_api_id:
            return False
        failed = replace(
            operation,
            state=OperationState.FAILED,
            changed_at_ms=write.at_ms,
            reason=write.reason,
            problem=write.problem,
            successor=write.successor.id,
        )
        self._move(failed)
        self._insert(_operation(write.successor))
        return True

    def _import(self, write: base.Import) -> bool:
        rows, new = self._rows, write.operation
        there = rows.operations[rows.by_wa_id[new.wa_id]] if new.wa_id in rows.by_wa_id else None
        if there is not None:
            mine = there.channel_id == new.channel_id
            return mine and write.adopts and _adoptable(there) and self._adopt(there, write)
        operation = self._holder(new, adopts=write.adopts)
        if operation is not None:
            del rows.by_wa_id[operation.wa_id]
            operation = replace(operation, wa_id=new.wa_id)
            rows.put(operation)
            rows.by_wa_id[new.wa_id] = operation.id
            if operation.state in NOT_SENT:
                # What was decided meanwhile stays until a fact of the journal says otherwise.
                rows.put(replace(operation, lease=write.lease))
                return True
        else:
            taken = new.idempotency is not None and new.idempotency.key_hash in rows.idempotency
            number = write.spare_id if new.id in rows.operations else new.id
            fresh = replace(
                new,
                id=number,
                session_api_id=NOBODY if self._strange(new) else new.session_api_id,
                idempotency=None if taken else new.idempotency,
                place_ms=max([new.place_ms, *self._places_of_earlier(new)]),
            )
            operation = _operation(fresh)
            self._insert(operation)
        return self._adopt(operation, write)

    def _adopt(self, operation: Operation, write: base.Import) -> bool:
        leased = replace(
            operation,
            state=OperationState.LEASED,
            lease=write.lease,
            attempts=operation.attempts + 1,
            changed_at_ms=write.at_ms,
            reason=write.reason,
        )
        if operation.state is OperationState.LEASED:
            self._rows.put(leased)
        else:
            self._move(leased)
        return True

    def _places_of_earlier(self, new: NewOperation) -> Sequence[int]:
        return [
            one.place_ms
            for one in self._rows.live.values()
            if one.channel_id == new.channel_id
            and one.lane == new.lane
            and one.state is OperationState.PENDING
            and one.accepted_at_ms <= new.accepted_at_ms
            and one.place_ms != one.send_at_ms
        ]

    def _strange(self, new: NewOperation) -> bool:
        owner = self._rows.session_apis.get(new.session_api_id)
        return owner is not None and owner.channel_id != new.channel_id

    def _holder(self, new: NewOperation, *, adopts: bool) -> Operation | None:
        """The operation that holds the same idempotency key with the same parameters and has not been sent."""
        holder = self._rows.idempotency.get(new.idempotency.key_hash) if new.idempotency else None
        operation = self._rows.operations[holder] if holder is not None else None
        if operation is None or operation.idempotency != new.idempotency or operation.channel_id != new.channel_id:
            return None
        waits = operation.state is OperationState.PENDING or (adopts and _adoptable(operation))
        return operation if waits or operation.state in NOT_SENT else None

    def _change_queue(self, write: base.ChangeQueue) -> Sequence[OperationId]:
        changed = []
        for operation in list(self._rows.live.values()):
            unstarted = operation.state is OperationState.LEASED and operation.lease and not operation.lease.started
            if (
                operation.channel_id == write.channel_id
                and (operation.state is OperationState.PENDING or (write.leased_too and unstarted))
                and write.session_api_id in (None, operation.session_api_id)
                and write.reference in (None, operation.reference)
                and write.target in (None, operation.target)
                and (write.before is None or operation.id < write.before)
            ):
                self._move(
                    replace(
                        operation,
                        state=write.to,
                        changed_at_ms=write.at_ms,
                        reason=write.reason,
                        problem=write.problem,
                        not_before_ms=None,
                    )
                )
                changed.append(operation.id)
        return changed

    def _expire(self, now_ms: int, reason: str) -> Sequence[OperationId]:
        due = [
            o
            for o in self._rows.live.values()
            if o.state is OperationState.PENDING
            and o.expires_at_ms is not None
            and o.expires_at_ms <= now_ms
            and o.channel_id not in self._rows.restored
        ]
        for operation in due:
            self._move(replace(operation, state=OperationState.EXPIRED, changed_at_ms=now_ms, reason=reason))
        return [operation.id for operation in due]

    def _put(self, record: Channel | SessionApi | ApiKey | Agent | Enrolment) -> bool:
        match record:
            case Channel():
                self._rows.channels[record.id] = record
            case SessionApi():
                self._rows.session_apis[record.id] = record
            case ApiKey():
                self._rows.keys[record.key_id] = record
            case Agent():
                self._rows.agents[record.id] = record
            case Enrolment():
                self._rows.enrolments[record.token_digest] = record
            case _:
                assert_never(record)
        return True

    def _redeem(self, write: base.Redeem) -> bool:
        enrolment = self._rows.enrolments.get(write.token_digest)
        if enrolment is None or enrolment.used or enrolment.expires_at_ms <= write.now_ms:
            return False
        self._rows.enrolments[write.token_digest] = dataclasses.replace(enrolment, used=True)
        if write.channel is not None:
            self._put(write.channel)
        return self._put(write.agent)

    def _remove(self, write: base.Remove) -> bool:
        rows = self._rows
        if write.key_id is not None:
            return rows.keys.pop(write.key_id, None) is not None
        if write.channel_id is None or rows.channels.pop(write.channel_id, None) is None:
            return False
        gone = {s.id for s in rows.session_apis.values() if s.channel_id == write.channel_id}
        rows.session_apis = {i: s for i, s in rows.session_apis.items() if i not in gone}
        rows.keys = {i: k for i, k in rows.keys.items() if k.session_api_id not in gone}
        return True

    def _settled(self, operation_ids: Sequence[OperationId]) -> Sequence[Operation]:
        found = [self._rows.operations[number] for number in operation_ids if number in self._rows.operations]
        return [operation for operation in found if operation.state in SETTLED]

    def _erase(self, operation_ids: Sequence[OperationId], at_ms: int) -> int:
        rows = self._rows
        fresh = {o.id: o for o in self._settled(operation_ids) if o.id not in rows.erased}
        for operation in fresh.values():
            blank = Problem(code=operation.problem.code, message="") if operation.problem else None
            blanked = replace(operation, recipient="", target="", body="", reference="", reason="", problem=blank)
            rows.put(blanked)
        rows.events = [replace(e, reason="") if e.operation_id in fresh else e for e in rows.events]
        rows.erased |= dict.fromkeys(fresh, at_ms)
        return len(fresh)

    def _purge(self, operation_ids: Sequence[OperationId]) -> int:
        old = self._settled(operation_ids)
        gone = {operation.id for operation in old if operation.channel_id not in self._rows.restored}
        rows = self._rows
        rows.operations = {i: o for i, o in rows.operations.items() if i not in gone}
        rows.by_wa_id = {w: i for w, i in rows.by_wa_id.items() if i not in gone}
        rows.idempotency = {k: i for k, i in rows.idempotency.items() if i not in gone}
        rows.events = [e for e in rows.events if e.operation_id not in gone]
        return len(gone)


def _operation(new: NewOperation) -> Operation:
    return Operation(
        id=new.id,
        wa_id=new.wa_id,
        channel_id=new.channel_id,
        session_api_id=new.session_api_id,
        kind=new.kind,
        recipient=new.recipient,
        target=new.target,
        body=new.body,
        priority=new.priority,
        state=OperationState.PENDING,
        reason=new.reason,
        reference=new.reference,
        accepted_at_ms=new.accepted_at_ms,
        place_ms=new.place_ms,
        send_at_ms=new.send_at_ms,
        expires_at_ms=new.expires_at_ms,
        not_before_ms=None,
        changed_at_ms=new.accepted_at_ms,
        attempts=0,
        lease=None,
        problem=None,
        successor=None,
        idempotency=new.idempotency,
    )


def _adoptable(operation: Operation) -> bool:
    """A hello's intent may be its start: it is not known to have started yet, and has no end."""
    started = operation.lease is not None and operation.lease.started
    return operation.state is OperationState.PENDING or (operation.state is OperationState.LEASED and not started)


def _eligible(operation: Operation, now_ms: int) -> bool:
    return (operation.not_before_ms or 0) <= now_ms and (
        operation.expires_at_ms is None or operation.expires_at_ms > now_ms
    )


def _holds(operation: Operation, change: base.Change) -> bool:
    mark = operation.lease
    return (
        (change.lease_id is None or (mark is not None and mark.lease_id == change.lease_id))
        and change.session_api_id in (None, operation.session_api_id)
        and change.channel_id in (None, operation.channel_id)
        and (
            change.started is None
            or (operation.state is OperationState.LEASED and mark is not None and mark.started) == change.started
        )
    )
