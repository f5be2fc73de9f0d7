"""What the first page calls in order, and what it says needs a person."""

from __future__ import annotations

import pytest
from messenger_hub.admin.v1 import channel_admin_service_pb2
from messenger_hub.v1 import channel_service_pb2
from messenger_hub_server.console.views.home import ATTENTION_MOST, STARTS_SECONDS, needs_a_person
from playwright.async_api import expect

from tests.integration.server.agent import connected, enrolled
from tests.integration.server.console.visitor import Browser, visiting
from tests.integration.server.hub import Hub

NOW = 1_000_000


@pytest.mark.parametrize(
    ("state", "seconds", "needs"),
    [
        ("STARTING", 1, False),
        ("STARTING", STARTS_SECONDS + 1, True),
        ("LINKED", STARTS_SECONDS + 1, False),
        ("PAUSED", STARTS_SECONDS + 1, False),
        ("UNLINKED", 1, True),
        ("OFFLINE", 1, True),
    ],
)
def test_a_channel_that_does_not_get_ready_by_itself_needs_a_person(state: str, seconds: int, needs: bool) -> None:
    channel = channel_admin_service_pb2.Channel()
    channel.status.channel = channel_service_pb2.ChannelState.Value(f"CHANNEL_STATE_{state}")
    channel.status.since.seconds = NOW - seconds
    assert needs_a_person(channel, NOW) is needs


async def test_nothing_is_called_in_order_while_whatsapp_web_starts(hub: Hub, browser: Browser) -> None:
    await hub.session_api()
    async with connected(hub, 1, await enrolled(hub)) as agent, visiting(browser, hub) as visitor:
        await visitor.go("")
        order = visitor.page.get_by_text("Everything is in order")
        await expect(order).to_be_visible()
        await agent.report("STARTING", reason="WhatsApp Web is offline")
        await expect(order).to_have_count(0)
        assert visitor.complaints == []


async def test_many_channels_in_need_are_counted_after_the_first(hub: Hub, browser: Browser) -> None:
    for number in range(ATTENTION_MOST + 1):
        await hub.channel(f"branch {number:02}")
    async with visiting(browser, hub) as visitor:
        await visitor.go("")
        named = visitor.page.locator(".attention li")
        await expect(named).to_have_count(ATTENTION_MOST + 1)
        await visitor.page.get_by_role("link", name="2 more channels").click()
        await expect(visitor.page.get_by_role("heading", name="Channels")).to_be_visible()
        assert visitor.complaints == []
