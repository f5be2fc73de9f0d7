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
    "one channel, credit 512, c64, ÷ R": Aim(command="ways", floor=0.30, ambition=0.60),
    "the same, an idempotency key on every request": Aim(command="ways"),
    "direct gRPC, batches of 100: operations ÷ R's requests": Aim(command="ways"),
    "÷ grpc.aio behind a JSON proxy": Aim(command="ways"),
    "÷ FastAPI, one commit per row (FULL)": Aim(command="ways"),
    "accept to agent, 200/s, p50": Aim(command="ways", unit="ms", less=True),
    "accept to agent, 200/s, p99": Aim(command="ways", unit="ms", less=True),
    "PostgreSQL ÷ SQLite": Aim(command="postgresql"),
    "idle streams a GiB": Aim(command="crowd"),
    "live channels a GiB": Aim(command="channels"),
    "channels on one agent, cold to sendable": Aim(command="channels", unit="s", less=True),
    "messages a second through Chromium and the twin, pace off": Aim(command="channels", unit="/s"),
    "server memory that a compressed week adds": Aim(command="week", unit="MiB", less=True),
    "server memory, idle": Aim(command="depth", unit="MiB", less=True),
    "server memory, with what waits": Aim(command="depth", unit="MiB", less=True),
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
