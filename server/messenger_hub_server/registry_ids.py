"""Ids of channels, session APIs and agents that are never given twice.

A deleted session API's operations stay until their retention ends; a new one with its id would see them. The file lies beside the
database, so that restoring an older database does not bring old ids back.
"""

from __future__ import annotations

import asyncio

import msgspec
from messenger_hub.runtime.folder import FolderUnusable, PrivateFolder

FILE_NAME = "registry-ids.json"


class RegistryIds:
    """One number space a kind, kept in the data folder."""

    def __init__(self, folder: PrivateFolder) -> None:
        self._folder = folder
        try:
            self._given = msgspec.json.decode(folder.read(FILE_NAME) or b"{}", type=dict[str, int])
        except msgspec.DecodeError as error:
            raise FolderUnusable(f"{folder.file(FILE_NAME)} is damaged: restore it from a back-up.") from error

    async def next(self, kind: str, taken: int) -> int:
        """A number above `taken` and above all given before; durable when it is returned."""
        number = max(self._given.get(kind, 0), taken) + 1
        await self._keep(kind, number)
        return number

    async def _keep(self, kind: str, number: int) -> None:
        given = {**self._given, kind: number}
        await asyncio.to_thread(self._folder.write_private, FILE_NAME, msgspec.json.encode(given))
        self._given = given
