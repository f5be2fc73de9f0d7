from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.whole_way.waited import Waited, desktop
from tests.e2e.whole_way.world import World, http
from tests.eventually import eventually

CLOCK, TIMERS = "clock", "timers"  # files of what has passed at once


@pytest.fixture(scope="session")
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("whole way")
    world = World(folder, desktop=desktop(folder / CLOCK, folder / TIMERS))
    try:
        world.set_up()
        yield world
    finally:
        # Root's profiles lie elsewhere, and a file says where.
        profiles = [one.read_text() for one in folder.glob("**/agent/channels/*/profile") if one.is_file()]
        world.close()
    lines = {one: " ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])}
    left = [one for one, line in lines.items() if any(place in line for place in (str(folder), *profiles))]
    assert not left, left


@pytest.fixture
def world(_world: World) -> World:
    """Everything runs, is linked, and no fault is switched on."""
    for name in ("twin", "server", "agent"):
        if not _world.runs(name):
            _world.start(name)
    if _world.runs("second"):
        _world.end("second")
    _world.phones("reset")
    _world.phones("receipts", automatic=True, delivered_seconds=0.1, read_seconds=0.2)
    if not eventually(lambda: _world.status()["channel"] not in ("starting", "offline") and _world.status())[
        "can_send"
    ]:
        http("POST", f"{_world.twin}/_twin/scan", {})
    _world.is_linked()
    return _world


@pytest.fixture
def has_waited(_world: World) -> Callable[[float], None]:
    """What the desktop app counts by its clock, it has waited for so many seconds more."""
    return Waited(_world.folder / CLOCK).more


@pytest.fixture
def times_out(_world: World) -> Callable[[float], None]:
    """What the desktop app awaits under a timer, and sleeps for, it has waited for so many seconds more."""
    return Waited(_world.folder / TIMERS).more
