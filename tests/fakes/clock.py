"""A clock that goes when a test says so."""

from __future__ import annotations


class FakeClock:
    """Both clocks, in step."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def now_ms(self) -> int:
        return round(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds

    def goes(self, seconds: float) -> None:
        self.seconds += seconds
