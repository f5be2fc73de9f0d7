"""What agents report, in memory only: who is connected, and what each channel's page shows.

After a restart everything is unknown until the agents are back. Callbacks run on the event loop and must not block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from messenger_hub.agent.v1.agent_service_pb2 import WaJsStanding
from messenger_hub.runtime.clock import Clock

from messenger_hub_server.model import AgentId, ChannelId
from messenger_hub_server.reports import AgentPresence, ChannelPresence, LinkReport

__all__ = ["AgentPresence", "ChannelPresence", "LinkReport", "Presence"]


class Presence:
    """Written by the agents' streams, read by everybody."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._channels: dict[ChannelId, ChannelPresence] = {}
        self._agents: dict[AgentId, AgentPresence] = {}
        self._callbacks: set[Callable[[], None]] = set()

    def agent_connected(
        self,
        agent_id: AgentId,
        version: str,
        wa_js_version: str,
        platform: str,
        wa_js_standing: WaJsStanding | None = None,
        *,
        examines: bool = False,
    ) -> None:
        """The agent's stream is open."""
        now = self._clock.now_ms()
        self._agents[agent_id] = AgentPresence(
            connected=True,
            since_ms=now,
            last_seen_ms=now,
            version=version,
            wa_js_version=wa_js_version,
            platform=platform,
            wa_js_standing=wa_js_standing,
            examines=examines,
        )
        self._changed()

    def agent_tells_of_wa_js(self, agent_id: AgentId, standing: WaJsStanding) -> None:
        """Where the agent's wa-js stands now."""
        agent = self._agents.get(agent_id)
        if agent is not None and agent.wa_js_standing != standing:
            self._agents[agent_id] = replace(agent, wa_js_standing=standing)
            self._changed()

    def agent_seen(self, agent_id: AgentId) -> None:
        """A frame came. Tells nobody: it happens all the time."""
        agent = self._agents.get(agent_id)
        if agent is not None:
            self._agents[agent_id] = replace(agent, last_seen_ms=self._clock.now_ms())

    def agent_gone(self, agent_id: AgentId) -> None:
        """The agent's last stream has ended."""
        agent = self._agents.get(agent_id)
        if agent is not None and agent.connected:
            self._agents[agent_id] = replace(agent, connected=False, since_ms=self._clock.now_ms())
            self._changed()

    def agent_elsewhere(self, agent_id: AgentId, presence: AgentPresence) -> None:
        """How another node tells of an agent."""
        self._agents[agent_id] = presence
        self._changed()

    def agent_seen_elsewhere(self, agent_id: AgentId, at_ms: int) -> None:
        """When another node got the last frame of an agent. Tells nobody."""
        agent = self._agents.get(agent_id)
        if agent is not None:
            self._agents[agent_id] = replace(agent, last_seen_ms=at_ms)

    def report(self, channel_id: ChannelId, report: LinkReport) -> None:
        """What the channel's page shows now."""
        now, before = self._clock.now_ms(), self._channels.get(channel_id)
        since = before.since_ms if before is not None and before.report.state is report.state else now
        self._channels[channel_id] = ChannelPresence(report=report, since_ms=since, reported_at_ms=now)
        self._changed()

    def report_elsewhere(self, channel_id: ChannelId, presence: ChannelPresence) -> None:
        """What a channel's page shows, as another node tells."""
        self._channels[channel_id] = presence
        self._changed()

    def forget(self, channel_id: ChannelId) -> None:
        """The channel was deleted, or has another owner."""
        if self._channels.pop(channel_id, None) is not None:
            self._changed()

    def of(self, channel_id: ChannelId) -> ChannelPresence | None:
        """The newest report of a channel; may be older than its agent's absence."""
        return self._channels.get(channel_id)

    def told_lately(self, within_ms: int) -> Mapping[ChannelId, ChannelPresence]:
        """The newest report of every channel whose desktop has sent one in that time."""
        since = self._clock.now_ms() - within_ms
        return {channel_id: told for channel_id, told in self._channels.items() if told.reported_at_ms >= since}

    def agent(self, agent_id: AgentId) -> AgentPresence | None:
        """What is known of an agent since the hub started."""
        return self._agents.get(agent_id)

    def connected_agents(self) -> int:
        """How many agents have an open stream, to any node."""
        return sum(1 for agent in self._agents.values() if agent.connected)

    def connected_here(self) -> int:
        """How many of them have it to this node."""
        return sum(1 for agent in self._agents.values() if agent.connected and not agent.node)

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls back after every change but `agent_seen`; returns what ends that."""
        self._callbacks.add(callback)
        return lambda: self._callbacks.discard(callback)

    def _changed(self) -> None:
        for callback in tuple(self._callbacks):
            callback()
