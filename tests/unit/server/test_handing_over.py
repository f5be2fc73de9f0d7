"""Accepting straight into a lease: what the queue asks of a channel's line, and what it tells it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from messenger_hub.runtime.clock import SystemClock
from messenger_hub.runtime.folder import PrivateFolder
from messenger_hub_server.delivery.acceptance import Draft
from messenger_hub_server.delivery.actions import HelloId, Offer, StreamId
from messenger_hub_server.errors import HubError
from messenger_hub_server.highwater import HighWater
from messenger_hub_server.lines import Lines
from messenger_hub_server.model import ChannelId, JournalId, LeaseId, OperationState
from messenger_hub_server.queue import Queue
from messenger_hub_server.store.base import Claim, NothingWritten, Outcome, Store, TakeEpoch, Write, WriteUnknown
from messenger_hub_server.store.memory.store import MemoryStore
from messenger_hub_server.watch import News
from msgspec.structs import replace

from tests.fakes.draft import DRAFT
from tests.fakes.line import NotedLine

CHANNEL, JOURNAL = ChannelId(1), JournalId("j")
LEASES = [LeaseId("a"), LeaseId("b"), LeaseId("c")]
OFFER = Offer(hello=HelloId(stream=StreamId(1), number=1), epoch=1, journal_id=JOURNAL, lease_ids=LEASES)


class Failing(MemoryStore):
    """Its commits end in an error once it was told so; `written`: the rows are there all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.error: Exception | None = None
        self.written = False

    async def apply(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        outcomes = await super().apply(writes) if self.error is None or self.written else []
        if self.error is not None:
            raise self.error
        return outcomes


@asynccontextmanager
async def queue_on(store: Store, folder: Path, line: NotedLine) -> AsyncIterator[Queue]:
    lines = Lines()
    lines.subscribe(CHANNEL, line)
    queue = Queue(store, HighWater(PrivateFolder(folder)), lines, News(), SystemClock())
    await store.apply([TakeEpoch(channel_id=CHANNEL, epoch=1, journal_id=JOURNAL)])
    async with asyncio.TaskGroup() as group:
        group.create_task(queue.run())
        yield queue
        queue.close()


def to(chat: str) -> Draft:
    return replace(DRAFT, recipient=chat, target=chat)


@pytest.mark.timeout(20)
async def test_what_is_leased_at_once_is_told_to_its_line_and_wakes_nobody(tmp_path: Path) -> None:
    line = NotedLine(offers=[OFFER])
    async with queue_on(MemoryStore(), tmp_path, line) as queue:
        await queue.accept([to("1@c.us"), to("2@c.us")])
    assert line.asked == [2]
    (told,) = line.taken
    assert [(lease_id, new.target) for lease_id, new in told] == [("a", "1@c.us"), ("b", "2@c.us")]
    assert line.woken == 0


@pytest.mark.timeout(20)
async def test_the_second_message_of_a_chat_waits_and_wakes_its_channel(tmp_path: Path) -> None:
    line = NotedLine(offers=[OFFER])
    async with queue_on(MemoryStore(), tmp_path, line) as queue:
        first, second = await queue.accept([to("1@c.us"), to("1@c.us")])
        assert not isinstance(first, HubError)
        assert not isinstance(second, HubError)
        assert (await queue.find(first.operation_id, None)).state is OperationState.LEASED
        assert (await queue.find(second.operation_id, None)).state is OperationState.PENDING
    assert (line.asked, line.woken) == ([1], 1)


@pytest.mark.timeout(20)
async def test_without_an_offer_what_is_accepted_waits_and_wakes_its_channel(tmp_path: Path) -> None:
    line = NotedLine()
    async with queue_on(MemoryStore(), tmp_path, line) as queue:
        await queue.accept([to("1@c.us")])
    assert (line.woken, line.taken) == (1, [])


@pytest.mark.timeout(20)
async def test_a_claim_of_the_same_commit_spares_the_wake(tmp_path: Path) -> None:
    """It sees what was accepted before it: else a line that claims would have to claim for ever, and never offer a lease."""
    line = NotedLine()
    claim = Claim(channel_id=CHANNEL, epoch=1, journal_id=JOURNAL, lease_ids=LEASES, now_ms=0, reason="leased")
    async with queue_on(MemoryStore(), tmp_path, line) as queue:
        await queue.operation_ids.prepare()  # so that the two meet in one commit
        async with asyncio.TaskGroup() as callers:
            callers.create_task(queue.accept([to("1@c.us")]))
            callers.create_task(queue.commit([claim], frees=()))
    assert (line.asked, line.woken) == ([1], 0)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("written", [True, False])
async def test_an_unknown_commit_puts_its_offer_in_doubt(tmp_path: Path, *, written: bool) -> None:
    line, store = NotedLine(offers=[OFFER]), Failing()
    async with queue_on(store, tmp_path, line) as queue:
        store.error, store.written = WriteUnknown(), written
        if written:
            assert await queue.accept([to("1@c.us")])
        else:
            with pytest.raises(HubError):
                await queue.accept([to("1@c.us")])
    assert (line.doubted, line.taken) == ([OFFER], [])


@pytest.mark.timeout(20)
async def test_a_commit_that_wrote_nothing_gives_its_offer_back(tmp_path: Path) -> None:
    line, store = NotedLine(offers=[OFFER]), Failing()
    async with queue_on(store, tmp_path, line) as queue:
        store.error = NothingWritten()
        with pytest.raises(HubError):
            await queue.accept([to("1@c.us")])
    assert (line.doubted, line.taken) == ([], [()])
