"""Pictures of channels' pages, asked of their desktops over the streams and kept nowhere."""

from __future__ import annotations

from messenger_hub.agent.v1 import agent_service_pb2 as pb

from messenger_hub_server.errors import NoPicture
from messenger_hub_server.model import AgentId, ChannelId
from messenger_hub_server.services.admin.answers import Answers, Ask, Away


class Pictures:
    """`ask` sends a frame to an agent's stream."""

    def __init__(self, ask: Ask) -> None:
        self._answers: Answers[bytes] = Answers(ask)

    async def take(self, agent_id: AgentId, channel_id: ChannelId) -> bytes:
        """JPEG, of a channel that the agent owns. Raises NoPicture, within the time of an answer."""

        def question(number: int) -> pb.ConnectResponse:
            return pb.ConnectResponse(channel_id=channel_id, show_page=pb.ShowPage(number=number))

        try:
            taken = await self._answers.ask(agent_id, question)
        except (Away, TimeoutError) as error:
            raise NoPicture from error
        if not taken:
            raise NoPicture
        return taken

    def came(self, agent_id: AgentId, picture: pb.PagePicture) -> None:
        """A desktop's answer."""
        self._answers.came(agent_id, picture.number, picture.jpeg)

    def gone(self, agent_id: AgentId) -> None:
        """The desktop's stream has ended."""
        self._answers.gone(agent_id)
