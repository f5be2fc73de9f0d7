"""What a run can do and suffer: drawn once, from its seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.simulation.faults import FAULTS, Fault
from tests.simulation.world import MISFORTUNES, World

Step = Callable[[World], bool]

STEPS: Mapping[Step, float] = {
    World.accept: 0.1,
    World.cancel: 0.015,
    World.clear_queue: 0.002,
    World.resolve: 0.1,
    World.tick: 0.1,
    World.hub_start: 3,
    World.hub_frame: 20,
    World.hub_store: 20,
    World.hub_close: 4,
    World.desk_start: 3,
    World.desk_connect: 6,
    World.desk_frame: 20,
    World.desk_work: 45,
    World.desk_notice: 4,
    World.desk_page: 15,
    World.desk_page_back: 3,
    World.desk_forgets: 0.05,
    World.network_step: 5,
    World.wire_step: 0.5,
    World.finish_move: 3,
}
# A run has one actor that is slow, or none: else the same windows would always be short.
SLOW: Sequence[Step | None] = (
    None,
    World.hub_frame,
    World.hub_store,
    World.hub_close,
    World.desk_frame,
    World.desk_work,
    World.desk_notice,
    World.desk_page,
    World.desk_page_back,
    World.network_step,
)
SLOWLY = 0.1
WISHES: Sequence[Step] = (World.accept, World.cancel, World.clear_queue, World.resolve, World.desk_forgets)
# Too many faults, and nothing gets as far as the rare states; some show only as the last thing that happens.
LENGTHS = (100, 300, 900)  # steps
HARM = (0.005, 0.02, 0.06)  # how often a fault comes before a step
TENSION = (0.0, 0.05, 0.15)  # and while something is between its intent and its end
OFTEN = (0.3, 1, 3)  # how much more or less of one fault, or of one wish
LUCK = (0, 0, 1, 5)  # and of one misfortune
KEYED = (0.1, 0.4, 0.8)  # how much of what programs ask for has a key
TIMED = (0.05, 0.3)  # and a time before which, or after which it must not be sent
# How older copies come back; most runs have one way, or the worst would excuse everything.
WAYS = (("file of now",), ("file of now",), ("disk of then",), ("file of now", "file lost", "disk of then"))
# A run has few kinds of faults: with all of them at once nothing ever gets far enough for the rare states.
SETS: Sequence[frozenset[str]] = (
    frozenset(),
    frozenset({"cut", "server_crash"}),
    frozenset({"cut", "agent_crash", "page_crash", "network_away", "restriction"}),
    frozenset({"cut", "move", "forced_move", "agent_crash"}),
    frozenset({"cut", "folder_lost", "folder_kept", "folder_rolled_back", "copy_started"}),
    frozenset({"cut", "database_kept", "database_restored"}),
    frozenset({"cut", "database_kept", "database_restored", "agent_crash", "page_crash", "network_away"}),
    frozenset({"database_kept", "database_restored", "move", "forced_move", "folder_lost", "clock_jump"}),
    frozenset(fault.__name__ for fault in FAULTS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Focus:
    """What runs that look for something have in common; the rest is drawn. `luck` says how often a misfortune happens, `often` by how
    much more a step does."""

    faults: frozenset[str] | None = None
    ways: Sequence[str] | None = None
    luck: Mapping[str, float] = field(default_factory=dict)
    often: Mapping[Step, float] = field(default_factory=dict)
    harm: float | None = None
    tension: float | None = None
    keyed: float | None = None
    timed: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What can happen in a run, and how often."""

    steps: Mapping[Step, float]
    faults: Mapping[Fault, float]
    harm: float
    tension: float
    luck: Mapping[str, float]
    ways: Sequence[str]
    keyed: float
    timed: float
    length: int

    @staticmethod
    def drawn(dice: random.Random, focus: Focus) -> Plan:
        """From a run's own dice."""
        drawn = dice.choice(SETS)
        names = drawn if focus.faults is None else focus.faults
        slow = dice.choice(SLOW)
        steps = {step: rate * (SLOWLY if step is slow else 1) for step, rate in STEPS.items()}
        steps |= {wish: steps[wish] * dice.choice(OFTEN) for wish in WISHES}
        return Plan(
            steps=steps | {step: steps[step] * times for step, times in focus.often.items()},
            faults={fault: rate * dice.choice(OFTEN) for fault, rate in FAULTS.items() if fault.__name__ in names},
            harm=_given(focus.harm, dice.choice(HARM)),
            tension=_given(focus.tension, dice.choice(TENSION)),
            luck={kind: rate * dice.choice(LUCK) for kind, rate in MISFORTUNES.items()} | dict(focus.luck),
            ways=focus.ways or dice.choice(WAYS),
            keyed=_given(focus.keyed, dice.choice(KEYED)),
            timed=_given(focus.timed, dice.choice(TIMED)),
            length=dice.choice(LENGTHS),
        )


def _given(wanted: float | None, drawn: float) -> float:
    return drawn if wanted is None else wanted
