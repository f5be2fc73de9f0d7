"""A data folder of an earlier version goes on with this one, or stays as it was.

`folders` holds one of each earlier schema, as a hub and its desktop left it: two messages were sent, one waits, one is held until
2036, one waits that came with an idempotency key.
"""

from __future__ import annotations

import signal
import sqlite3
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from messenger_hub.runtime.database import Database, Migration, NothingCommitted, NotUpdated
from messenger_hub_agent.journal import Journal
from messenger_hub_server.model import OperationId
from messenger_hub_server.store.sqlite import MIGRATIONS, SqliteStore

from tests.integration.server.hub import BASE, running_hub

FOLDERS = Path(__file__).parent / "folders"
KEY = "mh_I9CfwJBicLV_7LxisBM3p2BNZ35bGXWCIWrD7JDFk4SD0imCAmIPmDK_42pI7e"
EARLIER = [migration.name for migration in MIGRATIONS[:-1]]

FIRST = """
INSERT INTO operation (id, wa_id, channel_id, session_api_id, kind, recipient, target, lane, body, priority, state, reason,
  reference, accepted_at_ms, due_at_ms, changed_at_ms)
VALUES (?1, '3EB0' || ?1, 1, 1, 'send_message', '', '1@c.us', 'chat:1@c.us', '', 2, 'pending', '', '', 100, ?2, 100)
"""


def _first(connection: sqlite3.Connection) -> None:
    for number, due in ((1, 100), (2, 900)):
        connection.execute(FIRST, (number, due))


@pytest.fixture(params=EARLIER)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with tarfile.open(FOLDERS / f"{request.param}.tar.gz") as stored:
        stored.extractall(tmp_path / "data", filter="data")
    return tmp_path / "data"


def fails(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE half_done (a)")
    connection.execute("this is no SQL")


async def test_what_was_held_is_held_and_what_was_not_keeps_its_place(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "hub.db", MIGRATIONS[:1])
    await database.write(_first)
    await database.close()
    store = await SqliteStore.open(tmp_path / "hub.db")
    at_once, held = [await store.operation(OperationId(number)) for number in (1, 2)]
    assert at_once is not None
    assert held is not None
    assert (at_once.place_ms, at_once.send_at_ms) == (100, None)
    assert (held.place_ms, held.send_at_ms) == (900, 900)
    assert await store.next_wake_at_ms(100) == 900
    await store.close()


async def test_a_folder_of_an_earlier_version_keeps_its_keys_its_queue_and_its_answers(folder: Path) -> None:
    async with running_hub(folder) as hub:
        url, headers = f"{hub.running.http[0]}{BASE}", {"X-API-Key": KEY}
        async with hub.http.get(f"{url}/operations", headers=headers) as answer:
            listed = {one["operation_id"]: one["status"] for one in (await answer.json())["data"]["operations"]}
        body = {"mobile": "12025550115", "message": "five", "reference": "keyed"}
        async with hub.http.post(f"{url}/send", json=body, headers=headers | {"Idempotency-Key": "once"}) as answer:
            again = (await answer.json())["data"]["message_id"]
            assert answer.headers["Idempotent-Replayed"] == "true"
        async with hub.http.post(
            f"{url}/send", json={"mobile": "12025550116", "message": "six"}, headers=headers
        ) as answer:
            assert (await answer.json())["data"]["message_id"] > max(listed)
    assert (listed, again) == ({1: "read", 2: "read", 3: "pending", 4: "pending", 5: "pending"}, 5)


async def test_a_desktop_of_an_earlier_version_keeps_its_journal(folder: Path) -> None:
    journal = await Journal.open(folder / "agent/channels/1/journal.db")
    view = await journal.view()
    await journal.close()
    assert (sorted(view.known.values()), view.open) == ([3, 3], {})


async def test_an_update_that_fails_at_a_later_step_leaves_the_file_to_the_version_before(folder: Path) -> None:
    file = folder / "hub.db"
    before = _content(file)
    steps = [*MIGRATIONS, Migration(name="9-broken", apply=fails)]
    with pytest.raises(NotUpdated, match="nothing of it was done, so that the version before can go on with it"):
        await Database.open(file, steps)
    assert _content(file) == before
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    await (await SqliteStore.open(file)).close()


async def test_an_update_whose_power_is_cut_is_done_wholly_or_not_at_all(folder: Path) -> None:
    steps = "*MIGRATIONS, Migration(name='9-cut', apply=lambda connection: os.kill(os.getpid(), signal.SIGKILL))"
    program = (
        "import asyncio, os, signal, sys\n"
        "from pathlib import Path\n"
        "from messenger_hub.runtime.database import Database, Migration\n"
        "from messenger_hub_server.store.sqlite import MIGRATIONS\n"
        f"asyncio.run(Database.open(Path(sys.argv[1]), [{steps}]))\n"
    )
    file = folder / "hub.db"
    before = _content(file)
    done = subprocess.run([sys.executable, "-c", program, str(file)], timeout=30, check=False)
    assert done.returncode == -signal.SIGKILL
    assert _content(file) == before
    await (await SqliteStore.open(file)).close()


async def test_an_update_that_another_program_holds_up_is_to_be_tried_again(folder: Path) -> None:
    holder = sqlite3.connect(folder / "hub.db", isolation_level=None)
    holder.execute("PRAGMA journal_mode = WAL")
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(NothingCommitted, match="locked") as caught:
        await SqliteStore.open(folder / "hub.db")
    holder.close()
    assert not isinstance(caught.value, NotUpdated)
    await (await SqliteStore.open(folder / "hub.db")).close()


def _content(file: Path) -> list[str]:
    connection = sqlite3.connect(file)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()
