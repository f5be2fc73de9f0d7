"""Each fault that `check` looks for, planted into the folder of a real hub."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as agent_pb
from messenger_hub.runtime.database import Database
from messenger_hub.runtime.soundness import Finding
from messenger_hub_agent import checking as desktop
from messenger_hub_agent.journal import Journal
from messenger_hub_server import highwater
from messenger_hub_server.backup import putting_back
from messenger_hub_server.checking import folder, rows
from messenger_hub_server.store.sqlite import MIGRATIONS

from tests.integration.server.agent import connected, enrolled
from tests.integration.server.hub import running_hub
from tests.integration.server.test_operations import send

Plant = Callable[[Path], None]


def check(data_dir: Path) -> list[Finding]:
    return [*folder.check(data_dir, lambda step: None)]


def wrong(findings: list[Finding]) -> set[str]:
    return {finding.code for finding in findings if finding.wrong}


async def lived(data_dir: Path) -> None:
    """Two messages that were sent (1, 2), one that is under way (3), three that wait (4, 5, 6)."""
    async with running_hub(data_dir) as hub:
        await hub.channel()
        api = await hub.session_api()
        async with connected(hub, 1, await enrolled(hub), hello=False) as agent:
            for number in range(6):
                await send(hub, api, message="m", mobile=f"49307770{number}", idempotency_key=f"key {number}")
            await agent.hello(window=1)
            for _ in range(2):
                await agent.carry_out("SENT")
                await agent.send(credit=agent_pb.Credit(window=1))
            await agent.start(await agent.lease())
            # A hub that runs is checked as it is.
            assert wrong(await asyncio.to_thread(check, data_dir)) == set()


@pytest.fixture(scope="module")
def _lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir = tmp_path_factory.mktemp("lived") / "data"
    asyncio.run(lived(data_dir))
    return data_dir


@pytest.fixture
def data_dir(_lived: Path, tmp_path: Path) -> Path:
    shutil.copytree(_lived, tmp_path / "data")
    return tmp_path / "data"


def test_a_sound_folder_has_nothing_wrong_and_is_not_changed(data_dir: Path) -> None:
    before = {path.name: path.read_bytes() for path in data_dir.iterdir() if path.suffix != ".db-shm"}
    assert check(data_dir) == []
    after = {path.name: path.read_bytes() for path in data_dir.iterdir() if path.suffix != ".db-shm"}
    assert {name: content for name, content in after.items() if content or name in before} == before


async def test_a_database_of_an_earlier_version_is_sound_and_is_brought_up_to_date_by_the_hub(data_dir: Path) -> None:
    """It lacks the last step of the schema, as before this version's first start."""
    for file in (*data_dir.glob("hub.db*"), data_dir / highwater.NAME):
        file.unlink()
    await (await Database.open(data_dir / "hub.db", MIGRATIONS[:-1])).close()
    (earlier,) = check(data_dir)
    assert (earlier.code, earlier.wrong) == ("earlier", False)
    async with running_hub(data_dir):
        pass
    assert check(data_dir) == []


def test_a_database_of_a_newer_version_is_left_to_that_one(data_dir: Path) -> None:
    sql("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('schema', '99-later', '')")(data_dir)
    (newer,) = [finding for finding in check(data_dir) if finding.code == "newer"]
    assert newer.wrong and "it has 99-later" in newer.sentence


def sql(*script: str) -> Plant:
    """Statements, with nothing that keeps the rows in order."""

    def plant(data_dir: Path) -> None:
        with closing(sqlite3.connect(data_dir / "hub.db", isolation_level=None)) as database:
            database.execute("PRAGMA foreign_keys = OFF")
            database.execute("PRAGMA writable_schema = ON")
            for statement in script:
                assert database.execute(statement).rowcount != 0, statement

    return plant


def quietly(*script: str) -> Plant:
    """The same behind the triggers' back: they are there again afterwards."""
    change = "(SELECT sql FROM sqlite_master WHERE name = 'operation_changed')"

    def plant(data_dir: Path) -> None:
        with closing(sqlite3.connect(data_dir / "hub.db")) as database:
            (trigger,) = database.execute(f"SELECT {change}").fetchone()
        sql("DROP TRIGGER operation_changed", *script, trigger)(data_dir)

    return plant


FAULTS: dict[str, tuple[str, Plant]] = {
    "the state without its event": ("state", quietly("UPDATE operation SET state = 'read' WHERE id = 1")),
    "an event is missing": (
        "history",
        sql("DELETE FROM event WHERE id = (SELECT min(id) FROM event WHERE operation_id = 1 AND state = 'leased')"),
    ),
    "an event is there twice": (
        "history",
        sql("INSERT INTO event (operation_id, from_state, state, at_ms, reason) VALUES (4, '', 'pending', 1, '')"),
    ),
    "a transition that is not allowed": (
        "transition",
        sql(
            "INSERT INTO transition VALUES ('sent', 'pending')",
            "UPDATE operation SET state = 'pending' WHERE id = 1",
            "DELETE FROM transition WHERE from_state = 'sent' AND state = 'pending'",
        ),
    ),
    "leased to nobody": ("lease", sql("UPDATE operation SET lease_id = NULL, started = 0 WHERE id = 3")),
    "leased by no journal": ("lease", sql("UPDATE operation SET journal_id = NULL WHERE id = 3")),
    "started without a lease": ("started", sql("UPDATE operation SET started = 1 WHERE id = 4")),
    "leased under a later epoch": ("epoch", sql("UPDATE operation SET epoch = 99 WHERE id = 3")),
    "two of a chat are leased": (
        "lane",
        sql(
            "UPDATE operation SET state = 'leased', lease_id = 'l', epoch = 1, journal_id = 'j', "
            "lane = (SELECT lane FROM operation WHERE id = 3) WHERE id = 4"
        ),
    ),
    "two with one WhatsApp id": (
        "whatsapp_id",
        sql(
            "DROP INDEX operation_wa_id", "UPDATE operation SET wa_id = (SELECT wa_id FROM operation WHERE id = 1) WHERE id = 2"
        ),
    ),
    "a key of no operation": ("dangling", sql("UPDATE idempotency SET operation_id = 77 WHERE operation_id = 1")),
    "an event of no operation": ("dangling", sql("DELETE FROM operation WHERE id = 4")),
    "a trigger is missing": ("schema", sql("DROP TRIGGER operation_changed")),
    "an index is missing": ("schema", sql("DROP INDEX operation_wa_id")),
    "the table of states is longer": ("schema", sql("INSERT INTO transition VALUES ('read', 'pending')")),
    "an epoch above the file's": ("high_water", sql("UPDATE epoch SET epoch = 50")),
    "another journal than the file's": ("high_water", sql("UPDATE epoch SET journal_id = 'another'")),
    "an id above the file's limit": (
        "high_water",
        sql("UPDATE event SET operation_id = 5000000 WHERE operation_id = 6",
            "UPDATE idempotency SET operation_id = 5000000 WHERE operation_id = 6",
            "UPDATE operation SET id = 5000000 WHERE id = 6"),
    ),
    "no high-water file": ("high_water", lambda data_dir: (data_dir / "high-water.json").unlink()),
    "a damaged high-water file": ("high_water", lambda data_dir: void((data_dir / "high-water.json").write_bytes(b"{"))),
    "damaged registry ids": ("registry_ids", lambda data_dir: void((data_dir / "registry-ids.json").write_bytes(b"["))),
    "no pepper": ("secret", lambda data_dir: (data_dir / "pepper").unlink()),
    "a damaged token": ("secret", lambda data_dir: void((data_dir / "admin-token").write_text("short"))),
    "an open database": ("mode", lambda data_dir: (data_dir / "hub.db").chmod(0o640)),
    "an open secret": ("mode", lambda data_dir: (data_dir / "pepper").chmod(0o604)),
    "an open folder": ("mode", lambda data_dir: data_dir.chmod(0o755)),
    "an interrupted restore": ("interrupted", lambda data_dir: (data_dir / "restore-interrupted").touch(0o600)),
    "no database": ("damaged", lambda data_dir: void((data_dir / "hub.db").write_bytes(os.urandom(9_000)))),
}  # fmt: skip


# What such a fault breaks besides.
ALSO = {
    "an event is there twice": {"state"},
    "a transition that is not allowed": {"dangling"},
    "two with one WhatsApp id": {"schema"},
}


def void(_: object) -> None:
    return None


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_nothing_else(data_dir: Path, name: str) -> None:
    code, plant = FAULTS[name]
    plant(data_dir)
    findings = check(data_dir)
    assert wrong(findings) - ALSO.get(name, set()) == {code}, [finding.sentence for finding in findings]
    assert all(finding.sentence.endswith(".") for finding in findings)


def test_every_invariant_has_a_planted_fault() -> None:
    assert {invariant.code for invariant in rows.INVARIANTS} <= {code for code, _ in FAULTS.values()}


def test_a_damaged_page_is_told_with_the_file(data_dir: Path) -> None:
    database = data_dir / "hub.db"
    raw = bytearray(database.read_bytes())
    for page in range(3, len(raw) // 4096):
        raw[4096 * page : 4096 * page + 100] = os.urandom(100)
    database.write_bytes(raw)
    findings = check(data_dir)
    assert "damaged" in wrong(findings)
    assert str(database) in next(finding.sentence for finding in findings if finding.code == "damaged")


async def test_a_restored_folder_is_sound_and_its_mark_is_told(data_dir: Path) -> None:
    (data_dir / "high-water.json").unlink()
    assert wrong(check(data_dir)) == {"high_water"}
    with putting_back.held(data_dir) as held:
        await putting_back.in_place(held, 0)
    findings = check(data_dir)
    assert [(finding.code, finding.wrong) for finding in findings] == [("restored", False)]
    assert "main" in findings[0].sentence


def test_what_is_only_good_to_know_is_told_and_not_wrong(data_dir: Path) -> None:
    (data_dir / "hub.db.before-20250101T000000Z").touch(0o600)
    (data_dir / ".backup").mkdir(0o700)
    (data_dir / "config.toml").touch(0o644)
    text = (data_dir / "high-water.json").read_text()
    (data_dir / "high-water.json").write_text(re.sub(r'"(epoch|stored)":\d+', r'"\1":7', text))
    findings = check(data_dir)
    assert sorted(finding.code for finding in findings) == ["kept", "leftover", "older_copy"]
    assert wrong(findings) == set()


def test_a_folder_without_a_hub_is_none(tmp_path: Path) -> None:
    with pytest.raises(folder.NoHub):
        check(tmp_path)


# ---- the journals of this machine's desktop app -----------------------------------------------------------------------------


def entry(sequence: int, lease_id: str, **fact: object) -> agent_pb.JournalEntry:
    return agent_pb.JournalEntry(sequence=sequence, whatsapp_id="W", lease_id=lease_id, **fact)  # type: ignore[arg-type]


@pytest.fixture
async def agent_dir(tmp_path: Path) -> Path:
    channel = tmp_path / "agent" / "channels" / "1"
    channel.mkdir(parents=True)
    for made in (tmp_path / "agent", channel.parent, channel):
        made.chmod(0o700)
    journal = await Journal.open(channel / "journal.db")
    sent = agent_pb.Outcome(kind=agent_pb.Outcome.KIND_SENT)
    await journal.append([entry(1, "a", intent=agent_pb.Lease()), entry(2, "a", outcome=sent)])
    await journal.append([entry(3, "b", intent=agent_pb.Lease())], acknowledged=2)
    await journal.close()
    return tmp_path / "agent"


def desktop_check(agent_dir: Path) -> list[Finding]:
    return [*desktop.check(agent_dir, lambda step: None)]


def test_a_sound_journal_has_nothing_wrong(agent_dir: Path) -> None:
    assert desktop_check(agent_dir) == []


@pytest.mark.parametrize(
    ("words", "statement"),
    [
        ("says that the hub has entry 9", "UPDATE head SET acknowledged = 9"),
        ("2 entries from 1 to 3", "DELETE FROM entry WHERE sequence = 2"),
        ("says that the last is 7", "UPDATE head SET last = 7"),
        ("0 heads", "DELETE FROM head"),
        ("entry 2 that cannot be read", "UPDATE entry SET body = x'ffff' WHERE sequence = 2"),
        ("entry 2 that calls itself 1", "UPDATE entry SET body = (SELECT body FROM entry WHERE sequence = 1) WHERE sequence = 2"),
        ("second intent", "UPDATE entry SET body = (SELECT body FROM entry WHERE sequence = 1) WHERE sequence = 3"),
        ("cannot be read (no such table", "DROP TABLE entry"),
    ],
)  # fmt: skip
def test_a_planted_fault_of_a_journal_is_found(agent_dir: Path, words: str, statement: str) -> None:
    with closing(sqlite3.connect(agent_dir / "channels" / "1" / "journal.db", isolation_level=None)) as database:
        assert database.execute(statement).rowcount != 0
    findings = desktop_check(agent_dir)
    assert any(words in finding.sentence for finding in findings), findings
    assert all(finding.wrong for finding in findings)


def test_an_open_or_damaged_journal_is_found(agent_dir: Path) -> None:
    journal = agent_dir / "channels" / "1" / "journal.db"
    journal.chmod(0o644)
    assert wrong(desktop_check(agent_dir)) == {"mode"}
    journal.write_bytes(os.urandom(9_000))
    assert wrong(desktop_check(agent_dir)) == {"mode", "damaged"}
