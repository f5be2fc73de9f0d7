"""Many operations have waited for hours because nothing could go out: a person is asked before they go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from messenger_hub.admin.v1 import channel_admin_service_pb2 as pb
from messenger_hub.agent.v1 import agent_service_pb2
from messenger_hub.v1 import channel_service_pb2
from messenger_hub_server.services.backlogs import MOST

from tests.integration.server.agent import connected, enrolled
from tests.integration.server.console.visitor import running_browser, visiting
from tests.integration.server.hub import SECONDS, Hub, SessionApi, running_hub
from tests.integration.server.test_operations import find, send

HOUR_NS = 3_600 * 10**9
PAUSED, LINKED = channel_service_pb2.CHANNEL_STATE_PAUSED, channel_service_pb2.CHANNEL_STATE_LINKED


@asynccontextmanager
async def morning(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    waited: int = MOST + 1,
    fresh: int = 0,
    backlog: str = "ask",
    scheduled: int = 0,
    worked_hours_ago: int = 7,
) -> AsyncIterator[tuple[Hub, SessionApi, list[int], agent_service_pb2.EnrolResponse]]:
    """A hub that starts with what was accepted seven hours ago, and with what was accepted just now."""
    real, later = time.time_ns, datetime.fromtimestamp(time.time() + 86_400, UTC)
    ago = [7 * HOUR_NS]
    with monkeypatch.context() as earlier:
        earlier.setattr(time, "time_ns", lambda: real() - ago[0])
        async with running_hub(tmp_path, backlog=backlog) as hub:
            await hub.channel()
            api, credential = await hub.session_api(), await enrolled(hub)
            numbers = [await send(hub, api, mobile=f"1202555{one:04}") for one in range(waited)]
            numbers += [await send(hub, api, mobile=f"1202557{one:04}", send_at=later) for one in range(scheduled)]
            ago[0] = worked_hours_ago * HOUR_NS
            if worked_hours_ago < 7:
                async with connected(hub, 1, credential, hello=False):
                    await looked_at(hub)
            ago[0] = 0
            numbers += [await send(hub, api, mobile=f"1202556{one:04}") for one in range(fresh)]
    async with running_hub(tmp_path, backlog=backlog) as hub:
        yield hub, api, numbers, credential


async def looked_at(hub: Hub) -> None:
    """The hub has noticed that the channel works, as it does once a minute and before it stops."""
    async with asyncio.timeout(SECONDS):
        while (await channel(hub)).status.channel != LINKED:
            pass


async def channel(hub: Hub) -> pb.Channel:
    wanted = pb.GetChannelRequest(channel="main")
    return (await hub.operator.channels.GetChannel(wanted, metadata=hub.operator.metadata, timeout=SECONDS)).channel


async def decide(hub: Hub, *, before_ms: int = 0, validate_only: bool = False) -> pb.DecideBacklogResponse:
    wanted = pb.DecideBacklogRequest(channel="main", validate_only=validate_only)
    if before_ms:
        wanted.cancel_accepted_before.FromMilliseconds(before_ms)
    return await hub.operator.channels.DecideBacklog(wanted, metadata=hub.operator.metadata, timeout=SECONDS)


def five_hours_ago() -> int:
    return (time.time_ns() - 5 * HOUR_NS) // 10**6


async def test_nothing_goes_out_until_a_person_decides_and_then_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with morning(tmp_path, monkeypatch) as (hub, _, numbers, desk), connected(hub, 1, desk) as agent:
        held = await channel(hub)
        assert held.status.channel == PAUSED
        assert "decide what becomes of them" in held.status.reason
        assert held.HasField("backlog_oldest")
        careful = pb.UpdateChannelRequest(channel="main", pace=agent_service_pb2.PACE_CAREFUL)
        await hub.operator.channels.UpdateChannel(careful, metadata=hub.operator.metadata, timeout=SECONDS)
        told = (await agent.next("assignments")).assignments.assignments[0]
        assert told.paused
        assert told.HasField("backlog_oldest")
        assert not (await decide(hub)).channel.HasField("backlog_oldest")
        assert (await agent.lease()).provenance.operation_id == numbers[0]
        assert (await channel(hub)).status.channel == LINKED


async def test_what_is_too_old_is_cancelled_as_often_as_it_was_counted_and_the_rest_goes_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with morning(tmp_path, monkeypatch, fresh=2) as (hub, api, numbers, desk):
        counted = await decide(hub, before_ms=five_hours_ago(), validate_only=True)
        assert (counted.cancelled, counted.channel.HasField("backlog_oldest")) == (MOST + 1, True)
        assert (await decide(hub, before_ms=five_hours_ago())).cancelled == MOST + 1
        assert "waited for too long" in (await find(hub, api, numbers[0])).reason
        async with connected(hub, 1, desk) as agent:
            assert (await agent.lease()).provenance.operation_id == numbers[-2]


async def test_a_person_at_the_desktop_decides_and_nobody_for_anothers_channel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with morning(tmp_path, monkeypatch, fresh=2) as (hub, _, _, desk):
        mine = (("authorization", f"Bearer {desk.credential}"),)
        wanted = agent_service_pb2.DecideBacklogRequest(channel_id=1)
        wanted.cancel_accepted_before.FromMilliseconds(five_hours_ago())
        assert (await hub.programs.agents.DecideBacklog(wanted, metadata=mine, timeout=SECONDS)).cancelled == MOST + 1
        assert (await channel(hub)).status.queue_depth == 2
        assert not (await channel(hub)).HasField("backlog_oldest")
        await hub.channel("other")
        theirs = agent_service_pb2.DecideBacklogRequest(channel_id=2)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await hub.programs.agents.DecideBacklog(theirs, metadata=mine, timeout=SECONDS)
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_what_was_asked_for_at_a_later_time_is_neither_old_nor_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with morning(tmp_path, monkeypatch, scheduled=2) as (hub, api, numbers, _):
        assert (await decide(hub, before_ms=five_hours_ago())).cancelled == MOST + 1
        assert "Held until" in (await find(hub, api, numbers[-1])).reason
    async with running_hub(tmp_path, backlog="ask") as hub:
        assert not (await channel(hub)).HasField("backlog_oldest")


async def test_a_decision_that_comes_when_somebody_else_has_decided_cancels_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with morning(tmp_path, monkeypatch) as (hub, _, _, _):
        await decide(hub)
        assert (await decide(hub, before_ms=five_hours_ago())).cancelled == 0
        assert (await channel(hub)).status.queue_depth == MOST + 1


@pytest.mark.parametrize("few_or_unasked", [{"waited": MOST}, {"backlog": "send"}, {"worked_hours_ago": 5}])
async def test_few_of_them_those_of_a_hub_that_asks_nobody_and_a_long_queue_that_was_worked_on_simply_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few_or_unasked: dict[str, object]
) -> None:
    starting = morning(tmp_path, monkeypatch, **few_or_unasked)  # type: ignore[arg-type]
    async with starting as (hub, _, numbers, desk), connected(hub, 1, desk) as agent:
        assert (await agent.lease()).provenance.operation_id == numbers[0]


async def test_what_was_sent_by_decision_is_no_backlog_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with morning(tmp_path, monkeypatch) as (hub, _, _, _):
        await decide(hub)
    async with running_hub(tmp_path, backlog="ask") as hub:
        assert not (await channel(hub)).HasField("backlog_oldest")


async def test_a_backlog_that_was_cancelled_one_way_or_the_other_holds_nothing_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with morning(tmp_path, monkeypatch) as (hub, _, _, _):
        wanted = pb.ClearQueueRequest(channel="main")
        await hub.operator.channels.ClearQueue(wanted, metadata=hub.operator.metadata, timeout=SECONDS)
    async with running_hub(tmp_path, backlog="ask") as hub:
        assert not (await channel(hub)).HasField("backlog_oldest")


async def test_the_console_asks_says_how_many_and_does_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        morning(tmp_path, monkeypatch, fresh=3) as (hub, _, _, _),
        running_browser() as browser,
        visiting(browser, hub) as visitor,
    ):
        await visitor.go("")
        assert "decide what becomes of them" in await visitor.words()
        await visitor.go("channels/1")
        await visitor.page.select_option("#hours", "6")
        await visitor.press("Cancel what is older…")
        assert f"{MOST + 1} waiting operations were accepted more than 6 hours ago" in await visitor.words()
        await visitor.press("Cancel them, send the rest")
        await visitor.page.wait_for_url("**done=backlog")
        assert (await channel(hub)).status.queue_depth == 3
        assert visitor.complaints == []
