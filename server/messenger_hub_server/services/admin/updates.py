"""Another wa-js, asked of desktops over the streams; what comes of it they tell by themselves."""

from __future__ import annotations

from messenger_hub.agent.v1 import agent_service_pb2 as pb

from messenger_hub_server.errors import InProgress, NoAgentConnected
from messenger_hub_server.model import AgentId
from messenger_hub_server.services.admin.answers import Answers, Ask, Away

AWAY = "The desktop app is not connected: start messenger-hub agent on the desktop, then try again."
SILENT = "The desktop app did not answer: look whether it runs and is connected, then try again."
UNDER_WAY = "The desktop looks for another wa-js already: wait until it has told what came of it."


class Updates:
    """`ask` sends a frame to an agent's stream."""

    def __init__(self, ask: Ask) -> None:
        self._answers: Answers[bool] = Answers(ask)

    async def begin(self, agent_id: AgentId, version: str, *, back: bool) -> None:
        """Returns once the desktop has begun. Raises NoAgentConnected or InProgress, within the time of an answer."""

        def question(number: int) -> pb.ConnectResponse:
            return pb.ConnectResponse(update_wa_js=pb.UpdateWaJs(number=number, version=version, back=back))

        try:
            begun = await self._answers.ask(agent_id, question)
        except Away as error:
            raise NoAgentConnected(AWAY) from error
        except TimeoutError as error:
            raise NoAgentConnected(SILENT) from error
        if not begun:
            raise InProgress(UNDER_WAY)

    def came(self, agent_id: AgentId, report: pb.WaJsReport) -> None:
        """A desktop's answer, or a change."""
        self._answers.came(agent_id, report.number, not report.refused)

    def gone(self, agent_id: AgentId) -> None:
        """The desktop's stream has ended."""
        self._answers.gone(agent_id)
