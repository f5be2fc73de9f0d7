"""All that is asked of desktops over their streams, by one name."""

from __future__ import annotations

from messenger_hub.agent.v1 import agent_service_pb2 as pb

from messenger_hub_server.model import AgentId
from messenger_hub_server.services.admin.examinations import Examinations
from messenger_hub_server.services.admin.pictures import Pictures
from messenger_hub_server.services.admin.updates import Updates


class Asked:
    """What is asked of desktops: their answers by what they are about."""

    def __init__(self, pictures: Pictures, updates: Updates, examinations: Examinations) -> None:
        self._pictures = pictures
        self._updates = updates
        self._examinations = examinations

    def came(self, agent_id: AgentId, frame: pb.ConnectRequest) -> None:
        """An answer that came to another node."""
        match frame.WhichOneof("frame"):
            case "page_picture":
                self._pictures.came(agent_id, frame.page_picture)
            case "wa_js_report":
                self._updates.came(agent_id, frame.wa_js_report)
            case "examination":
                self._examinations.came(agent_id, frame.examination)
            case _:
                pass  # nothing else is asked

    def gone(self, agent_id: AgentId) -> None:
        """No answer comes any more of what was asked."""
        for asked in (self._pictures, self._updates, self._examinations):
            asked.gone(agent_id)
