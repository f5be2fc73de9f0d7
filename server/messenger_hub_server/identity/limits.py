"""Rate and quota per session API, as pure token buckets and sliding windows."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

DEFAULT_RATE_PER_MINUTE = 6_000
DAY_SECONDS = 86_400.0
SLOT_SECONDS = 600.0  # the quota's window slides in steps of ten minutes


@dataclass(slots=True)
class Bucket:
    """A token bucket that holds at most a minute's worth."""

    per_minute: int
    tokens: float = -1.0
    at: float = 0.0

    def take(self, now: float) -> int | None:
        """None when a token was there, else the seconds until one is."""
        rate = self.per_minute / 60
        filled = self.per_minute if self.tokens < 0 else self.tokens + (now - self.at) * rate
        self.tokens, self.at = min(float(self.per_minute), filled), now
        if self.tokens < 1:
            return max(1, math.ceil((1 - self.tokens) / rate))
        self.tokens -= 1
        return None


@dataclass(slots=True)
class Quota:
    """How much was accepted in the last 24 hours."""

    slots: deque[tuple[float, int]] = field(default_factory=deque)
    used: int = 0

    def room(self, limit: int, count: int, now: float) -> int | None:
        """None when `count` more fit, else the seconds until something falls out of the window."""
        while self.slots and self.slots[0][0] <= now - DAY_SECONDS:
            self.used -= self.slots.popleft()[1]
        if self.used + count <= limit:
            return None
        oldest = self.slots[0][0] if self.slots else now
        return max(1, math.ceil(oldest + DAY_SECONDS - now))

    def spend(self, count: int, now: float) -> None:
        """`count` were accepted."""
        self.used += count
        slot = now - now % SLOT_SECONDS
        if self.slots and self.slots[-1][0] == slot:
            self.slots[-1] = slot, self.slots[-1][1] + count
        else:
            self.slots.append((slot, count))


class Limits:
    """One bucket and one quota per session API."""

    def __init__(self, default_per_minute: int = DEFAULT_RATE_PER_MINUTE) -> None:
        self._default_per_minute = default_per_minute
        self._buckets: dict[int, Bucket] = {}
        self._quotas: dict[int, Quota] = {}

    def take(self, session_api_id: int, per_minute: int | None, now: float) -> int | None:
        """One request: None, or the seconds to wait."""
        rate = per_minute or self._default_per_minute
        bucket = self._buckets.get(session_api_id)
        if bucket is None or bucket.per_minute != rate:
            bucket = self._buckets[session_api_id] = Bucket(rate)
        return bucket.take(now)

    def room(self, session_api_id: int, per_day: int | None, count: int, now: float) -> int | None:
        """`count` operations more: None, or the seconds to wait."""
        if per_day is None:
            return None
        return self._quotas.setdefault(session_api_id, Quota()).room(per_day, count, now)

    def spend(self, session_api_id: int, per_day: int | None, count: int, now: float) -> None:
        """`count` operations were accepted."""
        if per_day is not None:
            self._quotas.setdefault(session_api_id, Quota()).spend(count, now)
