"""Memory, SQLite and PostgreSQL behave alike: the same writes give the same outcomes and the same rows."""

import asyncio
import dataclasses
import itertools
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from messenger_hub_server.delivery.states import TRANSITIONS
from messenger_hub_server.model import (
    Agent,
    AgentId,
    ApiKey,
    Channel,
    ChannelId,
    Enrolment,
    Group,
    Idempotency,
    JournalId,
    LeaseId,
    LeaseMark,
    NewOperation,
    OperationId,
    OperationKind,
    OperationState,
    Priority,
    Problem,
    Restoration,
    SessionApi,
    SessionApiId,
    WaId,
)
from messenger_hub_server.store import base
from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.memory.store import MemoryStore
from messenger_hub_server.store.postgresql.store import PostgresqlStore
from messenger_hub_server.store.sqlite import SqliteStore
from msgspec.structs import replace

from tests.store.behind import CHANNEL, Behind
from tests.store.conftest import DIGEST

JOURNAL = JournalId("j1")
S = OperationState


def new(
    number: int, *, chat: str = "1@c.us", key: int | None = None, parameters: int = 0, **more: object
) -> NewOperation:
    values: dict[str, object] = {
        "id": OperationId(number),
        "wa_id": WaId(f"3EB0{number:018X}"),
        "channel_id": CHANNEL,
        "session_api_id": SessionApiId(1),
        "kind": OperationKind.SEND_MESSAGE,
        "recipient": chat,
        "target": chat,
        "body": "text",
        "accepted_at_ms": number,
        "place_ms": number,
        "idempotency": Idempotency(key_hash=b"k%d" % key, parameters_hash=b"p%d" % parameters)
        if key is not None
        else None,
    }
    return NewOperation(**(values | more))  # type: ignore[arg-type]


NOTHING_YET = base.Leased(operations=[], waits=True)


def claim(*leases: str, epoch: int = 1, now_ms: int = 1_000) -> base.Claim:
    return base.Claim(
        channel_id=CHANNEL,
        epoch=epoch,
        journal_id=JOURNAL,
        lease_ids=[LeaseId(lease) for lease in leases],
        now_ms=now_ms,
        reason="leased",
    )


def handed(number: int, lease: str, **more: object) -> base.Accept:
    """An operation that is accepted with a lease of the first epoch."""
    mark = LeaseMark(epoch=1, lease_id=LeaseId(lease), journal_id=JOURNAL)
    return base.Accept(operation=new(number, **more), lease=mark, lease_reason="handed")  # type: ignore[arg-type]


class Nodes:
    """Two stores on one database: each call goes to the other one than the last."""

    def __init__(self, *stores: base.Store) -> None:
        self._stores = stores
        self._turns = itertools.cycle(stores)

    @classmethod
    async def open(cls, address: StoreAddress) -> base.Store:
        stores = [await PostgresqlStore.open(address, DIGEST) for _ in range(2)]
        return cast("base.Store", cls(*stores))

    def __getattr__(self, name: str) -> object:
        return getattr(next(self._turns), name)

    async def close(self) -> None:
        for store in self._stores:
            await store.close()


@asynccontextmanager
async def opened(kind: str, folder: Path, emptied: Callable[[], StoreAddress]) -> AsyncIterator[base.Store]:
    """A new store, with an epoch of the channel."""
    match kind:
        case "memory":
            store: base.Store = MemoryStore()
        case "sqlite":
            store = await SqliteStore.open(folder / "hub.db")
        case "nodes":
            store = await Nodes.open(emptied())
        case _:
            store = await PostgresqlStore.open(emptied(), DIGEST)
    try:
        await store.apply([base.TakeEpoch(channel_id=CHANNEL, epoch=1, journal_id=JOURNAL)])
        yield store
    finally:
        await store.close()


@pytest.fixture(params=["memory", "sqlite", "postgresql", "nodes"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, emptied: Callable[[], StoreAddress]
) -> AsyncIterator[base.Store]:
    async with opened(request.param, tmp_path, emptied) as one:
        yield one


@pytest.fixture(params=["sqlite", "postgresql", "nodes"])
async def database(
    request: pytest.FixtureRequest, tmp_path: Path, emptied: Callable[[], StoreAddress]
) -> AsyncIterator[base.Store]:
    """One whose rules are kept by constraints."""
    async with opened(request.param, tmp_path, emptied) as one:
        yield one


async def test_the_oldest_of_each_chat_is_leased_and_nothing_behind_it(store: base.Store) -> None:
    chats = ["1@c.us", "1@c.us", "2@c.us", "1@c.us", "3@c.us"]
    await store.apply([base.Accept(operation=new(i, chat=chat)) for i, chat in enumerate(chats, 1)])
    (leased,) = await store.apply([claim("a", "b", "c", "d")])
    assert [operation.id for operation in leased.operations] == [1, 3, 5]  # type: ignore[union-attr]
    assert (await store.apply([claim("e")])) == [NOTHING_YET]


async def test_a_higher_priority_goes_first_but_not_while_its_chat_has_a_lease(store: base.Store) -> None:
    await store.apply([base.Accept(operation=new(1)), base.Accept(operation=new(2, priority=Priority.HIGH))])
    (first,) = await store.apply([claim("a", "b")])
    assert [operation.id for operation in first.operations] == [2]  # type: ignore[union-attr]


async def test_a_claim_says_whether_anything_is_left_behind(store: base.Store) -> None:
    await store.apply(
        [base.Accept(operation=new(i, chat=chat)) for i, chat in ((1, "1@c.us"), (2, "1@c.us"), (3, "2@c.us"))]
    )
    leased = await store.apply([claim("a", "b")])
    assert [one.waits for one in leased if isinstance(one, base.Leased)] == [True]
    await store.apply([_to(S.SENT, {S.LEASED}, number=1), _to(S.CANCELLED, {S.PENDING}, number=2)])
    assert await store.apply([claim("c")]) == [base.Leased(operations=[], waits=False)]


async def test_what_nothing_stands_before_is_accepted_straight_into_its_lease(store: base.Store) -> None:
    outcomes = await store.apply([handed(1, "a"), handed(2, "b", chat="2@c.us")])
    assert outcomes == [base.Accepted(operation_id=OperationId(i), leased=True) for i in (1, 2)]
    first = await store.operation(OperationId(1))
    assert first is not None
    mark = LeaseMark(epoch=1, lease_id=LeaseId("a"), journal_id=JOURNAL)
    assert (first.state, first.lease, first.attempts, first.reason) == (S.LEASED, mark, 1, "handed")
    assert [(e.state, e.reason) for e in await store.events(OperationId(1))] == [
        ("pending", "Accepted"),
        ("leased", "handed"),
    ]
    assert await store.apply([base.Start(channel_id=CHANNEL, lease_id=LeaseId("a"), epoch=1)]) == [True]


@pytest.mark.parametrize("before", ["pending", "leased", "held", "of the same writes"])
async def test_what_something_of_its_chat_stands_before_waits(store: base.Store, before: str) -> None:
    later = {"place_ms": 900, "send_at_ms": 900} if before == "held" else {}
    there: list[base.Write] = [base.Accept(operation=new(1, **later)), *([claim("z")] if before == "leased" else [])]  # type: ignore[arg-type]
    if before != "of the same writes":
        await store.apply(there)
        there = []
    *_, outcome = await store.apply([*there, handed(2, "a")])
    assert outcome == base.Accepted(operation_id=OperationId(2))
    row = await store.operation(OperationId(2))
    assert row is not None
    assert (row.state, row.lease, row.attempts) == (S.PENDING, None, 0)


async def test_of_two_of_a_chat_in_one_step_the_first_is_leased(store: base.Store) -> None:
    outcomes = await store.apply([handed(1, "a"), handed(2, "b")])
    assert outcomes == [
        base.Accepted(operation_id=OperationId(1), leased=True),
        base.Accepted(operation_id=OperationId(2)),
    ]


async def test_under_an_epoch_that_is_over_what_is_accepted_waits(store: base.Store) -> None:
    await store.apply([base.TakeEpoch(channel_id=CHANNEL, epoch=5, journal_id=JOURNAL)])
    assert await store.apply([handed(1, "a")]) == [base.Accepted(operation_id=OperationId(1))]


async def test_on_a_restored_channel_what_is_accepted_waits(store: base.Store) -> None:
    assert (await store.apply([mark(), handed(1, "a")]))[1] == base.Accepted(operation_id=OperationId(1))


async def test_what_is_to_go_later_is_not_leased_when_it_is_accepted(store: base.Store) -> None:
    assert await store.apply([handed(1, "a", place_ms=900, send_at_ms=900)]) == [
        base.Accepted(operation_id=OperationId(1))
    ]


async def test_a_key_that_is_known_uses_no_lease(store: base.Store) -> None:
    outcomes = await store.apply([handed(1, "a", key=7), handed(2, "b", chat="2@c.us", key=7)])
    assert outcomes[0] == base.Accepted(operation_id=OperationId(1), leased=True)
    assert isinstance(outcomes[1], base.Known)
    assert [o.id for o in await store.operations(base.Filter(limit=9))] == [1]


async def test_an_old_epoch_leases_nothing(store: base.Store) -> None:
    await store.apply([base.Accept(operation=new(1))])
    await store.apply([base.TakeEpoch(channel_id=CHANNEL, epoch=5, journal_id=JOURNAL)])
    assert await store.apply([claim("a", epoch=1)]) == [NOTHING_YET]
    assert await store.apply([base.TakeEpoch(channel_id=CHANNEL, epoch=5, journal_id=JOURNAL)]) == [False]


@pytest.mark.parametrize("count", [1, 2])
async def test_under_an_epoch_that_is_over_nothing_starts(store: base.Store, count: int) -> None:
    await store.apply([handed(1, "a"), base.TakeEpoch(channel_id=CHANNEL, epoch=2, journal_id=JOURNAL)])
    start = base.Start(channel_id=CHANNEL, lease_id=LeaseId("a"), epoch=1)
    assert await store.apply([start] * count) == [False] * count
    first = await store.operation(OperationId(1))
    assert first is not None and first.lease is not None and not first.lease.started


async def test_what_is_held_until_later_is_not_leased_before(store: base.Store) -> None:
    await store.apply(
        [base.Accept(operation=new(1, place_ms=500, send_at_ms=500)), base.Accept(operation=new(2, expires_at_ms=50))]
    )
    assert await store.apply([claim("a", "b", now_ms=100)]) == [NOTHING_YET]
    assert await store.next_wake_at_ms(10) == 50
    assert await store.apply([base.ExpireDue(now_ms=100, reason="late")]) == [[2]]
    (leased,) = await store.apply([claim("a", now_ms=500)])
    assert [operation.id for operation in leased.operations] == [1]  # type: ignore[union-attr]


async def test_what_was_accepted_while_the_clock_was_ahead_goes_at_once_and_keeps_its_place(store: base.Store) -> None:
    await store.apply([base.Accept(operation=new(1, place_ms=500)), base.Accept(operation=new(2, place_ms=500))])
    assert await store.next_wake_at_ms(0) is None
    (leased,) = await store.apply([claim("a", "b", now_ms=100)])
    assert [operation.id for operation in leased.operations] == [1]  # type: ignore[union-attr]


async def test_what_is_held_holds_up_nothing_behind_its_place(store: base.Store) -> None:
    held = new(1, place_ms=500, send_at_ms=500)
    await store.apply([base.Accept(operation=held), base.Accept(operation=new(2, place_ms=600))])
    (leased,) = await store.apply([claim("a", "b", now_ms=100)])
    assert [operation.id for operation in leased.operations] == [2]  # type: ignore[union-attr]


async def test_what_comes_due_goes_at_its_place(store: base.Store) -> None:
    held = new(1, place_ms=500, send_at_ms=500)
    waiting = [base.Accept(operation=new(number, place_ms=place)) for number, place in ((2, 400), (3, 600))]
    await store.apply([base.Accept(operation=held), *waiting])
    order = []
    for lease in ("a", "b", "c"):
        (leased,) = await store.apply([claim(lease, now_ms=700)])
        (operation,) = leased.operations  # type: ignore[union-attr]
        order.append(operation.id)
        await store.apply([_to(S.SENT, {S.LEASED}, number=operation.id)])
    assert order == [2, 1, 3]


async def test_the_latest_place_is_that_of_what_waits_or_is_leased_and_does_not_stand_at_its_send_at(
    store: base.Store,
) -> None:
    assert await store.latest_place_ms() == 0
    places = {1: 300, 2: 200, 3: 100}
    await store.apply([base.Accept(operation=new(number, place_ms=place)) for number, place in places.items()])
    await store.apply([base.Accept(operation=new(4, place_ms=900, send_at_ms=900))])
    await store.apply([_to(S.CANCELLED, {S.PENDING}, number=1)])
    assert await store.latest_place_ms() == 200
    (leased,) = await store.apply([claim("a", now_ms=500)])
    assert [operation.id for operation in leased.operations] == [3]  # type: ignore[union-attr]
    await store.apply([_to(S.CANCELLED, {S.PENDING}, number=2)])
    assert await store.latest_place_ms() == 100


async def test_a_known_key_tells_whose_it_is_and_inserts_nothing(store: base.Store) -> None:
    outcomes = await store.apply([base.Accept(operation=new(i, key=7, parameters=i)) for i in (1, 2)])
    assert outcomes == [
        base.Accepted(operation_id=OperationId(1)),
        base.Known(operation_id=OperationId(1), recipient="1@c.us", target="1@c.us", parameters_hash=b"p1"),
    ]
    assert await store.operation(OperationId(2)) is None


async def test_every_transition_has_its_event_in_order(store: base.Store) -> None:
    await store.apply([base.Accept(operation=new(1)), claim("a")])
    await store.apply([_to(S.SENT, {S.LEASED}), _to(S.DELIVERED, {S.SENT}), _to(S.READ, {S.DELIVERED})])
    events = await store.events(OperationId(1))
    assert [event.state for event in events] == ["pending", "leased", "sent", "delivered", "read"]
    assert [event.id for event in events] == sorted(event.id for event in events)


async def test_a_started_lease_is_not_cancelled_and_a_cancelled_one_not_started(store: base.Store) -> None:
    await store.apply([base.Accept(operation=new(1)), base.Accept(operation=new(2, chat="2@c.us")), claim("a", "b")])
    assert await store.apply([base.Start(channel_id=CHANNEL, lease_id=LeaseId("a"), epoch=1)]) == [True]
    cancel = [_to(S.CANCELLED, {S.PENDING, S.LEASED}, number=i, started=False) for i in (1, 2)]
    assert await store.apply(cancel) == [False, True]
    assert await store.apply([base.Start(channel_id=CHANNEL, lease_id=LeaseId("b"), epoch=1)]) == [False]


async def test_a_stranger_changes_nothing(store: base.Store) -> None:
    await store.apply([base.Accept(operation=new(1))])
    assert await store.apply([_to(S.CANCELLED, {S.PENDING}, session_api_id=SessionApiId(2))]) == [False]


async def test_sending_again_is_one_compare_and_set(store: base.Store) -> None:
    await store.apply([base.Accept(operation=new(1)), claim("a"), _to(S.UNCERTAIN, {S.LEASED})])
    again = [
        base.Replace(
            operation_id=OperationId(1),
            at_ms=9,
            reason="again",
            problem=Problem(code="resent", message="again"),
            successor=new(i),
        )
        for i in (2, 3)
    ]
    assert await store.apply(again) == [True, False]
    first = await store.operation(OperationId(1))
    assert first is not None and first.state == S.FAILED and first.successor == 2
    assert await store.operation(OperationId(3)) is None


async def test_an_operation_that_only_the_journal_knows_is_imported_once(store: base.Store) -> None:
    mark = LeaseMark(epoch=1, lease_id=LeaseId("x"), journal_id=JOURNAL, started=True)
    write = base.Import(operation=new(1, key=1), spare_id=OperationId(50), lease=mark, at_ms=5, reason="imported")
    assert await store.apply([write, write]) == [True, False]
    imported = await store.operation(OperationId(1))
    assert imported is not None and imported.state == S.LEASED and imported.lease == mark


async def test_what_is_imported_and_was_not_sent_goes_after_what_was_accepted_before_it(store: base.Store) -> None:
    """Those stand at places of a clock that was ahead; the journal knows only when the other was accepted."""
    earlier, later = new(1, accepted_at_ms=10, place_ms=500), new(2, accepted_at_ms=30, place_ms=500)
    other = new(3, accepted_at_ms=10, place_ms=900, target="49301@c.us")
    await store.apply([base.Accept(operation=one) for one in (earlier, later, other)])
    mark = LeaseMark(epoch=0, lease_id=LeaseId("x"), journal_id=JOURNAL, started=True)
    write = base.Import(
        operation=new(40, accepted_at_ms=20), spare_id=OperationId(50), lease=mark, at_ms=40, reason="imported"
    )
    assert await store.apply([write]) == [True]
    imported = await store.operation(OperationId(40))
    assert imported is not None and imported.place_ms == 500


async def test_the_registry_is_read_back_as_it_was_put(store: base.Store) -> None:
    channel = Channel(id=CHANNEL, name="Shop", created_at_ms=1)
    session_api = SessionApi(id=SessionApiId(3), name="CRM", channel_id=CHANNEL, scopes=frozenset({1, 2}))
    key = ApiKey(key_id="k", session_api_id=SessionApiId(3), digest=b"\x00\xff")
    enrolment = Enrolment(token_digest=b"t", name="desk", channel_id=CHANNEL, expires_at_ms=10)
    agent = Agent(id=AgentId(1), name="desk", credential_digest=b"c", channel_ids=frozenset({CHANNEL}))
    await store.apply([base.Put(record=record) for record in (channel, session_api, key, enrolment)])
    redeem = base.Redeem(token_digest=b"t", now_ms=5, agent=agent)
    assert await store.apply([redeem, redeem]) == [True, False]
    registry = await store.registry()
    assert (list(registry.channels), list(registry.session_apis)) == ([channel], [session_api])
    assert (list(registry.keys), list(registry.agents)) == ([key], [agent])
    assert await store.apply([base.Remove(channel_id=CHANNEL)]) == [True]
    assert not (await store.registry()).keys


async def test_an_agent_and_the_channel_that_it_owns_are_there_together_or_not_at_all(store: base.Store) -> None:
    channel = Channel(id=CHANNEL, name="Shop", created_at_ms=1)
    enrolment = Enrolment(token_digest=b"t", name="desk", channel_id=CHANNEL, expires_at_ms=10)
    agent = Agent(id=AgentId(1), name="desk", credential_digest=b"c", channel_ids=frozenset({CHANNEL}))
    await store.apply([base.Put(record=record) for record in (channel, enrolment)])
    owned = dataclasses.replace(channel, agent_id=agent.id)
    redeem = base.Redeem(token_digest=b"t", now_ms=5, agent=agent, channel=owned)
    assert await store.apply([replace(redeem, now_ms=10)]) == [False]
    registry = await store.registry()
    assert (list(registry.channels), list(registry.agents)) == ([channel], [])
    assert await store.apply([redeem]) == [True]
    registry = await store.registry()
    assert (list(registry.channels), list(registry.agents)) == ([owned], [agent])


async def test_groups_listing_and_counts_are_read_back(store: base.Store) -> None:
    group = Group(group_id="1@g.us", name="Team", participants=3)
    await store.apply([base.PutGroups(channel_id=CHANNEL, groups=[group], as_of_ms=4)])
    await store.apply([base.Accept(operation=new(i, reference=f"r{i % 2}")) for i in range(1, 6)])
    groups, as_of_ms = await store.groups(CHANNEL)
    assert (list(groups), as_of_ms) == ([group], 4)
    page = await store.operations(base.Filter(reference="r1", limit=2, before=OperationId(5)))
    assert [operation.id for operation in page] == [3, 1]
    assert (await store.counts())[S.PENDING] == 5
    assert (await store.queue_depth(CHANNEL)).oldest_accepted_at_ms == 1
    assert await store.uncertain_counts() == {}
    await store.apply([_to(S.UNCERTAIN, {S.PENDING}, number=n) for n in (1, 2)])
    assert await store.uncertain_counts() == {CHANNEL: 2}


async def test_a_channel_waits_since_the_first_place_of_what_could_go_or_is_under_way(store: base.Store) -> None:
    other = ChannelId(2)
    held = new(1, place_ms=900, send_at_ms=900)
    await store.apply([base.Accept(operation=one) for one in (held, new(5), new(6, chat="2@c.us"))])
    await store.apply([base.Accept(operation=new(7, channel_id=other, place_ms=950, send_at_ms=950))])
    assert await store.waiting_since(899) == {CHANNEL: 5}
    assert await store.waiting_since(950) == {CHANNEL: 5, other: 950}
    await store.apply([claim("a", "b", now_ms=20)])
    assert await store.waiting_since(20) == {CHANNEL: 5}
    later = base.Change(
        wa_id=new(5).wa_id, from_states=frozenset({S.LEASED}), to=S.PENDING, at_ms=30, reason="later", not_before_ms=700
    )
    await store.apply([later])
    assert await store.waiting_since(699) == {CHANNEL: 6}
    assert await store.waiting_since(700) == {CHANNEL: 5}
    await store.apply([_to(S.CANCELLED, {S.PENDING}, number=1), _to(S.CANCELLED, {S.PENDING}, number=5)])
    await store.apply([_to(S.SENT, {S.LEASED}, number=6)])
    assert await store.waiting_since(949) == {}


async def test_operations_are_found_by_a_part_of_their_recipient_and_by_age(store: base.Store) -> None:
    await store.apply([base.Accept(operation=new(i, chat=f"4930{i}00@c.us")) for i in range(1, 5)])
    found = await store.operations(base.Filter(recipient="302", limit=9))
    assert [operation.id for operation in found] == [2]
    found = await store.operations(base.Filter(recipient="00", placed_before_ms=4, limit=9))
    assert [operation.id for operation in found] == [3, 2, 1]


async def test_what_waits_for_long_is_counted_by_its_place_and_no_further_than_asked(store: base.Store) -> None:
    await store.apply([base.Accept(operation=new(i, priority=Priority(1 + i % 3))) for i in range(1, 8)])
    await store.apply([_to(S.CANCELLED, {S.PENDING}, number=3)])
    assert await store.overdue(CHANNEL, 2, 6, 10) == (3, 2)  # 2, 4 and 5
    assert await store.overdue(CHANNEL, 0, 99, 5) == (5, 1)
    assert await store.overdue(ChannelId(9), 0, 99, 5) == (0, 0)


async def test_what_happened_is_counted_in_steps_of_time(store: base.Store) -> None:
    assert await store.passed(0, 10) == []
    await store.apply([base.Accept(operation=new(i)) for i in (1, 11, 12, 25)])
    await store.apply([_to(S.FAILED, {S.PENDING}, number=n, at_ms=31) for n in (1, 12)])
    found = {(one.step, one.before, one.state): one.count for one in await store.passed(5, 10)}
    assert found == {(0, None, S.PENDING): 2, (2, None, S.PENDING): 1, (2, S.PENDING, S.FAILED): 2}
    assert await store.passed(32, 10) == []


def _to(to: S, source: set[S], *, number: int = 1, **more: object) -> base.Change:
    values: dict[str, object] = {
        "operation_id": OperationId(number),
        "from_states": frozenset(source),
        "to": to,
        "at_ms": 9,
        "reason": to.value,
    }
    return base.Change(**(values | more))  # type: ignore[arg-type]


numbers = st.integers(1, 8)
# Only a claim or an import leases: a change that did would leave a lease without its mark.
allowed = st.sampled_from(
    [(source, to) for source, targets in TRANSITIONS.items() for to in sorted(targets - {S.LEASED})]
)
random_writes = st.one_of(
    st.builds(
        lambda chat, key, parameters, place, send_at, epoch: ("accept", chat, key, parameters, place, send_at, epoch),
        st.sampled_from(["1@c.us", "2@c.us"]),
        st.none() | st.integers(0, 2),
        st.integers(0, 1),
        st.integers(0, 60),
        st.none() | st.integers(0, 60),
        st.none() | st.integers(1, 2),
    ),
    st.builds(lambda count, now: ("claim", count, now), st.integers(0, 3), st.integers(0, 60)),
    st.builds(lambda lease: ("start", lease), numbers),
    st.builds(lambda number, move, lease, started: ("change", number, move, lease, started), numbers, allowed,
              st.none() | numbers, st.none() | st.booleans()),
    st.builds(lambda reference, leased: ("queue", reference, leased), st.none() | st.just(""), st.booleans()),
    st.builds(lambda now: ("expire", now), st.integers(0, 60)),
    st.builds(lambda sequence: ("journal", sequence), numbers),
    st.builds(lambda number, spare, key: ("import", number, spare, key), st.integers(500, 503), st.integers(100, 105), st.none() | st.integers(0, 2)),
)  # fmt: skip


def _write(step: tuple[object, ...], position: int) -> base.Write:
    match step:
        case ("accept", str(chat), key, int(parameters), int(place), send_at, epoch):
            operation = new(position, chat=chat, key=key, parameters=parameters, place_ms=place, send_at_ms=send_at)  # type: ignore[arg-type]
            if epoch is None:
                return base.Accept(operation=operation)
            lease = LeaseMark(epoch=int(epoch), lease_id=LeaseId(f"L{position}-0"), journal_id=JOURNAL)  # type: ignore[call-overload]
            return base.Accept(operation=operation, lease=lease, lease_reason="handed")
        case ("claim", int(count), int(now)):
            return claim(*[f"L{position}-{i}" for i in range(count)], now_ms=now)
        case ("start", lease):
            return base.Start(channel_id=CHANNEL, lease_id=LeaseId(f"L{lease}-0"), epoch=1)
        case ("change", int(number), (source, to), lease, started):
            lease_id = LeaseId(f"L{lease}-0") if lease is not None else None
            return _to(to, {source}, number=number, lease_id=lease_id, started=started)
        case ("queue", reference, bool(leased)):
            return base.ChangeQueue(
                channel_id=CHANNEL,
                reference=reference,  # type: ignore[arg-type]
                leased_too=leased,
                to=S.CANCELLED,
                at_ms=9,
                reason="cleared",
            )
        case ("expire", int(now)):
            return base.ExpireDue(now_ms=now, reason="expired")
        case ("journal", int(sequence)):
            return base.AdvanceJournal(channel_id=CHANNEL, journal_id=JOURNAL, sequence=sequence)
        case ("import", int(number), int(spare), key):
            mark = LeaseMark(epoch=1, lease_id=LeaseId(f"I{position}"), journal_id=JOURNAL, started=True)
            unknown = new(number, key=key, wa_id=WaId(f"3EB1{2 * number + position % 2:018X}"))  # type: ignore[arg-type]
            spare_id = OperationId(spare * 1_000 + position)
            return base.Import(operation=unknown, spare_id=spare_id, lease=mark, at_ms=9, reason="imported")
        case _:
            raise AssertionError(step)


async def same(mine: base.Store, theirs: base.Store) -> None:
    """Both hold the same rows and timelines."""
    everything = base.Filter(limit=1_000)
    assert list(await mine.operations(everything)) == list(await theirs.operations(everything))
    for operation in await mine.operations(everything):
        ours, others = await mine.events(operation.id), await theirs.events(operation.id)
        assert [(e.state, e.at_ms, e.reason) for e in ours] == [(e.state, e.at_ms, e.reason) for e in others]


async def both(memory: MemoryStore, other: base.Store, batches: list[list[base.Write]], *, moves: bool) -> None:
    """The same writes, in transactions, give the same outcomes and rows in both, one after the other in the first. `moves`: the other
    one moves what it accepts behind what it has."""
    behind = Behind()
    try:
        for batch in batches:
            writes = [base.TakeEpoch(channel_id=CHANNEL, epoch=1, journal_id=JOURNAL), *batch]
            expected: list[base.Outcome] = []
            for write in behind.moved(writes) if moves else writes:
                expected += await memory.apply([write])
                await behind.imported(memory, write)
            assert list(await other.apply(writes)) == expected, writes
        await same(memory, other)
    finally:
        await other.close()


def singly(steps: list[tuple[object, ...]]) -> list[list[base.Write]]:
    """Each in a transaction of its own."""
    return [[_write(step, position)] for position, step in enumerate(steps, 1)]


@settings(max_examples=60, deadline=None)
@given(st.lists(random_writes, min_size=1, max_size=25))
def test_any_writes_give_the_same_outcomes_and_rows_in_sqlite(steps: list[tuple[object, ...]]) -> None:
    async def compare() -> None:
        with tempfile.TemporaryDirectory() as folder:
            await both(MemoryStore(), await SqliteStore.open(Path(folder) / "hub.db"), singly(steps), moves=False)

    asyncio.run(compare())


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(random_writes, min_size=1, max_size=25))
def test_any_writes_give_the_same_outcomes_and_rows_in_postgresql(
    steps: list[tuple[object, ...]], emptied: Callable[[], StoreAddress]
) -> None:
    async def compare() -> None:
        await both(MemoryStore(), await Nodes.open(emptied()), singly(steps), moves=True)

    asyncio.run(compare())


async def test_the_database_itself_refuses_a_transition_that_the_table_lacks(database: base.Store) -> None:
    store = database
    await store.apply([base.Accept(operation=new(1))])
    with pytest.raises(base.StoreError):
        await store.apply([_to(S.READ, {S.PENDING})])
    operation = await store.operation(OperationId(1))
    assert operation is not None and operation.state == S.PENDING


async def test_erased_operations_keep_what_stops_a_duplicate_and_nothing_of_the_person(store: base.Store) -> None:
    await store.apply([base.Accept(operation=new(n, chat="7@c.us", key=n, reference="r")) for n in (1, 2, 3)])
    problem = Problem(code="no", message="7 is away")
    await store.apply([_to(S.FAILED, {S.PENDING}, problem=problem), _to(S.CANCELLED, {S.PENDING}, number=2)])
    ids = [OperationId(n) for n in (1, 2, 3, 9)]
    assert await store.apply([base.Erase(operation_ids=ids, at_ms=50)]) == [2]
    assert await store.apply([base.Erase(operation_ids=ids, at_ms=60)]) == [0]
    (left,) = await store.operations_of("7@c.us", OperationId(0), 10)
    blank = await store.operation(OperationId(1))
    assert blank is not None
    assert (left.id, blank.recipient, blank.target, blank.body, blank.reference) == (3, "", "", "", "")
    assert (blank.state, blank.wa_id, blank.problem) == (S.FAILED, new(1).wa_id, Problem(code="no", message=""))
    assert [event.reason for event in await store.events(OperationId(1))] == ["", ""]
    assert sorted(await store.erased(CHANNEL, 0)) == [new(1).wa_id, new(2).wa_id]
    assert await store.erased(CHANNEL, 10_000) == []
    known = (await store.apply([base.Accept(operation=new(4, chat="7@c.us", key=1))]))[0]
    assert known == base.Known(operation_id=OperationId(1), recipient="", target="", parameters_hash=b"p0")


async def test_ages_are_read_up_to_what_is_young_and_only_settled_rows_are_deleted(store: base.Store) -> None:
    await store.apply([base.Accept(operation=new(n)) for n in (1, 2, 3)])
    await store.apply([_to(S.CANCELLED, {S.PENDING})])
    await store.apply([base.Erase(operation_ids=[OperationId(1)], at_ms=50)])
    ages = await store.ages(OperationId(0), 3, 10)
    assert [(age.id, age.state, age.erased) for age in ages] == [(1, S.CANCELLED, True), (2, S.PENDING, False)]
    assert [age.id for age in await store.ages(OperationId(1), 9, 1)] == [2]
    assert await store.apply([base.Purge(operation_ids=[OperationId(n) for n in (1, 2, 3)])]) == [1]
    assert [o.id for o in await store.operations(base.Filter(limit=9))] == [3, 2]


async def test_a_queue_can_be_changed_for_one_target_alone(store: base.Store) -> None:
    await store.apply([base.Accept(operation=new(1, chat="7@c.us")), base.Accept(operation=new(2, chat="8@c.us"))])
    cancel = base.ChangeQueue(
        channel_id=CHANNEL, target="7@c.us", leased_too=True, to=S.CANCELLED, at_ms=9, reason="erased"
    )
    assert await store.apply([cancel]) == [[OperationId(1)]]


def mark(*, journal: str = "j1", before: int = 100) -> base.MarkRestored:
    restoration = Restoration(channel_id=CHANNEL, journal_id=JournalId(journal), before=OperationId(before))
    return base.MarkRestored(restoration=restoration)


def intent(number: int, lease: str, *, adopts: bool) -> base.Import:
    held = LeaseMark(epoch=1, lease_id=LeaseId(lease), journal_id=JOURNAL, started=True)
    return base.Import(
        operation=new(number), spare_id=OperationId(90), lease=held, at_ms=9, reason="journal", adopts=adopts
    )


async def test_on_a_restored_channel_nothing_is_leased_expired_or_deleted_until_the_mark_ends(
    store: base.Store,
) -> None:
    await store.apply([base.Accept(operation=new(1, expires_at_ms=5)), base.Accept(operation=new(2, chat="2@c.us"))])
    await store.apply([_to(S.CANCELLED, {S.PENDING}, number=2), mark()])
    assert await store.restored() == [mark().restoration]
    assert (await store.delivery(CHANNEL, JOURNAL)).restored == mark().restoration
    expire = base.ExpireDue(now_ms=50, reason="late")
    blocked = [claim("a", now_ms=1), expire, base.Purge(operation_ids=[OperationId(2)])]
    assert await store.apply(blocked) == [NOTHING_YET, [], 0]
    assert await store.apply([base.EndRestored(channel_id=CHANNEL)]) == [True]
    assert await store.apply([base.EndRestored(channel_id=CHANNEL)]) == [False]
    assert await store.apply([expire, base.Purge(operation_ids=[OperationId(2)])]) == [[OperationId(1)], 1]
    assert (await store.delivery(CHANNEL, JOURNAL)).restored is None


async def test_an_intent_is_the_start_of_an_operation_that_the_copy_calls_open_and_of_no_other(
    store: base.Store,
) -> None:
    await store.apply([base.Accept(operation=new(n, chat=f"{n}@c.us")) for n in (1, 2, 3, 4)])
    await store.apply([claim("a", "b")])
    await store.apply(
        [base.Start(channel_id=CHANNEL, lease_id=LeaseId("b"), epoch=1), _to(S.CANCELLED, {S.PENDING}, number=4)]
    )
    assert await store.apply([intent(3, "x", adopts=False)]) == [False]
    assert await store.apply([intent(n, f"x{n}", adopts=True) for n in (1, 2, 3, 4)]) == [True, False, True, False]
    found = [await store.operation(OperationId(n)) for n in (1, 2, 3, 4)]
    held = [(o.state, o.lease and (o.lease.lease_id, o.lease.started), o.attempts) for o in found if o]
    assert held == [
        (S.LEASED, ("x1", True), 2),
        (S.LEASED, ("b", True), 1),
        (S.LEASED, ("x3", True), 1),
        (S.CANCELLED, None, 0),
    ]


async def test_what_was_asked_for_anew_between_two_restores_is_what_the_copy_calls_handed_out_under_its_key(
    store: base.Store,
) -> None:
    """The key was asked for again after the first restore and carried out; the second one's copy is from before the first."""
    await store.apply([base.Accept(operation=new(n, key=n, chat=f"{n}@c.us")) for n in (1, 2)])
    await store.apply([claim("a", "b")])
    await store.apply([base.Start(channel_id=CHANNEL, lease_id=LeaseId("b"), epoch=1), mark()])
    held = LeaseMark(epoch=0, lease_id=LeaseId("x"), journal_id=JOURNAL, started=True)

    def anew(number: int, key: int, *, adopts: bool) -> base.Import:
        told = new(number, key=key, chat=f"{key}@c.us")
        return base.Import(
            operation=told, spare_id=OperationId(90), lease=held, at_ms=9, reason="journal", adopts=adopts
        )

    assert await store.apply([anew(7, 1, adopts=True), anew(8, 2, adopts=True)]) == [True, True]
    first = await store.operation(OperationId(1))
    assert first is not None
    assert (first.wa_id, first.lease, first.attempts) == (new(7).wa_id, held, 2)
    assert await store.operation(OperationId(7)) is None
    # The other had started: it may have been sent, so both are there, and the key stays with its holder.
    assert [(o.id, o.wa_id, o.idempotency is None) for o in await store.operations(base.Filter(limit=9))] == [
        (8, new(8).wa_id, True),
        (2, new(2).wa_id, False),
        (1, new(7).wa_id, False),
    ]


async def test_a_live_stream_takes_no_lease_over_for_its_key(store: base.Store) -> None:
    await store.apply([base.Accept(operation=new(1, key=1)), claim("a")])
    held = LeaseMark(epoch=1, lease_id=LeaseId("x"), journal_id=JOURNAL, started=True)
    write = base.Import(operation=new(7, key=1), spare_id=OperationId(90), lease=held, at_ms=9, reason="journal")
    assert await store.apply([write]) == [True]
    assert {o.id: o.wa_id for o in await store.operations(base.Filter(limit=9))} == {
        1: new(1).wa_id,
        7: new(7).wa_id,
    }


async def test_what_the_copy_calls_open_can_be_doubted_up_to_a_number(store: base.Store) -> None:
    await store.apply([base.Accept(operation=new(n, chat=f"{n}@c.us")) for n in (1, 2)])
    doubt = base.ChangeQueue(
        channel_id=CHANNEL, before=OperationId(2), leased_too=False, to=S.UNCERTAIN, at_ms=9, reason="restored"
    )
    assert await store.apply([doubt]) == [[OperationId(1)]]


async def test_nothing_that_is_said_for_one_channel_changes_another(store: base.Store) -> None:
    """Recipients see WhatsApp ids, so an agent may know those of other channels."""
    other = ChannelId(2)
    await store.apply([base.Accept(operation=new(1, key=1)), claim("a")])
    said = base.Change(
        wa_id=new(1).wa_id, channel_id=other, from_states=frozenset({S.LEASED}), to=S.SENT, at_ms=9, reason="sent"
    )
    started = base.Start(channel_id=other, lease_id=LeaseId("a"), epoch=1)
    assert await store.apply([said]) == [False]
    assert await store.apply([said, said]) == [False, False]
    assert await store.apply([started]) == [False]
    assert await store.apply([started, started]) == [False, False]
    held = LeaseMark(epoch=1, lease_id=LeaseId("b"), journal_id=JOURNAL, started=True)
    stranger = replace(new(2, key=1), channel_id=other)
    known = base.Import(operation=replace(new(1), channel_id=other), spare_id=OperationId(90), lease=held, at_ms=9, reason="", adopts=True)  # fmt: skip
    keyed = base.Import(operation=stranger, spare_id=OperationId(91), lease=held, at_ms=9, reason="")
    assert await store.apply([known, keyed]) == [False, True]
    first, second = await store.operation(OperationId(1)), await store.operation(OperationId(2))
    assert first is not None and first.lease is not None and first.lease.lease_id == "a"
    assert second is not None and (second.channel_id, second.idempotency) == (other, None)


async def test_what_a_journal_brings_appears_under_no_session_api_of_another_channel(store: base.Store) -> None:
    """Numbers of session APIs made since an older copy may be given out again."""
    await store.apply([base.Put(record=SessionApi(id=SessionApiId(1), name="theirs", channel_id=ChannelId(2)))])
    held = LeaseMark(epoch=1, lease_id=LeaseId("b"), journal_id=JOURNAL, started=True)
    await store.apply([base.Import(operation=new(1), spare_id=OperationId(9), lease=held, at_ms=9, reason="imported")])
    imported = await store.operation(OperationId(1))
    assert imported is not None and imported.session_api_id == base.NOBODY


async def test_what_could_only_expire_is_not_accepted_unless_its_key_is_known(store: base.Store) -> None:
    late = [new(1, key=1), new(2, key=1, expires_at_ms=2), new(3, key=2, expires_at_ms=3), new(4, expires_at_ms=4)]
    outcomes = await store.apply([base.Accept(operation=one) for one in late])
    assert [type(outcome) for outcome in outcomes] == [base.Accepted, base.Known, base.Late, base.Late]
    assert await store.apply([base.Accept(operation=new(5, key=2, expires_at_ms=5))]) == [base.Late()]
    assert await store.operation(OperationId(3)) is None


async def test_a_store_is_scrubbed_and_probed_and_goes_on(store: base.Store) -> None:
    await store.apply([base.Accept(operation=new(1)), _to(S.CANCELLED, {S.PENDING})])
    await store.apply([base.Erase(operation_ids=[OperationId(1)], at_ms=9)])
    await store.scrub()
    await store.check_writable()
    assert [operation.state for operation in await store.operations(base.Filter(limit=9))] == [S.CANCELLED]


async def test_what_was_sent_is_told_after_an_event_and_to_its_session_api(store: base.Store) -> None:
    assert await store.event_range() == (0, 0)
    await store.apply([base.Accept(operation=new(1)), base.Accept(operation=new(2, chat="2@c.us", session_api_id=2))])
    await store.apply([_to(S.CANCELLED, {S.PENDING}, number=2)])
    first, last = await store.event_range()
    told = await store.events_after(first, None, 9)
    assert [(event.operation_id, event.state, operation.state) for event, operation in told] == [
        (2, S.PENDING, S.PENDING),
        (2, S.CANCELLED, S.CANCELLED),
    ]
    assert [event.id for event, _ in told] == [last - 1, last]
    assert [event.operation_id for event, _ in await store.events_after(0, SessionApiId(1), 9)] == [1]
    assert len(await store.events_after(0, None, 2)) == 2
