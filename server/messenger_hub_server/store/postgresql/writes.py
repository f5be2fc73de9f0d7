"""The writes of base.py as statements, in one open transaction: neighbours of one kind in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import assert_never

import msgspec
from messenger_hub.runtime.database import NothingCommitted

from messenger_hub_server.delivery.states import NOT_SENT
from messenger_hub_server.model import (
    ApiKey,
    ChannelId,
    Enrolment,
    NewOperation,
    OperationId,
    OperationState,
    Problem,
    SessionApi,
)
from messenger_hub_server.store import base, rows
from messenger_hub_server.store.base import NOBODY
from messenger_hub_server.store.deciding import adoptable, of_kind, runs
from messenger_hub_server.store.postgresql import places
from messenger_hub_server.store.postgresql.sets import Sets, inserted, transposed
from messenger_hub_server.store.postgresql.text import stored
from messenger_hub_server.store.postgresql.types import Connection

RECORDS = frozenset({base.Put, base.Redeem, base.Remove})
OVERTAKEN = "Another node has changed the hub's records just then, and nothing was changed: try again."


class Writer:
    """Applies writes in order. `on_version`: the registry's, on top of which its changes are made; None is any.
    `version`: what they have made of it."""

    def __init__(self, connection: Connection, sql: Mapping[str, str], on_version: int | None = None) -> None:
        self._connection = connection
        self._on_version = on_version
        self.version: int | None = None
        self._sql = sql
        self._sets = Sets(connection, sql)
        self._deleted: set[ChannelId] = set()

    async def apply_all(self, writes: Sequence[base.Write]) -> Sequence[base.Outcome]:
        """An outcome each; a forbidden transition raises ForeignKeyViolationError, a registry of another version NothingCommitted."""
        if wanted := places.wanted(writes):
            taken = await self._connection.fetch(self._sql["take_places"], [*wanted], [*wanted.values()])
            writes = places.placed(writes, {row[0]: row[1] for row in taken})
            self._deleted = {row[0] for row in taken if row[2]}
        if channels := sorted({*_fenced(writes)}):
            await self._connection.fetch(self._sql["fence"], channels)
        if not RECORDS.isdisjoint(map(type, writes)):
            self.version = await self._connection.fetchval(self._sql["raise_registry_version"], self._on_version)
            if self.version is None:
                raise NothingCommitted(OVERTAKEN)
        outcomes: list[base.Outcome] = []
        for kind, run in runs(writes):
            outcomes += await self._together(kind, run)
        return outcomes

    async def _together(self, kind: type[base.Write], run: Sequence[base.Write]) -> Sequence[base.Outcome]:
        if kind is base.Accept:
            return await self._accept(of_kind(run, base.Accept))
        if kind is base.Claim:
            return await self._sets.claim(of_kind(run, base.Claim))
        if kind is base.Start:
            return await self._sets.start(of_kind(run, base.Start))
        if kind is base.Change:
            return await self._sets.change(of_kind(run, base.Change))
        if kind is base.AdvanceJournal:
            return await self._sets.advance(of_kind(run, base.AdvanceJournal))
        return [await self._apply(write) for write in run]

    async def _apply(self, write: base.Write) -> base.Outcome:  # noqa: C901, PLR0912
        match write:
            case base.Accept() | base.Claim() | base.Start() | base.Change() | base.AdvanceJournal():
                return (await self._together(type(write), [write]))[0]
            case base.Replace():
                return await self._replace(write)
            case base.Import():
                return await self._import(write)
            case base.TakeEpoch(channel_id=channel_id, epoch=epoch, journal_id=journal_id):
                return await self._run("take_epoch", channel_id, epoch, journal_id) == 1
            case base.ChangeQueue():
                return await self._change_queue(write)
            case base.ExpireDue(now_ms=now_ms, reason=reason):
                return await self._ids("expire_due", now_ms, reason)
            case base.Put(record=record):
                return await self._put(record)
            case base.Redeem():
                return await self._redeem(write)
            case base.Remove():
                return await self._remove(write)
            case base.PutGroups(channel_id=channel_id, groups=groups, as_of_ms=as_of_ms):
                body = msgspec.json.encode(list(groups)).decode()
                return await self._run("put_groups", channel_id, body, as_of_ms) == 1
            case base.MarkRestored(restoration=mark):
                return await self._run("mark_restored", mark.channel_id, mark.journal_id, mark.before) == 1
            case base.EndRestored(channel_id=channel_id):
                return await self._run("end_restored", channel_id) == 1
            case base.Erase(operation_ids=ids, at_ms=at_ms):
                return int(await self._connection.fetchval(self._sql["erase"], list(ids), at_ms))
            case base.Purge(operation_ids=ids):
                return await self._run("purge", list(ids))
            case _:
                assert_never(write)

    # ---- statements ---------------------------------------------------------------------------------------------------------

    async def _run(self, name: str, *values: object) -> int:
        """How many rows it touched."""
        status: str = await self._connection.execute(self._sql[name], *map(stored, values))
        return int(status.rpartition(" ")[2])

    async def _ids(self, name: str, *values: object) -> Sequence[OperationId]:
        found = await self._connection.fetch(self._sql[name], *map(stored, values))
        return sorted(OperationId(row[0]) for row in found)

    # ---- operations ---------------------------------------------------------------------------------------------------------

    async def _accept(self, run: Sequence[base.Accept]) -> Sequence[base.Outcome]:
        """Nothing on a channel that was deleted."""
        if not self._deleted:
            return await self._sets.accept(run)
        standing = [write for write in run if write.operation.channel_id not in self._deleted]
        outcomes = iter(await self._sets.accept(standing))
        return [base.Gone() if write.operation.channel_id in self._deleted else next(outcomes) for write in run]

    async def _insert(self, new: NewOperation) -> None:
        await self._connection.execute(self._sql["insert"], *transposed([inserted(base.Accept(operation=new))]))

    async def _replace(self, write: base.Replace) -> bool:
        if write.successor.channel_id in self._deleted:
            return False
        values = (write.operation_id, write.at_ms, write.reason, *_problem(write.problem), write.successor.id)
        if await self._run("fail_replaced", *values, write.session_api_id) == 0:
            return False
        await self._insert(write.successor)
        return True

    async def _import(self, write: base.Import) -> bool:
        new = write.operation
        there = await self._connection.fetchrow(self._sql["operation_by_wa_id"], stored(new.wa_id), new.channel_id)
        if there is not None:
            mine = there["channel_id"] == new.channel_id and adoptable(there["state"], there["started"])
            return mine and write.adopts and await self._adopt(there["id"], write)
        key = new.idempotency
        known = await self._connection.fetchrow(self._sql["find_keys"], [key.key_hash]) if key else None
        if known is not None and key is not None and known["parameters_hash"] == key.parameters_hash:
            state = OperationState(known["state"])
            waits = state is OperationState.PENDING or (write.adopts and adoptable(state, known["started"]))
            if known["channel_id"] == new.channel_id and (waits or state in NOT_SENT):
                mark = write.lease
                values = known["operation_id"], new.channel_id, new.wa_id, mark.epoch, mark.lease_id, mark.journal_id
                await self._run("take_over", *values)
                return not waits or await self._adopt(known["operation_id"], write)
        placed = await self._placed(write)
        if not places.is_held(placed):
            await self._run("keep_place", placed.channel_id, placed.place_ms)
        await self._insert(placed if known is None else msgspec.structs.replace(placed, idempotency=None))
        return await self._adopt(placed.id, write)

    async def _adopt(self, number: int, write: base.Import) -> bool:
        mark = write.lease
        values = mark.epoch, mark.lease_id, mark.journal_id, write.at_ms, write.reason
        return await self._run("adopt", number, write.operation.channel_id, *values) == 1

    async def _placed(self, write: base.Import) -> NewOperation:
        """The operation under a free number, a session API of its own channel, and behind what was accepted before it."""
        new = write.operation
        is_taken = await self._connection.fetchval(self._sql["number_is_taken"], new.id)
        owner = await self._record("session_api", str(new.session_api_id))
        is_strange = isinstance(owner, SessionApi) and owner.channel_id != new.channel_id
        earlier = await self._connection.fetchval(
            self._sql["latest_place_of_earlier"], new.channel_id, stored(new.lane), new.accepted_at_ms
        )
        return msgspec.structs.replace(
            new,
            id=write.spare_id if is_taken else new.id,
            session_api_id=NOBODY if is_strange else new.session_api_id,
            place_ms=max(new.place_ms, earlier),
        )

    async def _change_queue(self, write: base.ChangeQueue) -> Sequence[OperationId]:
        which = write.channel_id, write.leased_too, write.session_api_id, write.reference, write.target, write.before
        return await self._ids(
            "change_queue", *which, write.to.value, write.at_ms, write.reason, *_problem(write.problem)
        )

    # ---- what operators configure -------------------------------------------------------------------------------------------

    async def _record(self, kind: str, name: str) -> rows.Record | None:
        body = await self._connection.fetchval(self._sql["record"], kind, name)
        return None if body is None else rows.decode(kind, body)

    async def _put(self, record: rows.Record) -> bool:
        return await self._run("put_record", *rows.record_key(record), rows.encode(record)) == 1

    async def _redeem(self, write: base.Redeem) -> bool:
        enrolment = await self._record("enrolment", write.token_digest.hex())
        if not isinstance(enrolment, Enrolment) or enrolment.used or enrolment.expires_at_ms <= write.now_ms:
            return False
        await self._put(replace(enrolment, used=True))
        if write.channel is not None:
            await self._put(write.channel)
        return await self._put(write.agent)

    async def _remove(self, write: base.Remove) -> bool:
        if write.key_id is not None:
            return await self._run("remove_record", "key", write.key_id) == 1
        if write.channel_id is None or await self._run("remove_record", "channel", str(write.channel_id)) == 0:
            return False
        await self._run("close_place", write.channel_id)
        self._deleted.add(write.channel_id)
        found = await self._connection.fetch(self._sql["records"])
        records = [rows.decode(row["kind"], row["body"]) for row in found]
        apis = {r.id for r in records if isinstance(r, SessionApi) and r.channel_id == write.channel_id}
        for record in records:
            if (isinstance(record, SessionApi) and record.id in apis) or (
                isinstance(record, ApiKey) and record.session_api_id in apis
            ):
                await self._run("remove_record", *rows.record_key(record))
        return True


def _fenced(writes: Sequence[base.Write]) -> Iterable[ChannelId]:
    """The channels whose row in `epoch` is locked: of whatever leases or starts, takes an epoch, or changes a whole channel."""
    for write in writes:
        match write:
            case base.Accept(lease=lease) if lease is not None:
                yield write.operation.channel_id
            case base.Import():
                yield write.operation.channel_id
            case base.MarkRestored():
                yield write.restoration.channel_id
            case base.Claim() | base.Start() | base.ChangeQueue() | base.TakeEpoch() | base.EndRestored():
                yield write.channel_id
            case _:
                pass


def _problem(problem: Problem | None) -> tuple[str | None, str | None]:
    return (problem.code, problem.message) if problem else (None, None)
