"""Streams through a proxy: silent ones go on, and one whose other end is dead is noticed though the proxy is well.

Hub, proxy and desktop app are the real ones, each on its machine; heartbeats come after a second instead of 45, and the desktop's pages
need no browser.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.integration.two_machines.machines import Program
from tests.integration.two_machines.world import SILENCE, World, desktop, world

TALKATIVE = "tests.integration.two_machines.talkative"
TIME_OUT = timedelta(seconds=3)
HASTY = {"150s": "3s"}  # the proxy's time-outs


def seen(there: World) -> datetime:
    """When the hub heard the desktop last."""
    return datetime.fromisoformat(there.agent()["last_seen_at"])


def test_a_silent_stream_outlives_the_time_outs_of_the_proxy(tmp_path: Path) -> None:
    with world(tmp_path, "nginx", server=(TALKATIVE, SILENCE), replacing=HASTY) as there, desktop(there):
        first = seen(there)
        eventually(lambda: seen(there) > first + 3 * TIME_OUT, what="three time-outs have passed")
        there.reaches(there.send("after the silence"), "sent")
        assert there.server.said("agent connected") == 1
        assert there.server.said("agent gone") == 0


def test_without_heartbeats_that_proxy_cuts_the_stream_and_the_desktop_comes_back(tmp_path: Path) -> None:
    with world(tmp_path, "nginx", replacing=HASTY) as there, desktop(there, "45"):
        eventually(lambda: there.server.said("agent gone") and there.server.said("agent connected") > 1)
        there.reaches(there.send("on the next stream"), "sent")


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Program]]:
    """A desktop app, and the hub that it works for, behind each of the proxies."""
    with (
        world(tmp_path_factory.mktemp("kept"), request.param, server=(TALKATIVE, SILENCE)) as there,
        desktop(there) as app,
    ):
        yield there, app


@pytest.fixture
def there(kept: tuple[World, Program]) -> World:
    """A message would go out. What the desktop app has said before does not count."""
    there, app = kept
    there.is_connected()
    there.can_send()
    app.forget()
    return there


@pytest.fixture
def app(kept: tuple[World, Program]) -> Program:
    return kept[1]


def test_a_proxy_that_stands_still_is_missed_by_its_pings(there: World, app: Program) -> None:
    with there.front.stopped():
        eventually(lambda: app.said("check the address"))
        there.is_connected(connected=False)
    assert app.said("silent for too long") == 0
    there.is_connected()
    there.reaches(there.send("through the proxy again"), "sent")


def test_a_hub_that_stands_still_is_missed_by_the_desktop_though_the_proxy_answers_its_pings(
    there: World, app: Program
) -> None:
    with there.server.stopped():
        # A ping that is not answered ends the connection sooner, and with another sentence.
        eventually(lambda: app.said("The hub was silent for too long"))
    there.is_connected()
    there.reaches(there.send("to the hub that goes on"), "sent")


def test_a_desktop_that_stands_still_is_missed_by_the_hub_and_comes_back(there: World, app: Program) -> None:
    with app.stopped():
        there.is_connected(connected=False)
        number = there.send("while it stands still")
    there.reaches(number, "sent")
