"""One run: faults anywhere, then calm until everything is settled.

A run is a plan and a list of numbers, each of which drives one step: so any part of the list is a run too, and a shorter one that breaks
the same invariant can be looked for.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from math import log

from tests.simulation.faults import Fault
from tests.simulation.plan import STEPS, WISHES, Focus, Plan, Step
from tests.simulation.world import World

CALM: Sequence[Step] = tuple(step for step in STEPS if step not in WISHES and step is not World.tick)
LONGEST_CALM = 10_000
QUIET = 40  # each round asks one desk, whichever
STUCK = 150  # nothing waits for a time that is further away
ANY = Focus()


def play(seed: int, focus: Focus = ANY) -> World:
    """The run of a seed. Raises Violation, or whatever a machine raises that meets what cannot happen."""
    plan, numbers = run_of(seed, focus)
    world = World(luck=plan.luck, ways=plan.ways, keyed=plan.keyed, timed=plan.timed)
    follow(plan, numbers, world)
    return world


def run_of(seed: int, focus: Focus = ANY) -> tuple[Plan, Sequence[int]]:
    """The plan and the numbers of a seed."""
    dice = random.Random(seed)
    plan = Plan.drawn(dice, focus)
    return plan, [dice.getrandbits(32) for _ in range(plan.length)]


def follow(plan: Plan, numbers: Iterable[int], world: World) -> None:
    """A step for each number, perhaps after a fault, then calm. Raises as `play` does."""
    for number in numbers:
        world.dice.seed(number)
        if plan.faults and world.dice.random() < (plan.tension if world.tense else plan.harm):
            (fault,) = world.dice.choices(list(plan.faults), list(plan.faults.values()))
            world.steps += _harm(world, fault)
        world.steps += any(_step(world, step) for step in _in_some_order(plan, world.dice))
    settle(world)


def _in_some_order(plan: Plan, dice: random.Random) -> Sequence[Step]:
    """What is likelier comes earlier; most steps cannot happen just now."""
    cast = dice.random
    order = {step: -log(1 - cast()) / rate for step, rate in plan.steps.items()}
    return sorted(order, key=order.__getitem__)


def _harm(world: World, fault: Fault) -> bool:
    before = [row.state.value for row in world.hub.store.operations_now()]
    if not fault(world):
        return False
    name = fault.__name__
    world.story.append(name)
    world.faults[name] += 1
    for state in before:
        world.faults_in[name, state] += 1
    return True


def _step(world: World, step: Step) -> bool:
    """By its name, so that a mutant's step is taken."""
    done: bool = getattr(world, step.__name__)()
    if done:
        world.story.append(step.__name__)
    return done


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
        still = 0 if moved else still + 1
        if still > (STUCK if world.hub.store.live_now() else QUIET):
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
