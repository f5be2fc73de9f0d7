"""What a failed commit to PostgreSQL means: nothing written, or unknown until it is over on the server."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator

import pytest
from messenger_hub.runtime.database import DatabaseError, DatabaseTooNew, NothingCommitted
from messenger_hub_server.model import WaId
from messenger_hub_server.store import base
from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.postgresql import database, schema
from messenger_hub_server.store.postgresql.store import PostgresqlStore
from messenger_hub_server.store.postgresql.types import Connection

from tests.postgresql import PostgresqlServer, postgresql_server
from tests.store.conftest import DIGEST
from tests.store.test_conformance import new
from tests.store.wire import Break, Wire, wire

ACCEPT = base.Accept(operation=new(1))
SLOW_COMMIT = """
SET search_path = messenger_hub;
CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(2); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER slowly AFTER INSERT ON operation DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slowly();
"""
COMMITTING = "SELECT pid FROM pg_stat_activity WHERE datname = '{}' AND query = 'COMMIT' AND state = 'active'"
SECONDS = 20


@pytest.fixture
async def cut(postgresql: PostgresqlServer) -> AsyncIterator[Wire]:
    async with wire(postgresql.folder) as one:
        yield one


@pytest.fixture
def name(postgresql: PostgresqlServer, template: str) -> str:
    return postgresql.database(template)


@pytest.fixture
async def store(cut: Wire, name: str) -> AsyncIterator[PostgresqlStore]:
    opened = await PostgresqlStore.open(cut.address(name), DIGEST)
    yield opened
    await opened.close()


@pytest.fixture
def own() -> Iterator[PostgresqlServer]:
    """A server that a test may crash."""
    with postgresql_server() as server:
        yield server


async def is_there(store: base.Store) -> bool:
    return bool(await store.known_wa_ids([new(1).wa_id, WaId("3EB0FF")]))


async def committing(server: PostgresqlServer, name: str) -> str:
    """The process that is at its COMMIT."""
    async with asyncio.timeout(SECONDS):
        while not (found := await asyncio.to_thread(server.sql, COMMITTING.format(name))):
            pass
    return found


async def test_a_commit_that_never_arrived_is_not_there_and_can_be_done_again(
    store: PostgresqlStore, cut: Wire
) -> None:
    cut.breaks = Break.BEFORE
    with pytest.raises(base.WriteUnknown):
        await store.apply([ACCEPT])
    assert not await is_there(store)
    assert await store.apply([ACCEPT]) == [base.Accepted(operation_id=new(1).id)]
    assert await is_there(store)


async def test_a_commit_whose_answer_was_lost_is_there(store: PostgresqlStore, cut: Wire) -> None:
    cut.breaks = Break.ANSWER
    with pytest.raises(base.WriteUnknown):
        await store.apply([ACCEPT])
    assert await is_there(store)


async def test_a_commit_that_is_still_on_its_way_never_arrives_after_it_was_called_missing(
    store: PostgresqlStore, cut: Wire
) -> None:
    cut.breaks = Break.HELD
    with pytest.raises(base.WriteUnknown):
        await store.apply([ACCEPT])
    assert not await is_there(store)
    cut.let_go.set()
    async with asyncio.timeout(SECONDS):
        await cut.over.wait()
    assert not await is_there(store)


async def test_a_commit_that_a_dead_node_left_behind_is_another_nodes_to_the_next_one(
    store: PostgresqlStore, cut: Wire, postgresql: PostgresqlServer, name: str
) -> None:
    postgresql.sql(SLOW_COMMIT, name)
    cut.breaks = Break.CLIENT
    with pytest.raises(base.WriteUnknown):
        await store.apply([base.Accept(operation=new(1, key=7))])
    following = await PostgresqlStore.open(postgresql.address(name), DIGEST)
    try:
        (repeated,) = await following.apply([base.Accept(operation=new(2, key=7))])
        assert isinstance(repeated, base.Known)
        assert repeated.operation_id == new(1).id
    finally:
        await following.close()


async def test_a_commit_that_an_administrator_ends_is_unknown_and_found_out(
    store: PostgresqlStore, postgresql: PostgresqlServer, name: str
) -> None:
    postgresql.sql(SLOW_COMMIT, name)
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(_unknown(store))
        process = await committing(postgresql, name)
        await asyncio.to_thread(postgresql.sql, f"SELECT pg_terminate_backend({process})")
        assert await writing
    assert not await is_there(store)


async def _unknown(store: base.Store) -> bool:
    with pytest.raises(base.WriteUnknown):
        await store.apply([ACCEPT])
    return True


async def test_a_commit_that_was_answered_to_nobody_outlives_a_crash_of_the_server(own: PostgresqlServer) -> None:
    async with wire(own.folder) as cut:
        store = await PostgresqlStore.open(cut.address(own.database()), DIGEST)
        cut.breaks = Break.ANSWER
        with pytest.raises(base.WriteUnknown):
            await store.apply([ACCEPT])
        own.stop(signal.SIGQUIT)
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(is_there(store))
            own.launch()
            await asyncio.to_thread(own.wait)
            assert await asked
        await store.close()


async def test_a_connection_that_ends_between_two_steps_of_its_library_is_one_that_ended(
    store: PostgresqlStore,
) -> None:
    async def stumble(connection: Connection) -> None:
        connection.terminate()
        raise AttributeError("'NoneType' object has no attribute 'bind_execute'")

    for way in (store._database.read, store._database.write):
        with pytest.raises(NothingCommitted):
            await way(stumble)
    assert not await is_there(store)


async def test_while_the_server_is_away_nothing_is_written_and_then_it_goes_on(own: PostgresqlServer) -> None:
    store = await PostgresqlStore.open(own.address(own.database()), DIGEST)
    own.stop()
    for _ in range(2):
        with pytest.raises(base.NothingWritten):
            await store.apply([ACCEPT])
        with pytest.raises(base.StoreError):
            await is_there(store)
    with pytest.raises(base.NothingWritten):
        await store.check_writable()
    own.start()
    assert await store.apply([ACCEPT]) == [base.Accepted(operation_id=new(1).id)]
    await store.check_writable()
    await store.close()


async def test_a_server_that_forgets_in_a_crash_is_refused(own: PostgresqlServer) -> None:
    address = own.address(own.database())
    for setting in ("fsync", "full_page_writes"):
        own.stop()
        own.start(**{setting: "off"})
        with pytest.raises(DatabaseError, match=f"{setting} = off .* set it to on in postgresql.conf"):
            await PostgresqlStore.open(address, DIGEST)


async def test_a_commit_waits_for_the_disk_whatever_the_user_is_set_to(postgresql: PostgresqlServer, name: str) -> None:
    postgresql.sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
    opened = await database.Database.open(postgresql.address(name))
    try:
        assert await opened.write(lambda connection: connection.fetchval("SHOW synchronous_commit")) == "on"
    finally:
        await opened.close()


async def test_several_nodes_work_on_one_database(store: PostgresqlStore, cut: Wire, name: str) -> None:
    second = await PostgresqlStore.open(cut.address(name), DIGEST, patience_seconds=0)
    try:
        assert await second.apply([ACCEPT]) == [base.Accepted(operation_id=new(1).id)]
        assert await is_there(store)
        await store.check_writable()
    finally:
        await second.close()


async def test_what_needs_a_database_for_itself_waits_for_every_node(
    store: PostgresqlStore, postgresql: PostgresqlServer, name: str
) -> None:
    address = postgresql.address(name)
    with pytest.raises(DatabaseError, match=f"at work on .*/{name}, which this needs for itself: stop every hub on it"):
        await database.Database.open(address, alone=True, patience_seconds=0)
    await store.close()
    alone = await database.Database.open(address, alone=True, patience_seconds=0)
    with pytest.raises(DatabaseError, match=f"/{name} is being moved or restored"):
        await PostgresqlStore.open(address, DIGEST, patience_seconds=0)
    await alone.close()
    await (await PostgresqlStore.open(address, DIGEST, patience_seconds=0)).close()


async def test_a_node_comes_back_to_its_database_while_something_waits_to_have_it_alone(
    store: PostgresqlStore, cut: Wire, postgresql: PostgresqlServer, name: str
) -> None:
    second = await PostgresqlStore.open(postgresql.address(name), DIGEST)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(database.Database.open(postgresql.address(name), alone=True))
        await tried_to_lock(postgresql, name)
        cut.breaks = Break.ANSWER
        with pytest.raises(base.WriteUnknown):
            await store.apply([ACCEPT])
        assert await is_there(store)
        await store.close()
        await second.close()
        await (await waiting).close()


async def tried_to_lock(server: PostgresqlServer, name: str) -> None:
    """Until something has asked for the database alone."""
    asked = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND query LIKE '%pg_advisory_unlock(%'"
    async with asyncio.timeout(SECONDS):
        while await asyncio.to_thread(server.sql, asked) == "0":
            pass


async def test_a_node_that_comes_back_to_a_newer_database_writes_nothing_and_says_why(
    store: PostgresqlStore, cut: Wire, postgresql: PostgresqlServer, name: str
) -> None:
    postgresql.sql("INSERT INTO messenger_hub.migration (name) VALUES ('9-later')", name)
    cut.breaks = Break.BEFORE
    with pytest.raises(base.WriteUnknown):
        await store.apply([ACCEPT])
    with pytest.raises(base.NothingWritten, match=r"newer version \(it has 9-later\)"):
        await store.apply([ACCEPT])


async def test_a_database_of_another_hub_is_refused(store: PostgresqlStore, cut: Wire, name: str) -> None:
    await store.close()
    with pytest.raises(DatabaseError, match="is the database of another hub"):
        await PostgresqlStore.open(cut.address(name), b"another")


async def test_a_database_of_a_newer_version_is_refused(postgresql: PostgresqlServer, name: str) -> None:
    postgresql.sql("INSERT INTO messenger_hub.migration (name) VALUES ('9-later')", name)
    with pytest.raises(DatabaseTooNew, match=r"newer version \(it has 9-later\): install that version again"):
        await PostgresqlStore.open(postgresql.address(name), DIGEST)


async def test_a_step_of_the_schema_that_fails_leaves_nothing_behind(postgresql: PostgresqlServer) -> None:
    async def fails(connection: Connection) -> None:
        await connection.execute("CREATE TABLE half_done (a integer); this is no SQL")

    address = postgresql.address(name := postgresql.database())
    steps = [*schema.MIGRATIONS, schema.Migration(name="2-broken", apply=fails)]
    with pytest.raises(DatabaseError):
        await database.Database.open(address, steps)
    assert postgresql.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'messenger_hub'", name) == "0"
    await (await PostgresqlStore.open(address, DIGEST)).close()


async def test_no_password_is_told_with_what_went_wrong() -> None:
    address = StoreAddress("postgresql://hub:geheim@127.0.0.1:1/hub?sslmode=disable")
    with pytest.raises(DatabaseError) as refused:
        await PostgresqlStore.open(address, DIGEST)
    told = f"{refused.value} {refused.value.__cause__} {address} {address!r}"
    assert "postgresql://127.0.0.1:1/hub cannot be reached" in told
    assert "geheim" not in told


RAISING = """
SET search_path = messenger_hub;
CREATE SEQUENCE raised;
CREATE FUNCTION raises() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN PERFORM nextval('messenger_hub.raised'); RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$;
CREATE CONSTRAINT TRIGGER raises AFTER INSERT ON operation {when} FOR EACH ROW EXECUTE FUNCTION raises();
GRANT ALL ON SEQUENCE raised TO hub;
"""
DISK_FULL, CONFLICT, TOO_LARGE = "53100", "40001", "22003"


@pytest.mark.parametrize("when", ["", "DEFERRABLE INITIALLY DEFERRED"], ids=["at the statement", "at the COMMIT"])
@pytest.mark.parametrize(
    ("code", "told", "tries"),
    [
        (DISK_FULL, base.NothingWritten, "1"),
        (CONFLICT, base.NothingWritten, str(database.TRIES)),
        (TOO_LARGE, base.StoreError, "1"),
    ],
)
async def test_what_the_server_refuses_was_not_written(
    postgresql: PostgresqlServer, name: str, when: str, code: str, told: type[base.StoreError], tries: str
) -> None:
    postgresql.sql(RAISING.format(code=code, when=when), name)
    store = await PostgresqlStore.open(postgresql.address(name), DIGEST)
    with pytest.raises(base.StoreError) as refused:
        await store.apply([ACCEPT])
    assert refused.type is told
    assert not await is_there(store)
    await store.check_writable()
    await store.close()
    # A sequence keeps what a transaction that was rolled back has taken.
    assert postgresql.sql("SELECT last_value FROM messenger_hub.raised", name) == tries
