"""A person has a desktop look for a newer wa-js, and sees what comes of it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_server.console import words
from messenger_hub_server.services.admin import updates
from playwright.async_api import Locator, expect

from tests.integration.server.agent import ScriptedAgent, connected, enrolled
from tests.integration.server.console.guest import guest
from tests.integration.server.console.test_pages import sees
from tests.integration.server.console.visitor import Browser, Visitor, visiting
from tests.integration.server.hub import Hub

PINNED = pb.WaJsStanding(stage=pb.WA_JS_STAGE_PINNED, version="4.6.0", in_use="4.6.0", shipped="4.6.0")
BUTTON = "Look for a newer wa-js desk"
TOLD = {"version": "4.7.0", "in_use": "4.6.0", "shipped": "4.6.0", "reason": "needed and missing: ChatStore"}
STAGES = [name.removeprefix("WA_JS_STAGE_") for name in pb.WaJsStage.keys()]  # noqa: SIM118 an enum of protobuf's


def row(visitor: Visitor) -> Locator:
    return visitor.page.locator("#wa-js [role=status]")


async def answers(agent: ScriptedAgent, stage: str = "LOOKING", *, refused: bool = False) -> None:
    number = (await agent.next("update_wa_js")).update_wa_js.number
    await agent.tells_of_wa_js(stage, number, refused=refused, **TOLD)


async def test_a_button_has_the_desktop_look_and_the_page_tells_by_itself_what_comes_of_it(
    hub: Hub, browser: Browser
) -> None:
    async with connected(hub, 1, await enrolled(hub), wa_js=PINNED) as agent, visiting(browser, hub) as visitor:
        await visitor.go("agents")
        await expect(row(visitor)).to_contain_text("wa-js 4.6.0 is used, which the desktop's release ships.")
        async with asyncio.TaskGroup() as group:
            group.create_task(answers(agent))
            await visitor.press(BUTTON)
            await visitor.page.wait_for_url("**/agents?done=wa-js")
        await expect(row(visitor)).to_contain_text("npm is asked on the desktop")
        await expect(visitor.page.get_by_role("button", name=BUTTON)).to_have_count(0)
        await visitor.page.evaluate("document.body.dataset.sameDocument = 'yes'")
        await agent.tells_of_wa_js("CANDIDATE", **TOLD)
        await expect(row(visitor)).to_contain_text("wa-js 4.7.0 is fetched")
        await agent.tells_of_wa_js("PROVING", **TOLD)
        await expect(row(visitor)).to_contain_text("wa-js 4.7.0 fits WhatsApp Web and is used")
        await agent.tells_of_wa_js("REJECTED", **TOLD)
        await expect(row(visitor)).to_contain_text("did not do (needed and missing: ChatStore): 4.6.0 is used again")
        await expect(visitor.page.get_by_role("button", name=BUTTON)).to_be_visible()
        assert await visitor.page.evaluate("document.body.dataset.sameDocument") == "yes"
        assert visitor.complaints == []


async def test_the_button_works_with_the_keyboard_alone(hub: Hub, browser: Browser) -> None:
    async with connected(hub, 1, await enrolled(hub), wa_js=PINNED) as agent, visiting(browser, hub) as visitor:
        await visitor.go("agents")
        focused = "document.activeElement.innerText"
        for _ in range(40):
            await visitor.page.keyboard.press("Tab")
            if "Look for a newer wa-js" in await visitor.page.evaluate(focused):
                break
        async with asyncio.TaskGroup() as group:
            group.create_task(answers(agent, "NOTHING_NEWER"))
            await visitor.page.keyboard.press("Enter")
            await visitor.page.wait_for_url("**/agents?done=wa-js")
        await expect(row(visitor)).to_contain_text("npm has nothing newer than wa-js 4.6.0")


async def test_every_stage_can_be_read_by_everybody(hub: Hub, browser: Browser) -> None:
    """A desktop for each, all of them on one page."""
    async with AsyncExitStack() as desktops, visiting(browser, hub) as visitor:
        for stage in STAGES:
            channel_id, credential = await hub.channel(stage), await enrolled(hub, stage, stage)
            agent = await desktops.enter_async_context(connected(hub, channel_id, credential, wa_js=PINNED))
            await agent.tells_of_wa_js(stage, **TOLD)
        await visitor.go("agents")
        for stage in STAGES:
            told = visitor.page.locator("#wa-js tr", has=visitor.page.get_by_role("rowheader", name=stage, exact=True))
            word = words.WA_JS_STAGES[pb.WaJsStage.Value(f"WA_JS_STAGE_{stage}")][0]
            await expect(told.locator(".badge")).to_have_text(word)
        await sees(visitor, "agents")


def test_every_stage_of_the_contract_has_a_word() -> None:
    assert {*words.WA_JS_STAGES} == {*pb.WaJsStage.values()}


@pytest.mark.parametrize(
    ("language", "button", "said"),
    [
        (
            "pt-BR",
            "Procurar um wa-js mais novo desk",
            "O wa-js 4.7.0 foi testado e não serviu (necessário e ausente: ChatStore)",
        ),
        (
            "es-MX",
            "Buscar un wa-js más nuevo desk",
            "wa-js 4.7.0 se probó y no sirvió (necesario y ausente: ChatStore)",
        ),
    ],
)
async def test_it_is_said_in_the_readers_language(
    hub: Hub, browser: Browser, language: str, button: str, said: str
) -> None:
    async with (
        connected(hub, 1, await enrolled(hub), wa_js=PINNED) as agent,
        visiting(browser, hub, language=language) as visitor,
    ):
        await visitor.go("agents")
        await agent.tells_of_wa_js("REJECTED", **TOLD)
        await expect(row(visitor)).to_contain_text(said)
        await expect(visitor.page.get_by_role("button", name=button)).to_be_visible()


async def test_a_second_wish_while_one_is_under_way_is_told(hub: Hub, browser: Browser) -> None:
    async with connected(hub, 1, await enrolled(hub), wa_js=PINNED) as agent, visiting(browser, hub) as visitor:
        await visitor.go("agents")
        async with asyncio.TaskGroup() as group:
            group.create_task(answers(agent, refused=True))
            await visitor.press(BUTTON)
            alert = visitor.page.get_by_role("alert")
            await expect(alert).to_have_text(updates.UNDER_WAY)
        await agent.tells_of_wa_js("REJECTED", **TOLD)
        await expect(row(visitor)).to_contain_text("4.6.0 is used again")
        await expect(alert).to_have_count(1)
        assert [one for one in visitor.complaints if "409" not in one] == []


async def test_a_refusal_is_told_also_where_no_desktop_is_left(hub: Hub) -> None:
    async with guest(hub) as one:
        status, text, _ = await one.post("/console/agents/99/wa-js")
    assert status == 404 and 'role="alert"' in text and 'hx-get="/console/agents"' in text


@pytest.mark.parametrize("stage", ["NPM_FAILED", "UNUSABLE"])
async def test_why_nothing_was_fetched_and_when_is_told(hub: Hub, browser: Browser, stage: str) -> None:
    async with connected(hub, 1, await enrolled(hub), wa_js=PINNED) as agent, visiting(browser, hub) as visitor:
        await visitor.go("agents")
        number = pb.WaJsStage.Value(f"WA_JS_STAGE_{stage}")
        standing = pb.WaJsStanding(stage=number, in_use="4.6.0", reason="npm says: ENOTFOUND")
        standing.looked_at.FromSeconds(1_700_000_000)
        await agent.write(pb.ConnectRequest(wa_js_report=pb.WaJsReport(standing=standing)))
        await expect(row(visitor)).to_contain_text("(npm says: ENOTFOUND)")
        await expect(row(visitor).locator("time")).to_have_attribute("datetime", "2023-11-14T22:13:20+00:00")


async def test_a_candidate_that_no_page_checks_does_not_take_the_button_away(hub: Hub, browser: Browser) -> None:
    async with connected(hub, 1, await enrolled(hub), wa_js=PINNED) as agent, visiting(browser, hub) as visitor:
        await agent.tells_of_wa_js("CANDIDATE", **TOLD)
        await visitor.go("agents")
        await expect(row(visitor)).to_contain_text("wa-js 4.7.0 is fetched")
        await expect(visitor.page.get_by_role("button", name=BUTTON)).to_be_visible()


async def test_a_desktop_that_cannot_be_asked_has_no_button_and_the_page_says_why(hub: Hub, browser: Browser) -> None:
    credential = await enrolled(hub)
    async with visiting(browser, hub) as visitor:
        await visitor.go("agents")
        await expect(row(visitor)).to_contain_text("Away")
        async with connected(hub, 1, credential):
            await expect(row(visitor)).to_contain_text("too old to be asked from here")
            await expect(visitor.page.get_by_role("button", name=BUTTON)).to_have_count(0)


async def test_another_web_page_cannot_press_it(hub: Hub) -> None:
    async with connected(hub, 1, await enrolled(hub), wa_js=PINNED), guest(hub) as one:
        assert (await one.post("/console/agents/1/wa-js", {"Origin": "https://evil.example"}))[0] == 403
        one.csrf = "wrong"
        assert (await one.post("/console/agents/1/wa-js"))[0] == 403
    async with guest(hub, signed_in=False) as one:
        assert (await one.post("/console/agents/1/wa-js"))[0] == 401


async def test_a_channel_that_needs_an_update_leads_to_it(hub: Hub, browser: Browser) -> None:
    async with connected(hub, 1, await enrolled(hub), wa_js=PINNED) as agent, visiting(browser, hub) as visitor:
        await agent.report("NEEDS_UPDATE")
        await visitor.go("channels/1")
        await visitor.press("Look for a newer wa-js")
        await visitor.page.wait_for_url("**/agents#wa-js")
        await expect(row(visitor)).to_be_visible()
