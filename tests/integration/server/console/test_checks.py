"""A person looks at a channel's facts, which its desktop is asked for then, and at no other time."""

from __future__ import annotations

import asyncio

import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_server.desktop_checks import UNEXAMINED, Unexamined
from messenger_hub_server.services.admin import examinations
from playwright.async_api import expect

from tests.integration.server.agent import ScriptedAgent, connected, enrolled
from tests.integration.server.console.test_pages import sees, sound
from tests.integration.server.console.visitor import Browser, Visitor, visiting
from tests.integration.server.hub import Hub

NAMES = [f"functions.aRatherLongNameOfSomething{number}" for number in range(300)]
PAGE = pb.Examination.Page(
    channel_id=1, look=pb.PAGE_LOOK_DONE, whatsapp_web="2.3000", resolved=NAMES, missing=NAMES, lacking=["ChatStore"]
)
TOLD = {
    "browser_problem": "No browser was found: install Google Chrome, Chromium or Microsoft Edge, or give --browser PATH."
}


async def answers(agent: ScriptedAgent, times: int = 1) -> None:
    for _ in range(times):
        await agent.tells_of_itself(PAGE, **TOLD)


async def looks(visitor: Visitor, agent: ScriptedAgent, button: str = "Look now") -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(answers(agent))
        await visitor.press(button)
        await visitor.page.wait_for_url("**/channels/1?look=1#facts")


async def test_a_channels_facts_are_asked_for_with_a_button_and_shown_on_its_page(hub: Hub, browser: Browser) -> None:
    async with connected(hub, 1, await enrolled(hub), examines=True) as agent, visiting(browser, hub) as visitor:
        await visitor.go("channels/1")
        facts = visitor.page.get_by_role("region", name="Facts")
        await expect(facts).to_contain_text("the desktop is asked when you look")
        await looks(visitor, agent)
        await expect(facts).to_contain_text("No browser was found: install Google Chrome")
        await expect(facts).to_contain_text("Needed and missing: ChatStore, so messages may not go out")
        await expect(facts).not_to_contain_text("Database")
        await facts.get_by_text("Names that wa-js takes from the page: 300 found, 300 not").click()
        await expect(facts.get_by_text(NAMES[-1]).first).to_be_visible()
        await expect(facts.get_by_role("link", name="Look again")).to_be_visible()
        assert visitor.complaints == []


async def test_a_page_that_shows_facts_does_not_ask_again_when_something_changes(
    hub: Hub, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examinations, "SECONDS", 1_000.0)
    async with connected(hub, 1, await enrolled(hub), examines=True) as agent, visiting(browser, hub) as visitor:
        await visitor.go("channels/1")
        await looks(visitor, agent)
        await agent.report("UNLINKED")
        await expect(visitor.page.locator("#state")).to_contain_text("Not linked")
        await expect(visitor.page.get_by_role("region", name="Facts")).to_contain_text("No browser was found")
        assert not [frame for frame in agent._frames if frame.HasField("examine")]


async def test_a_silent_desktop_is_told_with_what_to_do(
    hub: Hub, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examinations, "SECONDS", 0.05)
    async with connected(hub, 1, await enrolled(hub), examines=True), visiting(browser, hub) as visitor:
        for path in ("checks", "channels/1?look=1"):
            await visitor.go(path)
            await expect(visitor.page.locator("main")).to_contain_text(UNEXAMINED[Unexamined.SILENT][1:])


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("pt-BR", "Necessário e ausente: ChatStore, por isso as mensagens podem não sair"),
        ("es-MX", "Necesario y ausente: ChatStore, así que puede que los mensajes no salgan"),
    ],
)
async def test_facts_are_said_in_the_readers_language(hub: Hub, browser: Browser, language: str, said: str) -> None:
    async with (
        connected(hub, 1, await enrolled(hub), examines=True) as agent,
        visiting(browser, hub, language=language) as visitor,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(answers(agent))
        await visitor.go("checks")
        await expect(visitor.page.locator("main")).to_contain_text(said)


async def test_facts_can_be_read_by_everybody(hub: Hub, browser: Browser) -> None:
    async with (
        connected(hub, 1, await enrolled(hub), examines=True) as agent,
        visiting(browser, hub) as visitor,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(answers(agent, times=2))
        for path in ("checks", "channels/1?look=1"):
            await sound(visitor, path)
            await visitor.page.locator("summary").first.click()
            await sees(visitor, path, "details[open]")
