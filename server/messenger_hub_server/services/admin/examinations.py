"""What desktops see of themselves, asked over the streams and kept nowhere."""

from __future__ import annotations

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime.clock import Clock

from messenger_hub_server.desktop_checks import Examined, Unexamined
from messenger_hub_server.model import AgentId
from messenger_hub_server.services.admin.answers import Answers, Ask, Away

SECONDS = 3.0  # a desktop takes 2 at most, and a person waits


class Examinations:
    """`ask` sends a frame to an agent's stream."""

    def __init__(self, ask: Ask, clock: Clock) -> None:
        self._clock = clock
        self._answers: Answers[Examined] = Answers(ask)

    async def of(self, agent_id: AgentId) -> Examined | Unexamined:
        """What the agent tells, or why it tells nothing, within SECONDS."""
        try:
            return await self._answers.ask(
                agent_id, lambda number: pb.ConnectResponse(examine=pb.Examine(number=number)), SECONDS
            )
        except Away:
            return Unexamined.WENT
        except TimeoutError:
            return Unexamined.SILENT

    def came(self, agent_id: AgentId, told: pb.Examination) -> None:
        """A desktop's answer."""
        ahead = (told.at.ToMilliseconds() - self._clock.now_ms()) / 1000 if told.HasField("at") else None
        self._answers.came(agent_id, told.number, Examined(told=told, ahead_seconds=ahead))

    def gone(self, agent_id: AgentId) -> None:
        """The desktop's stream has ended."""
        self._answers.gone(agent_id)
