"""A fault of ours while work is handed out ends the streams of its own channel, and nothing else."""

from __future__ import annotations

import grpc
import pytest
from messenger_hub_server.delivery import evidence

from tests.integration.server.agent import connected, enrolled
from tests.integration.server.hub import Hub
from tests.integration.server.test_operations import send


def broken(*_: object) -> None:
    raise ZeroDivisionError


async def test_a_fault_in_what_is_leased_as_it_is_accepted_costs_its_channel_one_hello(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue itself hands it out: it serves all channels, and has to go on."""
    await hub.channel("bakery")
    shop, bakery = await hub.session_api(), await hub.session_api("bread", channel="bakery")
    credential = await enrolled(hub)
    async with connected(hub, 1, credential) as agent:
        await send(hub, shop)
        await agent.carry_out("SENT")  # from here on nothing waits, so that the next one is leased as it is accepted
        with monkeypatch.context() as patch:
            patch.setattr(evidence, "lease_frame", broken)
            await send(hub, shop, message="unlucky")
            assert await agent.ended() is grpc.StatusCode.INTERNAL
        await send(hub, bakery)
    async with connected(hub, 1, credential, hello=False) as again:
        again.continues(agent)
        await again.hello()
        assert (await again.lease()).send_text.text == "unlucky"
