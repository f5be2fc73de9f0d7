"""An operator looks at what keeps messages from going out: what the hub asks of its desktops, and what it makes of their answers."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from messenger_hub.admin.v1 import channel_admin_service_pb2
from messenger_hub.admin.v1 import hub_admin_service_pb2 as pb
from messenger_hub.agent.v1 import agent_service_pb2
from messenger_hub_server.desktop_checks import UNEXAMINED, UNSEEN, Unexamined
from messenger_hub_server.services.admin import answers, examinations

from tests.integration.server.agent import ScriptedAgent, connected, enrolled
from tests.integration.server.hub import SECONDS, Hub

Check = pb.ListChecksResponse.Check
FITS = agent_service_pb2.Examination.Page(
    channel_id=1,
    look=agent_service_pb2.PAGE_LOOK_DONE,
    whatsapp_web="2.3000",
    resolved=["Cmd", "Conn"],
    missing=["Gone"],
)
FOR_EVER = 1_000.0


async def looks(hub: Hub, channel: str = "") -> Sequence[Check]:
    request = pb.ListChecksRequest(channel=channel)
    answer = await hub.operator.hub.ListChecks(request, metadata=hub.operator.metadata, timeout=SECONDS)
    assert isinstance(answer, pb.ListChecksResponse)
    return answer.checks


def of(found: Sequence[Check], agent: str = "", channel: str = "") -> dict[str, str]:
    """What is said of one desktop or channel, or of the hub, by name."""
    return {one.name: one.said for one in found if (one.agent, one.channel) == (agent, channel)}


async def answered(hub: Hub, agent: ScriptedAgent, *pages: Any, channel: str = "", **told: object) -> Sequence[Check]:
    """What an operator sees when the desktop tells this."""
    async with asyncio.TaskGroup() as group:
        looking = group.create_task(looks(hub, channel))
        await agent.tells_of_itself(*pages, **told)
    return looking.result()


async def test_a_desktop_is_asked_and_its_answer_is_told_for_it_and_for_its_channel(hub: Hub) -> None:
    async with connected(hub, 1, await enrolled(hub), examines=True) as agent:
        found = await answered(hub, agent, FITS, browser="Chrome/156.0.1", free_bytes=50 << 30, python_version="3.11.2")
    assert of(found, agent="desk") == {
        "Connection": of(found, agent="desk")["Connection"],
        "Browser": "Chrome/156.0.1 works",
        "Disk": "50.0 GiB free",
        "Data folder": "for its owner only",
        "Versions": "Messenger Hub test, Python 3.11.2, test",
    }
    assert of(found, channel="main") == {
        "State": "linked: Messages go out",
        "WhatsApp Web": "WhatsApp Web 2.3000 has everything that sending needs",
    }
    assert {"Data folder", "Disk", "Database", "Log"} <= of(found).keys()
    (page,) = [one for one in found if one.HasField("bindings")]
    assert ([*page.bindings.resolved], [*page.bindings.missing]) == (["Cmd", "Conn"], ["Gone"])
    whose = [(one.agent_id, one.channel_id) for one in found]
    assert whose == sorted(whose, key=lambda ids: (ids[1], ids[0])), "the hub, then its desktop, then its channel"


async def test_the_hub_judges_the_desktops_clock_by_when_the_answer_comes(hub: Hub) -> None:
    async with connected(hub, 1, await enrolled(hub), examines=True) as agent:
        at = agent_service_pb2.Examination().at
        at.GetCurrentTime()
        assert of(await answered(hub, agent, at=at), agent="desk")["Clock"] == "agrees with the hub's"
        at.seconds += 7_200
        assert " s ahead of the hub's" in of(await answered(hub, agent, at=at), agent="desk")["Clock"]


async def test_all_desktops_are_asked_at_once_and_a_silent_one_takes_nothing_from_the_others(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examinations, "SECONDS", FOR_EVER)
    first, second = await enrolled(hub), await enrolled(hub, "other")
    async with (
        connected(hub, 1, first, examines=True) as agent,
        connected(hub, 1, second, examines=True, hello=False, linked=False) as other,
        asyncio.TaskGroup() as group,
    ):
        looking = group.create_task(looks(hub))
        numbers = [(await one.next("examine")).examine.number for one in (agent, other)]
        assert not looking.done()
        for one, number in zip((other, agent), reversed(numbers), strict=True):
            answer = agent_service_pb2.Examination(number=number, browser=f"Chrome/{number}")
            await one.write(agent_service_pb2.ConnectRequest(examination=answer))
        found = await looking
    said = [of(found, agent=name)["Browser"] for name in ("desk", "other")]
    assert said == [f"Chrome/{number} works" for number in numbers]


async def test_a_desktop_that_is_silent_or_away_is_told_in_one_sentence(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examinations, "SECONDS", 0.05)
    credential, _ = await enrolled(hub), await enrolled(hub, "never")
    async with connected(hub, 1, credential, examines=True):
        found = await looks(hub)
        assert of(found, agent="desk")["Desktop app"] == UNEXAMINED[Unexamined.SILENT]
        assert of(found, agent="never") == {"Connection": "has never connected: start the desktop app there"}
        assert of(found, channel="main").keys() == {"State"}


async def test_a_desktop_of_an_older_version_is_told_as_such_and_never_gets_the_frame(hub: Hub) -> None:
    async with connected(hub, 1, await enrolled(hub), wa_js=agent_service_pb2.WaJsStanding()) as agent:
        assert of(await looks(hub), agent="desk")["Desktop app"] == UNEXAMINED[Unexamined.TOO_OLD]
        pause = channel_admin_service_pb2.PauseChannelRequest(channel="main")
        await hub.operator.channels.PauseChannel(pause, metadata=hub.operator.metadata, timeout=SECONDS)
        await agent.next("assignments")
        assert not [frame for frame in agent._frames if frame.HasField("examine")]


async def test_a_desktop_that_goes_away_while_it_is_asked_is_told_at_once(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examinations, "SECONDS", FOR_EVER)
    credential = await enrolled(hub)
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        async with connected(hub, 1, credential, examines=True) as agent:
            looking = group.create_task(looks(hub))
            await agent.next("examine")
        found = await looking
    assert of(found, agent="desk")["Desktop app"] == UNEXAMINED[Unexamined.WENT]
    assert "has been away" in of(found, agent="desk")["Connection"]


async def test_a_desktop_that_comes_back_on_another_stream_ends_the_wait_for_what_it_was_asked_before(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examinations, "SECONDS", FOR_EVER)
    credential = await enrolled(hub)
    async with (
        asyncio.timeout(SECONDS),
        asyncio.TaskGroup() as group,
        connected(hub, 1, credential, examines=True) as agent,
    ):
        looking = group.create_task(looks(hub))
        await agent.next("examine")
        async with connected(hub, 1, credential, examines=True, hello=False):
            found = await looking
    assert of(found, agent="desk")["Desktop app"] == UNEXAMINED[Unexamined.WENT]


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_picture_is_not_waited_for_when_its_desktop_goes_away(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    monkeypatch.setattr(answers, "SECONDS", FOR_EVER)
    credential = await enrolled(hub)
    request = channel_admin_service_pb2.GetPagePictureRequest(channel="main")
    async with asyncio.timeout(SECONDS), connected(hub, 1, credential) as agent:
        call = hub.operator.channels.GetPagePicture(request, metadata=hub.operator.metadata)
        await agent.next("show_page")
        if replaced:
            async with connected(hub, 1, credential, hello=False):
                assert await call.code() is grpc.StatusCode.UNAVAILABLE
        else:
            agent._call.cancel()
            assert await call.code() is grpc.StatusCode.UNAVAILABLE
    assert "no picture" in await call.details()


async def test_a_picture_is_not_waited_for_before_the_desktop_has_opened_the_channel(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "SECONDS", FOR_EVER)
    credential = await enrolled(hub)
    async with connected(hub, 1, credential):
        pass
    request = channel_admin_service_pb2.GetPagePictureRequest(channel="main")
    async with asyncio.timeout(SECONDS), connected(hub, 1, credential, hello=False, linked=False):
        call = hub.operator.channels.GetPagePicture(request, metadata=hub.operator.metadata)
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
    assert "has not opened" in await call.details()


async def test_a_picture_is_asked_of_the_channels_owner_and_told(hub: Hub) -> None:
    request = channel_admin_service_pb2.GetPagePictureRequest(channel="main")
    async with connected(hub, 1, await enrolled(hub)) as agent, asyncio.timeout(SECONDS):
        call = hub.operator.channels.GetPagePicture(request, metadata=hub.operator.metadata)
        frame = await agent.next("show_page")
        assert frame.channel_id == 1
        picture = agent_service_pb2.PagePicture(number=frame.show_page.number, jpeg=b"JPEG")
        await agent.send(page_picture=picture)
        assert (await call).jpeg == b"JPEG"


async def test_one_desktop_is_not_believed_what_it_tells_of_anothers_channel_and_cannot_answer_for_it(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examinations, "SECONDS", FOR_EVER)
    owner, stranger = await enrolled(hub), await enrolled(hub, "other")
    async with (
        connected(hub, 1, owner, examines=True) as agent,
        connected(hub, 1, stranger, examines=True, hello=False, linked=False) as other,
        asyncio.TaskGroup() as group,
    ):
        looking = group.create_task(looks(hub))
        asked, number = (await agent.next("examine")).examine.number, (await other.next("examine")).examine.number
        for wrong in (asked, number):
            lie = agent_service_pb2.Examination(number=wrong, pages=[FITS], browser="Chrome/0")
            await other.write(agent_service_pb2.ConnectRequest(examination=lie))
        answer = agent_service_pb2.Examination(number=asked, browser="Chrome/1")
        await agent.write(agent_service_pb2.ConnectRequest(examination=answer))
        found = await looking
    assert of(found, agent="desk")["Browser"] == "Chrome/1 works"
    assert of(found, channel="main")["WhatsApp Web"] == UNSEEN[agent_service_pb2.PAGE_LOOK_NOT_OPEN]


async def test_what_a_desktop_tells_is_cut_to_one_line_of_a_length(hub: Hub) -> None:
    page = agent_service_pb2.Examination.Page(
        channel_id=1, look=agent_service_pb2.PAGE_LOOK_DONE, whatsapp_web="2\x1b[2J" + "3" * 100, missing=["a\nb"]
    )
    async with connected(hub, 1, await enrolled(hub), examines=True) as agent:
        found = await answered(hub, agent, page, browser_problem="one\r\ntwo" + "x" * 5_000)
        problem = of(found, agent="desk")["Browser"]
        assert problem.startswith("one  two") and len(problem) == 1_000
        assert "2 [2J333" in of(found, channel="main")["WhatsApp Web"]
        assert [*found[-1].bindings.missing] == ["a b"]
        newer = agent_service_pb2.Examination.Page(channel_id=1, look=99)  # type: ignore[arg-type]
        found = await answered(hub, agent, newer)
        assert of(found, channel="main")["WhatsApp Web"] == UNSEEN[agent_service_pb2.PAGE_LOOK_NO_ANSWER]


async def test_for_one_channel_only_its_own_desktop_is_asked(hub: Hub) -> None:
    await hub.channel("second")
    first, second = await enrolled(hub), await enrolled(hub, "other", "second")
    async with connected(hub, 1, first, examines=True) as agent, connected(hub, 2, second, examines=True):
        found = await answered(hub, agent, FITS, channel="main")
    assert {(one.agent, one.channel) for one in found} == {("desk", ""), ("", "main")}


async def test_for_a_channel_that_is_not_there_it_says_so(hub: Hub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await looks(hub, "nowhere")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_the_doctor_tells_what_the_hubs_desktops_tell_under_their_names(hub: Hub) -> None:
    words = ("doctor", "--twin", "--data-dir", str(hub.data_dir))

    async def typed(*more: str) -> tuple[int | None, str]:
        verb = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "messenger_hub_cli", *words, *more, stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await verb.communicate()
        return verb.returncode, printed.decode()

    async with connected(hub, 1, await enrolled(hub), examines=True) as agent:
        for more in ((), ("--json",)):
            async with asyncio.TaskGroup() as group:
                typing = group.create_task(typed(*more))
                await agent.tells_of_itself(FITS, browser_problem="No browser was found: install one.")
            code, printed = typing.result()
            assert code == 1
            if more:
                checks = json.loads(printed)["checks"]
                (browser,) = [one for one in checks if one["name"] == "Browser"]
                assert (browser["desktop"], browser["verdict"]) == ("desk", "bad")
                (page,) = [one for one in checks if one.get("channel") == "main" and "missing" in one]
                assert (page["missing"], page["needed_and_missing"]) == (["Gone"], [])
            else:
                lines = printed.splitlines()
                assert lines.index("Desktop desk:") < lines.index("✗ Browser       No browser was found: install one.")
                assert "Channel main:" in lines
