"""The writes of the hot path, many of one kind in one statement.

Between two steps of a statement the writer gives the interpreter away and has to win it back from a busy event loop, so what counts
is the number of steps, not of rows: a set goes in as one JSON text and comes out as one JSON text. Outcomes are those of the same
writes one after the other.

SQLite ends a JSON string at U+0000: `text_of` refuses such a set, and its writes go one by one with plain parameters.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

import msgspec

from messenger_hub_server.model import NewOperation, OperationId
from messenger_hub_server.store import base, deciding, rows


class NotInJson(Exception):
    """A text of the set holds U+0000."""


def text_of(values: object) -> str:
    """As JSON for json_each. Raises NotInJson."""
    text = msgspec.json.encode(values).decode()
    if "\\u0000" in text:
        raise NotInJson
    return text


class Sets:
    """Applies runs of equal writes in one open transaction."""

    def __init__(self, connection: sqlite3.Connection, sql: Mapping[str, str]) -> None:
        self._connection = connection
        self._sql = sql

    def _run(self, name: str, text: str) -> int:
        return self._connection.execute(self._sql[name], (text,)).rowcount

    def _one(self, name: str, *values: rows.Value) -> str:
        """The JSON text that a statement gives in its single row."""
        text: str = self._connection.execute(self._sql[name], values).fetchone()[0]
        return text

    def accept(self, run: Sequence[base.Accept]) -> Sequence[base.Outcome]:
        """Accepted, Known or Late each. Of one key twice in a run the second is known."""
        outcomes, fresh = deciding.accepted(run, self._known([write.operation for write in run]))
        return deciding.with_leases(outcomes, self._insert(fresh))

    def _known(self, news: Sequence[NewOperation]) -> dict[bytes, base.Known]:
        hashes = deciding.keys(news)
        if not hashes:
            return {}
        # A power of two, so that few texts of the statement are ever prepared.
        hashes += hashes[:1] * ((1 << (len(hashes) - 1).bit_length()) - len(hashes))
        statement = self._sql["find_keys"].replace(":hashes", ",".join("?" * len(hashes)))
        found = msgspec.json.decode(self._connection.execute(statement, hashes).fetchone()[0])
        return {
            bytes.fromhex(key): base.Known(
                operation_id=OperationId(number),
                recipient=recipient,
                target=target,
                parameters_hash=bytes.fromhex(parameters),
            )
            for key, number, parameters, recipient, target in found
        }

    def _insert(self, fresh: Sequence[base.Accept]) -> frozenset[OperationId]:
        """Those that were leased at once."""
        leased = self._leasable(fresh)
        handed = [rows.handed(write) for write in fresh if write.operation.id in leased]
        waiting = [rows.inserted(write.operation) for write in fresh if write.operation.id not in leased]
        # Both texts first: a set that JSON cannot hold has written nothing.
        texts = [
            (name, text_of(some)) for name, some in (("insert_leased", handed), ("insert_operations", waiting)) if some
        ]
        for name, text in texts:
            self._run(name, text)
        news = [write.operation for write in fresh]
        keys = [(n.idempotency.key_hash, n.idempotency.parameters_hash, n.id) for n in news if n.idempotency]
        if keys:
            self._connection.executemany(self._sql["insert_key"], keys)
        return leased

    def _leasable(self, fresh: Sequence[base.Accept]) -> frozenset[OperationId]:
        """Those with a lease that could go now, and that nothing of their lane stands before."""
        asked = deciding.leasable(fresh)
        if not asked:
            return frozenset()
        free = msgspec.json.decode(self._one("free_lanes", text_of([wanted for _, wanted in asked])))
        return frozenset(number for (number, _), good in zip(asked, free, strict=True) if good)

    def claim(self, run: Sequence[base.Claim]) -> Sequence[base.Outcome]:
        """The leased operations each; no channel occurs twice in the run."""
        wanted = [(claim.channel_id, claim.epoch, claim.now_ms) for claim in run]
        most = deciding.MOST_PRIORITIES * max(len(claim.lease_ids) for claim in run)
        candidates = msgspec.json.decode(self._one("claimable", text_of(wanted), most))
        chosen = [deciding.chosen(claim, found) for claim, found in zip(run, candidates, strict=True)]
        marks = [
            (o.id, o.lease.epoch, o.lease.lease_id, o.lease.journal_id, o.changed_at_ms, o.reason)
            for operations in chosen
            for o in operations
            if o.lease
        ]
        if marks:
            self._run("lease", text_of(marks))
        waiting = msgspec.json.decode(self._one("waiting", text_of([claim.channel_id for claim in run])))
        return [
            base.Leased(operations=operations, waits=bool(waits))
            for operations, waits in zip(chosen, waiting, strict=True)
        ]

    def start(self, run: Sequence[base.Start]) -> Sequence[base.Outcome]:
        """Whether each lease stands."""
        text = text_of([(write.lease_id, write.epoch, write.channel_id) for write in run])
        if self._run("start_all", text) == len(run):
            return [True] * len(run)
        standing = {*map(tuple, msgspec.json.decode(self._one("standing", text)))}
        return [(write.lease_id, write.epoch, write.channel_id) in standing for write in run]

    def change(self, run: Sequence[base.Change]) -> Sequence[base.Outcome]:
        """Whether each applied. An operation that changes more than once goes through every step: each has its event."""
        outcomes, steps = deciding.steps(run, *self._seen(run))
        for step in steps:
            self._run("change_all", text_of([_changed(seen.id, change) for seen, change in step]))
        return outcomes

    def _seen(self, run: Sequence[base.Change]) -> tuple[Mapping[str, deciding.Seen], Mapping[int, deciding.Seen]]:
        wa_ids = [change.wa_id for change in run if change.operation_id is None]
        numbers = [change.operation_id for change in run if change.operation_id is not None]
        found = msgspec.json.decode(self._one("deciding", text_of(wa_ids), text_of(numbers)))
        by_number = {row[1]: deciding.Seen(row[1], row[2], bool(row[3]), *row[4:]) for row in found}
        return {row[0]: by_number[row[1]] for row in found}, by_number

    def advance(self, run: Sequence[base.AdvanceJournal]) -> Sequence[base.Outcome]:
        """True each."""
        highest = deciding.highest(run)
        self._run("advance", text_of([(*key, sequence) for key, sequence in highest.items()]))
        return [True] * len(run)


def _changed(number: int, change: base.Change) -> rows.Row:
    problem = change.problem
    return (
        number,
        change.to.value,
        change.at_ms,
        change.reason,
        problem.code if problem else None,
        problem.message if problem else None,
        change.not_before_ms,
    )
