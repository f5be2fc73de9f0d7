"""What is kept how long: first an operation's number and text go, later the rest of it.

The rest (state, timeline, WhatsApp id, hashes of the idempotency key) is what stops a duplicate. Nothing goes before the desktop's
journal has forgotten it: an entry that came back for an operation that the hub no longer knows would be taken for a lost one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from messenger_hub_server.delivery.states import SETTLED
from messenger_hub_server.model import OperationId
from messenger_hub_server.queue import Queue
from messenger_hub_server.store.base import Age, Erase, Purge, Write

DAY_MS = 86_400_000
AT_ONCE = 200  # so that nobody waits long for the writer
EVERY_MS = 3_600_000


class Fate(Enum):
    """What becomes of an operation now."""

    KEPT = auto()
    ERASED = auto()
    DELETED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Days since the last change after which numbers and texts go, and after which the rest does."""

    text_days: int
    record_days: int

    def fate(self, age: Age, now_ms: int) -> Fate:
        """Only what is settled grows old."""
        days = (now_ms - age.changed_at_ms) / DAY_MS
        if age.state not in SETTLED:
            return Fate.KEPT
        if days > self.record_days:
            return Fate.DELETED
        return Fate.ERASED if days > self.text_days and not age.erased else Fate.KEPT


class Retention:
    """Walks through what is old once an hour, a small step at a time."""

    on_news = False

    def __init__(self, queue: Queue, keep: Keep) -> None:
        self._queue = queue
        self._keep = keep
        self._position = OperationId(0)
        self._touched = False

    async def run_once(self, now_ms: int) -> int:
        """Returns in how many milliseconds to run again. Raises HubError or StoreError."""
        before_ms = now_ms - min(self._keep.text_days, self._keep.record_days) * DAY_MS
        ages = await self._queue.store.ages(self._position, before_ms, AT_ONCE)
        writes = self._writes(ages, now_ms)
        if writes:
            await self._queue.commit(writes, frees=())
            self._touched = True
        if len(ages) == AT_ONCE:
            self._position = ages[-1].id
            return 1
        self._position = OperationId(0)
        if self._touched:
            await self._queue.store.scrub()
            self._touched = False
        return EVERY_MS

    def _writes(self, ages: Sequence[Age], now_ms: int) -> Sequence[Write]:
        fates = [(age.id, self._keep.fate(age, now_ms)) for age in ages]
        erased = [number for number, fate in fates if fate is Fate.ERASED]
        deleted = [number for number, fate in fates if fate is Fate.DELETED]
        erase = [Erase(operation_ids=erased, at_ms=now_ms)] if erased else []
        purge = [Purge(operation_ids=deleted)] if deleted else []
        return [*erase, *purge]
