"""What a person has paused on this desktop, and until when. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Pauses:
    """`until_ms`: when each paused channel goes on by itself, in Unix milliseconds; None is when a person says so."""

    until_ms: Mapping[int, int | None] = field(default_factory=dict)

    def holds(self, channel_id: int) -> bool:
        """Whether it is paused, also when its time is over and nobody has looked yet (see `due`)."""
        return channel_id in self.until_ms

    def end_ms(self, channel_id: int) -> int | None:
        """When it goes on by itself; None when it does not, or is not paused."""
        return self.until_ms.get(channel_id)

    def paused(self, channel_id: int, until_ms: int | None) -> Pauses:
        """With this one paused, from now on until then."""
        return Pauses({**self.until_ms, channel_id: until_ms})

    def resumed(self, *channel_ids: int) -> Pauses:
        """Without these."""
        return Pauses({one: until for one, until in self.until_ms.items() if one not in channel_ids})

    def due(self, now_ms: int) -> tuple[int, ...]:
        """Those whose time is over."""
        return tuple(one for one, until in self.until_ms.items() if until is not None and until <= now_ms)

    @property
    def timed(self) -> bool:
        """Whether one of them goes on by itself."""
        return any(until is not None for until in self.until_ms.values())
