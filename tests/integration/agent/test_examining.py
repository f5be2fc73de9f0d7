"""The hub asks a desktop what it sees of itself: one answer for each question, whatever a page does meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_agent import examining
from messenger_hub_agent.tray.menu import ChannelState
from messenger_hub_agent.whatsapp.errors import BrowserDied
from messenger_hub_agent.whatsapp.page import Bindings, PageGone

from tests.fakes.page import FakePage
from tests.integration.agent.hub import SECONDS, Hub
from tests.integration.agent.test_agent import Desk, assignments, running


def asks(desk: Desk, *numbers: int) -> None:
    assert desk.agent is not None
    for number in numbers:
        desk.agent._received(pb.ConnectResponse(examine=pb.Examine(number=number)))


async def told(hub: Hub) -> pb.Examination:
    return (await hub.heard_of("examination")).examination


async def test_a_desktop_says_in_its_hello_that_it_can_be_asked_and_tells_itself_and_its_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub([assignments(1, 2)])
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        assert (await hub.heard_of("agent_hello")).agent_hello.examines
        await desk.until(ChannelState.LINKED, ChannelState.LINKED)
        desk.first_of[2].now = PageGone("crashed")
        asks(desk, 7)
        answer = await told(hub)
    assert (answer.number, answer.browser, answer.browser_problem) == (7, "Chrome/156.0.1", "")
    assert answer.free_bytes > 0 and answer.at.seconds > 0 and not answer.folder_open
    looks = {page.channel_id: page.look for page in answer.pages}
    assert looks == {1: pb.PAGE_LOOK_DONE, 2: pb.PAGE_LOOK_NOT_OPEN}


async def test_who_asks_while_it_looks_gets_what_that_look_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub([assignments(1)])
    looking, go = asyncio.Event(), asyncio.Event()

    async def bindings(page: FakePage) -> Bindings:
        page.asked.append("bindings")
        looking.set()
        await go.wait()
        return Bindings(resolved=["Cmd"], missing=[])

    monkeypatch.setattr(examining, "PAGE_SECONDS", 1_000.0)
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.LINKED)
        monkeypatch.setattr(FakePage, "bindings", bindings)
        asks(desk, 1)
        async with asyncio.timeout(SECONDS):
            await looking.wait()
        asks(desk, 2, 3)
        go.set()
        assert [(await told(hub)).number for _ in range(3)] == [1, 2, 3]
        assert desk.first_of[1].asked.count("bindings") == 1
        asks(desk, 4)
        assert (await told(hub)).number == 4


async def test_a_browser_that_does_not_start_is_told_with_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def dies(_: FakePage) -> None:
        raise BrowserDied("Chromium ended while starting.")

    monkeypatch.setattr(FakePage, "open", dies)
    monkeypatch.setattr(FakePage, "state", lambda _: _gone())
    hub = Hub([assignments(1)])
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        while "Chromium" not in (desk.view.channels[0].reason if desk.view and desk.view.channels else ""):
            desk._changed.clear()
            async with asyncio.timeout(SECONDS):
                await desk._changed.wait()
        asks(desk, 1)
        answer = await told(hub)
    assert answer.browser_problem == "Chromium ended while starting."
    assert [page.look for page in answer.pages] == [pb.PAGE_LOOK_NOT_OPEN]


async def _gone() -> None:
    raise PageGone("the page is not open")


async def test_a_fault_of_ours_ends_no_channel_and_the_next_question_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults, logged = [RuntimeError()], asyncio.Event()
    real = examining.machine

    class Log:
        def exception(self, _: str) -> None:
            logged.set()

    def machine(folder: Path, browser: Path | None) -> pb.Examination:
        if faults:
            raise faults.pop()
        return real(folder, browser)

    monkeypatch.setattr(examining, "machine", machine)
    monkeypatch.setattr(examining, "log", Log())
    hub = Hub([assignments(1)])
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.LINKED)
        asks(desk, 1)
        async with asyncio.timeout(SECONDS):
            await logged.wait()
        asks(desk, 2)
        assert (await told(hub)).number == 2
