"""What nodes tell each other of desktops and channels, as bytes. Pure.

Nothing of it is printed: QR texts, phone numbers and pictures are among it. Reports and frames are those of the agents' contract.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from msgspec import DecodeError, Struct, convert, msgpack, to_builtins

from messenger_hub_server.nodes.notices import NodeId
from messenger_hub_server.reports import AgentPresence, ChannelPresence, LinkReport


class Told(Struct, frozen=True, tag=True):
    """One thing that is told."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class AgentTold(Told, frozen=True):
    """An agent's connection to the node that tells, as it is now. `number`: the connection's, see Whereabouts; `standing`: a
    WaJsStanding, None where the agent has none."""

    agent_id: int
    number: int
    connected: bool
    since_ms: int
    last_seen_ms: int
    version: str
    wa_js_version: str
    platform: str
    standing: bytes | None
    examines: bool


class ChannelTold(Told, frozen=True):
    """What a channel's page shows, as its agent reported it over the connection of that number."""

    channel_id: int
    agent_id: int
    number: int
    report: Mapping[str, object]
    since_ms: int
    reported_at_ms: int


class Everything(Told, frozen=True):
    """All that the node that tells knows of itself: what is not among it is not there any more."""

    agents: Sequence[AgentTold]
    channels: Sequence[ChannelTold]


class WhoIsThere(Told, frozen=True):
    """A node asks the others for Everything."""


class Seen(Told, frozen=True):
    """When agents of the node that tells sent their last frames, in ms by their ids."""

    agents: Mapping[int, int]


class Asked(Told, frozen=True):
    """A ConnectResponse that the node `to` shall send to an agent."""

    to: NodeId
    agent_id: int
    number: int
    frame: bytes


class Answered(Told, frozen=True):
    """A ConnectRequest with an agent's answer to what the node `to` asked."""

    to: NodeId
    agent_id: int
    frame: bytes


class NotThere(Told, frozen=True):
    """The node `to` has asked an agent that has no stream here."""

    to: NodeId
    agent_id: int


class Erased(Told, frozen=True):
    """A person's data was erased: the journals of the channel's agents follow."""

    channel_id: int
    wa_ids: Sequence[str]


class Marked(Told, frozen=True):
    """A channel was marked as restored, or its desktop has told what the copy of the database lacked."""

    channel_id: int
    restored: bool


Anything = AgentTold | ChannelTold | Everything | WhoIsThere | Seen | Asked | Answered | NotThere | Erased | Marked

_decoder: msgpack.Decoder[Anything] = msgpack.Decoder(Anything)


class Unheard(Exception):
    """A node of another version tells something that is not known here."""


def encode(told: Anything) -> bytes:
    """As it goes to the other nodes."""
    return msgpack.encode(told)


def decode(body: bytes) -> Anything:
    """What another node has told. Raises Unheard."""
    try:
        return _decoder.decode(body)
    except DecodeError:
        raise Unheard from None  # its message could quote what was told


def agent_told(agent_id: int, number: int, presence: AgentPresence) -> AgentTold:
    """An agent of this node."""
    standing = presence.wa_js_standing
    return AgentTold(
        agent_id=agent_id,
        number=number,
        connected=presence.connected,
        since_ms=presence.since_ms,
        last_seen_ms=presence.last_seen_ms,
        version=presence.version,
        wa_js_version=presence.wa_js_version,
        platform=presence.platform,
        standing=standing.SerializeToString() if standing is not None else None,
        examines=presence.examines,
    )


def agent_presence(told: AgentTold, node: str) -> AgentPresence:
    """An agent of another node, as it is shown here."""
    return AgentPresence(
        connected=told.connected,
        since_ms=told.since_ms,
        last_seen_ms=told.last_seen_ms,
        version=told.version,
        wa_js_version=told.wa_js_version,
        platform=told.platform,
        wa_js_standing=pb.WaJsStanding.FromString(told.standing) if told.standing is not None else None,
        examines=told.examines,
        node=node,
    )


def channel_told(channel_id: int, agent_id: int, number: int, presence: ChannelPresence) -> ChannelTold:
    """What an agent of this node reports of a channel."""
    return ChannelTold(
        channel_id=channel_id,
        agent_id=agent_id,
        number=number,
        report=to_builtins(presence.report),
        since_ms=presence.since_ms,
        reported_at_ms=presence.reported_at_ms,
    )


def channel_presence(told: ChannelTold) -> ChannelPresence:
    """What an agent of another node reports of a channel. Raises Unheard."""
    try:
        report = convert(told.report, LinkReport)
    except DecodeError:
        raise Unheard from None
    return ChannelPresence(report=report, since_ms=told.since_ms, reported_at_ms=told.reported_at_ms)
