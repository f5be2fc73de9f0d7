"""What the bench's rows are held against."""

from __future__ import annotations

import pytest

from tests.bench import aims
from tests.bench.aims import AIMS, Aim


@pytest.mark.parametrize(
    ("found", "less", "said"),
    [
        (1, False, "below the floor"),
        (3, False, "floor reached"),
        (6, False, "ambition reached"),
        (7, True, "below the floor"),
        (5, True, "floor reached"),
        (3, True, "ambition reached"),
    ],
)
def test_a_figure_is_judged_by_its_floor_and_its_ambition(found: float, less: bool, said: str) -> None:
    aim = Aim(command="", floor=6 if less else 3, ambition=3 if less else 6, less=less)
    assert aim.judged(found) == said


def test_a_row_without_aims_is_not_judged_and_says_so() -> None:
    assert Aim(command="").judged(5) == ""
    assert "| 5 | none set | none set |  |" in aims.table({"of its own": 5})


def test_a_rough_run_reaches_nothing() -> None:
    name = next(name for name, aim in AIMS.items() if aim.floor is not None)
    assert "reached" in aims.table({name: 1_000.0})
    assert "reached" not in aims.table({name: 1_000.0}, rough=True)
