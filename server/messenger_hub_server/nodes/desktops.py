"""What each node knows of desktops and channels by the streams that end there, told to the others; and what the others tell, put where
everything else looks for it.

Only what comes over this node's own streams, or is asked of this node, is told: what was heard is never told again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime.clock import Clock
from messenger_hub.runtime.log import logger

from messenger_hub_server.errors import HubError, Replaced
from messenger_hub_server.model import AgentId, Channel, ChannelId, LinkState, WaId
from messenger_hub_server.nodes import telling
from messenger_hub_server.nodes.notices import NodeId, Notices
from messenger_hub_server.nodes.whereabouts import Connection, Whereabouts
from messenger_hub_server.presence import Presence
from messenger_hub_server.records import Records
from messenger_hub_server.reports import ChannelPresence, LinkReport

TOPIC = "desktops"
SEEN_SECONDS = 30.0
LINKED = frozenset({LinkState.LINKED, LinkState.RESTRICTED})

log = logger(__name__)


class Streams(Protocol):
    """The streams of this node."""

    def end_agent(self, agent_id: AgentId, error: HubError) -> None:
        """Ends the streams of an agent."""
        ...

    def ask(self, agent_id: AgentId, frame: pb.ConnectResponse) -> bool:
        """Sends a frame to the agent's stream; False when there is none."""
        ...

    def erase(self, channel_id: ChannelId, wa_ids: Sequence[WaId]) -> None:
        """Tells the journals of the channel."""
        ...


class Answers(Protocol):
    """Those here who wait for a desktop's answer."""

    def came(self, agent_id: AgentId, frame: pb.ConnectRequest) -> None:
        """An answer that came to another node."""
        ...

    def gone(self, agent_id: AgentId) -> None:
        """No answer comes any more of what was asked."""
        ...


class Marks(Protocol):
    """Which channels are marked as restored."""

    def mark(self, channel_id: ChannelId, *, restored: bool) -> None:
        """As another node tells."""
        ...

    def look(self) -> None:
        """Something may have been missed: read them from the store, soon."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Early:
    """A report that the registry here is not up to yet: of another owner, or another account."""

    agent_id: AgentId
    presence: ChannelPresence


class SharedDesktops:
    """Knows what is known here and tells it; `start` subscribes, once all parts are there."""

    def __init__(self, notices: Notices, records: Records, presence: Presence, clock: Clock) -> None:
        self._notices = notices
        self._me = notices.own.id
        self._records = records
        self._presence = presence
        self._clock = clock
        self._whereabouts = Whereabouts()
        self._reporters: dict[ChannelId, AgentId] = {}
        self._early: dict[ChannelId, _Early] = {}
        self._owners: dict[ChannelId, AgentId | None] = {}
        self._asked: dict[tuple[AgentId, int], NodeId] = {}
        self._there: set[NodeId] = set()
        self._seen: dict[AgentId, int] = {}

    def start(self, streams: Streams, answers: Answers, marks: Marks) -> None:
        """From now on hears the others, and asks them for all that they know."""
        self._streams = streams
        self._answers = answers
        self._marks = marks
        self._owners = self._owned()
        self._there = {node.id for node in self._notices.nodes()}
        self._notices.subscribe(TOPIC, self._heard, self._missed)
        self._notices.on_nodes(self._nodes_changed)
        self._records.on_change(self._records_changed)
        self._tell(telling.WhoIsThere())

    async def run(self) -> None:
        """Tells now and then when agents were last seen, until it is cancelled."""
        while True:
            await asyncio.sleep(SEEN_SECONDS)
            self.tell_seen()

    # ---- what is known here -------------------------------------------------------------------------------------------------

    def connected(self, agent_id: AgentId) -> None:
        """An agent's stream is open here, and Presence knows."""
        connection = self._whereabouts.next(agent_id, self._me, self._clock.now_ms())
        self._whereabouts.opened(agent_id, connection)
        self._forget_questions(agent_id)
        self._tell_agent(agent_id, connection)

    def is_here(self, agent_id: AgentId | None) -> bool:
        """Whether the agent's connection that counts is to this node."""
        connection = self._whereabouts.of(agent_id) if agent_id is not None else None
        return connection is not None and connection.node == self._me

    def connected_to(self, node: NodeId) -> int:
        """How many agents' connections are to that node."""
        return len(self._whereabouts.at(node))

    def node_of(self, agent_id: AgentId) -> NodeId | None:
        """To which node the agent is connected; None while it is not."""
        connection = self._whereabouts.of(agent_id)
        return connection.node if connection is not None else None

    def closed(self, agent_id: AgentId) -> bool:
        """An agent's last stream here has ended: whether the agent is gone, and not to another node. Then say so to Presence, and `gone`
        to the others."""
        connection = self._whereabouts.of(agent_id)
        return connection is not None and connection.node == self._me and self._whereabouts.closed(agent_id, connection)

    def gone(self, agent_id: AgentId) -> None:
        """Tells that an agent is gone, as Presence knows."""
        if (connection := self._whereabouts.last(agent_id)) is not None:
            self._forget_questions(agent_id)
            self._tell_agent(agent_id, connection)

    def changed(self, agent_id: AgentId) -> None:
        """Tells an agent of this node anew, as Presence has it."""
        connection = self._whereabouts.of(agent_id)
        if connection is not None and connection.node == self._me:
            self._tell_agent(agent_id, connection)

    def reported(self, channel_id: ChannelId, agent_id: AgentId) -> None:
        """Tells what a channel's page shows, as Presence has it by an agent of this node."""
        self._reporters[channel_id] = agent_id
        self._early.pop(channel_id, None)
        if (told := self._channel_told(channel_id)) is not None:
            self._tell(told)

    def tell_seen(self) -> None:
        """Tells when the agents of this node sent their last frames, if that is news."""
        found = {one: known.last_seen_ms for one in self._mine() if (known := self._presence.agent(one)) is not None}
        news = {int(one): at_ms for one, at_ms in found.items() if self._seen.get(one) != at_ms}
        self._seen = found
        if news:
            self._tell(telling.Seen(agents=news))

    def marked(self, channel_id: ChannelId, restored: bool) -> None:
        """Tells that this node has marked a channel as restored, or ended that."""
        self._tell(telling.Marked(channel_id=channel_id, restored=restored))

    # ---- questions to desktops ----------------------------------------------------------------------------------------------

    def ask(self, agent_id: AgentId, frame: pb.ConnectResponse) -> bool:
        """Sends a question to the agent's stream on whichever node; False when there is none."""
        connection = self._whereabouts.of(agent_id)
        if connection is None or connection.node == self._me:
            return self._streams.ask(agent_id, frame)
        self._tell(telling.Asked(connection.node, agent_id, _number(frame), frame.SerializeToString()))
        return True

    def answered(self, agent_id: AgentId, frame: pb.ConnectRequest) -> None:
        """An agent of this node has answered: the node that asked is told."""
        if (to := self._asked.pop((agent_id, _number(frame)), None)) is not None:
            self._tell(telling.Answered(to, agent_id, frame.SerializeToString()))

    def erase(self, channel_id: ChannelId, wa_ids: Sequence[WaId]) -> None:
        """A person's data was erased: the journals that may hold it follow, on every node."""
        self._streams.erase(channel_id, wa_ids)
        self._tell(telling.Erased(channel_id, [*wa_ids]))

    # ---- hearing ------------------------------------------------------------------------------------------------------------

    def _heard(self, node: NodeId, body: bytes) -> None:
        try:
            self._take(node, telling.decode(body))
        except telling.Unheard:
            log.warning("another node tells something unknown: are all of one version?")

    def _take(self, node: NodeId, told: telling.Anything) -> None:
        match told:
            case telling.AgentTold():
                self._take_agent(node, told)
            case telling.ChannelTold():
                self._take_channel(node, told)
            case telling.Everything():
                self._take_everything(node, told)
            case telling.WhoIsThere():
                self._tell(self._everything())
            case telling.Seen():
                for agent_id in self._whereabouts.at(node):
                    if (at_ms := told.agents.get(agent_id)) is not None:
                        self._presence.agent_seen_elsewhere(agent_id, at_ms)
            case _:
                self._take_other(node, told)

    def _take_other(self, node: NodeId, told: telling.Anything) -> None:
        match told:
            case telling.Asked(to=self._me):
                self._take_question(node, told)
            case telling.Answered(to=self._me):
                self._answers.came(AgentId(told.agent_id), pb.ConnectRequest.FromString(told.frame))
            case telling.NotThere(to=self._me):
                self._answers.gone(AgentId(told.agent_id))
            case telling.Erased():
                self._streams.erase(ChannelId(told.channel_id), [WaId(one) for one in told.wa_ids])
            case telling.Marked():
                self._marks.mark(ChannelId(told.channel_id), restored=told.restored)
            case _:
                pass  # for another node

    def _take_agent(self, node: NodeId, told: telling.AgentTold) -> None:
        agent_id, connection = AgentId(told.agent_id), Connection(told.number, node)
        before = self._whereabouts.of(agent_id)
        if not told.connected:
            if self._whereabouts.closed(agent_id, connection):
                self._presence.agent_elsewhere(agent_id, telling.agent_presence(told, self._name(node)))
                self._answers.gone(agent_id)
            return
        if not self._whereabouts.opened(agent_id, connection):
            return
        self._presence.agent_elsewhere(agent_id, telling.agent_presence(told, self._name(node)))
        if connection != before:
            self._forget_questions(agent_id)
            self._answers.gone(agent_id)  # whatever it was asked, it was asked over another stream
            self._streams.end_agent(agent_id, Replaced())

    def _take_channel(self, node: NodeId, told: telling.ChannelTold) -> None:
        agent_id, channel_id = AgentId(told.agent_id), ChannelId(told.channel_id)
        if self._whereabouts.last(agent_id) != Connection(told.number, node):
            return  # it was reported over a connection that another one has replaced
        early = _Early(agent_id=agent_id, presence=telling.channel_presence(told))
        if not self._show(channel_id, early):
            self._early[channel_id] = early

    def _show(self, channel_id: ChannelId, early: _Early) -> bool:
        """Whether the registry is up to it: then it is shown."""
        channel = self._records.channel(channel_id)
        report = early.presence.report
        if channel is None or channel.agent_id != early.agent_id or not _is_known(channel, report):
            return False
        self._early.pop(channel_id, None)
        self._reporters[channel_id] = early.agent_id
        self._presence.report_elsewhere(channel_id, early.presence)
        return True

    def _take_everything(self, node: NodeId, told: telling.Everything) -> None:
        there = {one.agent_id for one in told.agents}
        for agent_id in self._whereabouts.at(node):
            if agent_id not in there:
                self._lost(agent_id)
        for agent in told.agents:
            self._take_agent(node, agent)
        for channel in told.channels:
            self._take_channel(node, channel)
        self._marks.look()

    def _take_question(self, node: NodeId, told: telling.Asked) -> None:
        agent_id = AgentId(told.agent_id)
        self._asked[agent_id, told.number] = node
        if not self._streams.ask(agent_id, pb.ConnectResponse.FromString(told.frame)):
            del self._asked[agent_id, told.number]
            self._tell(telling.NotThere(node, agent_id))

    # ---- what changes around it ---------------------------------------------------------------------------------------------

    def _missed(self) -> None:
        """What was told may not have been heard either."""
        self._tell(self._everything())
        self._tell(telling.WhoIsThere())
        self._marks.look()

    def _nodes_changed(self) -> None:
        there = {node.id for node in self._notices.nodes()}
        lost, self._there = self._there - there, there
        for node in lost:
            for agent_id in self._whereabouts.at(node):
                self._lost(agent_id)
            self._asked = {question: asker for question, asker in self._asked.items() if asker != node}

    def _lost(self, agent_id: AgentId) -> None:
        """Its node is gone, or knows nothing of it any more."""
        if (connection := self._whereabouts.of(agent_id)) is not None:
            self._whereabouts.closed(agent_id, connection)
        self._presence.agent_gone(agent_id)
        self._answers.gone(agent_id)

    def _records_changed(self) -> None:
        owners, self._owners = self._owners, self._owned()
        for channel_id, agent_id in owners.items():
            if self._owners.get(channel_id) != agent_id and self._reporters.get(channel_id) == agent_id:
                self._reporters.pop(channel_id, None)
                self._presence.forget(channel_id)
        for channel_id, early in tuple(self._early.items()):
            if self._early.get(channel_id) is early:
                self._show(channel_id, early)

    # ---- telling ------------------------------------------------------------------------------------------------------------

    def _tell(self, told: telling.Anything) -> None:
        self._notices.tell(TOPIC, telling.encode(told))

    def _tell_agent(self, agent_id: AgentId, connection: Connection) -> None:
        if (known := self._presence.agent(agent_id)) is not None:
            self._tell(telling.agent_told(agent_id, connection.number, known))

    def _everything(self) -> telling.Everything:
        agents = [
            telling.agent_told(one, connection.number, known)
            for one in self._mine()
            if (known := self._presence.agent(one)) and (connection := self._whereabouts.of(one))
        ]
        channels = [told for channel_id in self._reporters if (told := self._channel_told(channel_id)) is not None]
        return telling.Everything(agents=agents, channels=channels)

    def _channel_told(self, channel_id: ChannelId) -> telling.ChannelTold | None:
        """None when no agent of this node reports it."""
        agent_id, known = self._reporters[channel_id], self._presence.of(channel_id)
        connection = self._whereabouts.of(agent_id)
        if known is None or connection is None or connection.node != self._me:
            return None
        return telling.channel_told(channel_id, agent_id, connection.number, known)

    def _mine(self) -> Sequence[AgentId]:
        return self._whereabouts.at(self._me)

    def _owned(self) -> dict[ChannelId, AgentId | None]:
        return {channel.id: channel.agent_id for channel in self._records.channels()}

    def _forget_questions(self, agent_id: AgentId) -> None:
        self._asked = {question: node for question, node in self._asked.items() if question[0] != agent_id}

    def _name(self, node: NodeId) -> str:
        return next((one.name for one in self._notices.nodes() if one.id == node), "")


def _is_known(channel: Channel, report: LinkReport) -> bool:
    """Whether the registry has the account that is reported as linked, or knows that it is another one."""
    return report.state not in LINKED or report.account in ("", channel.account, channel.changed_account)


def _number(frame: pb.ConnectRequest | pb.ConnectResponse) -> int:
    """Of a question or an answer; 0 is none."""
    return int(getattr(frame, str(frame.WhichOneof("frame"))).number)
