"""One channel's runtime, over a real journal and a page that answers as the test says."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime.clock import SystemClock
from messenger_hub_agent import channel as channel_module
from messenger_hub_agent.channel import Channel
from messenger_hub_agent.delivery import silences
from messenger_hub_agent.executor import NO_ANSWER
from messenger_hub_agent.journal import Journal
from messenger_hub_agent.reconnecting import Backoff
from messenger_hub_agent.turns import Turns
from messenger_hub_agent.whatsapp.page import PageTimeout

from tests.fakes.page import FakePage
from tests.fakes.trial import no_trial

SECONDS = 10
CHAT = "12025550111@c.us"


async def made(journal: Journal, page: FakePage, *, turns: Turns | None = None) -> Channel:
    return Channel(
        1,
        page,
        journal,
        await journal.view(),
        SystemClock(),
        Backoff(lambda: 0.0),
        lambda: None,
        no_trial(),
        turns or Turns(1),
        most_memory=1_000,
    )


async def test_frames_of_a_stream_that_is_gone_never_get_into_the_next_one(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "journal.db")
    channel = await made(journal, FakePage())
    old: list[str] = []
    new: asyncio.Queue[str] = asyncio.Queue(100)
    assignment = pb.Assignments.Assignment(channel_id=1, owned=True)
    channel.attach(lambda frame: old.append(frame.WhichOneof("frame") or ""), assignment)
    channel.detach()
    channel.attach(lambda frame: new.put_nowait(frame.WhichOneof("frame") or ""), assignment)
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        group.create_task(channel.run())
        assert await new.get() == "channel_hello"
        assert await new.get() == "channel_report"
        assert old.count("channel_hello") == 1
        await channel.stop()
    await journal.close()


async def test_a_browser_that_takes_too_much_is_started_anew_and_the_channel_rests_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_module, "CARE_SECONDS", 0.01)
    journal = await Journal.open(tmp_path / "journal.db")
    page = FakePage(used=1_001)
    channel = await made(journal, page)
    reports: asyncio.Queue[pb.ChannelReport] = asyncio.Queue(1_000)

    def hear(frame: pb.ConnectRequest) -> None:
        if frame.HasField("channel_report"):
            reports.put_nowait(frame.channel_report)

    channel.attach(hear, pb.Assignments.Assignment(channel_id=1, owned=True))
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        group.create_task(channel.run())
        while not (await reports.get()).browser_restarts:
            pass
        opened = [call for call in page.asked if call in ("open", "close")]
        assert opened == ["open", "close", "open"]
        while (told := await reports.get()).browser_bytes != 1_001:
            pass
        assert told.browser_restarts == 1  # not again and again
        await channel.stop()
    await journal.close()


class Hub:
    """What the channel's machine is told at the start, and every frame that comes back."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._heard: asyncio.Queue[pb.ConnectRequest] = asyncio.Queue(1_000)
        channel.attach(self._heard.put_nowait, pb.Assignments.Assignment(channel_id=1, owned=True))

    async def next(self, kind: str) -> pb.ConnectRequest:
        while (frame := await self._heard.get()).WhichOneof("frame") != kind:
            pass
        return frame

    async def welcomes(self) -> None:
        """Says hello, then waits until the channel takes work."""
        await self.next("channel_hello")
        self._channel.receive(pb.ConnectResponse(channel_id=1, recall=pb.Recall(after_sequence=0)))
        await self.next("journal_page")
        self._channel.receive(pb.ConnectResponse(channel_id=1, welcome=pb.Welcome(epoch=1)))
        await self.takes_work()

    async def takes_work(self) -> None:
        while not (await self.next("credit")).credit.window:
            pass

    async def given_back(self, number: int) -> str:
        """Why a message to a number that is new to the page was given back."""
        message = pb.SendText(chat=CHAT, text="Hi")
        lease = pb.Lease(lease_id=str(number), epoch=1, whatsapp_id=f"3EB0{number:018}", send_text=message)
        self._channel.receive(pb.ConnectResponse(channel_id=1, leases=pb.Leases(leases=[lease])))
        (back,) = (await self.next("returns")).returns.returns
        assert back.lease_id == lease.lease_id
        return back.release.reason


async def test_a_page_that_leaves_one_number_unanswered_twice_is_opened_in_a_new_browser_between_two_sends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silences, "FIRST_WAIT_MS", 0)
    journal = await Journal.open(tmp_path / "journal.db")
    page = FakePage(numbers={CHAT: PageTimeout("its answer got lost")})
    channel = await made(journal, page)
    hub = Hub(channel)
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        group.create_task(channel.run())
        await hub.welcomes()
        assert [await hub.given_back(number) for number in (1, 2)] == [NO_ANSWER] * 2
        await hub.takes_work()
        opened = [call for call in page.asked if call in ("open", "close")]
        assert opened == ["open", "close", "open"]
        assert [await hub.given_back(number) for number in (3, 4, 5)] == [NO_ANSWER] * 3
        assert page.asked.count("open") == 2  # the second page has more patience
        assert (await hub.given_back(6), await hub.takes_work()) == (NO_ANSWER, None)
        assert page.asked.count("open") == 3
        await channel.stop()
    await journal.close()
