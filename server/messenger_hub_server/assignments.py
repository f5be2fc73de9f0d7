"""Between the agents' streams and the registry: what is wanted of each channel, and what agents report of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from google.protobuf.timestamp_pb2 import Timestamp
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime.clock import Clock
from messenger_hub.v1 import channel_service_pb2

from messenger_hub_server.model import Agent, AgentId, Channel, ChannelId, Group, LinkState, Pace
from messenger_hub_server.presence import Presence
from messenger_hub_server.registry import Registry
from messenger_hub_server.reports import LinkReport
from messenger_hub_server.services.explanation import BACKLOG
from messenger_hub_server.services.translation import timestamp
from messenger_hub_server.store.base import Outcome, PutGroups, Write
from messenger_hub_server.streams import Wanted

PACES = {Pace.OFF: pb.PACE_OFF, Pace.NORMAL: pb.PACE_NORMAL, Pace.CAREFUL: pb.PACE_CAREFUL}
STATES = {
    channel_service_pb2.CHANNEL_STATE_STARTING: LinkState.STARTING,
    channel_service_pb2.CHANNEL_STATE_UNLINKED: LinkState.UNLINKED,
    channel_service_pb2.CHANNEL_STATE_PASSKEY_NEEDED: LinkState.PASSKEY_NEEDED,
    channel_service_pb2.CHANNEL_STATE_LINKED: LinkState.LINKED,
    channel_service_pb2.CHANNEL_STATE_RESTRICTED: LinkState.RESTRICTED,
    channel_service_pb2.CHANNEL_STATE_NEEDS_UPDATE: LinkState.NEEDS_UPDATE,
}


class Commits(Protocol):
    """The queue, as reports need it."""

    async def commit(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        """One durable transaction; raises HubError."""
        ...


class Assignments:
    """Reads the registry for streams, and writes what agents report into registry, presence and store."""

    def __init__(
        self,
        *,
        registry: Registry,
        presence: Presence,
        commits: Commits,
        queue_depth: Callable[[ChannelId], int],
        uncertain: Callable[[ChannelId], int],
        pictured: Callable[[AgentId, pb.PagePicture], None],
        answered: Callable[[AgentId, pb.WaJsReport], None],
        examined: Callable[[AgentId, pb.Examination], None],
        left: Callable[[AgentId], None],
        api_address: Callable[[], str],
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._presence = presence
        self._commits = commits
        self._queue_depth = queue_depth
        self._uncertain = uncertain
        self._pictured = pictured
        self._answered = answered
        self._examined = examined
        self._left = left
        self._api_address = api_address
        self._clock = clock

    # ---- what is wanted -----------------------------------------------------------------------------------------------------

    def wanted(self, channel_id: ChannelId) -> Wanted | None:
        """None when there is no such channel."""
        channel = self._registry.channel(channel_id)
        return Wanted(owner=channel.agent_id, holding=bool(_pause(channel))) if channel else None

    def assignments(self, agent_id: AgentId) -> pb.Assignments:
        """All channels that the agent may serve; those that another agent owns as such."""
        agent = self._registry.agent(agent_id)
        named = agent.channel_ids if agent is not None and agent.active else ()
        found = [channel for channel_id in named if (channel := self._registry.channel(channel_id)) is not None]
        mine = sorted(found, key=lambda channel: channel.name)
        return pb.Assignments(
            assignments=[self._assignment(channel, agent_id) for channel in mine], api_address=self._api_address()
        )

    def _assignment(self, channel: Channel, agent_id: AgentId) -> pb.Assignments.Assignment:
        linking = self._registry.linking(channel.id)
        reason = _pause(channel)
        oldest_ms = channel.backlog_oldest_ms
        return pb.Assignments.Assignment(
            channel_id=channel.id,
            name=channel.name,
            pace=PACES[channel.pace],
            paused=bool(reason),
            pause_reason=reason,
            linking=linking is not None,
            pairing_number=linking.phone if linking else "",
            unlink=self._registry.unlinking(channel.id),
            queue_depth=self._queue_depth(channel.id),
            owned=channel.agent_id == agent_id,
            uncertain=self._uncertain(channel.id),
            backlog_oldest=timestamp(oldest_ms),
        )

    def is_active(self, agent_id: AgentId) -> bool:
        """It was not revoked."""
        agent = self._registry.agent(agent_id)
        return agent is not None and agent.active

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls back after every change of the registry; returns what ends that."""
        return self._registry.on_change(callback)

    # ---- what is reported ---------------------------------------------------------------------------------------------------

    def connected(self, agent: Agent, hello: pb.AgentHello) -> None:
        """The agent's stream is open."""
        self._left(agent.id)  # whatever it was asked, it was asked over another stream
        told = hello.wa_js_standing if hello.HasField("wa_js_standing") else None
        self._presence.agent_connected(
            agent.id, hello.version, hello.wa_js_version, hello.platform, told, examines=hello.examines
        )
        self._registry.agent_seen(agent.id, self._clock.now_ms(), hello.version, hello.wa_js_version)

    def seen(self, agent: Agent) -> None:
        """A frame came."""
        self._presence.agent_seen(agent.id)

    def gone(self, agent: Agent) -> None:
        """The agent's last stream has ended."""
        self._presence.agent_gone(agent.id)
        self._left(agent.id)

    async def channel(self, channel_id: ChannelId, report: pb.ChannelReport) -> None:
        """What a channel's page shows. A report without a state that agents may report is ignored."""
        state = STATES.get(report.state)
        if state is None or self._registry.channel(channel_id) is None:
            return
        if state in (LinkState.LINKED, LinkState.RESTRICTED):
            # First, so that nobody sees a linked channel without its number, or one whose account has changed as fit to send.
            await self._registry.linked(channel_id, report.account)
            if not report.paused:
                self._registry.worked(channel_id)
        self._presence.report(
            channel_id,
            LinkReport(
                state=state,
                reason=report.reason,
                account=report.account,
                qr_text=report.qr_text,
                pairing_code=report.pairing_code,
                restricted_until_ms=_ms(report.restricted_until),
                next_send_at_ms=_ms(report.next_send_at),
                paused=report.paused,
                paused_until_ms=_ms(report.paused_until),
                browser_bytes=max(0, report.browser_bytes),
                browser_restarts=max(0, report.browser_restarts),
            ),
        )
        if state is LinkState.UNLINKED:
            self._registry.clear_unlinking(channel_id)

    async def groups(self, channel_id: ChannelId, report: pb.GroupReport) -> None:
        """The groups of a channel's account."""
        groups = [Group(group_id=g.group_id, name=g.name, participants=g.participants) for g in report.groups]
        await self._commits.commit([PutGroups(channel_id=channel_id, groups=groups, as_of_ms=self._clock.now_ms())])

    def picture(self, agent: Agent, picture: pb.PagePicture) -> None:
        """A page of a channel that the agent owns, as somebody asked to see it."""
        self._pictured(agent.id, picture)

    def wa_js(self, agent: Agent, report: pb.WaJsReport) -> None:
        """Where the agent's wa-js stands. First, so that whoever asked for another one finds what came of it."""
        self._presence.agent_tells_of_wa_js(agent.id, report.standing)
        self._answered(agent.id, report)

    def examined(self, agent: Agent, told: pb.Examination) -> None:
        """What the agent sees of itself, as somebody asked to know."""
        self._examined(agent.id, told)


def _pause(channel: Channel) -> str:
    """Why nothing goes out on it, as operators decided; empty when it does."""
    if channel.changed_account:
        return "Another WhatsApp account was linked: confirm it with messenger-hub channel resume"
    if channel.moving_to is not None:
        return "The channel moves to another desktop"
    if channel.paused_reason is None and channel.backlog_oldest_ms is not None:
        return BACKLOG
    return channel.paused_reason or ""


def _ms(moment: Timestamp) -> int | None:
    """None when it is unset: nothing that agents report was at the beginning of 1970."""
    return moment.ToMilliseconds() or None
