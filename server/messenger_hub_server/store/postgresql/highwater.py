"""The high-water file of one node of several. What it covers is what this node has given out and seen; the rest is other nodes'.

So that the file is behind the database is nothing to wonder about, and that it is ahead means what it always does: an older copy. Its
limit of operation ids is raised after the database's counter, so a counter that is behind it tells an older copy too.

Which journal has seen everything can only be vouched for by who was there all the time. As soon as several nodes have been at work
at once, no file names a journal any more, and after a restore what was open becomes uncertain instead of being sent twice.
"""

from __future__ import annotations

import asyncio

from messenger_hub.runtime.folder import PrivateFolder

from messenger_hub_server.highwater import Channel, HighWater
from messenger_hub_server.store.base import HighMarks, TakeEpoch
from messenger_hub_server.store.postgresql.numbers import OPERATION, Counted, Numbers


class SharedHighWater(HighWater):
    """Use `open`."""

    def __init__(self, folder: PrivateFolder, numbers: Numbers) -> None:
        super().__init__(folder)
        self._numbers = numbers
        self._last = 0
        self._shared = False
        self._lost = False

    @classmethod
    async def open(cls, folder: PrivateFolder, numbers: Numbers) -> SharedHighWater:
        """Reads file and counter. Raises FolderUnusable, OSError or StoreError."""
        highwater = cls(folder, numbers)
        limit = highwater.operation_id_limit
        counted = await numbers.begin_operations(limit)
        highwater._lost = counted.last < limit
        await highwater._learn(counted)
        return highwater

    @property
    def operation_id_limit(self) -> int:
        """No operation had a larger id when ids were last reserved here."""
        return max(self._last, super().operation_id_limit)

    async def reserve(self, count: int) -> range:
        """So many operation ids that no other node will ever have. Raises OSError or StoreError."""
        counted = await self._numbers.take(OPERATION, count, super().operation_id_limit)
        await self._learn(counted)
        await asyncio.to_thread(self.raise_limit, counted.last)
        return range(counted.last - count + 1, counted.last + 1)

    async def is_overtaken(self) -> bool:
        """Whether another node has reserved ids since this one did last. Raises StoreError."""
        return await self._numbers.last(OPERATION) > self.operation_id_limit

    async def share_limit(self) -> None:
        """No node gives out what the file covers. Raises StoreError."""
        await self._learn(await self._numbers.raise_to(OPERATION, super().operation_id_limit))

    def is_ahead(self, marks: HighMarks) -> bool:
        """Whether the database is an older copy."""
        return self._lost or self._content.is_ahead(marks)

    async def _learn(self, counted: Counted) -> None:
        self._last = max(self._last, counted.last)
        if counted.shared and not self._shared:
            await asyncio.to_thread(self.forget_journals, {})
            self._shared = True

    def _witness(self, before: Channel, taken: TakeEpoch) -> tuple[str, int]:
        if self._shared:
            return "", taken.epoch
        if taken.epoch > before.epoch + 1:
            return taken.journal_id, taken.epoch  # another node has seen the epochs in between
        return super()._witness(before, taken)
