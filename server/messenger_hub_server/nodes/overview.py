"""The nodes of a hub, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from messenger_hub_server.model import AgentId
from messenger_hub_server.nodes.desktops import SharedDesktops
from messenger_hub_server.nodes.notices import Node, NodeId, Notices


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSeen:
    """A node that is at work. `name`: of no other one; `answers`: it is this one."""

    name: str
    since_ms: int
    agents_connected: int
    answers: bool


class Overview:
    """As this node knows them."""

    def __init__(self, notices: Notices, desktops: SharedDesktops) -> None:
        self._notices = notices
        self._desktops = desktops

    def nodes(self) -> Sequence[NodeSeen]:
        """All that are there, longest first."""
        there = self._notices.nodes()
        named = names(there)
        return [
            NodeSeen(
                name=named[node.id],
                since_ms=node.since_ms,
                agents_connected=self._desktops.connected_to(node.id),
                answers=node.id == self._notices.own.id,
            )
            for node in there
        ]

    def node_of(self, agent_id: AgentId) -> str:
        """Name of the node to which the agent is connected; empty while it is not, and where there is only one."""
        node, there = self._desktops.node_of(agent_id), self._notices.nodes()
        return "" if node is None or len(there) == 1 else names(there).get(node, "")


def names(nodes: Sequence[Node]) -> Mapping[NodeId, str]:
    """As every node calls them: several on one machine have a number behind its name from the second on, in their order."""
    count: Counter[str] = Counter()
    named = {}
    for node in nodes:
        count[node.name] += 1
        named[node.id] = node.name if count[node.name] == 1 else f"{node.name} ({count[node.name]})"
    return named
