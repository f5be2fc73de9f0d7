"""A damaged file, and one that cannot be written: the program does not start, and says which file it is and what to do."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime import database as database_module
from messenger_hub.runtime.clock import SystemClock
from messenger_hub.runtime.database import Database, DatabaseDamaged, DatabaseError, Migration
from messenger_hub_agent import app
from messenger_hub_agent.app import Agent
from messenger_hub_agent.config import AgentSettings
from messenger_hub_agent.enrolment import AgentProblem, enrolled
from messenger_hub_agent.folder import AgentFolder
from messenger_hub_agent.journal import Journal
from messenger_hub_server.model import ChannelId, JournalId
from messenger_hub_server.store.base import NothingWritten, StoreError, TakeEpoch
from messenger_hub_server.store.sqlite import SqliteStore

from tests.fakes.page import FakePage
from tests.integration.agent.hub import SECONDS, Hub, serving
from tests.nursery.nursery import fork
from tests.torture.storage.disks import may_mount
from tests.torture.storage.faults import Faulty
from tests.torture.storage.servers import CALLERS, api_key, listed, server

PAGE_BYTES = 4096
OPERATIONS = 120
LISTEN = ("--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")


async def filled(data: Path) -> str:
    """A hub's folder with some operations in it, after a clean stop; the API key."""
    async with server(data) as running:
        key = await api_key(data)
        for start in range(0, OPERATIONS, CALLERS):
            await asyncio.gather(*(running.send(key, f"key-{i}") for i in range(start, start + CALLERS)))
        running.process.send_signal(signal.SIGTERM)
        await running.process.wait()
    return key


def spoil(file: Path, page: int, content: bytes) -> bytes:
    """Overwrites a page, counted from 0; what was there."""
    with file.open("r+b") as opened:
        opened.seek(page * PAGE_BYTES)
        before = opened.read(PAGE_BYTES)
        opened.seek(page * PAGE_BYTES)
        opened.write(content)
    return before


def pages_in_use(file: Path) -> set[int]:
    """All but the free ones, counted from 0."""
    with closing(sqlite3.connect(file)) as connection:
        count = connection.execute("PRAGMA page_count").fetchone()[0]
        assert connection.execute("PRAGMA freelist_count").fetchone()[0] == 0
    return set(range(count))


def started(data: Path) -> tuple[int, str]:
    """Exit code and words of a server that does not start."""
    with tempfile.TemporaryFile("w+") as said:
        program = fork(["messenger_hub_cli", "server", "--data-dir", str(data), *LISTEN], os.environ, said)
        with program.stdin, program.stdout:
            code = program.wait(SECONDS * 3)
        said.seek(0)
        return code, said.read()


async def test_no_damaged_page_gets_past_the_start(tmp_path: Path) -> None:
    """Every page of the database in turn, filled with nothing and with anything."""
    await filled(tmp_path / "data")
    file = tmp_path / "data" / "hub.db"
    pages = pages_in_use(file)
    assert len(pages) > 20
    noise = random.Random(1).randbytes(PAGE_BYTES)
    for page in sorted(pages):
        for content in (bytes(PAGE_BYTES), noise):
            before = spoil(file, page, content)
            with pytest.raises(DatabaseDamaged, match=str(file)):
                await SqliteStore.open(file)
            spoil(file, page, before)
    await (await SqliteStore.open(file)).close()


async def test_a_server_with_a_damaged_database_says_what_to_put_back_and_starts_with_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = await filled(data)
    sound = (data / "hub.db").read_bytes()
    for page in (0, 5, len(sound) // PAGE_BYTES - 1):
        spoil(data / "hub.db", page, bytes(PAGE_BYTES))
        code, words = started(data)
        assert code == 6
        assert str(data / "hub.db") in words and "back-up" in words, words
        (data / "hub.db").write_bytes(sound)
    async with server(data) as running:
        assert len(await listed(running, key)) == OPERATIONS


async def test_damage_beyond_what_was_checked_refuses_the_transaction_that_touches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(tmp_path / "data")
    file = tmp_path / "data" / "hub.db"
    monkeypatch.setattr(database_module, "_check", lambda *_: None)
    store = await SqliteStore.open(file)
    try:
        for page in sorted(pages_in_use(file))[1:]:
            spoil(file, page, bytes(PAGE_BYTES))
        with pytest.raises(NothingWritten, match="back-up"):
            await store.apply([TakeEpoch(channel_id=ChannelId(1), epoch=7, journal_id=JournalId("j"))])
        with pytest.raises(StoreError, match=str(file)):
            await store.delivery(ChannelId(1), JournalId("j"))
    finally:
        await store.close()


async def test_a_check_that_takes_too_long_is_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE many (text TEXT) STRICT")
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000)"
        connection.execute(f"INSERT INTO many {numbers} SELECT printf('%0200d', i) FROM n")

    migrations = [Migration(name="1-fill", apply=fill)]
    file = tmp_path / "large.db"
    await (await Database.open(file, migrations)).close()
    # A check goes from the last row to the first.
    spoil(file, file.read_bytes().index(f"{1:0200d}".encode()) // PAGE_BYTES, bytes(PAGE_BYTES))
    monkeypatch.setattr(database_module, "CHECK_SECONDS", 0.01)
    opened = await Database.open(file, migrations)
    assert (
        len(await opened.read(lambda c: c.execute("SELECT text FROM many WHERE rowid = 400000").fetchone()[0])) == 200
    )
    await opened.close()
    monkeypatch.undo()
    with pytest.raises(DatabaseDamaged):
        await Database.open(file, migrations)


# ---- the agent --------------------------------------------------------------------------------------------------------------


async def written(file: Path) -> None:
    journal = await Journal.open(file)
    for number in range(1, 60):
        lease = pb.Lease(lease_id=f"{number:016x}", whatsapp_id=f"3EB0{number:018X}")
        lease.send_text.text = "x" * 500
        await journal.append(
            [pb.JournalEntry(sequence=number, lease_id=lease.lease_id, whatsapp_id=lease.whatsapp_id, intent=lease)]
        )
    await journal.close()


async def test_no_damaged_page_of_a_journal_gets_past_its_opening(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    await written(file)
    for page in sorted(pages_in_use(file)):
        before = spoil(file, page, bytes(PAGE_BYTES))
        with pytest.raises(DatabaseDamaged, match=str(file)):
            await Journal.open(file)
        spoil(file, page, before)
    await (await Journal.open(file)).close()


async def test_an_agent_with_a_damaged_journal_ends_in_order_and_says_what_to_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its other channel is ended as at a stop: its page closes."""
    pages: list[FakePage] = []

    def page(*_: object) -> FakePage:
        pages.append(FakePage())
        return pages[-1]

    monkeypatch.setattr(app, "PyppeteerPage", page)
    owned = [pb.Assignments.Assignment(channel_id=one, name=f"c{one}", owned=True) for one in (1, 2)]
    hub = Hub([pb.ConnectResponse(assignments=pb.Assignments(assignments=owned, api_address="http://hub"))])
    folder = AgentFolder.open(tmp_path)
    file = folder.channel(2).file("journal.db")
    await written(file)
    spoil(file, 3, bytes(PAGE_BYTES))
    async with serving(hub) as address:
        settings = AgentSettings(data_dir=tmp_path, server=address, enrol_token="good", headless=True)
        credential = await enrolled(settings, folder)
        agent = Agent(
            settings, folder, credential, SystemClock(), lambda _: None, lambda _: None, lambda _: None, visible=False
        )
        async with asyncio.timeout(SECONDS):
            with pytest.raises(AgentProblem) as told:
                await agent.run()
    folder.close()
    assert str(file) in told.value.sentence and "back-up" in told.value.sentence
    assert all(one.asked[-1] == "close" for one in pages)
    assert len(pages) <= 1, "the channel without its journal opens no page"


# ---- read-only --------------------------------------------------------------------------------------------------------------


@contextmanager
def remounted(folder: Path) -> Iterator[None]:
    """The file system is read-only, as after an error of the disk."""
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own where this user may mount one, else a folder."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not may_mount():
        yield folder
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


READ_ONLY = ["remount", "library"] if may_mount() else ["library"]


@contextmanager
def read_only(how: str, disk: Path, faulty: Faulty) -> Iterator[None]:
    if how == "remount":
        with remounted(disk):
            yield
    else:
        faulty.fail("readonly", errno.EROFS, "/disk/")
        yield
        faulty.heal()


@pytest.mark.parametrize("how", READ_ONLY)
async def test_a_server_on_a_read_only_disk_says_so_and_starts_when_it_is_writable_again(
    disk: Path, faulty: Faulty, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = disk / "data"
    async with server(data) as running:
        key = await api_key(data)
        number, _ = await running.send(key, "kept")
    if how == "library":
        for name, value in faulty.environment.items():
            monkeypatch.setenv(name, value)
    with read_only(how, disk, faulty):
        code, words = started(data)
    assert code == 6
    assert str(data) in words and "ead-only file system" in words, words
    async with server(data) as running:
        assert await listed(running, key) == {"kept": number}


async def test_a_server_that_can_reserve_no_number_at_its_start_says_why_and_starts_once_it_can(
    tmp_path: Path, faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its database can be opened; what fails comes after that."""
    data = tmp_path / "data"
    async with server(data) as running:
        key = await api_key(data)
        number, _ = await running.send(key, "kept")
    with monkeypatch.context() as patch:
        for name, value in faulty.environment.items():
            patch.setenv(name, value)
        faulty.fail("readonly", errno.EROFS, "/high-water.json")
        code, words = started(data)
    assert code == 6
    assert "Read-only file system" in words, words
    async with server(data) as running:
        assert await listed(running, key) == {"kept": number}


# Everywhere else test_failing_journal.py's library plays this part.
if may_mount():

    async def test_a_journal_on_a_read_only_disk_is_refused_and_is_whole_afterwards(disk: Path) -> None:
        file = disk / "journal.db"
        await written(file)
        with remounted(disk), pytest.raises(DatabaseError):
            journal = await Journal.open(file)
            try:
                await journal.append([pb.JournalEntry(sequence=60, whatsapp_id="late")])
            finally:
                await journal.close()
        journal = await Journal.open(file)
        assert (await journal.view()).last == 59
        await journal.close()
