"""When a channel's browser is asked to give memory back, and when it is started anew. Pure.

A page that works gives back by itself; one that is left alone keeps what it once needed. A browser that grows beyond its limit all the
same is started anew, which costs its channel some seconds, so it is not done again and again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

IDLE_SECONDS = 600.0
AGAIN_SECONDS = 3600.0  # a browser whose account needs that much would otherwise be started anew all the time


class Wish(Enum):
    """What the browser needs now."""

    NOTHING = auto()
    TRIM = auto()
    RENEW = auto()


@dataclass(slots=True)
class BrowserCare:
    """`most_bytes`: more than that is too much."""

    most_bytes: int
    worked_at: float
    """When the page was last asked to do something, in monotonic seconds."""
    renewed_at: float | None = None
    trimmed: bool = False

    def works(self, now: float) -> None:
        """The page is asked to do something."""
        self.worked_at, self.trimmed = now, False

    def renewed(self, now: float) -> None:
        """It was started anew."""
        self.renewed_at = now

    def wish(self, used_bytes: int, now: float) -> Wish:
        """For a browser that uses so much. To be trimmed counts as done; `renewed` says when it was started anew."""
        if used_bytes > self.most_bytes and (self.renewed_at is None or now - self.renewed_at >= AGAIN_SECONDS):
            return Wish.RENEW
        if not self.trimmed and now - self.worked_at >= IDLE_SECONDS:
            self.trimmed = True
            return Wish.TRIM
        return Wish.NOTHING
