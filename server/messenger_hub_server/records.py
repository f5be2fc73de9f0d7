"""What the hub knows of channels, session APIs, keys, agents and enrolments, in memory, for reading.

Only registry.py changes it, after the commit. What is being linked right now lives here alone and is forgotten at a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from messenger_hub.runtime.clock import Clock

from messenger_hub_server.errors import NameTaken, NotFound
from messenger_hub_server.model import (
    Agent,
    AgentId,
    ApiKey,
    Channel,
    ChannelId,
    Enrolment,
    SessionApi,
    SessionApiId,
)
from messenger_hub_server.store import base


@dataclass(frozen=True, slots=True, kw_only=True)
class Linking:
    """A person wants to link a channel; with `phone` (digits) by a pairing code."""

    phone: str = field(default="", repr=False)


R = TypeVar("R", Channel, SessionApi, Agent)


class Records:
    """Reads are immediate. `on_change` callbacks run on the event loop and must not block."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._channels: dict[ChannelId, Channel] = {}
        self._session_apis: dict[SessionApiId, SessionApi] = {}
        self._keys: dict[str, ApiKey] = {}
        self._agents: dict[AgentId, Agent] = {}
        self._by_credential: dict[bytes, AgentId] = {}
        self._enrolments: dict[bytes, Enrolment] = {}
        self._linking: dict[ChannelId, Linking] = {}
        self._unlinking: set[ChannelId] = set()
        self._paused_since: dict[ChannelId, int] = {}
        self._callbacks: set[Callable[[], None]] = set()

    def load(self, stored: base.Registry) -> None:
        """Takes over what the store holds."""
        self._channels = {c.id: c for c in stored.channels}
        self._session_apis = {s.id: s for s in stored.session_apis}
        self._keys = {k.key_id: k for k in stored.keys}
        self._enrolments = {e.token_digest: e for e in stored.enrolments}
        for agent in stored.agents:
            self._remember(agent)

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls back after every change; returns what ends that."""
        self._callbacks.add(callback)
        return lambda: self._callbacks.discard(callback)

    def channels(self) -> Sequence[Channel]:
        """All, by name."""
        return sorted(self._channels.values(), key=lambda c: c.name)

    def channel(self, channel_id: ChannelId) -> Channel | None:
        """By id."""
        return self._channels.get(channel_id)

    def channel_named(self, text: str) -> Channel:
        """By name, or by id. Raises NotFound."""
        return _named(self._channels.values(), text, "channel", "messenger-hub channel list")

    def paused_since(self, channel_id: ChannelId) -> int | None:
        """When it was paused, if that was since the hub started."""
        return self._paused_since.get(channel_id)

    def linking(self, channel_id: ChannelId) -> Linking | None:
        """Somebody wants to link it now."""
        return self._linking.get(channel_id)

    def set_linking(self, channel_id: ChannelId, phone: str = "") -> None:
        """Asks the agent to show a window and to report QR texts."""
        self._linking[channel_id] = Linking(phone=phone)
        self._changed()

    def clear_linking(self, channel_id: ChannelId) -> None:
        """Nobody waits for it any more."""
        if self._linking.pop(channel_id, None) is not None:
            self._changed()

    def unlinking(self, channel_id: ChannelId) -> bool:
        """The agent shall log the account out."""
        return channel_id in self._unlinking

    def set_unlinking(self, channel_id: ChannelId) -> None:
        """Stays until the channel is reported unlinked."""
        self._unlinking.add(channel_id)
        self._changed()

    def clear_unlinking(self, channel_id: ChannelId) -> None:
        """The channel is unlinked."""
        if channel_id in self._unlinking:
            self._unlinking.discard(channel_id)
            self._changed()

    def session_apis(self) -> Sequence[SessionApi]:
        """All, by name."""
        return sorted(self._session_apis.values(), key=lambda s: s.name)

    def session_api(self, session_api_id: SessionApiId) -> SessionApi | None:
        """By id."""
        return self._session_apis.get(session_api_id)

    def session_api_named(self, text: str) -> SessionApi:
        """By name, or by id. Raises NotFound."""
        return _named(self._session_apis.values(), text, "session API", "messenger-hub session-api list")

    def lists_origin(self, origin: str) -> bool:
        """Some active session API lets pages of this origin call."""
        return any(s.active and origin in s.cors_origins for s in self._session_apis.values())

    def key(self, key_id: str) -> ApiKey | None:
        """By its public id, whether or not it still works."""
        return self._keys.get(key_id)

    def keys_of(self, session_api_id: SessionApiId) -> Sequence[ApiKey]:
        """Those that work, oldest first."""
        now = self._clock.now_ms()
        found = (k for k in self._keys.values() if k.session_api_id == session_api_id and _works(k, now))
        return sorted(found, key=lambda k: (k.created_at_ms, k.key_id))

    def agents(self) -> Sequence[Agent]:
        """All, by name."""
        return sorted(self._agents.values(), key=lambda a: a.name)

    def agent(self, agent_id: AgentId) -> Agent | None:
        """By id."""
        return self._agents.get(agent_id)

    def agent_named(self, text: str) -> Agent:
        """By name, or by id. Raises NotFound."""
        return _named(self._agents.values(), text, "agent", "messenger-hub agent list")

    def agent_of(self, credential_digest: bytes) -> Agent | None:
        """The active agent with that credential."""
        agent_id = self._by_credential.get(credential_digest)
        agent = self._agents.get(agent_id) if agent_id is not None else None
        return agent if agent is not None and agent.active else None

    def _existing(self, channel_id: ChannelId) -> Channel:
        channel = self._channels.get(channel_id)
        if channel is None:
            raise NotFound
        return channel

    def _existing_session_api(self, session_api_id: SessionApiId) -> SessionApi:
        session_api = self._session_apis.get(session_api_id)
        if session_api is None:
            raise NotFound
        return session_api

    def _remember(self, agent: Agent) -> None:
        self._agents[agent.id] = agent
        self._by_credential[agent.credential_digest] = agent.id

    def _free(self, kind: str, name: str, records: Iterable[Channel | SessionApi | Agent]) -> None:
        # A revoked agent gives its name back: the desktop that replaces it may be called the same.
        if any(r.name == name and not (isinstance(r, Agent) and not r.active) for r in records):
            raise NameTaken(kind, name)

    def _changed(self) -> None:
        for callback in tuple(self._callbacks):
            callback()


def _works(key: ApiKey, now_ms: int) -> bool:
    return key.expires_at_ms is None or key.expires_at_ms > now_ms


def _named(records: Iterable[R], text: str, kind: str, listing: str) -> R:
    found = [record for record in records if text in (record.name, str(record.id))]
    if not found:
        raise NotFound(f"There is no {kind} of that name or id: {listing} shows all.")
    # A name wins over an id; of agents with one name, the revoked ones come last.
    return max(found, key=lambda r: (r.name == text, r.id))
