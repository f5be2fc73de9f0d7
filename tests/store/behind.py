"""What the database does to places, said once more for the tests that compare it with a store that takes them as they are given."""

from __future__ import annotations

from collections.abc import Sequence

from messenger_hub_server.model import ChannelId
from messenger_hub_server.store import base
from messenger_hub_server.store.memory.store import MemoryStore
from msgspec.structs import replace

CHANNEL = ChannelId(1)


class Behind:
    """The last place on the one channel that these tests have."""

    def __init__(self) -> None:
        self._last = -1

    def moved(self, writes: Sequence[base.Write]) -> list[base.Write]:
        """The writes of one transaction, with each place behind those of the transactions before, but for what is held."""
        moved, last = list[base.Write](), self._last
        for write in writes:
            if isinstance(write, base.Accept) and not _stands_at_its_time(write):
                place = max(write.operation.place_ms, self._last + 1)
                write = replace(write, operation=replace(write.operation, place_ms=place))  # noqa: PLW2901
                last = max(last, place)
            moved.append(write)
        self._last = last
        return moved

    async def imported(self, memory: MemoryStore, write: base.Write) -> None:
        """What was brought back stands where it stood; what comes later goes behind it."""
        if isinstance(write, base.Import):
            for operation in await memory.operations(base.Filter(channel_id=CHANNEL, limit=1_000)):
                if operation.id in (write.operation.id, write.spare_id) and operation.wa_id == write.operation.wa_id:
                    self._last = max(self._last, operation.place_ms)


def _stands_at_its_time(write: base.Accept) -> bool:
    new = write.operation
    return new.send_at_ms is not None and new.place_ms == new.send_at_ms > new.accepted_at_ms
