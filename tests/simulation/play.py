"""One run: faults anywhere, then calm until everything is settled."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from messenger_hub_server.delivery.states import SETTLED

from tests.simulation.faults import FAULTS, Fault
from tests.simulation.world import MISFORTUNES, World

Step = Callable[[World], bool]

STEPS: Mapping[Step, float] = {
    World.accept: 0.4,
    World.cancel: 0.06,
    World.clear_queue: 0.01,
    World.resolve: 0.2,
    World.tick: 0.4,
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
    World.desk_forgets: 0.2,
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
CALM: Sequence[Step] = tuple(step for step in STEPS if step not in WISHES and step is not World.tick)
MOST_TRIES = 20  # most steps cannot happen just now
# What a run is drawn from. Too many faults, and nothing gets as far as the rare states; some show only as the last thing.
LENGTHS = (100, 300, 900)  # effective steps
HARM = (0.002, 0.01, 0.03)  # how often a step is a fault
TENSION = (0.0, 0.02, 0.1)  # and while something is between its intent and its end
OFTEN = (0.3, 1, 3)  # how much more or less of one fault, or of one wish
LUCK = (0, 0, 1, 5)  # and of one misfortune
LONGEST_CALM = 3_000
QUIET = 5
STUCK = 150  # nothing waits for a time that is further away
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
class Plan:
    """What can happen in a run, and how often."""

    steps: Mapping[Step, float]
    faults: Mapping[Fault, float]
    harm: float
    tension: float
    luckless: Mapping[str, float]
    length: int

    @staticmethod
    def drawn(dice: random.Random, chosen: frozenset[str] | None) -> Plan:
        """`chosen`: the faults that can happen."""
        names = dice.choice(SETS)
        names = names if chosen is None else chosen
        slow = dice.choice(SLOW)
        steps = {step: rate * (SLOWLY if step is slow else 1) for step, rate in STEPS.items()}
        return Plan(
            steps=steps | {wish: steps[wish] * dice.choice(OFTEN) for wish in WISHES},
            faults={fault: rate * dice.choice(OFTEN) for fault, rate in FAULTS.items() if fault.__name__ in names},
            harm=dice.choice(HARM),
            tension=dice.choice(TENSION),
            luckless={kind: rate * dice.choice(LUCK) for kind, rate in MISFORTUNES.items()},
            length=dice.choice(LENGTHS),
        )


def take(world: World, step: Step | Fault) -> bool:
    """One step; the invariants are looked at whenever something changes."""
    if step not in FAULTS:
        return _step(world, step)
    before = [(row.state.value) for row in world.hub.store.operations_now()]
    if not step(world):
        return False
    name = step.__name__
    world.faults[name] += 1
    for state in before:
        world.faults_in[name, state] += 1
    return True


def _step(world: World, step: Step | Fault) -> bool:
    """By its name, so that a mutant's step is taken."""
    done: bool = getattr(world, step.__name__)()
    return done


def play(seed: int, *, faults: frozenset[str] | None = None) -> World:
    """Some effective steps under faults, then calm. Raises Violation, or whatever a machine raises that meets what cannot happen."""
    dice = random.Random(seed)
    plan = Plan.drawn(dice, faults)
    world = World(seed, plan.luckless)
    steps, often = list(plan.steps), list(accumulate(plan.steps.values()))
    harm, harm_often = list(plan.faults), list(accumulate(plan.faults.values()))
    while world.steps < plan.length:
        if harm and dice.random() < (plan.tension if world.tense else plan.harm):
            world.steps += take(world, dice.choices(harm, cum_weights=harm_often)[0])
        tries = (take(world, step) for step in dice.choices(steps, cum_weights=often, k=MOST_TRIES))
        world.steps += any(tries)
    settle(world)
    return world


def settle(world: World) -> None:
    """All faults stop, everything is started, and everything that was accepted comes to its end. None of it counts as a step."""
    world.calm = True
    world.network.up = True
    world.network.restricted_until_ms = 0
    for copy in world.desks[2:]:
        copy.crash()
    del world.desks[2:]
    still = 0
    for _ in range(LONGEST_CALM):
        moved = _all_move(world)
        open_rows = any(row.state not in SETTLED for row in world.hub.store.operations_now())
        still = 0 if moved else still + 1
        if still > (STUCK if open_rows else QUIET):
            break
        World.tick(world)
    world.oracle.at_rest(world.hub.store)


def _all_move(world: World) -> bool:
    """Each actor does what it can; False when nothing could be done."""
    moved = [_step(world, step) for step in CALM]
    for desk in world.desks:
        while desk.running and desk.work():
            moved.append(True)
    return any(moved)
