"""Commands on the data folder of a hub whose data is in PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from messenger_hub_server.store.address import StoreAddress

from tests.integration.server.agent import connected, enrolled
from tests.integration.server.hub import running_hub
from tests.nursery.command import run
from tests.postgresql import PostgresqlServer

PASSPHRASE = {"MESSENGER_HUB_BACKUP_PASSPHRASE": "correct horse battery"}


@pytest.fixture
def address(postgresql: PostgresqlServer) -> StoreAddress:
    return postgresql.address(postgresql.database())


@pytest.fixture
def data_dir(tmp_path: Path, address: StoreAddress) -> Path:
    """A hub that had a desktop, and is stopped."""

    async def serve() -> None:
        async with running_hub(tmp_path / "hub", store=address.url) as hub:
            await hub.channel()
            async with connected(hub, 1, await enrolled(hub)):
                pass

    asyncio.run(serve())
    return tmp_path / "hub"


def test_check_looks_at_the_files_and_says_where_the_data_is(data_dir: Path, address: StoreAddress) -> None:
    done = run("check", "--data-dir", str(data_dir))
    assert done.returncode == 0, done
    assert f"The data is in {address}, which is not looked at here" in done.stdout


def test_a_back_up_is_left_to_pg_dump(data_dir: Path, tmp_path: Path) -> None:
    done = run("backup", str(tmp_path / "x.backup"), "--data-dir", str(data_dir), **PASSPHRASE)
    assert (done.returncode, "with pg_dump" in done.stderr) == (2, True)
    assert not (tmp_path / "x.backup").exists()


def test_no_back_up_is_put_beside_the_database_that_is_in_use(data_dir: Path, tmp_path: Path) -> None:
    async def serve() -> None:
        async with running_hub(tmp_path / "other"):
            pass

    asyncio.run(serve())
    file = tmp_path / "x.backup"
    assert run("backup", str(file), "--data-dir", str(tmp_path / "other"), **PASSPHRASE).returncode == 0
    done = run("restore", str(file), "--data-dir", str(data_dir), "--yes", **PASSPHRASE)
    assert (done.returncode, "pg_restore" in done.stderr) == (5, True), done
    assert not (data_dir / "hub.db").exists()


def test_a_database_that_was_put_back_counts_as_restored(data_dir: Path, address: StoreAddress) -> None:
    unsaid = run("restore", "--in-place", "--data-dir", str(data_dir), "--yes")
    assert (unsaid.returncode, f"is in {address}: give its address" in unsaid.stderr) == (2, True), unsaid
    done = run("restore", "--in-place", "--data-dir", str(data_dir), "--yes", "--json", MESSENGER_HUB_STORE=address.url)
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["channels_waiting"] == ["main"]


def test_a_database_that_is_away_stops_a_restore_in_place_with_a_sentence(data_dir: Path) -> None:
    away = {"MESSENGER_HUB_STORE": "postgresql://hub:geheim@127.0.0.1:1/hub"}
    done = run("restore", "--in-place", "--data-dir", str(data_dir), "--yes", **away)
    assert done.returncode == 6, done
    assert "The database postgresql://127.0.0.1:1/hub cannot be reached" in done.stderr
    assert "geheim" not in done.stderr
    unread = run("restore", "--in-place", "--data-dir", str(data_dir), "--yes", MESSENGER_HUB_STORE="mysql://x")
    assert (unread.returncode, "is not understood" in unread.stderr) == (6, True), unread
