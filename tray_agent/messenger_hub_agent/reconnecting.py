"""When to try again, with full jitter, so that a thousand agents do not come back to a hub at once.

What refuses is left alone for longer and longer. What was lost on the way is wanted back soon: the longest wait is a share of how
long it has been away, so that a stream works again within two seconds after an outage of a few.
"""

from __future__ import annotations

from collections.abc import Callable

FIRST_SECONDS = 0.5
MOST_SECONDS = 30.0
SETTLED_SECONDS = 60.0  # what held this long starts the count anew
SOON_SECONDS = 1.0
SHARE = 0.25


class Backoff:
    """Waits between attempts. `random` gives numbers in [0, 1)."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._attempts = 0

    def next_seconds(self, lasted_seconds: float) -> float:
        """How long to wait after an attempt that held so long (0: it never worked)."""
        self._attempts = 0 if lasted_seconds >= SETTLED_SECONDS else self._attempts + 1
        most = min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(self._attempts, 10))
        return most * self._random()

    def lost_seconds(self, away_seconds: float) -> float:
        """How long to wait for what was lost on the way, so long ago. It is no attempt that failed."""
        return min(MOST_SECONDS, max(SOON_SECONDS, SHARE * away_seconds)) * self._random()
