"""What people see of the nodes."""

from __future__ import annotations

from messenger_hub_server.model import AgentId
from messenger_hub_server.nodes.desktops import SharedDesktops
from messenger_hub_server.nodes.notices import Node, NodeId
from messenger_hub_server.nodes.overview import Overview, names
from messenger_hub_server.presence import Presence
from messenger_hub_server.records import Records

from tests.fakes.clock import FakeClock
from tests.fakes.nodes import Wire

DESK = AgentId(1)


def test_nodes_on_one_machine_are_told_from_each_other_by_a_number() -> None:
    there = [Node(id=NodeId(n), name=name, since_ms=n) for n, name in enumerate(("a", "b", "a", "a"))]
    assert list(names(there).values()) == ["a", "b", "a (2)", "a (3)"]


def test_a_hub_with_one_node_does_not_name_it_with_each_desktop() -> None:
    wire, clock = Wire(), FakeClock()
    notices, presence = wire.joins("north"), Presence(clock)
    desktops = SharedDesktops(notices, Records(clock), presence, clock)
    overview = Overview(notices, desktops)
    presence.agent_connected(DESK, "1.0", "", "Linux")
    desktops.connected(DESK)
    assert (overview.node_of(DESK), [one.agents_connected for one in overview.nodes()]) == ("", [1])
    wire.joins("south")
    assert overview.node_of(DESK) == "north"
    assert [(one.name, one.answers) for one in overview.nodes()] == [("north", True), ("south", False)]
    assert overview.node_of(AgentId(2)) == ""
