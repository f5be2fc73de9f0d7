"""Back-ups of a real hub, made while it works and put back later; a scripted desktop app with its journal carries things out."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from copy import copy
from functools import cache
from pathlib import Path

import pyrage
import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as agent_pb
from messenger_hub.v1 import operation_pb2
from messenger_hub.v1 import operation_service_pb2 as pb
from messenger_hub_server import app, config
from messenger_hub_server.backup import archive, making, putting_back
from messenger_hub_server.backup.encryption import Key
from messenger_hub_server.backup.problems import BackupProblem, Clash, Hindered, Unusable
from messenger_hub_server.backup.putting_back import Outcome
from messenger_hub_server.startup import StartupProblem
from messenger_hub_server.store.sqlite import MIGRATIONS

from tests.integration.server.agent import ScriptedAgent, connected, enrolled
from tests.integration.server.hub import SECONDS, Hub, SessionApi, running_hub
from tests.integration.server.test_operations import find, send

PASSPHRASE = "correct horse battery"
NOW_MS = 1_700_000_000_000
FAR = 900_000


@pytest.fixture(autouse=True, scope="module")
def _quick() -> Iterator[None]:
    """Between a passphrase and a key lie seconds, on purpose: each pair is worked out once."""
    with pytest.MonkeyPatch.context() as patch:
        key = Key.make()
        patch.setattr(Key, "make", lambda: key)
        patch.setattr(Key, "locked", cache(Key.locked))
        patch.setattr(Key, "unlock", cache(Key.unlock))
        yield


def unseen(step: str, done: int, total: int) -> None:
    assert 0 <= done <= total or total == 0, step


def back_up(data_dir: Path, target: Path, *, replace: bool = False) -> making.Made:
    return making.back_up(data_dir, target, PASSPHRASE, replace=replace, now_ms=NOW_MS, version="1.2.3", sight=unseen)


async def restore(data_dir: Path, file: Path, passphrase: str = PASSPHRASE) -> Outcome:
    with putting_back.opened(data_dir, file) as restoring:
        return restoring.put_in_place(await restoring.prepare(passphrase, unseen), NOW_MS)


def contents(folder: Path) -> dict[str, bytes]:
    """All files but those that tell who holds the folder, and an empty log that a reader of the database has left."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("lock", "owner", "hub.db-shm") and not _is_empty_log(path)
    }


def _is_empty_log(path: Path) -> bool:
    return path.name == "hub.db-wal" and path.stat().st_size == 0


async def does_not_start(folder: Path, words: str) -> None:
    settings = config.load({"data_dir": folder, "http": "127.0.0.1:0", "grpc": "127.0.0.1:0"}, {})
    with pytest.raises(StartupProblem, match=words):
        await app.run(settings, lambda _: pytest.fail("it started"), asyncio.Event())


async def states(hub: Hub, api: SessionApi) -> dict[int, str]:
    listed = await hub.programs.operations.ListOperations(pb.ListOperationsRequest(limit=100), metadata=api.metadata)
    name = operation_pb2.OperationStatus.Name
    return {o.operation_id: name(o.status).removeprefix("OPERATION_STATUS_").lower() for o in listed.operations}


class Story:
    """A hub with one channel and one desktop, and a back-up that was made while `early` waited."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "data"
        self.file = root / "hub.backup"
        self.credential = agent_pb.EnrolResponse()
        self.api = SessionApi(id=0, name="", channel="", key="")
        self.early = 0
        self.agent: ScriptedAgent | None = None

    async def begin(self) -> None:
        async with running_hub(self.folder) as hub:
            await hub.channel()
            self.credential, self.api = await enrolled(hub), await hub.session_api()
            async with self.desktop(hub) as agent:
                await agent.hello()
            self.early = await send(hub, self.api, message="early")
            await asyncio.to_thread(back_up, self.folder, self.file)

    @asynccontextmanager
    async def desktop(self, hub: Hub, *, journal: bool = True) -> AsyncIterator[ScriptedAgent]:
        async with connected(hub, 1, self.credential, hello=False) as agent:
            if journal and self.agent is not None:
                agent.continues(self.agent)
            self.agent = agent
            yield agent

    async def go_on(self) -> int:
        """What happened after the back-up: `early` was sent, another was accepted and sent. Returns the other one's number."""
        async with running_hub(self.folder) as hub, self.desktop(hub) as agent:
            await agent.hello()
            await agent.carry_out("SENT")
            late = await send(hub, self.api, message="late", mobile="4930777", idempotency_key="k")
            await agent.carry_out("SENT")
            return late


@pytest.fixture(scope="module")
def _begun(tmp_path_factory: pytest.TempPathFactory, _quick: None) -> Story:
    """Made once for all tests, each of which has a copy."""
    told = Story(tmp_path_factory.mktemp("story"))
    asyncio.run(told.begin())
    return told


@pytest.fixture
def story(_begun: Story, tmp_path: Path) -> Story:
    told = copy(_begun)
    told.folder, told.file = tmp_path / "story" / "data", tmp_path / "story" / "hub.backup"
    shutil.copytree(_begun.folder.parent, told.folder.parent)
    return told


# ---- making one -------------------------------------------------------------------------------------------------------------


async def test_a_back_up_under_load_holds_everything_that_was_answered_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "_PAGES", 1)
    steps: list[int] = []
    answered: list[int] = []
    enough, done = asyncio.Event(), asyncio.Event()

    def seen(step: str, number: int, total: int) -> None:
        if step == "Copying":
            steps.append(number)

    async def call(hub: Hub, api: SessionApi) -> None:
        while not done.is_set():
            answered.append(await send(hub, api, message="x" * 2_000))
            if len(answered) == 200:
                enough.set()

    async with running_hub(tmp_path / "data", rate_per_minute=1_000_000) as hub:
        await hub.channel()
        api = await hub.session_api()
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(call(hub, api))
            async with asyncio.timeout(SECONDS):
                await enough.wait()
            before = frozenset(answered)
            made = await asyncio.to_thread(
                making.back_up, tmp_path / "data", tmp_path / "b", PASSPHRASE,
                replace=False, now_ms=NOW_MS, version="1.2.3", sight=seen,
            )  # fmt: skip
            done.set()
    # Had a commit made the copy begin again, a step would have been seen twice.
    assert steps == sorted(set(steps))
    assert len(answered) > len(before)
    await restore(tmp_path / "new", tmp_path / "b")
    with closing(sqlite3.connect(tmp_path / "new" / "hub.db")) as database:
        found = [number for (number,) in database.execute("SELECT id FROM operation ORDER BY id")]
    assert before <= frozenset(found) <= frozenset(range(1, max(answered) + 1))
    assert (len(found), found) == (made.operations, [*range(1, len(found) + 1)])


def test_a_back_up_is_private_and_nothing_else_is_left(story: Story) -> None:
    assert stat.S_IMODE(story.file.stat().st_mode) == 0o600
    assert sorted(path.name for path in story.folder.parent.iterdir()) == ["data", "hub.backup"]
    assert not (story.folder / ".backup").exists()
    raw = story.file.read_bytes()
    pepper, token = (story.folder / "pepper").read_bytes(), (story.folder / "admin-token").read_bytes()
    assert not any(secret in raw for secret in (pepper, token, b"early", PASSPHRASE.encode()))


def test_a_back_up_opens_with_the_formats_own_functions(story: Story, tmp_path: Path) -> None:
    with zipfile.ZipFile(story.file) as plain:
        plain.extractall(tmp_path / "plain")
    key = pyrage.passphrase.decrypt((tmp_path / "plain" / "key.age").read_bytes(), PASSPHRASE).decode().strip()
    pyrage.decrypt_file(
        str(tmp_path / "plain" / "hub.age"), str(tmp_path / "hub.tar.gz"), [pyrage.x25519.Identity.from_str(key)]
    )
    subprocess.run(
        ["tar", "--extract", "--gzip", "--file", tmp_path / "hub.tar.gz"], cwd=tmp_path / "plain", check=True
    )
    manifest = json.loads((tmp_path / "plain" / "manifest.json").read_bytes())
    assert (manifest["format"], manifest["made_at_ms"], manifest["version"]) == (1, NOW_MS, "1.2.3")
    assert {*manifest["files"]} == {"hub.db", "pepper", "admin-token", "high-water.json", "registry-ids.json"}


def test_a_file_that_is_there_is_only_replaced_when_asked(story: Story) -> None:
    before = story.file.read_bytes()
    with pytest.raises(Clash, match="--force"):
        back_up(story.folder, story.file)
    assert story.file.read_bytes() == before
    back_up(story.folder, story.file, replace=True)
    assert story.file.read_bytes() != before


def test_a_back_up_goes_neither_into_the_data_folder_nor_where_nothing_can_be_written(story: Story) -> None:
    before = contents(story.folder)
    with pytest.raises(Unusable, match="lies in the data folder"):
        back_up(story.folder, story.folder / "hub.db", replace=True)
    with pytest.raises(Unusable, match="no folder"):
        back_up(story.folder, story.folder.parent / "none" / "b")
    with pytest.raises(Unusable, match="is a folder"):
        back_up(story.folder, story.folder.parent)
    with pytest.raises(Unusable, match="There is no hub"):
        back_up(story.folder.parent / "none", story.folder.parent / "b")
    with pytest.raises(Hindered, match="/proc cannot be written"):
        back_up(story.folder, Path("/proc/hub.backup"))
    assert contents(story.folder) == before


def test_a_damaged_database_is_not_backed_up(story: Story) -> None:
    database = story.folder / "hub.db"
    raw = bytearray(database.read_bytes())
    raw[4096 * 3 : 4096 * 20] = os.urandom(4096 * 17)
    database.write_bytes(raw)
    with pytest.raises(Unusable, match="damaged"):
        back_up(story.folder, story.folder.parent / "b")
    assert not (story.folder.parent / "b").exists()


async def test_what_a_killed_back_up_leaves_is_gone_after_the_next_start(story: Story) -> None:
    left = story.folder / ".backup"
    left.mkdir()
    shutil.copy(story.folder / "hub.db", left / "hub.db")
    async with running_hub(story.folder):
        assert not left.exists()


async def test_a_hub_that_starts_meanwhile_does_not_disturb_a_back_up(story: Story) -> None:
    with making.staging(story.folder, ".backup", "messenger-hub backup") as folder:
        folder.file("hub.db").write_bytes(b"at work")
        async with running_hub(story.folder):
            assert folder.file("hub.db").read_bytes() == b"at work"


def test_two_back_ups_at_once_do_not_disturb_each_other(story: Story) -> None:
    with making.staging(story.folder, ".backup", "messenger-hub backup") as folder:
        folder.file("hub.db").write_bytes(b"at work")
        with pytest.raises(Hindered, match="at work"):
            back_up(story.folder, story.folder.parent / "b")
        assert folder.file("hub.db").read_bytes() == b"at work"


# ---- putting it back --------------------------------------------------------------------------------------------------------


async def test_with_the_journal_what_was_sent_since_is_known_and_not_sent_again(story: Story) -> None:
    late = await story.go_on()
    outcome = await restore(story.folder, story.file)
    assert (outcome.waiting, outcome.operations_open, outcome.unwitnessed) == (("main",), 1, False)
    async with running_hub(story.folder) as hub:
        fresh = await send(hub, story.api, message="fresh", mobile="4930888")
        assert fresh > late + FAR
        async with story.desktop(hub) as agent:
            await agent.hello()
            assert (await agent.carry_out("SENT")).provenance.operation_id == fresh
        # The database did not know the late one; under its old number nothing else was given out.
        assert await states(hub, story.api) == {story.early: "sent", late: "sent", fresh: "sent"}
        repeated = await send(hub, story.api, message="late", mobile="4930777", idempotency_key="k")
        assert repeated == late


async def test_without_the_journal_what_was_open_becomes_uncertain(story: Story) -> None:
    await story.go_on()
    await restore(story.folder, story.file)
    async with running_hub(story.folder) as hub:
        async with story.desktop(hub, journal=False) as agent:
            await agent.hello()
            fresh = await send(hub, story.api, message="fresh", mobile="4930888")
            assert (await agent.carry_out("SENT")).provenance.operation_id == fresh
        found = await find(hub, story.api, story.early)
        assert (found.status, found.error.code) == (operation_pb2.OPERATION_STATUS_UNCERTAIN, "restored")


async def test_on_another_machine_no_journal_is_trusted_to_know_all(story: Story) -> None:
    late = await story.go_on()
    elsewhere = story.folder.parent / "elsewhere"
    outcome = await restore(elsewhere, story.file)
    assert (outcome.unwitnessed, outcome.replaces, outcome.kept) == (True, False, None)
    async with running_hub(elsewhere) as hub:
        waiting = await send(hub, story.api, message="fresh", mobile="4930888")
        assert waiting > FAR
        async with story.desktop(hub) as agent:
            await agent.hello()
            await agent.carry_out("SENT")
        assert await states(hub, story.api) == {story.early: "sent", late: "sent", waiting: "sent"}


async def test_a_second_restore_there_does_not_trust_the_journal_either(story: Story) -> None:
    """The file that the first one left came out of the back-up: it has not seen what another desktop did meanwhile."""
    async with running_hub(story.folder) as hub, story.desktop(hub, journal=False) as other:
        await other.hello()
        await other.carry_out("SENT")
    elsewhere = story.folder.parent / "elsewhere"
    first = ScriptedAgent(1, "", 1, None)  # type: ignore[arg-type]
    await restore(elsewhere, story.file)
    for _ in range(2):
        async with running_hub(elsewhere) as hub:
            story.agent = first
            async with story.desktop(hub) as agent:
                await agent.hello(window=0)
            first.epoch = agent.epoch
        outcome = await restore(elsewhere, story.file)
        assert not outcome.unwitnessed  # the file is newer than the back-up now, and still vouches for nobody
        async with running_hub(elsewhere) as hub:
            story.agent = first
            async with story.desktop(hub) as agent:
                await agent.hello()
            found = await find(hub, story.api, story.early)
            assert found.status == operation_pb2.OPERATION_STATUS_UNCERTAIN


async def test_a_channel_made_since_the_back_up_does_not_mark_the_others_at_every_start(story: Story) -> None:
    async with running_hub(story.folder) as hub:
        second = await hub.channel("second")
        credential = await enrolled(hub, "desk-2", "second")
        for _ in range(3):
            async with connected(hub, second, credential):
                pass
    await restore(story.folder, story.file)
    async with running_hub(story.folder) as hub, story.desktop(hub) as agent:
        await agent.hello(window=0)
    async with running_hub(story.folder) as hub:
        assert (await find(hub, story.api, story.early)).status == operation_pb2.OPERATION_STATUS_PENDING
        assert await send(hub, story.api, message="next", mobile="4930888") < 2 * FAR
        third = await hub.channel("third")
        assert third > second


async def test_the_database_that_was_there_is_kept_whole(story: Story) -> None:
    late = await story.go_on()
    outcome = await restore(story.folder, story.file)
    assert outcome.kept == story.folder / "hub.db.before-20231114T221320Z"
    assert stat.S_IMODE(outcome.kept.stat().st_mode) == 0o600
    with closing(sqlite3.connect(f"file:{outcome.kept}?mode=ro", uri=True)) as kept:
        assert kept.execute("SELECT id, state FROM operation").fetchall() == [(story.early, "sent"), (late, "sent")]
    again = await restore(story.folder, story.file)
    assert again.kept == story.folder / "hub.db.before-20231114T221320Z-2"


async def test_a_database_that_is_beyond_reading_is_kept_and_replaced(story: Story) -> None:
    (story.folder / "hub.db").write_bytes(b"no database at all" * 1_000)
    (story.folder / "hub.db-wal").write_bytes(b"nor its log")
    outcome = await restore(story.folder, story.file)
    assert outcome.kept is not None
    assert outcome.kept.read_bytes().startswith(b"no database")
    assert outcome.kept.with_name(f"{outcome.kept.name}-wal").read_bytes() == b"nor its log"
    async with running_hub(story.folder) as hub:
        assert await states(hub, story.api) == {story.early: "pending"}


async def test_secrets_and_settings_come_back_where_they_are_missing_and_only_there(story: Story) -> None:
    (story.folder / "config.toml").write_text("rate_per_minute = 77\n")
    back_up(story.folder, story.file, replace=True)
    pepper, token = (story.folder / "pepper").read_bytes(), (story.folder / "admin-token").read_bytes()
    (story.folder / "config.toml").write_text("rate_per_minute = 78\n")
    (story.folder / "pepper").unlink()
    (story.folder / "admin-token").write_text("f" * 64)
    await restore(story.folder, story.file)
    assert (story.folder / "pepper").read_bytes() == pepper
    assert (story.folder / "admin-token").read_text() == "f" * 64
    assert "78" in (story.folder / "config.toml").read_text()
    elsewhere = story.folder.parent / "elsewhere"
    await restore(elsewhere, story.file)
    assert (elsewhere / "admin-token").read_bytes() == token
    assert "77" in (elsewhere / "config.toml").read_text()
    assert {stat.S_IMODE(path.stat().st_mode) for path in elsewhere.iterdir()} == {0o600}


# ---- what cannot be put back ------------------------------------------------------------------------------------------------


async def refused(
    story: Story, file: Path, kind: type[BackupProblem], words: str, passphrase: str = PASSPHRASE
) -> None:
    before = contents(story.folder)
    with pytest.raises(kind, match=words):
        await restore(story.folder, file, passphrase)
    assert contents(story.folder) == before


async def test_what_is_no_back_up_or_not_whole_changes_nothing(story: Story, tmp_path: Path) -> None:
    other = tmp_path / "other"
    whole = story.file.read_bytes()
    await refused(story, tmp_path / "none", Unusable, "no file")
    await refused(story, tmp_path, Unusable, "not a back-up")
    for content in (b"", b"text", os.urandom(5_000)):
        other.write_bytes(content)
        await refused(story, other, Unusable, "not a back-up")
    with zipfile.ZipFile(other, "w") as made:
        made.writestr("README.txt", "of somebody else")
    await refused(story, other, Unusable, "not a back-up")
    for length in (100, len(whole) // 2, len(whole) - 1):
        other.write_bytes(whole[:length])
        await refused(story, other, Unusable, "The end of .* is missing")


async def test_a_back_up_with_a_flipped_bit_changes_nothing(story: Story, tmp_path: Path) -> None:
    other = tmp_path / "other"
    whole = story.file.read_bytes()
    with zipfile.ZipFile(story.file) as made:
        places = [made.getinfo(name).header_offset for name in ("key.age", "hub.age")]
    for place in (places[0] + 100, places[1] + 300, places[1] + 3_000):
        other.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        await refused(story, other, Unusable, "is damaged")


async def test_another_passphrase_changes_nothing(story: Story) -> None:
    await refused(story, story.file, Unusable, "passphrase .* is another one", "another")


def forged(story: Story, file: Path, **changes: object) -> None:
    """A back-up by somebody who knows the passphrase."""
    facts = {"format": 1, "made_at_ms": NOW_MS, "version": "9.9", "layout": 1} | changes
    files: dict[str, Path | bytes] = {
        "hub.db": Path(str(changes.get("database", story.folder / "hub.db"))),
        "pepper": (story.folder / "pepper").read_bytes(),
        **{str(name): b"x" for name in [changes.get("also")] if name},
    }
    manifest = archive.Manifest(files={}, **{k: facts[k] for k in ("format", "made_at_ms", "version", "layout")})  # type: ignore[arg-type]
    with file.open("w+b") as target:
        archive.write(target, files, manifest, PASSPHRASE, unseen)


async def test_a_back_up_of_a_newer_version_changes_nothing(story: Story, tmp_path: Path) -> None:
    other, newer = tmp_path / "other", tmp_path / "newer.db"
    for changes in ({"format": 2}, {"layout": 2}, {"also": "unheard-of.json"}):
        forged(story, other, **changes)
        await refused(story, other, Hindered, "newer")
    shutil.copy(story.folder / "hub.db", newer)
    with closing(sqlite3.connect(newer)) as database:
        table = "_sqlite_migrations"
        assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (len(MIGRATIONS),)
        database.execute(f"INSERT INTO {table} (migration_set, name, applied_at) VALUES ('schema', '99-later', '')")
        database.execute("PRAGMA journal_mode = DELETE")
        database.commit()
    forged(story, other, database=newer)
    await refused(story, other, Hindered, "Messenger Hub 9.9, which is newer")
    whole = story.file.read_bytes()
    other.write_bytes(whole.replace(b"messenger-hub backup 1", b"messenger-hub backup 2"))
    await refused(story, other, Hindered, "newer")


async def test_a_back_up_of_a_broken_database_changes_nothing(story: Story, tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(os.urandom(50_000))
    forged(story, tmp_path / "other", database=tmp_path / "broken.db")
    await refused(story, tmp_path / "other", Unusable, "is damaged")


async def test_a_name_that_leads_out_of_the_folder_is_not_unpacked(story: Story, tmp_path: Path) -> None:
    forged(story, tmp_path / "other", also="../../escaped")
    await refused(story, tmp_path / "other", Hindered, "newer")
    assert not [*tmp_path.rglob("escaped")]


async def test_the_folder_of_another_hub_or_of_a_running_one_is_left_alone(story: Story, tmp_path: Path) -> None:
    async with running_hub(tmp_path / "stranger") as hub:
        await hub.channel()
        with pytest.raises(Hindered, match="in use by messenger-hub server"):
            await restore(tmp_path / "stranger", story.file)
    before = contents(tmp_path / "stranger")
    with pytest.raises(Clash, match="another hub"):
        await restore(tmp_path / "stranger", story.file)
    assert contents(tmp_path / "stranger") == before


async def test_a_folder_that_cannot_be_written_is_named(story: Story) -> None:
    with pytest.raises(Hindered, match="/proc/hub"):
        await restore(Path("/proc/hub"), story.file)
    (story.folder / "version").write_text("2\n")
    await refused(story, story.file, Hindered, "newer version")


async def test_a_database_that_another_program_has_open_is_not_replaced(story: Story) -> None:
    before = (story.folder / "hub.db").read_bytes()
    with closing(sqlite3.connect(f"file:{story.folder / 'hub.db'}?mode=ro", uri=True)) as reader:
        reader.execute("SELECT count(*) FROM operation").fetchone()
        with pytest.raises(Hindered, match="in use by another program"):
            await restore(story.folder, story.file)
    assert (story.folder / "hub.db").read_bytes() == before
    async with running_hub(story.folder) as hub:
        assert await states(hub, story.api) == {story.early: "pending"}


# ---- a crash in the middle --------------------------------------------------------------------------------------------------

STEPS = ["keep", "interrupt", "high-water.json", "registry-ids.json", "pepper", "admin-token", "database", "finish"]
KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from messenger_hub_server.backup import putting_back
with putting_back.opened(Path(sys.argv[1]), Path(sys.argv[2])) as restoring:
    outcome = asyncio.run(restoring.prepare(sys.argv[3], lambda *_: None))
    restoring.put_in_place(outcome, 1_700_000_000_000, lambda step: step == sys.argv[4] and os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.mark.parametrize("step", STEPS)
async def test_a_restore_that_is_killed_leaves_the_old_hub_the_new_one_or_a_word(story: Story, step: str) -> None:
    late = await story.go_on()
    (story.folder / "admin-token").unlink()
    (story.folder / "pepper").rename(story.folder.parent / "pepper")
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", KILLED, story.folder, story.file, PASSPHRASE, step], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    if step == "keep":  # nothing has changed yet
        shutil.copy(story.folder.parent / "pepper", story.folder / "pepper")
        async with running_hub(story.folder) as hub:
            assert await states(hub, story.api) == {story.early: "sent", late: "sent"}
            assert not (story.folder / ".restore").exists()
    elif step != "finish":
        await does_not_start(story.folder, "interrupted: repeat messenger-hub restore")
        await restore(story.folder, story.file)
    if step != "keep":
        await is_the_restored_hub(story, late)


async def is_the_restored_hub(story: Story, late: int) -> None:
    async with running_hub(story.folder) as hub:
        fresh = await send(hub, story.api, message="fresh", mobile="4930888")
        assert fresh > late + FAR
        async with story.desktop(hub) as agent:
            await agent.hello()
            assert (await agent.carry_out("SENT")).provenance.operation_id == fresh
        assert await states(hub, story.api) == {story.early: "sent", late: "sent", fresh: "sent"}


def test_the_steps_that_are_killed_are_all_there_are(story: Story) -> None:
    passed: list[str] = []
    (story.folder / "admin-token").unlink()
    (story.folder / "pepper").unlink()
    with putting_back.opened(story.folder, story.file) as restoring:
        restoring.put_in_place(asyncio.run(restoring.prepare(PASSPHRASE, unseen)), NOW_MS, passed.append)
    assert passed == STEPS


# ---- without a back-up ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [None, b"{", b'{"operation_id_limit":0,"channels":{}}'], ids=["lost", "damaged", "old"]
)
async def test_a_database_whose_high_water_file_was_lost_goes_on_after_a_persons_word(
    story: Story, content: bytes | None
) -> None:
    path = story.folder / "high-water.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    await does_not_start(story.folder, "restore --in-place")
    with putting_back.held(story.folder) as folder:
        outcome = await putting_back.in_place(folder, NOW_MS)
    assert (outcome.waiting, outcome.operations_open, outcome.unwitnessed) == (("main",), 1, True)
    async with running_hub(story.folder) as hub:
        fresh = await send(hub, story.api, message="fresh", mobile="4930888")
        assert fresh > FAR
        async with story.desktop(hub) as agent:
            await agent.hello()
            assert (await agent.carry_out("SENT")).provenance.operation_id == fresh
        assert (await find(hub, story.api, story.early)).status == operation_pb2.OPERATION_STATUS_UNCERTAIN


async def test_there_is_nothing_to_declare_old_where_no_hub_is(tmp_path: Path) -> None:
    with putting_back.held(tmp_path) as folder, pytest.raises(Unusable, match="no hub"):
        await putting_back.in_place(folder, NOW_MS)
