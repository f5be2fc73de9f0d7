"""Whether a measured slice was true: accepted = recorded = carried out, each once. A figure without this is worth nothing."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

DURABLE = {"synchronous": 2, "journal_mode": "wal"}  # 2 is FULL
STEPS = ("leased", "pending", "sent")


class NotTrue(Exception):
    """A run that lost, invented or repeated something; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An operation as the database has it."""

    wa_id: str
    recipient: str
    state: str
    steps: Sequence[str]


def recorded(database: Path, after: int) -> Mapping[int, Recorded]:
    """Every operation with a larger id, read from the file by another process than the server."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.execute("BEGIN")
        rows = connection.execute("SELECT id, wa_id, recipient, state FROM operation WHERE id > ?", (after,)).fetchall()
        steps: dict[int, list[str]] = {}
        events = "SELECT operation_id, state FROM event WHERE operation_id > ? ORDER BY state"
        for number, state in connection.execute(events, (after,)):
            steps.setdefault(number, []).append(state)
    return {
        number: Recorded(wa_id=wa_id, recipient=recipient, state=state, steps=steps.get(number, ()))
        for number, wa_id, recipient, state in rows
    }


def check_slice(
    accepted: Sequence[tuple[int, int]],
    refused: Mapping[str, int],
    found: Mapping[int, Recorded],
    carried_out: Sequence[str],
) -> None:
    """`accepted`: id and number. Raises NotTrue."""
    numbers = dict(accepted)
    done = Counter(carried_out)
    wa_ids = {row.wa_id for row in found.values()}
    _none("answered otherwise", [f"{count} × {status}" for status, count in refused.items()])
    _none(
        "given out twice as an id", [number for number, count in Counter(n for n, _ in accepted).items() if count > 1]
    )
    _none("accepted and not recorded", numbers.keys() - found.keys())
    _none("recorded and not accepted", found.keys() - numbers.keys())
    _none(
        "recorded for another number",
        [i for i, row in found.items() if i in numbers and row.recipient != str(numbers[i])],
    )
    _none("not settled as sent", [i for i, row in found.items() if row.state != "sent"])
    _none("without exactly its three events", [i for i, row in found.items() if tuple(row.steps) != STEPS])
    _none("recorded and not carried out", wa_ids - done.keys())
    _none("carried out and not recorded", done.keys() - wa_ids)
    _none("carried out twice", [wa_id for wa_id, count in done.items() if count > 1])


def check_durable(connections: Sequence[Mapping[str, object]]) -> None:
    """What the server says of its connections, its writer among them. Raises NotTrue."""
    if not any(connection["query_only"] == 0 for connection in connections):
        raise NotTrue("The server has no connection that writes.")
    weak = [one for one in connections if any(one[name] != value for name, value in DURABLE.items())]
    _none("a connection that is not durable", weak)


def check_after_kill(database: Path, expected: int) -> None:
    """After SIGKILL: the file is sound and holds everything. Raises NotTrue."""
    with closing(sqlite3.connect(database)) as connection:
        sound = connection.execute("PRAGMA integrity_check").fetchone()[0]
        count = connection.execute("SELECT count(*) FROM operation WHERE state = 'sent'").fetchone()[0]
    if sound != "ok" or count != expected:
        raise NotTrue(f"After a kill the database holds {count} of {expected} settled operations ({sound}).")


def _none(what: str, those: object) -> None:
    listed = list(those)  # type: ignore[call-overload]
    if listed:
        raise NotTrue(f"{len(listed)} {what}, for example {listed[0]}.")
