"""The writes of base.py as statements, in one open transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import assert_never

import msgspec

from messenger_hub_server.delivery.states import NOT_SENT
from messenger_hub_server.model import (
    Enrolment,
    LeaseMark,
    NewOperation,
    OperationId,
    OperationState,
    Problem,
)
from messenger_hub_server.store import base, rows
from messenger_hub_server.store.base import NOBODY
from messenger_hub_server.store.deciding import adoptable, of_kind, runs
from messenger_hub_server.store.sets import NotInJson, Sets, text_of


class Writer:
    """Applies writes in order on a connection whose rows have names: neighbours of one kind in one go, all others one by one."""

    def __init__(self, connection: sqlite3.Connection, sql: Mapping[str, str]) -> None:
        self._connection = connection
        self._sql = sql
        self._sets = Sets(connection, sql)

    def apply_all(self, writes: Sequence[base.Write]) -> Sequence[base.Outcome]:
        """An outcome each; a forbidden transition raises IntegrityError."""
        outcomes: list[base.Outcome] = []
        for kind, run in runs(writes):
            together = self._together(kind, run)
            outcomes += together if together is not None else [self.apply(write) for write in run]
        return outcomes

    def _together(self, kind: type[base.Write], run: Sequence[base.Write]) -> Sequence[base.Outcome] | None:
        """None when they have to go one by one."""
        try:
            if kind is base.Claim:
                return self._sets.claim(of_kind(run, base.Claim))
            if kind is base.AdvanceJournal:
                return self._sets.advance(of_kind(run, base.AdvanceJournal))
            if len(run) == 1:
                return None
            if kind is base.Accept:
                return self._sets.accept(of_kind(run, base.Accept))
            if kind is base.Start:
                return self._sets.start(of_kind(run, base.Start))
            if kind is base.Change:
                return self._sets.change(of_kind(run, base.Change))
        except NotInJson:
            return None
        return None

    def apply(self, write: base.Write) -> base.Outcome:  # noqa: C901, PLR0912
        """The write's outcome; a forbidden transition raises IntegrityError."""
        match write:
            case base.Accept():
                return self._accept(write)
            case base.Claim():
                return self._sets.claim([write])[0]
            case base.Start(channel_id=channel_id, lease_id=lease_id, epoch=epoch):
                return self._run("start", (lease_id, epoch, channel_id)) == 1
            case base.Change():
                return self._change(write)
            case base.Replace():
                return self._replace(write)
            case base.Import():
                return self._import(write)
            case base.TakeEpoch(channel_id=channel_id, epoch=epoch, journal_id=journal_id):
                return self._run("take_epoch", (channel_id, epoch, journal_id)) == 1
            case base.AdvanceJournal():
                return self._sets.advance([write])[0]
            case base.ChangeQueue():
                return self._change_queue(write)
            case base.ExpireDue(now_ms=now_ms, reason=reason):
                return self._ids("expire_due", {"now_ms": now_ms, "reason": reason})
            case base.Put(record=record):
                return self._put(record)
            case base.Redeem():
                return self._redeem(write)
            case base.Remove():
                return self._remove(write)
            case base.PutGroups(channel_id=channel_id, groups=groups, as_of_ms=as_of_ms):
                body = msgspec.json.encode(list(groups)).decode()
                return self._run("put_groups", (channel_id, body, as_of_ms)) == 1
            case base.MarkRestored(restoration=mark):
                return self._run("mark_restored", (mark.channel_id, mark.journal_id, mark.before)) == 1
            case base.EndRestored(channel_id=channel_id):
                return self._run("end_restored", (channel_id,)) == 1
            case base.Erase(operation_ids=ids, at_ms=at_ms):
                values: dict[str, rows.Value] = {"ids": text_of(ids), "at_ms": at_ms}
                erased = self._run("erase", values)
                self._run("erase_events", values)
                return erased
            case base.Purge(operation_ids=ids):
                return self._run("purge", (text_of(ids),))
            case _:
                assert_never(write)

    # ---- statements ---------------------------------------------------------------------------------------------------------

    def _run(self, name: str, values: Sequence[rows.Value] | Mapping[str, rows.Value]) -> int:
        return self._connection.execute(self._sql[name], values).rowcount

    def _one(self, name: str, values: Sequence[rows.Value] | Mapping[str, rows.Value]) -> sqlite3.Row:
        row: sqlite3.Row = self._connection.execute(self._sql[name], values).fetchone()
        return row

    def _ids(self, name: str, values: Mapping[str, rows.Value]) -> Sequence[OperationId]:
        return sorted(OperationId(row["id"]) for row in self._connection.execute(self._sql[name], values))

    # ---- operations ---------------------------------------------------------------------------------------------------------

    def _accept(self, write: base.Accept) -> base.Accepted | base.Known | base.Late:
        new, lease = write.operation, write.lease
        if new.idempotency and (known := self._one("find_key", (new.idempotency.key_hash,))):
            return base.Known(
                operation_id=OperationId(known["operation_id"]),
                recipient=known["recipient"],
                target=known["target"],
                parameters_hash=known["parameters_hash"],
            )
        if new.late:
            return base.Late()
        free = lease is not None and new.due and self._is_free(new, lease)
        self._insert(new)
        if free and lease is not None:
            mark = new.id, lease.epoch, lease.lease_id, lease.journal_id, new.accepted_at_ms, write.lease_reason
            self._run("lease", (text_of([mark]),))
        return base.Accepted(operation_id=new.id, leased=free)

    def _is_free(self, new: NewOperation, lease: LeaseMark) -> bool:
        try:
            lane = text_of([(new.channel_id, new.lane, lease.epoch)])
        except NotInJson:
            return False  # it waits for a claim
        found: list[int] = msgspec.json.decode(self._connection.execute(self._sql["free_lanes"], (lane,)).fetchone()[0])
        return bool(found[0])

    def _insert(self, new: NewOperation) -> None:
        self._run("insert_operation", rows.parameters(new))
        if new.idempotency:
            self._run("insert_key", (new.idempotency.key_hash, new.idempotency.parameters_hash, new.id))

    def _change(self, change: base.Change) -> bool:
        by_number = change.operation_id is not None
        key = change.operation_id if by_number else change.wa_id
        row = self._one("operation" if by_number else "operation_by_wa_id", (key,))
        if row is None or OperationState(row["state"]) not in change.from_states or not _holds(row, change):
            return False
        values = {
            "id": row["id"],
            "to": change.to.value,
            "at_ms": change.at_ms,
            "reason": change.reason,
            "not_before_ms": change.not_before_ms,
        }
        return self._run("change", values | _problem(change.problem)) == 1

    def _replace(self, write: base.Replace) -> bool:
        values = {
            "id": write.operation_id,
            "session_api_id": write.session_api_id,
            "at_ms": write.at_ms,
            "reason": write.reason,
            "successor": write.successor.id,
        }
        if self._run("fail_replaced", values | _problem(write.problem)) == 0:
            return False
        self._insert(write.successor)
        return True

    def _import(self, write: base.Import) -> bool:
        new = write.operation
        there = self._one("operation_by_wa_id", (new.wa_id,))
        if there is not None and not (
            write.adopts and adoptable(there["state"], there["started"]) and there["channel_id"] == new.channel_id
        ):
            return False
        mark: dict[str, rows.Value] = {
            "epoch": write.lease.epoch,
            "lease_id": write.lease.lease_id,
            "journal_id": write.lease.journal_id,
            "at_ms": write.at_ms,
            "reason": write.reason,
        }
        if there is not None:
            return self._run("adopt", mark | {"id": there["id"]}) == 1
        known = self._one("find_key", (new.idempotency.key_hash,)) if new.idempotency else None
        if known is not None and new.idempotency and known["parameters_hash"] == new.idempotency.parameters_hash:
            state = OperationState(known["state"])
            waits = state is OperationState.PENDING or (write.adopts and adoptable(known["state"], known["started"]))
            if known["channel_id"] == new.channel_id and (waits or state in NOT_SENT):
                self._run("take_over", mark | {"id": known["operation_id"], "wa_id": new.wa_id})
                if waits:
                    self._run("adopt", mark | {"id": known["operation_id"]})
                return True
        number = new.id if self._one("operation", (new.id,)) is None else write.spare_id
        owner = self._one("channel_of_session_api", (str(new.session_api_id),))
        stranger = owner is not None and owner["channel_id"] != new.channel_id
        api = NOBODY if stranger else new.session_api_id
        placed = {"place_ms": max(new.place_ms, self._place_of_earlier(new))}
        self._run("insert_operation", rows.parameters(new) | placed | {"id": number, "session_api_id": api})
        if new.idempotency and known is None:
            self._run("insert_key", (new.idempotency.key_hash, new.idempotency.parameters_hash, number))
        self._run("adopt", mark | {"id": number})
        return True

    def _place_of_earlier(self, new: NewOperation) -> int:
        values: dict[str, rows.Value] = {
            "channel_id": new.channel_id,
            "lane": new.lane,
            "accepted_at_ms": new.accepted_at_ms,
        }
        found = self._one("latest_place_of_earlier", values)
        return int(found["place"]) if found is not None else 0

    def _change_queue(self, write: base.ChangeQueue) -> Sequence[OperationId]:
        values = {
            "channel_id": write.channel_id,
            "session_api_id": write.session_api_id,
            "reference": write.reference,
            "target": write.target,
            "before": write.before,
            "leased_too": int(write.leased_too),
            "to": write.to.value,
            "at_ms": write.at_ms,
            "reason": write.reason,
        }
        return self._ids("change_queue", values | _problem(write.problem))

    # ---- what operators configure -------------------------------------------------------------------------------------------

    def _put(self, record: rows.Record) -> bool:
        return self._run("put_record", (*rows.record_key(record), rows.encode(record))) == 1

    def _redeem(self, write: base.Redeem) -> bool:
        row = self._connection.execute(
            "SELECT body FROM record WHERE kind = 'enrolment' AND id = ?", (write.token_digest.hex(),)
        ).fetchone()
        enrolment = rows.decode("enrolment", row["body"]) if row else None
        if not isinstance(enrolment, Enrolment) or enrolment.used or enrolment.expires_at_ms <= write.now_ms:
            return False
        self._put(replace(enrolment, used=True))
        if write.channel is not None:
            self._put(write.channel)
        return self._put(write.agent)

    def _remove(self, write: base.Remove) -> bool:
        delete = "DELETE FROM record WHERE kind = ? AND id = ?"
        if write.key_id is not None:
            return self._connection.execute(delete, ("key", write.key_id)).rowcount == 1
        if (
            write.channel_id is None
            or self._connection.execute(delete, ("channel", str(write.channel_id))).rowcount == 0
        ):
            return False
        gone = [
            row["id"]
            for row in self._connection.execute(
                "SELECT id FROM record WHERE kind = 'session_api' AND body ->> '$.channel_id' = ?", (write.channel_id,)
            )
        ]
        for number in gone:
            self._connection.execute(delete, ("session_api", number))
            self._connection.execute(
                "DELETE FROM record WHERE kind = 'key' AND body ->> '$.session_api_id' = ?", (int(number),)
            )
        return True


def _problem(problem: Problem | None) -> dict[str, rows.Value]:
    return {"problem_code": problem.code if problem else None, "problem_message": problem.message if problem else None}


def _holds(row: sqlite3.Row, change: base.Change) -> bool:
    started = row["state"] == OperationState.LEASED and bool(row["started"])
    return (
        (change.lease_id is None or row["lease_id"] == change.lease_id)
        and change.session_api_id in (None, row["session_api_id"])
        and change.channel_id in (None, row["channel_id"])
        and (change.started is None or started == change.started)
    )
