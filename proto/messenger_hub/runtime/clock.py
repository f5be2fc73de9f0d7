"""Time, as an argument: what needs the time takes a Clock, so that tests decide when it passes."""

from __future__ import annotations

import time
from typing import Protocol

from messenger_hub.runtime.system import here


class Clock(Protocol):
    """Wall time for what people and other machines are told, monotonic time for intervals."""

    def now_ms(self) -> int:
        """UTC milliseconds since 1970. May jump."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment. Never goes back, and counts the time that the machine was suspended."""
        ...


class SystemClock:
    """This machine's clock."""

    def now_ms(self) -> int:
        """UTC milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds since the machine started, suspension included where the system counts it."""
        return here.seconds()
