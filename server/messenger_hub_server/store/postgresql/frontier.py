"""Up to which id a watcher may be told events, so that no smaller one turns up later (schema/4-events.sql)."""

from __future__ import annotations


class Frontier:
    """Notes are taken one after the other: the last id that was given, and who may be writing events at that moment or later."""

    def __init__(self) -> None:
        self.settled = 0
        """Every event with an id up to this one is there, or never will be."""
        self._last = 0
        self._writers: frozenset[str] = frozenset()

    def note(self, last: int, writers: frozenset[str]) -> None:
        """What was seen now."""
        self._writers &= writers
        if not self._writers:
            # All that were there at an earlier note are gone, and with nobody there nothing has to be waited for.
            self.settled = max(self.settled, self._last if writers else last)
            self._last, self._writers = last, writers
