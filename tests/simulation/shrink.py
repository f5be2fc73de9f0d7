"""A broken run made short: as many of its numbers are left out as still break the same invariant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from tests.simulation.plan import Focus, Plan
from tests.simulation.play import ANY, follow, run_of
from tests.simulation.world import World

TRIES = 1_000


@dataclass(frozen=True, slots=True)
class Short:
    """What is left of a run: its numbers, what happened, and how it broke."""

    numbers: Sequence[int]
    story: Sequence[str]
    broke: str


def shrunk(seed: int, focus: Focus = ANY, tries: int = TRIES) -> Short:
    """After so many runs at most. Raises ValueError when the seed's run is sound."""
    plan, numbers = run_of(seed, focus)
    whole = _ended(plan, numbers)
    if not whole.invariant:
        raise ValueError(f"the run of seed {seed} is sound")
    tried = count()

    def breaks(some: Sequence[int]) -> bool:
        return next(tried) < tries and _ended(plan, some).invariant == whole.invariant

    few = _fewer(numbers[: whole.taken], breaks)
    last = _ended(plan, few)
    return Short(numbers=few, story=last.story, broke=last.broke)


def _fewer(numbers: Sequence[int], breaks: Callable[[Sequence[int]], bool]) -> Sequence[int]:
    """Without the halves, then the quarters, and so on, that are not needed; the last ones first, as most come after the cause."""
    size = len(numbers)
    while size := size // 2:
        for start in range(size * ((len(numbers) - 1) // size), -1, -size):
            rest = [*numbers[:start], *numbers[start + size :]]
            if breaks(rest):
                numbers = rest
    return numbers


@dataclass(frozen=True, slots=True)
class _Ended:
    """What happened in a run, how it broke ("" when it did not), and how many of its numbers were taken until then."""

    story: Sequence[str]
    broke: str
    taken: int

    @property
    def invariant(self) -> str:
        """Without the operation that broke it."""
        return " ".join(self.broke.split()[:2])


def _ended(plan: Plan, numbers: Sequence[int]) -> _Ended:
    world = World(luck=plan.luck, ways=plan.ways, keyed=plan.keyed, timed=plan.timed)
    left = iter(numbers)
    broke = ""
    try:
        follow(plan, left, world)
    except (AssertionError, KeyError, ValueError) as problem:
        broke = f"{type(problem).__name__}: {problem}"
    return _Ended(story=world.story, broke=broke, taken=len(numbers) - sum(1 for _ in left))
