"""The high-water file when it cannot be written, and when many need it at once."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from messenger_hub.runtime.clock import SystemClock
from messenger_hub.runtime.folder import PrivateFolder
from messenger_hub_server.delivery.acceptance import Receipt
from messenger_hub_server.errors import StoreUnavailable
from messenger_hub_server.highwater import HighWater
from messenger_hub_server.lines import Lines
from messenger_hub_server.model import ChannelId, JournalId
from messenger_hub_server.queue import Queue
from messenger_hub_server.store.base import TakeEpoch
from messenger_hub_server.store.sqlite import SqliteStore
from messenger_hub_server.watch import News

from tests.fakes.draft import DRAFT


@contextmanager
def no_room() -> Iterator[None]:
    """No file of this process can grow; no root is needed."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_limit_that_could_not_be_written_is_written_the_next_time(tmp_path: Path) -> None:
    highwater = HighWater(PrivateFolder(tmp_path))
    highwater.raise_limit(1_000)
    with no_room(), pytest.raises(OSError):
        highwater.raise_limit(2_000)
    assert (highwater.operation_id_limit, HighWater(PrivateFolder(tmp_path)).operation_id_limit) == (1_000, 1_000)
    highwater.raise_limit(2_000)
    assert HighWater(PrivateFolder(tmp_path)).operation_id_limit == 2_000


def test_an_epoch_that_could_not_be_written_is_written_the_next_time(tmp_path: Path) -> None:
    highwater = HighWater(PrivateFolder(tmp_path))
    take = TakeEpoch(channel_id=ChannelId(1), epoch=7, journal_id=JournalId("j"))
    with no_room(), pytest.raises(OSError):
        highwater.take([take])
    highwater.take([take])
    assert HighWater(PrivateFolder(tmp_path)).mark(ChannelId(1)).epoch == 7


async def test_nobody_gets_an_id_that_the_file_does_not_hold(tmp_path: Path) -> None:
    """Thousands at once need several blocks; meanwhile the file cannot be written for a while."""
    folder = PrivateFolder(tmp_path)
    store = await SqliteStore.open(tmp_path / "hub.db")
    queue = Queue(store, HighWater(folder), Lines(), News(), SystemClock())
    async with asyncio.TaskGroup() as group:
        group.create_task(queue.run())
        with no_room():
            refused = await asyncio.gather(*(queue.accept([DRAFT]) for _ in range(50)), return_exceptions=True)
        assert {type(one) for one in refused} == {StoreUnavailable}
        answers = await asyncio.gather(*(queue.accept([DRAFT]) for _ in range(4_000)))
        queue.close()
    numbers = sorted(receipt.operation_id for (receipt,) in answers if isinstance(receipt, Receipt))
    assert numbers == list(range(1, 4_001))
    assert HighWater(folder).operation_id_limit >= numbers[-1]
    assert not HighWater(folder).is_ahead(await store.high_marks())
    await store.close()
