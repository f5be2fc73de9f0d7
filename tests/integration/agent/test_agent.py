"""The agent between a hub that a test plays and pages that answer as it says: what starts and stops when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime.clock import SystemClock
from messenger_hub.runtime.dial import DialRefused, NobodyAnswers, Target, dial
from messenger_hub_agent import app
from messenger_hub_agent.app import Agent
from messenger_hub_agent.config import AgentSettings
from messenger_hub_agent.enrolment import AgentProblem, enrolled
from messenger_hub_agent.folder import AgentFolder
from messenger_hub_agent.pauses import Pauses
from messenger_hub_agent.reconnecting import Backoff
from messenger_hub_agent.tray.menu import ChannelState, Pause, Resume, SendBacklog, TrayView
from messenger_hub_agent.updating.shelf import Shelf, Wanted
from messenger_hub_agent.whatsapp.page import PageError
from messenger_hub_agent.whatsapp.wa_js import WaJs, version

from tests.fakes.page import FakePage
from tests.fakes.trial import NEWER
from tests.integration.agent.hub import SECONDS, Hub, serving


def assignments(*channels: int, **more: object) -> pb.ConnectResponse:
    listed = [
        pb.Assignments.Assignment(channel_id=one, name=f"c{one}", owned=True, **more)  # type: ignore[arg-type]
        for one in channels
    ]
    return pb.ConnectResponse(assignments=pb.Assignments(assignments=listed, api_address="http://hub"))


class Desk:
    """A running agent, the pages that it has opened, and the newest view of its tray."""

    def __init__(self) -> None:
        self.pages: list[FakePage] = []
        self.first_of: dict[int, FakePage] = {}
        self.agent: Agent | None = None
        self.view: TrayView | None = None
        self._changed = asyncio.Event()

    def page(self, folder: Path, _options: object, _address: str, choose: Callable[[], WaJs]) -> FakePage:
        """A page of the channel whose folder that is; channels start in any order."""
        self.pages.append(FakePage(wa_js_version=choose().version, chosen=lambda: choose().version))
        self.first_of.setdefault(int(folder.name), self.pages[-1])
        return self.pages[-1]

    def show(self, view: TrayView) -> None:
        self.view = view
        self._changed.set()

    async def until(self, *states: ChannelState) -> None:
        async with asyncio.timeout(SECONDS):
            while self.view is None or tuple(one.state for one in self.view.channels) != states:
                self._changed.clear()
                await self._changed.wait()

    async def until_waiting(self, count: int) -> None:
        async with asyncio.timeout(SECONDS):
            while self.view is None or [one.queue_depth for one in self.view.channels] != [count]:
                self._changed.clear()
                await self._changed.wait()

    async def until_pages_have(self, wa_js: str) -> None:
        async with asyncio.timeout(SECONDS):
            while any(page.wa_js_version != wa_js for page in self.pages):
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def running(hub: Hub, folder_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    desk = Desk()
    monkeypatch.setattr(app, "PyppeteerPage", desk.page)
    async with serving(hub) as address:
        settings = AgentSettings(data_dir=folder_path, server=address, enrol_token="good", headless=True)
        folder = AgentFolder.open(folder_path)
        try:
            credential = await enrolled(settings, folder)
            desk.agent = Agent(
                settings, folder, credential, SystemClock(), desk.show, lambda _: None, lambda _: None, visible=False
            )
            async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
                group.create_task(desk.agent.run())
                yield desk
                desk.agent.stop()
        finally:
            folder.close()
    assert all(page.asked[-1] == "close" for page in desk.pages), "every page is closed"


def kinds(hub: Hub) -> Sequence[str]:
    return [kind for kind in hub.heard_all() if kind in ("channel_hello", "agent_hello")]


async def test_assignments_that_come_twice_at_once_start_a_channel_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub([assignments(1), assignments(1, linking=True), assignments(1)])
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.LINKED)
        assert len(desk.pages) == 1
    assert kinds(hub) == ["agent_hello", "channel_hello"]


async def test_a_channel_that_is_taken_away_ends_and_one_that_comes_back_starts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub([assignments(1, 2)])
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.LINKED, ChannelState.LINKED)
        assert desk.agent is not None
        desk.agent._assigned(assignments(2).assignments)
        async with asyncio.timeout(SECONDS):
            await asyncio.wait({desk.agent._serving[1]})
        assert desk.first_of[1].asked[-1] == "close"
        desk.agent._assigned(assignments(1, 2).assignments)
        await desk.until(ChannelState.LINKED, ChannelState.LINKED)
        assert len(desk.pages) == 3


async def test_what_a_person_decides_about_a_backlog_in_the_tray_is_told_to_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Timestamp(seconds=1_000)
    hub = Hub([assignments(1, paused=True, backlog_oldest=held)])
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.PAUSED)
        assert desk.agent is not None and desk.view is not None
        assert desk.view.channels[0].has_backlog
        desk.agent.command(SendBacklog(channel_id="1"))
        assert not (await hub.decided.get()).HasField("cancel_accepted_before")
        before = time.time()
        desk.agent.command(SendBacklog(channel_id="1", hours=24))
        assert (await hub.decided.get()).cancel_accepted_before.seconds == pytest.approx(before - 86_400, abs=SECONDS)


async def test_the_page_is_pictured_for_whoever_asks_and_an_empty_answer_says_that_it_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = pb.ConnectResponse(channel_id=1, show_page=pb.ShowPage(number=3))
    hub = Hub([assignments(1)])
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.LINKED)
        assert desk.agent is not None
        for page, jpeg in ((b"JPEG", b"JPEG"), (PageError("x", ""), b""), (b"." * 1_000_000, b"")):
            desk.first_of[1].pictured = page
            desk.agent._received(show)
            told = await hub.heard_of("page_picture")
            assert (told.channel_id, told.page_picture) == (1, pb.PagePicture(number=3, jpeg=jpeg))


async def test_what_the_desktop_has_in_hand_still_waits_in_the_tray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub counts what it has not handed over; nothing of it is gone before the pace has let it out."""
    hub = Hub([assignments(1, queue_depth=2, pace=pb.PACE_CAREFUL)])
    leases = [
        pb.Lease(
            lease_id=f"L{one}", whatsapp_id=f"3EB0{one}", epoch=1, send_text=pb.SendText(chat=f"{one}@c.us", text="x")
        )
        for one in (1, 2, 3)
    ]
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.LINKED)
        await desk.until_waiting(2)
        assert desk.agent is not None
        desk.agent._received(pb.ConnectResponse(channel_id=1, recall=pb.Recall()))
        await hub.heard_of("journal_page")
        desk.agent._received(pb.ConnectResponse(channel_id=1, welcome=pb.Welcome(epoch=1)))
        await hub.heard_of("credit")
        desk.agent._received(pb.ConnectResponse(channel_id=1, leases=pb.Leases(leases=leases)))
        await desk.until_waiting(5)


async def test_a_pause_for_a_while_ends_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub([assignments(1)])
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.LINKED)
        assert desk.agent is not None
        desk.agent.command(Pause(channel_id="1", seconds=1))
        await desk.until(ChannelState.PAUSED)
        assert desk.view is not None
        assert desk.view.channels[0].paused_until is not None
        await desk.until(ChannelState.LINKED)


def test_pauses_kept_by_a_version_without_an_end_are_still_there(tmp_path: Path) -> None:
    folder = AgentFolder.open(tmp_path)
    (tmp_path / "paused.json").write_text("[1,7]")
    assert folder.pauses == Pauses({1: None, 7: None})
    folder.set_pauses(folder.pauses.paused(7, 1_000))
    assert (folder.pauses.due(999), folder.pauses.due(1_000)) == ((), (7,))
    folder.close()


async def test_a_pause_of_the_tray_is_kept_over_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub([assignments(1)])
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.LINKED)
        assert desk.agent is not None
        desk.agent.command(Pause(channel_id="1"))
        await desk.until(ChannelState.PAUSED)
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.PAUSED)
        assert desk.agent is not None
        desk.agent.command(Resume(channel_id="1"))
        await desk.until(ChannelState.LINKED)


async def test_a_revoked_agent_ends_with_the_hubs_sentence_and_closes_its_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub([assignments(1)])
    hub.ends = (grpc.StatusCode.UNAUTHENTICATED, "This desktop was revoked.")
    with pytest.raises(ExceptionGroup) as ended:
        async with running(hub, tmp_path / "agent", monkeypatch):
            await asyncio.Event().wait()
    problem = ended.value.exceptions[0]
    assert isinstance(problem, AgentProblem)
    assert problem.sentence == "This desktop was revoked."


async def test_another_wa_js_gets_into_the_pages_of_all_channels_and_the_hub_is_told_in_a_new_hello(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "WISH_SECONDS", 0.01)
    hub = Hub([assignments(1, 2)])
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.LINKED, ChannelState.LINKED)
        assert (await hub.heard_of("agent_hello")).agent_hello.wa_js_version == version()
        Shelf(tmp_path / "agent" / "wa-js").want(Wanted(NEWER))
        assert (await hub.heard_of("agent_hello")).agent_hello.wa_js_version == NEWER.version
        await desk.until_pages_have(NEWER.version)
        await desk.until(ChannelState.LINKED, ChannelState.LINKED)
        assert len(desk.pages) == 2


def failed_attempts(monkeypatch: pytest.MonkeyPatch) -> Sequence[float]:
    """Those after which each wait is longer: how many seconds each held. Nothing waits."""
    failed: list[float] = []

    def waited(_backoff: Backoff, lasted_seconds: float) -> float:
        failed.append(lasted_seconds)
        return 0.0

    monkeypatch.setattr(Backoff, "next_seconds", waited)
    monkeypatch.setattr(Backoff, "lost_seconds", lambda _backoff, _away_seconds: 0.0)
    return failed


async def test_a_hub_whose_pinned_certificate_nobody_shows_for_a_while_is_wanted_back_as_soon_as_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = failed_attempts(monkeypatch)
    answers = iter([NobodyAnswers("away"), NobodyAnswers("still away"), DialRefused("another certificate")])

    async def dialled(target: Target) -> grpc.aio.Channel:
        if problem := next(answers, None):
            raise problem
        return await dial(target)

    monkeypatch.setattr(app, "dial", dialled)
    async with running(Hub([assignments(1)]), tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.LINKED)
    assert len(failed) == 1, "only what was refused"


async def test_a_stream_that_is_ended_for_another_wa_js_is_no_attempt_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who tries one after the other would wait longer each time."""
    failed = failed_attempts(monkeypatch)
    monkeypatch.setattr(app, "WISH_SECONDS", 0.01)
    hub = Hub([assignments(1)])
    async with running(hub, tmp_path / "agent", monkeypatch) as desk:
        await desk.until(ChannelState.LINKED)
        await hub.heard_of("agent_hello")
        Shelf(tmp_path / "agent" / "wa-js").want(Wanted(NEWER))
        assert (await hub.heard_of("agent_hello")).agent_hello.wa_js_version == NEWER.version
        await desk.until_pages_have(NEWER.version)
    assert failed == []


async def test_an_agent_that_starts_goes_on_with_what_it_had_on_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "WISH_SECONDS", 0.01)
    hub = Hub([assignments(1)])
    Shelf(tmp_path / "agent" / "wa-js").want(Wanted(NEWER))
    for _ in range(2):
        async with running(hub, tmp_path / "agent", monkeypatch) as desk:
            await desk.until(ChannelState.LINKED)
            assert desk.pages[0].wa_js_version == NEWER.version
            assert "bindings" in desk.pages[0].asked
