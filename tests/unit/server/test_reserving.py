"""Operation ids at hand: whoever asks in the very moment in which more are reserved gets on too."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest
from messenger_hub.runtime.folder import PrivateFolder
from messenger_hub_server.delivery.ids import BLOCK
from messenger_hub_server.errors import StoreUnavailable
from messenger_hub_server.highwater import HighWater
from messenger_hub_server.operation_ids import SPARE, FreshIds, OperationIds


class Overtaken(HighWater):
    """Another node has reserved ids since, and the file cannot be written just now."""

    async def is_overtaken(self) -> bool:
        return True

    async def reserve(self, count: int) -> range:
        raise OSError(errno.ENOSPC, "No space left on device")


async def test_ids_that_cannot_be_renewed_do_not_end_the_upkeep(tmp_path: Path) -> None:
    fresh = FreshIds(OperationIds(Overtaken(PrivateFolder(tmp_path))))
    with pytest.raises(StoreUnavailable):  # for which the rounds wait; anything else ends the hub
        await fresh.run_once(0)


@pytest.mark.timeout(20)
async def test_who_asks_between_the_end_of_a_reservation_and_its_callback_does_not_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop would stand still with it: nothing in there would ever give it back."""
    highwater = HighWater(PrivateFolder(tmp_path))
    reserved: asyncio.Future[range] = asyncio.get_running_loop().create_future()
    monkeypatch.setattr(highwater, "reserve", lambda _count: reserved)
    operation_ids = OperationIds(highwater)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(operation_ids.prepare())
        while not reserved._callbacks:  # type: ignore[attr-defined]  # until the first one waits for it
            await asyncio.wait({first}, timeout=0)
        reserved.set_result(range(1, 10 * BLOCK))
        await operation_ids.prepare()  # before the loop has had a turn
    assert len(operation_ids.spare(SPARE)) == SPARE
