"""What is held until later, too late, or old."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from messenger_hub.runtime.clock import SystemClock
from messenger_hub.runtime.folder import PrivateFolder
from messenger_hub_server.delivery.acceptance import Receipt
from messenger_hub_server.highwater import HighWater
from messenger_hub_server.lines import Lines
from messenger_hub_server.model import (
    ChannelId,
    JournalId,
    LeaseId,
    OperationId,
    OperationState,
)
from messenger_hub_server.queue import Queue
from messenger_hub_server.store.base import Age, Change, Claim, TakeEpoch
from messenger_hub_server.store.sqlite import SqliteStore
from messenger_hub_server.upkeep.due import LONGEST_MS, Due
from messenger_hub_server.upkeep.retention import AT_ONCE, DAY_MS, EVERY_MS, Fate, Keep, Retention
from messenger_hub_server.watch import News
from msgspec.structs import replace

from tests.fakes.draft import DRAFT
from tests.fakes.line import NotedLine

CHANNEL = ChannelId(1)


@pytest.fixture
async def queue(tmp_path: Path) -> AsyncIterator[Queue]:
    store = await SqliteStore.open(tmp_path / "hub.db")
    opened = Queue(store, HighWater(PrivateFolder(tmp_path)), Lines(), News(), SystemClock())
    async with asyncio.TaskGroup() as group:
        group.create_task(opened.run())
        yield opened
        opened.close()
    await store.close()


async def accepted(queue: Queue, **more: int) -> Receipt:
    (receipt,) = await queue.accept([replace(DRAFT, **more)])
    assert isinstance(receipt, Receipt)
    return receipt


async def test_a_held_message_wakes_its_channel_when_it_comes_due(queue: Queue) -> None:
    now_ms = SystemClock().now_ms()
    lines, line = Lines(), NotedLine()
    lines.subscribe(CHANNEL, line)
    await accepted(queue, send_at_ms=now_ms + 50_000)
    due = Due(queue, lines, lines)
    assert 0 < await due.run_once(now_ms + 10_000) <= 40_000
    assert not line.woken
    assert await due.run_once(now_ms + 50_007) == LONGEST_MS
    assert line.woken


async def test_what_is_too_late_expires_and_says_so(queue: Queue) -> None:
    now_ms = SystemClock().now_ms()
    receipt = await accepted(queue, expires_at_ms=now_ms + 20_000)
    await Due(queue, Lines(), Lines()).run_once(now_ms + 20_000)
    operation = await queue.find(receipt.operation_id, None)
    assert operation.state is OperationState.EXPIRED


async def test_only_what_has_expired_wakes_the_lines_of_other_nodes_which_see_for_themselves_what_came_due(
    queue: Queue,
) -> None:
    now_ms = SystemClock().now_ms()
    here, everywhere, line, other = Lines(), Lines(), NotedLine(), NotedLine()
    here.subscribe(CHANNEL, line)
    everywhere.subscribe(CHANNEL, other)
    due = Due(queue, here, everywhere)
    await accepted(queue, send_at_ms=now_ms + 10_000)
    await accepted(queue, expires_at_ms=now_ms + 20_000)
    await due.run_once(now_ms + 10_000)
    assert (bool(line.woken), bool(other.woken)) == (True, False)
    await due.run_once(now_ms + 20_000)
    assert other.woken


async def test_what_is_given_back_after_its_time_expires_at_the_next_look(queue: Queue) -> None:
    now_ms = SystemClock().now_ms()
    receipt = await accepted(queue, expires_at_ms=now_ms + 20_000)
    take = TakeEpoch(channel_id=CHANNEL, epoch=1, journal_id=JournalId("j"))
    claim = Claim(
        channel_id=CHANNEL, epoch=1, journal_id=JournalId("j"), lease_ids=[LeaseId("l")], now_ms=now_ms + 10, reason="x"
    )
    await queue.commit([take, claim])
    due = Due(queue, Lines(), Lines())
    await due.run_once(now_ms + 30_000)
    back = Change(
        operation_id=receipt.operation_id,
        from_states=frozenset({OperationState.LEASED}),
        to=OperationState.PENDING,
        at_ms=now_ms + 30_001,
        reason="given back",
    )
    await queue.commit([back])
    await due.run_once(now_ms + 30_002)
    assert (await queue.find(receipt.operation_id, None)).state is OperationState.EXPIRED


async def test_settled_operations_are_deleted_after_their_retention_and_waiting_ones_are_not(queue: Queue) -> None:
    now_ms = SystemClock().now_ms()
    waiting, cancelled = await accepted(queue), await accepted(queue)
    await queue.cancel(cancelled.operation_id, None, "Cancelled")
    await Retention(queue, Keep(text_days=90, record_days=90)).run_once(now_ms + 91 * DAY_MS)
    assert await queue.store.operation(cancelled.operation_id) is None
    assert await queue.store.operation(waiting.operation_id) is not None


async def test_numbers_and_texts_go_first_and_the_record_later(queue: Queue) -> None:
    now_ms = SystemClock().now_ms()
    receipt = await accepted(queue)
    await queue.cancel(receipt.operation_id, None, "Cancelled")
    retention = Retention(queue, Keep(text_days=30, record_days=90))
    await retention.run_once(now_ms + 29 * DAY_MS)
    assert (await queue.find(receipt.operation_id, None)).body == "text"
    await retention.run_once(now_ms + 31 * DAY_MS)
    blank = await queue.find(receipt.operation_id, None)
    assert (blank.recipient, blank.target, blank.body, blank.state) == ("", "", "", OperationState.CANCELLED)
    await retention.run_once(now_ms + 91 * DAY_MS)
    assert await queue.store.operation(receipt.operation_id) is None


async def test_what_is_old_goes_in_small_steps_that_come_at_once(queue: Queue) -> None:
    now_ms = SystemClock().now_ms()
    draft = await accepted(queue)
    await queue.accept([DRAFT for _ in range(AT_ONCE + 5)])
    await queue.cancel_all(CHANNEL, reason="Cancelled")
    retention = Retention(queue, Keep(text_days=90, record_days=90))
    assert await retention.run_once(now_ms + 91 * DAY_MS) == 1
    assert await queue.store.operation(draft.operation_id) is None
    assert len(await queue.store.ages(OperationId(0), now_ms + DAY_MS, 1_000)) == 6
    assert await retention.run_once(now_ms + 91 * DAY_MS) == EVERY_MS
    assert await queue.store.ages(OperationId(0), now_ms + DAY_MS, 1_000) == []


@pytest.mark.parametrize(
    ("state", "days", "erased", "fate"),
    [
        (OperationState.PENDING, 400, False, Fate.KEPT),
        (OperationState.LEASED, 400, False, Fate.KEPT),
        (OperationState.UNCERTAIN, 31, False, Fate.ERASED),
        (OperationState.READ, 30, False, Fate.KEPT),
        (OperationState.READ, 31, False, Fate.ERASED),
        (OperationState.READ, 31, True, Fate.KEPT),
        (OperationState.READ, 91, True, Fate.DELETED),
    ],
)
def test_only_what_is_settled_grows_old(state: OperationState, days: int, erased: bool, fate: Fate) -> None:
    age = Age(id=OperationId(1), state=state, changed_at_ms=0, erased=erased)
    assert Keep(text_days=30, record_days=90).fate(age, days * DAY_MS) is fate
