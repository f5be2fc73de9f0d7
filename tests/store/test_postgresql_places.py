"""Order in a chat between nodes whose clocks differ."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from messenger_hub_server.model import Problem
from messenger_hub_server.store import base
from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.postgresql import schema
from messenger_hub_server.store.postgresql.store import PostgresqlStore

from tests.postgresql import PostgresqlServer
from tests.store.behind import CHANNEL
from tests.store.conftest import DIGEST
from tests.store.test_conformance import S, _to, _write, claim, new
from tests.store.test_postgresql_nodes import Node, nodes  # noqa: F401 a fixture

NOON = 43_200_000


async def places(store: base.Store) -> dict[int, int]:
    return {operation.id: operation.place_ms for operation in await store.operations(base.Filter(limit=99))}


@pytest.fixture
async def store(address: StoreAddress):  # type: ignore[no-untyped-def]
    opened = await PostgresqlStore.open(address, DIGEST)
    yield opened
    await opened.close()


async def test_what_is_accepted_later_stands_behind_whatever_its_nodes_clock_and_its_number_say(
    store: base.Store,
) -> None:
    await store.apply([_write(("journal", 1), 1), base.Accept(operation=new(500, place_ms=NOON))])
    await store.apply([base.Accept(operation=new(20, place_ms=NOON - 60_000))])
    await store.apply([base.Accept(operation=new(10, place_ms=NOON))])
    await store.apply([base.Accept(operation=new(5, place_ms=NOON + 9))])
    assert await places(store) == {500: NOON, 20: NOON + 1, 10: NOON + 2, 5: NOON + 9}


async def test_what_is_held_until_later_stands_at_its_time_and_moves_nobody(store: base.Store) -> None:
    await store.apply([base.Accept(operation=new(1, place_ms=NOON))])
    await store.apply([base.Accept(operation=new(2, place_ms=NOON - 5, send_at_ms=NOON - 5))])
    await store.apply([base.Accept(operation=new(3, place_ms=NOON * 2, send_at_ms=NOON * 2))])
    await store.apply([base.Accept(operation=new(4, place_ms=NOON + 1))])
    assert await places(store) == {1: NOON, 2: NOON - 5, 3: NOON * 2, 4: NOON + 1}


async def test_channels_do_not_move_each_other(store: base.Store) -> None:
    await store.apply([base.Accept(operation=new(1, place_ms=NOON))])
    await store.apply([base.Accept(operation=new(2, channel_id=9, place_ms=5))])
    assert await places(store) == {1: NOON, 2: 5}


async def test_what_a_person_sends_again_stands_behind_what_was_accepted_meanwhile(store: base.Store) -> None:
    await store.apply([base.TakeEpoch(channel_id=CHANNEL, epoch=1, journal_id="j1")])  # type: ignore[arg-type]
    await store.apply([base.Accept(operation=new(1, place_ms=NOON))])
    await store.apply([claim("a", now_ms=NOON * 2), _to(S.UNCERTAIN, {S.LEASED})])
    await store.apply([base.Accept(operation=new(2, place_ms=NOON + 7))])
    again = base.Replace(
        operation_id=new(1).id,
        at_ms=9,
        reason="again",
        problem=Problem(code="resent", message="again"),
        successor=new(3, place_ms=NOON - 9),
    )
    assert await store.apply([again]) == [True]
    assert (await places(store))[3] == NOON + 8


async def test_what_a_journal_brings_back_keeps_its_place_and_what_is_accepted_next_goes_behind_it(
    store: base.Store,
) -> None:
    await store.apply([base.TakeEpoch(channel_id=CHANNEL, epoch=1, journal_id="j1")])  # type: ignore[arg-type]
    await store.apply([base.Accept(operation=new(1, place_ms=7, chat="2@c.us"))])
    assert await store.apply([_write(("import", 500, 100, None), 1)]) == [True]
    await store.apply([base.Accept(operation=new(2, place_ms=9))])
    assert await places(store) == {1: 7, 500: 500, 2: 501}


async def test_of_two_requests_at_once_on_one_channel_the_second_waits_and_goes_behind(
    nodes: tuple[Node, Node],  # noqa: F811
    address: StoreAddress,
) -> None:
    first, second = nodes
    await first.begin(base.Accept(operation=new(1, place_ms=NOON)))
    async with asyncio.TaskGroup() as group:
        accepting = group.create_task(second.begin(base.Accept(operation=new(2, place_ms=NOON - 9))))
        await second.waits()
        await first.commit()
        await accepting
    await second.commit()
    store = await PostgresqlStore.open(address, DIGEST)
    assert await places(store) == {1: NOON, 2: NOON + 1}
    await store.close()


async def test_a_channel_of_a_database_from_before_goes_on_accepting(postgresql: PostgresqlServer) -> None:
    address = postgresql.address(name := postgresql.database())
    connection = await asyncpg.connect(address.url, server_settings={"search_path": "messenger_hub"})
    await schema.migrate(connection, [one for one in schema.MIGRATIONS if one.name < "7"], name)
    await connection.execute("INSERT INTO place (channel_id, last_ms, before_ms) VALUES ($1, $2, 0)", CHANNEL, NOON)
    await connection.close()
    store = await PostgresqlStore.open(address, DIGEST)
    await store.apply([base.Accept(operation=new(9, place_ms=5))])
    assert await places(store) == {9: NOON + 1}
    await store.close()


async def test_a_database_from_before_goes_on_behind_what_waits_in_it(postgresql: PostgresqlServer) -> None:
    address = postgresql.address(name := postgresql.database())
    older = [migration for migration in schema.MIGRATIONS if migration.name < "3"]
    connection = await asyncpg.connect(address.url, server_settings={"search_path": "messenger_hub"})
    await schema.migrate(connection, older, name)
    await connection.close()
    columns = "(id, wa_id, channel_id, session_api_id, kind, recipient, target, lane, body, priority, state, reason, reference,"
    columns += " accepted_at_ms, place_ms, send_at_ms, changed_at_ms)"
    rows = ", ".join(
        f"({i}, 'w{i}', {CHANNEL}, 1, 'send_message', '1@c.us', '1@c.us', '1@c.us', '', 2, '{state}', '', '', 1, {place}, {send_at}, 1)"
        for i, state, place, send_at in (
            (1, "pending", NOON, "NULL"),
            (2, "leased", NOON + 3, "NULL"),
            (3, "pending", NOON * 2, NOON * 2),
            (4, "sent", NOON + 50, "NULL"),
        )
    )
    filled = f"SET search_path = messenger_hub; ALTER TABLE operation DISABLE TRIGGER USER; INSERT INTO operation {columns} VALUES {rows};"
    postgresql.sql(f"{filled} ALTER TABLE operation ENABLE TRIGGER USER", name)
    store = await PostgresqlStore.open(address, DIGEST)
    await store.apply([base.Accept(operation=new(9, place_ms=5))])
    assert (await places(store))[9] == NOON + 4
    await store.close()
