"""A broken run made short: Hypothesis looks for the fewest of its numbers that still break the same invariant."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st

from tests.simulation.plan import Focus, Plan
from tests.simulation.play import ANY, follow, run_of
from tests.simulation.world import World

TRIES = 3_000
NEARLY_ALL = 999  # a number is left out when 0 is drawn for it: so the first run is nearly the whole one


@dataclass(frozen=True, slots=True)
class Short:
    """What is left of a run: its numbers, what happened, and how it broke."""

    numbers: Sequence[int]
    story: Sequence[str]
    broke: str


def shrunk(seed: int, focus: Focus = ANY) -> Short:
    """Raises ValueError when the seed's run is sound."""
    plan, numbers = run_of(seed, focus)
    invariant = _kind(broken(plan, numbers)[1])
    if not invariant:
        raise ValueError(f"the run of seed {seed} is sound")

    def some(kept: Sequence[int]) -> Sequence[int]:
        return [number for number, keeps in zip(numbers, kept, strict=True) if keeps]

    whole = st.lists(st.integers(0, NEARLY_ALL), min_size=len(numbers), max_size=len(numbers))
    chosen = settings(
        max_examples=TRIES,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    kept = find(
        whole,
        lambda kept: _kind(broken(plan, some(kept))[1]) == invariant,
        settings=chosen,
        random=random.Random(seed),
    )
    story, broke = broken(plan, some(kept))
    return Short(numbers=some(kept), story=story, broke=broke)


def broken(plan: Plan, numbers: Sequence[int]) -> tuple[Sequence[str], str]:
    """What happened in a run, and how it broke; "" when it did not."""
    world = World(luck=plan.luck, ways=plan.ways, keyed=plan.keyed, timed=plan.timed)
    try:
        follow(plan, numbers, world)
    except (AssertionError, KeyError, ValueError) as problem:
        return world.story, f"{type(problem).__name__}: {problem}"
    return world.story, ""


def _kind(broke: str) -> str:
    """The invariant, without the operation that broke it."""
    return " ".join(broke.split()[:2])
