"""What agents report, in memory only: who is connected, and what each channel's page shows.

After a restart everything is unknown until the agents are back. Callbacks run on the event loop and must not block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from messenger_hub.runtime.clock import Clock

from messenger_hub_server.model import AgentId, ChannelId, LinkState


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkReport:
    """One ChannelReport of an agent. QR text and pairing code link an account: they are never printed."""

    state: LinkState
    reason: str = ""
    account: str = ""
    qr_text: str = field(default="", repr=False)
    pairing_code: str = field(default="", repr=False)
    restricted_until_ms: int | None = None
    next_send_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPresence:
    """The newest report, when it came, and since when its state has been the same."""

    report: LinkReport
    since_ms: int
    reported_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPresence:
    """An agent that was connected since the hub started. `since_ms` is when it connected, or when it went."""

    connected: bool
    since_ms: int
    last_seen_ms: int
    version: str = ""
    wa_js_version: str = ""
    platform: str = ""


class Presence:
    """Written by the agents' streams, read by everybody."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._channels: dict[ChannelId, ChannelPresence] = {}
        self._agents: dict[AgentId, AgentPresence] = {}
        self._callbacks: set[Callable[[], None]] = set()

    def agent_connected(self, agent_id: AgentId, version: str, wa_js_version: str, platform: str) -> None:
        """The agent's stream is open."""
        now = self._clock.now_ms()
        self._agents[agent_id] = AgentPresence(
            connected=True, since_ms=now, last_seen_ms=now, version=version, wa_js_version=wa_js_version, platform=platform
        )
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

    def report(self, channel_id: ChannelId, report: LinkReport) -> None:
        """What the channel's page shows now."""
        now, before = self._clock.now_ms(), self._channels.get(channel_id)
        since = before.since_ms if before is not None and before.report.state is report.state else now
        self._channels[channel_id] = ChannelPresence(report=report, since_ms=since, reported_at_ms=now)
        self._changed()

    def forget(self, channel_id: ChannelId) -> None:
        """The channel was deleted, or has another owner."""
        if self._channels.pop(channel_id, None) is not None:
            self._changed()

    def of(self, channel_id: ChannelId) -> ChannelPresence | None:
        """The newest report of a channel; may be older than its agent's absence."""
        return self._channels.get(channel_id)

    def agent(self, agent_id: AgentId) -> AgentPresence | None:
        """What is known of an agent since the hub started."""
        return self._agents.get(agent_id)

    def connected_agents(self) -> int:
        """How many agents have an open stream."""
        return sum(1 for agent in self._agents.values() if agent.connected)

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls back after every change but `agent_seen`; returns what ends that."""
        self._callbacks.add(callback)
        return lambda: self._callbacks.discard(callback)

    def _changed(self) -> None:
        for callback in tuple(self._callbacks):
            callback()
