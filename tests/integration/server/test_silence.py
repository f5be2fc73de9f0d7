"""A desktop that says nothing any more is noticed, also by a hub that has much to tell it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from messenger_hub.admin.v1 import channel_admin_service_pb2 as admin
from messenger_hub_server import streams

from tests.integration.server.agent import connected, enrolled
from tests.integration.server.hub import SECONDS, Hub, running_hub


async def test_a_desktop_that_went_silent_is_noticed_while_the_hub_talks_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "DEAF_SECONDS", 0.5)
    async with running_hub(tmp_path) as hub:
        channel_id = await hub.channel()
        async with connected(hub, channel_id, await enrolled(hub)) as desktop:
            talking = asyncio.ensure_future(_talk(hub))
            try:
                assert await desktop.ended() == grpc.StatusCode.INVALID_ARGUMENT
            finally:
                talking.cancel()


async def _talk(hub: Hub) -> None:
    """Each pause, and each end of one, is a frame to the desktop."""
    channels, asked = hub.operator.channels, {"metadata": hub.operator.metadata, "timeout": SECONDS}
    while True:
        await channels.PauseChannel(admin.PauseChannelRequest(channel="main"), **asked)
        await channels.ResumeChannel(admin.ResumeChannelRequest(channel="main"), **asked)
