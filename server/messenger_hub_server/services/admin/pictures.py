"""Pictures of channels' pages, asked of their desktops over the streams and kept nowhere."""

from __future__ import annotations

from collections.abc import Callable

from messenger_hub.agent.v1 import agent_service_pb2 as pb

from messenger_hub_server.errors import NoPicture
from messenger_hub_server.model import ChannelId
from messenger_hub_server.services.admin.answers import Answers, Away

Ask = Callable[[ChannelId, pb.ConnectResponse], bool]


class Pictures:
    """`ask` sends a frame to the stream of a channel's owner; False when there is none."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._answers: Answers[ChannelId, bytes] = Answers()

    async def take(self, channel_id: ChannelId) -> bytes:
        """JPEG. Raises NoPicture, within the time of an answer."""

        def send(number: int) -> bool:
            show = pb.ShowPage(number=number)
            return self._ask(channel_id, pb.ConnectResponse(channel_id=channel_id, show_page=show))

        try:
            taken = await self._answers.ask(channel_id, send)
        except (Away, TimeoutError) as error:
            raise NoPicture from error
        if not taken:
            raise NoPicture
        return taken

    def came(self, channel_id: ChannelId, picture: pb.PagePicture) -> None:
        """A desktop's answer."""
        self._answers.came(channel_id, picture.number, picture.jpeg)
