"""Many writes in one call, which databases do in sets, give what the same writes give one after the other."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messenger_hub_server.model import LeaseId, OperationId, OperationState, WaId
from messenger_hub_server.store import base
from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.memory.store import MemoryStore
from messenger_hub_server.store.postgresql.store import PostgresqlStore
from messenger_hub_server.store.sqlite import SqliteStore

from tests.store.conftest import DIGEST
from tests.store.test_conformance import CHANNEL, S, _to, _write, both, claim, new, opened, random_writes

UPWARDS = [({S.LEASED}, S.SENT), ({S.SENT}, S.DELIVERED), ({S.DELIVERED}, S.READ), ({S.LEASED}, S.PENDING)]


def runs() -> st.SearchStrategy[list[list[tuple[object, ...]]]]:
    """Batches of random writes; neighbours are often of one kind, as the queue sorts them."""
    return st.lists(
        st.lists(random_writes, min_size=1, max_size=12).map(lambda one: sorted(one, key=_kind)), max_size=5
    )


def _kind(step: tuple[object, ...]) -> str:
    return str(step[0])


def _writes(batches: list[list[tuple[object, ...]]]) -> list[list[base.Write]]:
    positions = itertools.count(1)
    return [[_write(step, next(positions)) for step in batch] for batch in batches]


@settings(max_examples=60, deadline=None)
@given(runs())
def test_batches_give_the_outcomes_and_rows_of_single_writes_in_sqlite(batches: list[list[tuple[object, ...]]]) -> None:
    async def compare() -> None:
        with tempfile.TemporaryDirectory() as folder:
            await both(MemoryStore(), await SqliteStore.open(Path(folder) / "hub.db"), _writes(batches), moves=False)

    asyncio.run(compare())


@settings(max_examples=25, deadline=None)
@given(batches=runs())
def test_batches_give_the_outcomes_and_rows_of_single_writes_in_postgresql(
    batches: list[list[tuple[object, ...]]], emptied: Callable[[], StoreAddress]
) -> None:
    async def compare() -> None:
        await both(MemoryStore(), await PostgresqlStore.open(emptied(), DIGEST), _writes(batches), moves=True)

    asyncio.run(compare())


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, emptied: Callable[[], StoreAddress]
) -> AsyncIterator[base.Store]:
    async with opened(request.param, tmp_path, emptied) as one:
        yield one


async def test_one_key_twice_in_a_batch_is_one_operation(store: base.Store) -> None:
    outcomes = await store.apply([base.Accept(operation=new(i, key=7, parameters=i % 2)) for i in (1, 2, 3)])
    assert outcomes[0] == base.Accepted(operation_id=OperationId(1))
    assert [known.operation_id for known in outcomes[1:] if isinstance(known, base.Known)] == [1, 1]
    again = await store.apply([base.Accept(operation=new(i, key=7)) for i in (4, 5)])
    assert [known.parameters_hash for known in again if isinstance(known, base.Known)] == [b"p1", b"p1"]
    assert [operation.id for operation in await store.operations(base.Filter(limit=9))] == [1]


async def test_an_operation_goes_through_every_step_of_a_batch(store: base.Store) -> None:
    await store.apply([base.Accept(operation=new(1)), base.Accept(operation=new(2, chat="2@c.us")), claim("a", "b")])
    steps = [_to(to, source, number=number) for source, to in UPWARDS for number in (1, 2)]
    assert await store.apply(steps) == [True, True] * 3 + [False, False]
    for number in (1, 2):
        events = await store.events(OperationId(number))
        assert [event.state for event in events] == ["pending", "leased", "sent", "delivered", "read"]


async def test_of_many_starts_only_those_whose_lease_stands_are_true(store: base.Store) -> None:
    await store.apply([base.Accept(operation=new(i, chat=f"{i}@c.us")) for i in (1, 2, 3)])
    await store.apply([claim("a", "b", "c"), _to(OperationState.CANCELLED, {S.LEASED}, number=2)])
    starts = [
        base.Start(channel_id=CHANNEL, lease_id=LeaseId(lease), epoch=epoch)
        for lease, epoch in (("a", 1), ("b", 1), ("c", 2), ("c", 1))
    ]
    assert await store.apply(starts) == [True, False, False, True]


async def test_text_with_nul_is_kept_whole_among_others(store: base.Store) -> None:
    bodies = ["plain", "a\0b", 'quoted "\\u0000"', "ünï😀\u2028", "\0"]
    await store.apply([base.Accept(operation=new(i, chat=f"{i}@c.us", body=body)) for i, body in enumerate(bodies, 1)])
    (leased,) = await store.apply([claim(*"abcde")])
    assert [operation.body for operation in leased.operations] == bodies  # type: ignore[union-attr]
    ends = [_to(S.FAILED, {S.LEASED}, number=i, reason=f"why\0{i}") for i in range(1, 6)]
    assert await store.apply(ends) == [True] * 5
    found = await store.operations(base.Filter(limit=9))
    assert [(o.body, o.reason) for o in reversed(found)] == [(body, f"why\0{i}") for i, body in enumerate(bodies, 1)]


async def test_an_unknown_whatsapp_id_among_known_ones_changes_nothing(store: base.Store) -> None:
    await store.apply([base.Accept(operation=new(1)), claim("a")])
    known = _to(S.SENT, {S.LEASED}, operation_id=None, wa_id=new(1).wa_id)
    unknown = _to(S.SENT, {S.LEASED}, operation_id=None, wa_id=WaId("3EB0FF"))
    assert await store.apply([unknown, known, unknown]) == [False, True, False]


async def test_a_refused_transition_in_a_batch_writes_nothing_of_it(store: base.Store) -> None:
    await store.apply([base.Accept(operation=new(i, chat=f"{i}@c.us")) for i in (1, 2)])
    with pytest.raises(base.StoreError):
        await store.apply([_to(S.CANCELLED, {S.PENDING}), _to(S.READ, {S.PENDING}, number=2)])
    assert [operation.state for operation in await store.operations(base.Filter(limit=9))] == ["pending", "pending"]
