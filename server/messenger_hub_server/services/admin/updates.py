"""Updates of wa-js, asked of desktops over the streams; what comes of them they tell by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from messenger_hub.agent.v1 import agent_service_pb2 as pb

from messenger_hub_server.errors import InProgress, NoAgentConnected
from messenger_hub_server.model import AgentId

SECONDS = 10.0
AWAY = "The desktop app is not connected: start messenger-hub agent on the desktop, then try again."
SILENT = "The desktop app did not answer: look whether it runs and is connected, then try again."
UNDER_WAY = "The desktop looks for another wa-js already, or tries one: wait until it has told what came of it."

Ask = Callable[[AgentId, pb.ConnectResponse], bool]


class Updates:
    """`ask` sends a frame to an agent's stream; False when there is none."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._waiting: dict[tuple[AgentId, int], asyncio.Future[bool]] = {}
        self._number = 0

    async def begin(self, agent_id: AgentId, version: str, *, back: bool) -> None:
        """Returns once the desktop has begun. Raises NoAgentConnected or InProgress, within SECONDS."""
        self._number += 1
        key = agent_id, self._number
        begun: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[key] = begun
        try:
            wanted = pb.UpdateWaJs(number=self._number, version=version, back=back)
            if not self._ask(agent_id, pb.ConnectResponse(update_wa_js=wanted)):
                raise NoAgentConnected(AWAY)
            async with asyncio.timeout(SECONDS):
                if not await begun:
                    raise InProgress(UNDER_WAY)
        except TimeoutError as error:
            raise NoAgentConnected(SILENT) from error
        finally:
            del self._waiting[key]

    def came(self, agent_id: AgentId, report: pb.WaJsReport) -> None:
        """A desktop's answer; one that nobody waits for any more, and a change, are dropped."""
        waiting = self._waiting.get((agent_id, report.number))
        if waiting is not None and not waiting.done():
            waiting.set_result(not report.refused)
