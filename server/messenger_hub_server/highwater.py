"""The high-water file: what a restored database must not give out again.

It lies beside the database, is written and synced before the commit that it covers, and holds the limit of operation ids and, per
channel, the highest epoch, its journal, the epoch at which that journal took over, and the one that the database had by then.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence

import msgspec
from messenger_hub.runtime.folder import FolderUnusable, PrivateFolder

from messenger_hub_server.model import ChannelId, HighMark, JournalId
from messenger_hub_server.store.base import HighMarks, TakeEpoch

NAME = "high-water.json"
WAY_OUT = "put it back, or run messenger-hub restore --in-place, after which what waited becomes uncertain instead of being sent twice."


class Channel(msgspec.Struct):
    """What the file holds of one channel; see model.HighMark. An empty journal is one that nobody knows."""

    epoch: int
    journal_id: str
    taken_over_at: int
    stored: int = -1
    """The highest epoch that the database was seen to have; -1 in a file of a version that did not know."""

    @property
    def certain(self) -> int:
        """No database but an older copy has a lower epoch. Those between this and the highest may never have been committed."""
        return self.stored if self.stored >= 0 else self.epoch - 1


class Content(msgspec.Struct):
    """What the file holds. Channels are named by their number as text."""

    operation_id_limit: int = 0
    channels: dict[str, Channel] = msgspec.field(default_factory=dict)

    def covers(self, other: Content) -> bool:
        """Whether nothing in `other` is newer."""
        epochs = {name: channel.epoch for name, channel in self.channels.items()}
        return self.operation_id_limit >= other.operation_id_limit and all(
            epochs.get(name, 0) >= channel.epoch for name, channel in other.channels.items()
        )

    def is_behind(self, marks: HighMarks) -> bool:
        """Whether a database with these marks has given out more than this says. What covers a commit is written before it, so this is
        an older file, or the database is of a time that an older copy of both has undone."""
        behind = any(self._epoch(channel_id) < epoch for channel_id, epoch in marks.epochs.items())
        return behind or marks.operation_id > self.operation_id_limit

    def is_ahead(self, marks: HighMarks) -> bool:
        """Whether a database with these marks is an older copy. Where the file is ahead of what it has seen there, commits did not
        happen: a hello whose commit fails is followed by one with the next epoch."""
        return any(marks.epochs.get(ChannelId(int(c)), 0) < one.certain for c, one in self.channels.items())

    def _epoch(self, channel_id: ChannelId) -> int:
        known = self.channels.get(str(channel_id))
        return known.epoch if known is not None else 0


NEVER = Channel(epoch=0, journal_id="", taken_over_at=0, stored=0)
"""Of a channel that never had a hello."""


def parse(stored: bytes | None) -> Content:
    """The file's content, an empty one when there is no file. Raises FolderUnusable when it is damaged."""
    try:
        return msgspec.json.decode(stored, type=Content) if stored is not None else Content()
    except msgspec.DecodeError as error:
        raise FolderUnusable(f"{NAME} is damaged: {WAY_OUT}") from error


def larger(one: Content, other: Content) -> Content:
    """What is safe when both are true: the larger limit and, for each channel, the higher epoch with its journal."""
    channels = dict(one.channels)
    for name, channel in other.channels.items():
        if name not in channels or channels[name].epoch < channel.epoch:
            channels[name] = channel
    return Content(operation_id_limit=max(one.operation_id_limit, other.operation_id_limit), channels=channels)


class HighWaterLost(Exception):
    """The database is newer than this file; the message says what to do."""


class HighWater:
    """Reads the file once; every change is durable when its method returns, and forgotten when it raises. For any thread.

    Raises FolderUnusable when the file is damaged."""

    def __init__(self, folder: PrivateFolder) -> None:
        self._folder = folder
        self._lock = threading.RLock()
        self._content = parse(folder.read(NAME))

    @property
    def operation_id_limit(self) -> int:
        """No operation has a larger id."""
        return self._content.operation_id_limit

    def mark(self, channel_id: ChannelId) -> HighMark:
        """What is known of a channel; an empty one when it never had a hello."""
        channel = self._content.channels.get(str(channel_id))
        if channel is None:
            return HighMark()
        return HighMark(
            epoch=channel.epoch, journal_id=JournalId(channel.journal_id), taken_over_at=channel.taken_over_at
        )

    @property
    def channels(self) -> Sequence[ChannelId]:
        """Every channel that ever had a hello, also those that are gone."""
        return [ChannelId(int(name)) for name in self._content.channels]

    def forget_journals(self, stored: Mapping[ChannelId, int]) -> None:
        """Nobody knows what happened on any channel until now, so no journal counts as having seen it. `stored` are the database's
        epochs, which the file may lack. Raises OSError."""
        with self._lock:
            channels = self._content.channels
            for name in {*channels, *(str(channel_id) for channel_id in stored)}:
                there, known = stored.get(ChannelId(int(name)), 0), channels.get(name, NEVER)
                epoch, certain = max(there, known.epoch), max(there, known.certain)
                channels[name] = Channel(epoch=epoch, journal_id="", taken_over_at=epoch, stored=certain)
            self._write()

    async def reserve(self, count: int) -> range:
        """So many operation ids that nobody else will ever have. Raises OSError, or StoreError where the database gives them."""
        return await asyncio.to_thread(self._next, count)

    def _next(self, count: int) -> range:
        with self._lock:
            last = self._content.operation_id_limit
            self.raise_limit(last + count)
        return range(last + 1, last + count + 1)

    def raise_limit(self, limit: int) -> None:
        """Before ids up to `limit` are given out. Raises OSError."""
        with self._lock:
            before = self._content.operation_id_limit
            if limit <= before:
                return
            self._content.operation_id_limit = limit
            try:
                self._write()
            except OSError:
                # Else the next call would find it raised, and ids would be given out that the file does not know.
                self._content.operation_id_limit = before
                raise

    async def is_overtaken(self) -> bool:
        """Whether somebody else has reserved ids since the last were reserved here. Raises StoreError where the database gives them."""
        return False

    async def share_limit(self) -> None:
        """Nobody else gives out ids up to the limit. Here nobody else gives any. Raises StoreError where the database gives them."""

    def take(self, epochs: list[TakeEpoch]) -> None:
        """Before these epochs are committed. Raises OSError; a higher epoch than needed is then remembered, and does no harm."""
        with self._lock:
            for taken in epochs:
                self._take(taken)
            if epochs:
                self._write()

    def _take(self, taken: TakeEpoch) -> None:
        before = self._content.channels.get(str(taken.channel_id), NEVER)
        if taken.epoch <= before.epoch:
            return  # two hellos at once: the database lets the second one of an epoch fail as well
        journal_id, since = self._witness(before, taken)
        self._content.channels[str(taken.channel_id)] = Channel(
            epoch=taken.epoch,
            journal_id=journal_id,
            taken_over_at=since,
            stored=max(before.certain, taken.stored),
        )

    def _witness(self, before: Channel, taken: TakeEpoch) -> tuple[str, int]:
        """The journal that is known to have seen everything once that epoch is taken, and since which epoch."""
        return taken.journal_id, before.taken_over_at if before.journal_id == taken.journal_id else taken.epoch

    def _write(self) -> None:
        self._folder.write_private(NAME, msgspec.json.encode(self._content))

    def is_ahead(self, marks: HighMarks) -> bool:
        """Whether the database is an older copy. Raises HighWaterLost."""
        if self._content.is_behind(marks):
            raise HighWaterLost(
                f"The file {NAME} is missing or older than the database, so what was given out since cannot be told: {WAY_OUT}"
            )
        return self._content.is_ahead(marks)
