"""What each row of the bench is held against: a floor, which a release must reach, and an ambition. None: nobody has set one here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """`less`: a smaller figure is the better one."""

    command: str
    unit: str = ""
    floor: float | None = None
    ambition: float | None = None
    less: bool = False

    def judged(self, found: float) -> str:
        """In a word."""
        if self._reaches(found, self.ambition):
            return "ambition reached"
        if self._reaches(found, self.floor):
            return "floor reached"
        return "below the floor" if self.floor is not None else ""

    def _reaches(self, found: float, aim: float | None) -> bool:
        return aim is not None and (found <= aim if self.less else found >= aim)


AIMS: Mapping[str, Aim] = {
    "one channel, credit 512, c64, ÷ R": Aim(command="ways", floor=0.6, ambition=0.8),
    "the same, an idempotency key on every request": Aim(command="ways", floor=0.45, ambition=0.65),
    "direct gRPC, batches of 100: operations ÷ R's requests": Aim(command="ways", floor=3.0, ambition=6.0),
    "÷ grpc.aio behind a JSON proxy": Aim(command="ways", floor=2.5, ambition=3.5),
    "÷ FastAPI, one commit per row (FULL)": Aim(command="ways", floor=4.0, ambition=7.0),
    "accept to agent, 200/s, p50": Aim(command="ways", floor=3.0, ambition=1.5, unit="ms", less=True),
    "accept to agent, 200/s, p99": Aim(command="ways", floor=15.0, ambition=6.0, unit="ms", less=True),
    "PostgreSQL ÷ SQLite": Aim(command="postgresql", floor=0.5, ambition=0.8),
    "idle streams a GiB": Aim(command="crowd", floor=18000.0, ambition=25000.0),
    "live channels a GiB": Aim(command="channels", floor=4.0, ambition=8.0),
    "channels on one agent, cold to sendable": Aim(command="channels", floor=120.0, ambition=60.0, unit="s", less=True),
    "messages a second through Chromium and the twin, pace off": Aim(
        command="channels", floor=50.0, ambition=100.0, unit="/s"
    ),
    "server memory that a compressed week adds": Aim(command="week", unit="MiB", less=True),
    "server memory, idle": Aim(command="depth", floor=120.0, ambition=80.0, unit="MiB", less=True),
    "server memory, with what waits": Aim(command="depth", floor=400.0, ambition=250.0, unit="MiB", less=True),
}


def table(found: Mapping[str, float], *, rough: bool = False) -> str:
    """What was found beside its floor and ambition, in Markdown; what has none (it is no row of AIMS) stands below. `rough`: from a run that is
    too short to judge by, as one round of half a second once showed three times the true ratio."""
    lines = ["| row | found | floor | ambition | |", "| --- | --- | --- | --- | --- |"]
    for name, value in sorted(found.items(), key=lambda one: one[0] not in AIMS):
        aim = AIMS.get(name, Aim(command=""))
        lines.append(
            f"| {name} | {_shown(value, aim.unit)} | {_shown(aim.floor, aim.unit)} | {_shown(aim.ambition, aim.unit)} "
            f"| {'too short to judge' if rough else aim.judged(value)} |"
        )
    return "\n".join(lines)


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "none set"
    return f"{value:.3g} {unit}".rstrip() if abs(value) < 1000 else f"{value:.0f} {unit}".rstrip()
