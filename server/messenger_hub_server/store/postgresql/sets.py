"""The writes of the hot path, many of one kind in one statement: arrays in, a column each, and rows out.

Outcomes are those of the same writes one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from messenger_hub_server.model import NewOperation, Operation, OperationId
from messenger_hub_server.store import base, deciding, rows
from messenger_hub_server.store.postgresql.text import read, read_operation, stored
from messenger_hub_server.store.postgresql.types import Connection


def transposed(table: Sequence[rows.Row]) -> Sequence[Sequence[rows.Value]]:
    """Rows, one at least, as arrays to bind: one for each column."""
    return [[*map(stored, column)] for column in zip(*table, strict=True)]


def inserted(write: base.Accept, *, leased: bool = False) -> rows.Row:
    """As one row of `insert`."""
    new, lease = write.operation, write.lease
    mark: rows.Row = (None, None, None, None)
    if leased and lease is not None:
        mark = lease.epoch, lease.lease_id, lease.journal_id, write.lease_reason
    key = new.idempotency
    return (*rows.inserted(new), *mark, *((key.key_hash, key.parameters_hash) if key else (None, None)))


class Sets:
    """Applies runs of equal writes in one open transaction."""

    def __init__(self, connection: Connection, sql: Mapping[str, str]) -> None:
        self._connection = connection
        self._sql = sql

    async def accept(self, run: Sequence[base.Accept]) -> Sequence[base.Outcome]:
        """Accepted, Known or Late each. Of one key twice in a run the second is known."""
        outcomes, fresh = deciding.accepted(run, await self._known([write.operation for write in run]))
        leased = await self._leasable(fresh)
        if fresh:
            table = [inserted(write, leased=write.operation.id in leased) for write in fresh]
            await self._connection.execute(self._sql["insert"], *transposed(table))
        return deciding.with_leases(outcomes, leased)

    async def _known(self, news: Sequence[NewOperation]) -> dict[bytes, base.Known]:
        hashes = deciding.keys(news)
        if not hashes:
            return {}
        return {
            row["key_hash"]: base.Known(
                operation_id=OperationId(row["operation_id"]),
                recipient=read(row["recipient"]),
                target=read(row["target"]),
                parameters_hash=row["parameters_hash"],
            )
            for row in await self._connection.fetch(self._sql["find_keys"], hashes)
        }

    async def _leasable(self, fresh: Sequence[base.Accept]) -> frozenset[OperationId]:
        """Those with a lease that could go now, and that nothing of their lane stands before."""
        asked = deciding.leasable(fresh)
        if not asked:
            return frozenset()
        free = await self._connection.fetch(self._sql["free_lanes"], *transposed([lane for _, lane in asked]))
        return frozenset(number for (number, _), good in zip(asked, free, strict=True) if good[0])

    async def claim(self, run: Sequence[base.Claim]) -> Sequence[base.Outcome]:
        """The leased operations each; no channel occurs twice in the run."""
        wanted = transposed([(claim.channel_id, claim.epoch, claim.now_ms) for claim in run])
        most = deciding.MOST_PRIORITIES * max(len(claim.lease_ids) for claim in run)
        candidates: list[list[Sequence[rows.Value]]] = [[] for _ in run]
        for position, *columns in await self._connection.fetch(self._sql["claimable"], *wanted, most):
            candidates[position - 1].append(columns)
        chosen = [deciding.chosen(claim, found) for claim, found in zip(run, candidates, strict=True)]
        leased = await self._lease([operation for operations in chosen for operation in operations])
        waiting = await self._connection.fetch(self._sql["waiting"], [claim.channel_id for claim in run])
        return [
            base.Leased(operations=[read_operation(o) for o in operations if o.id in leased], waits=waits[0])
            for operations, waits in zip(chosen, waiting, strict=True)
        ]

    async def _lease(self, chosen: Sequence[Operation]) -> frozenset[int]:
        """Those that still waited: another node may have cancelled one since it was found."""
        marks: list[rows.Row] = [
            (o.id, o.channel_id, o.lease.epoch, o.lease.lease_id, o.lease.journal_id, o.changed_at_ms, o.reason)
            for o in chosen
            if o.lease
        ]
        if not marks:
            return frozenset()
        return frozenset(row[0] for row in await self._connection.fetch(self._sql["lease"], *transposed(marks)))

    async def start(self, run: Sequence[base.Start]) -> Sequence[base.Outcome]:
        """Whether each lease stands."""
        asked: list[rows.Row] = [(write.lease_id, write.epoch, write.channel_id) for write in run]
        standing = {tuple(row) for row in await self._connection.fetch(self._sql["start"], *transposed(asked))}
        return [tuple(map(stored, lease)) in standing for lease in asked]

    async def change(self, run: Sequence[base.Change]) -> Sequence[base.Outcome]:
        """Whether each applied. An operation that changes more than once goes through every step: each has its event."""
        outcomes, steps = deciding.steps(run, *await self._seen(run))
        for step in steps:
            table = [_changed(seen, change) for seen, change in step]
            await self._connection.execute(self._sql["change"], *transposed(table))
        return outcomes

    async def _seen(
        self, run: Sequence[base.Change]
    ) -> tuple[Mapping[str, deciding.Seen], Mapping[int, deciding.Seen]]:
        wa_ids = [stored(change.wa_id) for change in run if change.operation_id is None]
        numbers = [change.operation_id for change in run if change.operation_id is not None]
        found = await self._connection.fetch(self._sql["deciding"], wa_ids, numbers)
        by_number = {row[1]: deciding.Seen(*row[1:]) for row in found}
        return {read(row[0]): by_number[row[1]] for row in found}, by_number

    async def advance(self, run: Sequence[base.AdvanceJournal]) -> Sequence[base.Outcome]:
        """True each."""
        highest = deciding.highest(run)
        table: list[rows.Row] = sorted((*key, sequence) for key, sequence in highest.items())
        await self._connection.execute(self._sql["advance"], *transposed(table))
        return [True] * len(run)


def _changed(seen: deciding.Seen, change: base.Change) -> rows.Row:
    problem = change.problem
    return (
        seen.id,
        seen.channel_id,
        change.to.value,
        change.at_ms,
        change.reason,
        problem.code if problem else None,
        problem.message if problem else None,
        change.not_before_ms,
    )
