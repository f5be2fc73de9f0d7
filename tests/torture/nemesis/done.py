"""What the hands have done so far."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.torture.nemesis.record import Disturbance, Offset, Restore


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How long after the network was back a stream worked again; None: not within RECOVERY_SECONDS."""

    fault: str
    lasted_seconds: float
    seconds: float | None


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
