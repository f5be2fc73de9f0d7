"""The lid of the laptop that runs hub and desktop app is closed for a night, in the middle of the work."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.whole_way.world import World
from tests.eventually import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

NIGHT = timedelta(hours=8)
DONE = ("sent", "delivered", "read")


@pytest.fixture
def slept(tmp_path: Path) -> Path:
    """For how many seconds the machine has slept."""
    file = tmp_path / "slept"
    file.write_text("0")
    return file


@pytest.fixture
def world(tmp_path: Path, slept: Path) -> Iterator[World]:
    world = World(tmp_path, program=("tests.e2e.whole_way.slept", str(slept)))
    try:
        world.set_up()
        yield world
    finally:
        world.close()


def said(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_a_machine_that_wakes_up_goes_on_where_it_was_and_keeps_the_times_that_were_asked_for(
    world: World, slept: Path
) -> None:
    now = datetime.now(UTC)
    before = world.send("before the night")
    world.reaches(before, *DONE)
    morning = world.send("in the morning", send_at=said(now + timedelta(hours=7)))
    over = world.send(
        "not wanted any more", send_at=said(now + timedelta(hours=1)), expires_at=said(now + timedelta(hours=2))
    )
    burst = [f"as the lid closes {one}" for one in range(5)]
    numbers = [world.send(text) for text in burst]
    with world.asleep():
        slept.write_text(str(NIGHT.total_seconds()))
    for number in numbers:
        world.reaches(number, *DONE, seconds=60)
    # What was due and what was over meanwhile is found within a minute: the hub looks again at least that often.
    world.reaches(over, "expired", seconds=90)
    world.reaches(morning, *DONE, seconds=90)
    world.reaches(world.send("after the night"), *DONE, seconds=60)
    assert world.received(*burst) == burst
    assert len(world.arrivals("in the morning")) == 1
    assert world.arrivals("not wanted any more") == []
    eventually(lambda: world.status()["can_send"])
