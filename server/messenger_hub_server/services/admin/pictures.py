"""Pictures of channels' pages, asked of their desktops over the streams and kept nowhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from messenger_hub.agent.v1 import agent_service_pb2 as pb

from messenger_hub_server.errors import NoPicture
from messenger_hub_server.model import ChannelId

SECONDS = 10.0

Ask = Callable[[ChannelId, pb.ConnectResponse], bool]


class Pictures:
    """`ask` sends a frame to the stream of a channel's owner; False when there is none."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._waiting: dict[tuple[ChannelId, int], asyncio.Future[bytes]] = {}
        self._number = 0

    async def take(self, channel_id: ChannelId) -> bytes:
        """JPEG. Raises NoPicture."""
        self._number += 1
        key = channel_id, self._number
        picture: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[key] = picture
        try:
            frame = pb.ConnectResponse(channel_id=channel_id, show_page=pb.ShowPage(number=self._number))
            if not self._ask(channel_id, frame):
                raise NoPicture
            async with asyncio.timeout(SECONDS):
                taken = await picture
        except TimeoutError as error:
            raise NoPicture from error
        finally:
            del self._waiting[key]
        if not taken:
            raise NoPicture
        return taken

    def came(self, channel_id: ChannelId, picture: pb.PagePicture) -> None:
        """A desktop's answer; one that nobody waits for any more is dropped."""
        waiting = self._waiting.get((channel_id, picture.number))
        if waiting is not None and not waiting.done():
            waiting.set_result(picture.jpeg)
