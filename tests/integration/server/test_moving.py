"""A hub's database moves from SQLite to PostgreSQL, whenever that is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from messenger_hub_server.data_folder import DATABASE, MOVED, DataFolder
from messenger_hub_server.model import Channel, OperationId, SessionApi, SessionApiId
from messenger_hub_server.moving.move import MoveProblem, move
from messenger_hub_server.store import base
from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.postgresql.store import PostgresqlStore
from messenger_hub_server.store.sqlite import SqliteStore

from tests.postgresql import PostgresqlServer
from tests.store.test_conformance import CHANNEL, JOURNAL, S, _to, claim, mark, new, same

MOST = 40
AT_ONCE = 7
KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from messenger_hub_server.moving.move import move
from messenger_hub_server.store.address import StoreAddress

folder, url, step, least = sys.argv[1:]

def sight(now, done, total):
    if now == step and done >= int(least):
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(move(Path(folder), StoreAddress(url), sight, at_once=7))
"""


def unseen(step: str, done: int, total: int) -> None:
    """Nobody looks."""


@pytest.fixture
def address(postgresql: PostgresqlServer) -> StoreAddress:
    return postgresql.address(postgresql.database())


@pytest.fixture
async def data_dir(tmp_path: Path) -> Path:
    """A hub's folder with something in every table."""
    folder = tmp_path / "hub"
    DataFolder(folder).close()
    store = await SqliteStore.open(folder / DATABASE)
    await store.apply([base.TakeEpoch(channel_id=CHANNEL, epoch=1, journal_id=JOURNAL)])
    await store.apply(
        [base.Accept(operation=new(i, chat=f"{i % 9}@c.us", key=i, body=f"a\0{i}")) for i in range(1, MOST)]
    )
    await store.apply([claim("a", "b", "c"), base.AdvanceJournal(channel_id=CHANNEL, journal_id=JOURNAL, sequence=4)])
    await store.apply([base.Start(channel_id=CHANNEL, lease_id="a", epoch=1), _to(S.FAILED, {S.LEASED}, number=2)])  # type: ignore[arg-type]
    await store.apply([base.Erase(operation_ids=[OperationId(2)], at_ms=50)])
    records = (Channel(id=CHANNEL, name="Läden"), SessionApi(id=SessionApiId(1), name="crm", channel_id=CHANNEL))
    await store.apply([*(base.Put(record=record) for record in records), mark()])
    await store.apply([base.PutGroups(channel_id=CHANNEL, groups=[], as_of_ms=4)])
    await store.close()
    return folder


async def moved(data_dir: Path, address: StoreAddress) -> tuple[base.Store, base.Store]:
    """The file as it was kept, and the database that the hub goes on with."""
    folder = DataFolder(data_dir)
    digest = folder.digest
    folder.close()
    return await SqliteStore.open(data_dir / MOVED), await PostgresqlStore.open(address, digest)


async def the_same(data_dir: Path, address: StoreAddress) -> None:
    before, after = await moved(data_dir, address)
    try:
        await same(before, after)
        assert await before.event_range() == await after.event_range()
        everything = [await store.events_after(0, None, 1_000) for store in (before, after)]
        assert everything[0] == everything[1]
        assert await before.high_marks() == await after.high_marks()
        assert await before.delivery(CHANNEL, JOURNAL) == await after.delivery(CHANNEL, JOURNAL)
        assert await before.registry() == await after.registry()
        assert await before.groups(CHANNEL) == await after.groups(CHANNEL)
        assert await before.erased(CHANNEL, 0) == await after.erased(CHANNEL, 0)
        accepted = [base.Accept(operation=new(MOST + 1))]
        assert await before.apply(accepted) == await after.apply(accepted)
        assert await before.events(OperationId(MOST + 1)) == await after.events(OperationId(MOST + 1))
    finally:
        await before.close()
        await after.close()


async def test_everything_is_copied_and_counted_and_the_file_is_kept(data_dir: Path, address: StoreAddress) -> None:
    steps: list[tuple[str, int, int]] = []
    done = await move(data_dir, address, lambda *step: steps.append(step), at_once=AT_ONCE)
    assert done.tables["operations"].count == MOST - 1
    assert done.kept == data_dir / MOVED
    assert not (data_dir / DATABASE).exists()
    operations = [step[1:] for step in steps if step[0] == "Copying operations"]
    assert operations == [(min(count, MOST - 1), MOST - 1) for count in range(AT_ONCE, MOST + AT_ONCE - 1, AT_ONCE)]
    await the_same(data_dir, address)


@pytest.mark.parametrize(
    ("step", "least"),
    [("Copying operations", 14), ("Copying events", 7), ("Copying idempotency keys", 21), ("Checking events", 14)],
)
async def test_a_move_that_was_killed_goes_on_where_it_was(
    data_dir: Path, address: StoreAddress, step: str, least: int
) -> None:
    _kill_at(data_dir, address, step, least)
    assert (data_dir / DATABASE).exists()
    steps: list[tuple[str, int, int]] = []
    await move(data_dir, address, lambda *one: steps.append(one), at_once=AT_ONCE)
    if step.startswith("Copying"):
        again = next(done for name, done, _ in steps if name == step)
        assert again == least + AT_ONCE
    await the_same(data_dir, address)


async def test_a_hub_that_went_on_after_an_interrupted_move_is_copied_anew(
    data_dir: Path, address: StoreAddress
) -> None:
    _kill_at(data_dir, address, "Copying events", AT_ONCE)
    store = await SqliteStore.open(data_dir / DATABASE)
    await store.apply([_to(S.CANCELLED, {S.PENDING}, number=4), base.Purge(operation_ids=[OperationId(4)])])
    await store.apply([base.EndRestored(channel_id=CHANNEL), base.Purge(operation_ids=[OperationId(4)])])
    await store.close()
    await move(data_dir, address, unseen, at_once=AT_ONCE)
    await the_same(data_dir, address)


async def test_a_database_with_another_hub_is_refused_and_left_alone(
    data_dir: Path, address: StoreAddress, tmp_path: Path
) -> None:
    await (await PostgresqlStore.open(address, b"another")).close()
    with pytest.raises(MoveProblem, match="holds another hub"):
        await move(data_dir, address, unseen)
    await (await PostgresqlStore.open(address, b"another")).close()


async def test_no_server_starts_on_a_half_copied_database(data_dir: Path, address: StoreAddress) -> None:
    _kill_at(data_dir, address, "Copying operations", AT_ONCE)
    folder = DataFolder(data_dir)
    digest = folder.digest
    folder.close()
    with pytest.raises(Exception, match="was interrupted: repeat messenger-hub migrate-store"):
        await PostgresqlStore.open(address, digest)


async def test_in_the_copy_what_is_accepted_next_stands_behind_what_waits(
    data_dir: Path, address: StoreAddress
) -> None:
    await move(data_dir, address, unseen, at_once=AT_ONCE)
    before, after = await moved(data_dir, address)
    await after.apply([base.Accept(operation=new(MOST + 1, place_ms=1))])
    accepted = await after.operation(OperationId(MOST + 1))
    assert accepted is not None
    assert accepted.place_ms == MOST
    await before.close()
    await after.close()


async def test_a_copy_that_is_not_the_same_is_not_handed_over(
    data_dir: Path, address: StoreAddress, postgresql: PostgresqlServer
) -> None:
    _kill_at(data_dir, address, "Checking operations", AT_ONCE)
    name = str(address).rpartition("/")[2]
    postgresql.sql(
        "UPDATE messenger_hub.hub SET copying = false; UPDATE messenger_hub.operation SET body = 'x' WHERE id = 30",
        name,
    )
    with pytest.raises(MoveProblem, match=r"differs from hub\.db: give an empty database"):
        await move(data_dir, address, unseen)
    assert (data_dir / DATABASE).exists()


def test_the_command_says_what_comes_next_and_takes_no_password(data_dir: Path, address: StoreAddress) -> None:
    refused = _command("--from", str(data_dir), "--to", "postgresql://hub:geheim@127.0.0.1/hub")
    assert refused.returncode == 2
    assert "could read the password" in refused.stderr
    assert "geheim" not in refused.stderr
    done = _command("--from", str(data_dir), MESSENGER_HUB_STORE=address.url)
    assert done.returncode == 0, done.stderr
    assert "39 operations" in done.stdout
    assert 'store = "postgresql://…"' in done.stdout
    again = _command("--from", str(data_dir), "--to", address.url)
    assert (again.returncode, "was moved before" in again.stderr) == (5, True)


@pytest.mark.parametrize("address", ["mysql://hub@localhost/hub", "postgresql://hub:secret@localhost/hub"])
def test_an_address_that_cannot_be_used_is_refused_by_the_name_of_its_own_flag(tmp_path: Path, address: str) -> None:
    done = _command("--from", str(tmp_path), "--to", address)
    assert done.returncode == 2
    assert "--to" in done.stderr
    assert "--store" not in done.stderr
    assert "secret" not in done.stderr


def _command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command: Sequence[str] = [sys.executable, "-m", "messenger_hub_cli", "migrate-store", *arguments]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False
    )


def _kill_at(data_dir: Path, address: StoreAddress, step: str, least: int) -> None:
    command = [sys.executable, "-c", KILLED, str(data_dir), address.url, step, str(least)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
