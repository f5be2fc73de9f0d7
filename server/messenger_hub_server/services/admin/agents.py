"""AgentAdminService: agents, for operators."""

from __future__ import annotations

from collections.abc import Callable

from messenger_hub.admin.v1 import agent_admin_service_pb2 as pb
from messenger_hub.runtime.join_link import JoinLink

from messenger_hub_server.errors import DesktopTooOld, InvalidCredential, NoAgentConnected
from messenger_hub_server.model import Agent, AgentId
from messenger_hub_server.presence import Presence
from messenger_hub_server.reach import Reach
from messenger_hub_server.registry import Registry
from messenger_hub_server.rpc.chain import CallContext
from messenger_hub_server.services.admin.updates import AWAY, Updates
from messenger_hub_server.services.translation import timestamp
from messenger_hub_server.streams import Streams

REVOKED = "The desktop was revoked: enrol it again with messenger-hub agent enrol, then try again."


class AgentAdminHandlers:
    """Handlers of AgentAdminService. `reach` is asked when the addresses are known; `node_of`: to which node an
    agent is connected, empty while it is not."""

    def __init__(
        self,
        registry: Registry,
        presence: Presence,
        streams: Streams,
        updates: Updates,
        reach: Callable[[], Reach | None],
        node_of: Callable[[AgentId], str],
    ) -> None:
        self._registry = registry
        self._presence = presence
        self._streams = streams
        self._updates = updates
        self._reach = reach
        self._node_of = node_of

    async def create_enrolment(self, request: pb.CreateEnrolmentRequest, _: CallContext) -> pb.CreateEnrolmentResponse:
        """A one-time token."""
        channel = self._registry.channel_named(request.channel)
        token, expires_at_ms = await self._registry.create_enrolment(request.name, channel.id)
        reach = self._reach()
        link = str(JoinLink(address=reach.grpc, token=token, fingerprint=reach.fingerprint)) if reach else ""
        return pb.CreateEnrolmentResponse(token=token, expires_at=timestamp(expires_at_ms), link=link)

    async def list_agents(self, _: pb.ListAgentsRequest, __: CallContext) -> pb.ListAgentsResponse:
        """All, by name."""
        return pb.ListAgentsResponse(agents=[self._message(agent) for agent in self._registry.agents()])

    async def revoke_agent(self, request: pb.RevokeAgentRequest, _: CallContext) -> pb.RevokeAgentResponse:
        """Its credential and its streams end."""
        found = self._registry.agent_named(request.agent)
        # Before, so that its streams hear the cause and not that their channels are gone; after, for one that came in between.
        self._streams.end_agent(found.id, InvalidCredential())
        agent = await self._registry.revoke_agent(found.id)
        self._streams.end_agent(agent.id, InvalidCredential())
        return pb.RevokeAgentResponse(agent=self._message(agent))

    async def update_wa_js(self, request: pb.UpdateWaJsRequest, _: CallContext) -> pb.UpdateWaJsResponse:
        """Has a desktop begin."""
        agent = self._registry.agent_named(request.agent)
        if not agent.active:
            raise NoAgentConnected(REVOKED)
        presence = self._presence.agent(agent.id)
        if presence is None or not presence.connected:
            raise NoAgentConnected(AWAY)
        if presence.wa_js_standing is None:
            raise DesktopTooOld
        await self._updates.begin(agent.id, request.version, back=request.back)
        return pb.UpdateWaJsResponse(agent=self._message(agent))

    def _message(self, agent: Agent) -> pb.Agent:
        presence = self._presence.agent(agent.id)
        channels = (self._registry.channel(channel_id) for channel_id in agent.channel_ids)
        return pb.Agent(
            id=agent.id,
            name=agent.name,
            connected=presence is not None and presence.connected,
            last_seen_at=timestamp(presence.last_seen_ms if presence is not None else agent.last_seen_at_ms),
            version=presence.version if presence is not None else agent.version,
            wa_js_version=presence.wa_js_version if presence is not None else agent.wa_js_version,
            channels=sorted(channel.name for channel in channels if channel is not None),
            active=agent.active,
            enrolled_at=timestamp(agent.enrolled_at_ms),
            wa_js_standing=presence.wa_js_standing if presence is not None else None,
            node=self._node_of(agent.id),
        )
