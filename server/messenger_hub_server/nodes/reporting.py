"""Where the streams of this node report: to what keeps it here, and to the other nodes."""

from __future__ import annotations

from messenger_hub.agent.v1 import agent_service_pb2 as pb

from messenger_hub_server.model import Agent, ChannelId
from messenger_hub_server.nodes.desktops import SharedDesktops
from messenger_hub_server.presence import Presence
from messenger_hub_server.records import Records
from messenger_hub_server.streams import Reports


class Reporting:
    """See streams.Reports. `here` keeps what is reported."""

    def __init__(self, here: Reports, desktops: SharedDesktops, records: Records, presence: Presence) -> None:
        self._here = here
        self._desktops = desktops
        self._records = records
        self._presence = presence

    def connected(self, agent: Agent, hello: pb.AgentHello) -> None:
        """See Reports."""
        self._here.connected(agent, hello)
        self._desktops.connected(agent.id)

    def seen(self, agent: Agent) -> None:
        """See Reports."""
        self._here.seen(agent)

    def gone(self, agent: Agent) -> None:
        """See Reports. One that is on another node by now is not gone."""
        if self._desktops.closed(agent.id):
            self._here.gone(agent)
            self._desktops.gone(agent.id)

    async def channel(self, channel_id: ChannelId, report: pb.ChannelReport) -> None:
        """See Reports. What comes over a stream that one on another node has replaced is not news."""
        channel, before = self._records.channel(channel_id), self._presence.of(channel_id)
        if channel is None or channel.agent_id is None or not self._desktops.is_here(channel.agent_id):
            return
        await self._here.channel(channel_id, report)
        if self._presence.of(channel_id) is not before:
            self._desktops.reported(channel_id, channel.agent_id)

    async def groups(self, channel_id: ChannelId, report: pb.GroupReport) -> None:
        """See Reports."""
        await self._here.groups(channel_id, report)

    def picture(self, agent: Agent, picture: pb.PagePicture) -> None:
        """See Reports."""
        self._here.picture(agent, picture)
        self._desktops.answered(agent.id, pb.ConnectRequest(page_picture=picture))

    def wa_js(self, agent: Agent, report: pb.WaJsReport) -> None:
        """See Reports. First the change, so that whoever asked for it on another node finds it, too."""
        self._here.wa_js(agent, report)
        self._desktops.changed(agent.id)
        self._desktops.answered(agent.id, pb.ConnectRequest(wa_js_report=report))

    def examined(self, agent: Agent, told: pb.Examination) -> None:
        """See Reports."""
        self._here.examined(agent, told)
        self._desktops.answered(agent.id, pb.ConnectRequest(examination=told))
