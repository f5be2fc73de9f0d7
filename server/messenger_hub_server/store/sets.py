"""The writes of the hot path, many of one kind in one statement.

Between two steps of a statement the writer gives the interpreter away and has to win it back from a busy event loop, so what counts
is the number of steps, not of rows: a set goes in as one JSON text and comes out as one JSON text. Outcomes are those of the same
writes one after the other.

SQLite ends a JSON string at U+0000: `text_of` refuses such a set, and its writes go one by one with plain parameters.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from messenger_hub_server.model import ChannelId, JournalId, NewOperation, Operation, OperationId, OperationState
from messenger_hub_server.store import base, rows

MOST_PRIORITIES = 3  # so many candidates may one lane have

Key = tuple[ChannelId, JournalId]


class NotInJson(Exception):
    """A text of the set holds U+0000."""


def text_of(values: object) -> str:
    """As JSON for json_each. Raises NotInJson."""
    text = msgspec.json.encode(values).decode()
    if "\\u0000" in text:
        raise NotInJson
    return text


@dataclass(slots=True)
class _Seen:
    """What decides about a change, as it is after those before it."""

    id: int
    state: str
    started: bool
    lease_id: str | None
    session_api_id: int
    channel_id: int

    def admits(self, change: base.Change) -> bool:
        """Every condition of the change holds."""
        started = self.state == OperationState.LEASED and self.started
        return (
            self.state in change.from_states
            and (change.lease_id is None or self.lease_id == change.lease_id)
            and change.session_api_id in (None, self.session_api_id)
            and change.channel_id in (None, self.channel_id)
            and (change.started is None or started == change.started)
        )


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
        known = self._known([write.operation for write in run])
        fresh: list[base.Accept] = []
        outcomes: list[base.Outcome] = []
        for write in run:
            new = write.operation
            key = new.idempotency
            if key is not None and key.key_hash in known:
                outcomes.append(known[key.key_hash])
                continue
            if new.late:
                outcomes.append(base.Late())
                continue
            if key is not None:
                known[key.key_hash] = base.Known(
                    operation_id=new.id,
                    recipient=new.recipient,
                    target=new.target,
                    parameters_hash=key.parameters_hash,
                )
            fresh.append(write)
            outcomes.append(base.Accepted(operation_id=new.id))
        leased = self._insert(fresh)
        if not leased:
            return outcomes
        return [
            base.Accepted(operation_id=outcome.operation_id, leased=True)
            if isinstance(outcome, base.Accepted) and outcome.operation_id in leased
            else outcome
            for outcome in outcomes
        ]

    def _known(self, news: Sequence[NewOperation]) -> dict[bytes, base.Known]:
        hashes = [new.idempotency.key_hash for new in news if new.idempotency]
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
        lanes: set[tuple[ChannelId, str]] = set()
        asked: list[tuple[OperationId, rows.Row]] = []
        for write in fresh:
            new, lease = write.operation, write.lease
            lane = new.channel_id, new.lane
            if lease is not None and new.due and lane not in lanes:
                asked.append((new.id, (*lane, lease.epoch)))
            lanes.add(lane)
        if not asked:
            return frozenset()
        free = msgspec.json.decode(self._one("free_lanes", text_of([wanted for _, wanted in asked])))
        return frozenset(number for (number, _), good in zip(asked, free, strict=True) if good)

    def claim(self, run: Sequence[base.Claim]) -> Sequence[base.Outcome]:
        """The leased operations each; no channel occurs twice in the run."""
        wanted = [(claim.channel_id, claim.epoch, claim.now_ms) for claim in run]
        most = MOST_PRIORITIES * max(len(claim.lease_ids) for claim in run)
        candidates = msgspec.json.decode(self._one("claimable", text_of(wanted), most))
        chosen = [_leased(claim, found) for claim, found in zip(run, candidates, strict=True)]
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
        by_wa_id, by_number = self._seen(run)
        steps: list[list[rows.Row]] = []
        taken: dict[int, int] = {}
        outcomes: list[base.Outcome] = []
        for change in run:
            number, wa_id = change.operation_id, change.wa_id
            seen = by_number.get(number) if number is not None else by_wa_id.get(wa_id or "")
            applies = seen is not None and seen.admits(change)
            outcomes.append(applies)
            if seen is None or not applies:
                continue
            seen.state = change.to.value
            step = taken[seen.id] = taken.get(seen.id, 0) + 1
            if step > len(steps):
                steps.append([])
            steps[step - 1].append(_changed(seen.id, change))
        for step_rows in steps:
            self._run("change_all", text_of(step_rows))
        return outcomes

    def _seen(self, run: Sequence[base.Change]) -> tuple[Mapping[str, _Seen], Mapping[int, _Seen]]:
        wa_ids = [change.wa_id for change in run if change.operation_id is None]
        numbers = [change.operation_id for change in run if change.operation_id is not None]
        found = msgspec.json.decode(self._one("deciding", text_of(wa_ids), text_of(numbers)))
        by_number = {row[1]: _Seen(row[1], row[2], bool(row[3]), *row[4:]) for row in found}
        return {row[0]: by_number[row[1]] for row in found}, by_number

    def advance(self, run: Sequence[base.AdvanceJournal]) -> Sequence[base.Outcome]:
        """True each."""
        highest: dict[Key, int] = {}
        for write in run:
            key = write.channel_id, write.journal_id
            highest[key] = max(write.sequence, highest.get(key, write.sequence))
        self._run("advance", text_of([(*key, sequence) for key, sequence in highest.items()]))
        return [True] * len(run)


def _leased(claim: base.Claim, candidates: Sequence[Sequence[rows.Value]]) -> list[Operation]:
    """The first of each lane, as long as there are leases."""
    leased: list[Operation] = []
    lanes: set[rows.Value] = set()
    for lane, *columns in candidates:
        if len(leased) == len(claim.lease_ids):
            break
        if lane not in lanes:
            lanes.add(lane)
            leased.append(rows.leased(columns, claim, claim.lease_ids[len(leased)]))
    return leased


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
