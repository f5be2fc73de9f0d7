"""The real server (`messenger-hub server`), told to say on SIGUSR1 how durable its database connections are.

What it says goes to the file that MESSENGER_HUB_BENCH_DURABILITY names: one object for each open connection.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
from pathlib import Path

from messenger_hub_cli.main import main

VARIABLE = "MESSENGER_HUB_BENCH_DURABILITY"
OPENED = "sqlite3.connect/handle"

_connections: list[sqlite3.Connection] = []


def _notice(event: str, arguments: tuple[object, ...]) -> None:
    if event == OPENED and isinstance(arguments[0], sqlite3.Connection):
        _connections.append(arguments[0])


def _say(*_: object) -> None:
    said = [one for one in map(_of, _connections) if one is not None]
    target = Path(os.environ[VARIABLE])
    draft = target.with_suffix(".draft")
    draft.write_text(json.dumps(said))
    draft.rename(target)


def _of(connection: sqlite3.Connection) -> dict[str, object] | None:
    try:
        names = ("synchronous", "journal_mode", "query_only")
        return {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names}
    except sqlite3.ProgrammingError:
        return None  # closed by now


if __name__ == "__main__":
    sys.addaudithook(_notice)
    signal.signal(signal.SIGUSR1, _say)
    main(sys.argv[1:])
