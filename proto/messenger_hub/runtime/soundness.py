"""Looking for faults in private files and SQLite databases, without changing them and while their owner works."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from messenger_hub.runtime.system import here

_BUSY_SECONDS = 5.0
# Steps of SQLite's machine between two looks at the clock: some milliseconds.
_STEPS = 1_000_000
_MOST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found. The sentence says what to do; a finding that is not `wrong` is only good to know."""

    code: str
    file: Path
    sentence: str
    wrong: bool = True


@contextmanager
def reading(path: Path, ticking: Callable[[], object]) -> Iterator[sqlite3.Connection]:
    """One consistent view of a database, which is never written. `ticking` is called every few milliseconds of work. Raises
    sqlite3.Error."""

    def tick() -> int:
        ticking()
        return 0  # goes on

    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}")
        connection.set_progress_handler(tick, _STEPS)
        connection.execute("BEGIN")
        yield connection


def unsound(connection: sqlite3.Connection, path: Path, advice: str) -> Sequence[Finding]:
    """What SQLite itself finds: damaged pages and indices, rows that point to none. Raises sqlite3.Error."""
    findings: list[Finding] = []
    told = [text for (text,) in connection.execute(f"PRAGMA integrity_check({_MOST})") if text != "ok"]
    if told:
        findings.append(Finding(code="damaged", file=path, sentence=f"{path} is damaged ({'; '.join(told)}): {advice}"))
    orphans: dict[tuple[str, str], int] = {}
    for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        orphans[table, parent] = orphans.get((table, parent), 0) + 1
    for (table, parent), count in orphans.items():
        sentence = f"{count} rows of {table} in {path} name rows of {parent} that do not exist: {advice}"
        findings.append(Finding(code="dangling", file=path, sentence=sentence))
    return findings


def unreadable(path: Path, error: sqlite3.Error, advice: str) -> Finding:
    """The database cannot even be looked at."""
    return Finding(code="damaged", file=path, sentence=f"{path} cannot be read ({error}): {advice}")


def too_open(path: Path) -> Sequence[Finding]:
    """A file or folder that others than its owner may open. None when it is gone."""
    try:
        found = None if path.is_symlink() else here.open_to_others(path)
    except FileNotFoundError:
        return []
    if found is None:
        return []
    sentence = f"{path} can be opened by others than its owner ({found.how}): {found.remedy}."
    return [Finding(code="mode", file=path, sentence=sentence)]
