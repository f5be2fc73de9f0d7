"""Finding out that the database is an older copy, and marking its channels before anything goes out (rule 11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from messenger_hub.runtime.clock import Clock, SystemClock
from messenger_hub.runtime.log import logger

from messenger_hub_server.delivery import restoration
from messenger_hub_server.highwater import HighWater
from messenger_hub_server.model import ChannelId, HighMark, OperationId, Restoration
from messenger_hub_server.store.base import HighMarks, Store, TakeEpoch

log = logger(__name__)

WALL = SystemClock()


async def notice(store: Store, highwater: HighWater) -> None:
    """At start: an older copy of the database is marked as one. Raises HighWaterLost, StoreError or OSError."""
    if highwater.is_ahead(await store.high_marks()):
        marked = await mark(store, highwater)
        log.warning("the database is an older copy: channels wait for their desktops", count=len(marked))


async def mark(
    store: Store, highwater: HighWater, *, file_lost: bool = False, clock: Clock = WALL
) -> Sequence[Restoration]:
    """Marks every channel on which something may have been sent, and skips operation ids. `file_lost`: the high-water file says
    nothing about the time since the copy was made, so no journal can be trusted to tell everything, now or after another restore."""
    stored = await store.high_marks()
    if file_lost:
        highwater.forget_journals(stored.epochs)
    limit = restoration.next_limit(
        highwater.operation_id_limit, stored.operation_id, clock.now_ms(), file_lost=file_lost
    )
    highwater.raise_limit(limit)
    channels = [channel.id for channel in (await store.registry()).channels]
    files = {channel_id: highwater.mark(channel_id) for channel_id in channels}
    # Nothing ever went out on a channel that never had a hello.
    known = {channel_id: file for channel_id, file in files.items() if file.epoch or file_lost}
    await store.apply(
        [*restoration.marks(stored.epochs, known, OperationId(limit + 1)), *_gone(highwater, files, stored)]
    )
    # Last: until then a counter that is behind the file says at the next start that this is not done.
    await highwater.share_limit()
    return await store.restored()


def _gone(highwater: HighWater, files: Mapping[ChannelId, HighMark], stored: HighMarks) -> Sequence[TakeEpoch]:
    """The epochs of channels that the copy does not know: without them every later start would take it for an older copy again."""
    gone = {channel_id: highwater.mark(channel_id) for channel_id in highwater.channels if channel_id not in files}
    return [
        TakeEpoch(channel_id=channel_id, epoch=file.epoch, journal_id=file.journal_id)
        for channel_id, file in gone.items()
        if file.epoch > stored.epochs.get(channel_id, 0)
    ]
