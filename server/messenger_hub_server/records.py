"""What the hub knows of channels, session APIs, keys, agents and enrolments, in memory, for reading.

Only registry.py changes it, after the commit. What is being linked right now lives here alone and is forgotten at a restart
of the node that was asked for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

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


class Wish(NamedTuple):
    """That a channel be linked; with None, unlinked."""

    channel_id: ChannelId
    linking: Linking | None


R = TypeVar("R", Channel, SessionApi, Agent)
K = TypeVar("K", Channel, SessionApi, Agent, ApiKey)


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
        self._elsewhere: Set[Wish] = frozenset()
        self._on_fulfilled: Callable[[ChannelId, Sequence[Wish]], None] = lambda _, __: None
        self._paused_since: dict[ChannelId, int] = {}
        self._callbacks: set[Callable[[], None]] = set()

    def load(self, stored: base.Registry) -> None:
        """Takes over what the store holds, beside what was noticed here and is not written yet."""
        now_ms, before = self._clock.now_ms(), self._channels
        self._channels = {c.id: _channel(before.get(c.id), c) for c in stored.channels}
        self._session_apis = {s.id: _session_api(self._session_apis.get(s.id), s) for s in stored.session_apis}
        self._keys = {k.key_id: _same(self._keys.get(k.key_id), k) for k in stored.keys}
        self._enrolments = {e.token_digest: e for e in stored.enrolments}
        agents, self._agents, self._by_credential = self._agents, {}, {}
        for agent in stored.agents:
            self._remember(_agent(agents.get(agent.id), agent))
        held = {i for i, channel in self._channels.items() if _is_held(channel)}
        newly = {i for i in held if i in before and not _is_held(before[i])}  # by another node, a moment ago
        self._paused_since = {i: ms for i, ms in self._paused_since.items() if i in held} | dict.fromkeys(newly, now_ms)
        self._changed()

    def revoked_in(self, stored: base.Registry) -> Sequence[AgentId]:
        """Agents that are active here and not there."""
        active = {agent.id for agent in stored.agents if agent.active}
        return [agent.id for agent in self._agents.values() if agent.active and agent.id not in active]

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
        """Somebody wants to link it now, on this node or another."""
        here = self._linking.get(channel_id)
        return here or next(
            (wish.linking for wish in self._elsewhere if wish.channel_id == channel_id and wish.linking), None
        )

    def set_linking(self, channel_id: ChannelId, phone: str = "") -> None:
        """Asks the agent to show a window and to report QR texts."""
        self._linking[channel_id] = Linking(phone=phone)
        self._changed()

    def clear_linking(self, channel_id: ChannelId) -> None:
        """Nobody waits for it any more: it is linked, or who wished it here has gone."""
        if self._linking.pop(channel_id, None) is not None:
            self._changed()

    def unlinking(self, channel_id: ChannelId) -> bool:
        """The agent shall log the account out."""
        return channel_id in self._unlinking or Wish(channel_id, None) in self._elsewhere

    def set_unlinking(self, channel_id: ChannelId) -> None:
        """Stays until the channel is reported unlinked."""
        self._unlinking.add(channel_id)
        self._changed()

    def clear_unlinking(self, channel_id: ChannelId) -> None:
        """The channel is unlinked."""
        if channel_id in self._unlinking:
            self._unlinking.discard(channel_id)
            self._changed()
        self._fulfil(channel_id, linking=False)

    def wishes(self) -> Set[Wish]:
        """What is wished on this node."""
        linking = {Wish(channel_id, linking) for channel_id, linking in self._linking.items()}
        return linking | {Wish(channel_id, None) for channel_id in self._unlinking}

    def wished_elsewhere(self, wishes: Set[Wish]) -> None:
        """All that is wished on other nodes."""
        if wishes != self._elsewhere:
            self._elsewhere = wishes
            self._changed()

    def withdraw(self, wish: Wish) -> None:
        """A wish of this node was fulfilled on another one."""
        if wish.linking is None:
            self._unlinking.discard(wish.channel_id)
        elif self._linking.get(wish.channel_id) == wish.linking:
            del self._linking[wish.channel_id]
        self._changed()

    def on_fulfilled(self, callback: Callable[[ChannelId, Sequence[Wish]], None]) -> None:
        """Calls back when something that was wished on another node has happened here."""
        self._on_fulfilled = callback

    def _fulfil(self, channel_id: ChannelId, *, linking: bool) -> None:
        ended = [w for w in self._elsewhere if w.channel_id == channel_id and (w.linking is not None) is linking]
        if ended:
            self._on_fulfilled(channel_id, ended)

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


def _same(here: K | None, stored: K) -> K:
    """What is equal stays the same: others know a record by its identity."""
    return here if here is not None and here == stored else stored


def _channel(here: Channel | None, stored: Channel) -> Channel:
    if here is None:
        return stored
    return _same(here, replace(stored, worked_at_ms=max(here.worked_at_ms, stored.worked_at_ms)))


def _session_api(here: SessionApi | None, stored: SessionApi) -> SessionApi:
    if here is None or here.last_used_at_ms is None:
        return stored
    return _same(here, replace(stored, last_used_at_ms=max(here.last_used_at_ms, stored.last_used_at_ms or 0)))


def _agent(here: Agent | None, stored: Agent) -> Agent:
    if here is None or (here.last_seen_at_ms or 0) <= (stored.last_seen_at_ms or 0):
        return stored
    seen = replace(stored, last_seen_at_ms=here.last_seen_at_ms, version=here.version, wa_js_version=here.wa_js_version)
    return _same(here, seen)


def _is_held(channel: Channel) -> bool:
    return channel.paused_reason is not None or bool(channel.changed_account) or channel.backlog_oldest_ms is not None


def _works(key: ApiKey, now_ms: int) -> bool:
    return key.expires_at_ms is None or key.expires_at_ms > now_ms


def _named(records: Iterable[R], text: str, kind: str, listing: str) -> R:
    found = [record for record in records if text in (record.name, str(record.id))]
    if not found:
        raise NotFound(f"There is no {kind} of that name or id: {listing} shows all.")
    # A name wins over an id; of agents with one name, the revoked ones come last.
    return max(found, key=lambda r: (r.name == text, r.id))
