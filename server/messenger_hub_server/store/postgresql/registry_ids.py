"""Ids of channels, session APIs and agents that no node gives twice."""

from __future__ import annotations

from messenger_hub.runtime.folder import PrivateFolder

from messenger_hub_server.registry_ids import RegistryIds
from messenger_hub_server.store.postgresql.numbers import Numbers


class SharedRegistryIds(RegistryIds):
    """Counted in the database. The file goes along, so that an older copy of the database does not bring old ids back."""

    def __init__(self, folder: PrivateFolder, numbers: Numbers) -> None:
        super().__init__(folder)
        self._numbers = numbers

    async def next(self, kind: str, taken: int) -> int:
        """A number above `taken` and above all given before, by any node; durable when it is returned. Raises OSError or StoreError."""
        counted = await self._numbers.take(kind, 1, max(taken, self._given.get(kind, 0)))
        await self._keep(kind, counted.last)
        return counted.last
