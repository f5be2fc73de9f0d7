"""What the hands have done so far."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.torture.nemesis.record import Disturbance, Offset, Restore


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How long after the network was back a stream worked again; None: not within RECOVERY_SECONDS. `beside`: another fault came
    in between, and was waited for too."""

    fault: str
    lasted_seconds: float
    seconds: float | None
    beside: bool = False


@dataclass(slots=True, kw_only=True)
class Done:
    """What has been done so far."""

    disturbances: list[Disturbance] = field(default_factory=list)
    recoveries: list[Recovery] = field(default_factory=list)
    restores: list[Restore] = field(default_factory=list)
    offsets: list[Offset] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    wrong: list[str] = field(default_factory=list)  # what the hub must not do, seen by the hands themselves

    def has_others_since(self, mine: Disturbance) -> bool:
        """Whether another fault reached one of its channels after it had begun."""
        return any(
            one is not mine and one.channels & mine.channels and (one.ended is None or one.ended > mine.begun)
            for one in self.disturbances
        )
