"""A seed decides which faults come when; every fault of the table has a hand that carries it out."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from tests.torture.nemesis.estate import Estate
from tests.torture.nemesis.hands import Hands
from tests.torture.nemesis.plan import (
    BREAKS,
    DATABASE_BREAKS,
    LAYOUTS,
    OLDER_COPIES,
    ON_POSTGRESQL,
    SIGKILLS,
    TABLE,
    Pace,
    layout,
    rounds,
    schedule,
    table,
)


def test_the_same_seed_gives_the_same_schedule_and_another_one_another() -> None:
    first = list(islice(schedule("a"), 200))
    assert first == list(islice(schedule("a"), 200))
    assert first != list(islice(schedule("b"), 200))


def test_a_slower_pace_leaves_more_time_between_the_same_faults() -> None:
    usual, slow = (list(islice(schedule("a", pace=Pace(gap_seconds=gap, alone=0.7)), 50)) for gap in (0.5, 1.0))
    assert [step.fault for step in usual] == [step.fault for step in slow]
    assert [step.after_seconds * 2 for step in usual] == pytest.approx([step.after_seconds for step in slow])


def test_every_fault_comes_and_lasts_as_long_as_the_table_says() -> None:
    steps = list(islice(schedule("a"), 5_000))
    assert {step.fault for step in steps} == set(TABLE)
    assert all(step.fault.seconds[0] <= step.seconds <= step.fault.seconds[1] for step in steps)
    assert not any(step.alone and not step.fault.network for step in steps)


async def test_every_fault_of_the_table_has_a_hand(tmp_path: Path) -> None:
    assert {fault.name for fault in TABLE} == Hands(Estate(tmp_path, LAYOUTS[0])).known
    on_postgresql = {fault.name for fault in ON_POSTGRESQL}
    assert on_postgresql | OLDER_COPIES == Hands(Estate(tmp_path, layout(0, nodes=3))).known
    assert {fault.name for fault in TABLE} > BREAKS
    assert on_postgresql > BREAKS | DATABASE_BREAKS
    assert on_postgresql | OLDER_COPIES > SIGKILLS


def test_the_minutes_are_divided_into_rounds_and_nginx_comes_first() -> None:
    assert rounds(0.5) == (1, 30.0)
    assert rounds(20) == (4, 300.0)
    assert rounds(1, least=2) == (2, 30.0)
    assert layout(0).nginx
    assert len({(*layout(i).agents, layout(i).nginx) for i in range(len(LAYOUTS))}) == len(LAYOUTS)


def test_a_fault_can_be_left_out_and_one_can_come_often() -> None:
    chosen = table(without=["kill server"], often=["copy agent"])
    names = [step.fault.name for step in islice(schedule("a", chosen), 1_000)]
    assert "kill server" not in names
    assert 400 < names.count("copy agent") < 600
    assert list(table()) == list(TABLE)
    assert list(table(faults=ON_POSTGRESQL)) == list(ON_POSTGRESQL)
