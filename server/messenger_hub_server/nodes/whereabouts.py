"""To which node each agent is connected. Pure.

What two nodes tell may arrive in any order; what one tells arrives in the order in which it was told. So each connection has a number,
above all that its node has heard of for that agent and not below the time in milliseconds: of two that are open, the higher one counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from messenger_hub_server.model import AgentId
from messenger_hub_server.nodes.notices import NodeId


@dataclass(frozen=True, slots=True, order=True)
class Connection:
    """One connection of an agent."""

    number: int
    node: NodeId


@dataclass(frozen=True, slots=True)
class _Place:
    connection: Connection
    is_open: bool


class Whereabouts:
    """The connection that counts, of each agent that has one or had one."""

    def __init__(self) -> None:
        self._places: dict[AgentId, _Place] = {}

    def next(self, agent_id: AgentId, node: NodeId, now_ms: int) -> Connection:
        """For an agent that has just connected to `node`."""
        known = self._places.get(agent_id)
        return Connection(max(now_ms, known.connection.number + 1 if known is not None else 0), node)

    def opened(self, agent_id: AgentId, connection: Connection) -> bool:
        """Whether this connection, which is open, counts now: no other one is open that comes after it."""
        known = self._places.get(agent_id)
        if known is not None and known.is_open and connection < known.connection:
            return False
        self._places[agent_id] = _Place(connection, is_open=True)
        return True

    def closed(self, agent_id: AgentId, connection: Connection) -> bool:
        """Whether the agent is gone with this connection, which has ended: it has no later one."""
        known = self._places.get(agent_id)
        if known is not None and connection != known.connection and (known.is_open or connection < known.connection):
            return False
        self._places[agent_id] = _Place(connection, is_open=False)
        return True

    def of(self, agent_id: AgentId) -> Connection | None:
        """The one that is open and counts."""
        known = self._places.get(agent_id)
        return known.connection if known is not None and known.is_open else None

    def last(self, agent_id: AgentId) -> Connection | None:
        """The one that counts, or counted when the agent went."""
        known = self._places.get(agent_id)
        return known.connection if known is not None else None

    def at(self, node: NodeId) -> Sequence[AgentId]:
        """The agents that are connected to it."""
        return [one for one, place in self._places.items() if place.is_open and place.connection.node == node]
