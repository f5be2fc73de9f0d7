"""Verifies the journals of an agent's folder, without changing them and while the agent works."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from google.protobuf.message import DecodeError
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime.soundness import Finding, reading, too_open, unreadable, unsound

from messenger_hub_agent.folder import CREDENTIAL, PAUSED, WA_JS

ADVICE = "stop the desktop app and delete the file; what was open then becomes uncertain. An older journal must never be put back."


def check(folder: Path, on_step: Callable[[str], None]) -> Iterator[Finding]:
    """Everything that is found in an agent's folder. `on_step` is told what is looked at, again and again."""
    kept = (folder / WA_JS).glob("*.json")
    for path in (folder, folder / CREDENTIAL, folder / PAUSED, folder / WA_JS, *kept, folder / "channels"):
        yield from too_open(path)
    for channel in sorted((folder / "channels").glob("*/")):
        for path in (channel, *sorted(channel.glob("journal.db*"))):
            yield from too_open(path)
        journal = channel / "journal.db"
        if journal.is_file():
            on_step(f"The journal of channel {channel.name}")
            yield from _journal(journal, lambda: on_step(""))


def _journal(path: Path, ticking: Callable[[], object]) -> Iterator[Finding]:
    try:
        with reading(path, ticking) as connection:
            yield from unsound(connection, path, ADVICE)
            for told in _broken(connection):
                yield Finding(code="journal", file=path, sentence=f"{path} {told}: {ADVICE}")
    except sqlite3.Error as error:
        yield unreadable(path, error, ADVICE)


def _broken(connection: sqlite3.Connection) -> Iterator[str]:
    """What is not as every journal is. Raises sqlite3.Error."""
    heads = connection.execute("SELECT last, acknowledged FROM head").fetchall()
    if len(heads) != 1:
        yield f"has {len(heads)} heads instead of one"
        return
    last, acknowledged = heads[0]
    if acknowledged > last:
        yield f"says that the hub has entry {acknowledged}, and ends with {last}"
    first, highest, count = connection.execute("SELECT min(sequence), max(sequence), count(*) FROM entry").fetchone()
    if count and (highest != last or highest - first + 1 != count):
        yield f"has {count} entries from {first} to {highest}, and says that the last is {last}"
    yield from _entries(connection)


def _entries(connection: sqlite3.Connection) -> Iterator[str]:
    intents: set[str] = set()
    for sequence, body in connection.execute("SELECT sequence, body FROM entry ORDER BY sequence"):
        try:
            entry = pb.JournalEntry.FromString(body)
        except DecodeError:
            yield f"has an entry {sequence} that cannot be read"
            continue
        if entry.sequence != sequence:
            yield f"has an entry {sequence} that calls itself {entry.sequence}"
        if entry.WhichOneof("fact") == "intent":
            if entry.lease_id in intents:
                yield f"has a second intent of one lease at entry {sequence}"
            intents.add(entry.lease_id)
