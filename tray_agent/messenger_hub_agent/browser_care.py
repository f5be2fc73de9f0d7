"""When a channel's browser is asked to give memory back, and when it is started anew. Pure.

A page that works gives back by itself; one that is left alone keeps what it once needed. A browser that grows beyond its limit all the
same is started anew, which costs its channel some seconds, so it is not done again and again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

IDLE_SECONDS = 600.0
AGAIN_SECONDS = 3600.0  # a browser whose account needs that much would otherwise be started anew all the time


class Need(Enum):
    """What the browser needs now."""

    NOTHING = auto()
    TRIM = auto()
    RESTART = auto()


@dataclass(slots=True)
class BrowserCare:
    """`most_bytes`: more than that is too much."""

    most_bytes: int
    worked_at: float
    """When the page was last asked to do something, in monotonic seconds."""
    restarted_at: float | None = None
    trimmed: bool = False

    def works(self, now: float) -> None:
        """The page is asked to do something."""
        self.worked_at, self.trimmed = now, False

    def restarted(self, now: float) -> None:
        """It was restarted."""
        self.restarted_at = now

    def need(self, used_bytes: int, now: float) -> Need:
        """For a browser that uses so much. To be trimmed counts as done; `restarted` says when it was started anew."""
        if used_bytes > self.most_bytes and (self.restarted_at is None or now - self.restarted_at >= AGAIN_SECONDS):
            return Need.RESTART
        if not self.trimmed and now - self.worked_at >= IDLE_SECONDS:
            self.trimmed = True
            return Need.TRIM
        return Need.NOTHING
