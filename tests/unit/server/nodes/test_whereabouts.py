"""Of two connections of one agent the later one counts, in whichever order their nodes tell of them."""

from __future__ import annotations

import pytest
from messenger_hub_server.model import AgentId
from messenger_hub_server.nodes.notices import NodeId
from messenger_hub_server.nodes.whereabouts import Connection, Whereabouts

AGENT = AgentId(7)
FIRST, SECOND = NodeId(1), NodeId(2)


def test_a_connection_is_numbered_above_all_that_its_node_has_heard_of_also_when_its_clock_is_behind() -> None:
    found = Whereabouts()
    found.opened(AGENT, Connection(5_000, FIRST))
    assert found.next(AGENT, SECOND, now_ms=3_000) == Connection(5_001, SECOND)
    assert found.next(AGENT, SECOND, now_ms=9_000) == Connection(9_000, SECOND)


def test_an_old_end_does_not_undo_a_newer_connection() -> None:
    found = Whereabouts()
    assert found.opened(AGENT, Connection(1, FIRST))
    assert found.opened(AGENT, Connection(2, SECOND))
    assert not found.closed(AGENT, Connection(1, FIRST))
    assert found.of(AGENT) == Connection(2, SECOND)
    assert found.closed(AGENT, Connection(2, SECOND))
    assert (found.of(AGENT), found.last(AGENT)) == (None, Connection(2, SECOND))


def test_an_end_without_a_beginning_leaves_a_live_connection_alone() -> None:
    found = Whereabouts()
    found.opened(AGENT, Connection(1, FIRST))
    assert not found.closed(AGENT, Connection(9, SECOND))
    assert found.of(AGENT) == Connection(1, FIRST)


def test_a_connection_of_a_node_whose_clock_is_behind_counts_once_the_other_one_has_ended() -> None:
    found = Whereabouts()
    found.opened(AGENT, Connection(9, FIRST))
    assert not found.opened(AGENT, Connection(3, SECOND))
    found.closed(AGENT, Connection(9, FIRST))
    assert found.opened(AGENT, Connection(3, SECOND))
    assert list(found.at(SECOND)) == [AGENT]


@pytest.mark.parametrize(
    "order",
    [
        ("opened first", "closed first", "opened second"),
        ("opened first", "opened second", "closed first"),
        ("opened second", "opened first", "closed first"),
    ],
)
def test_all_orders_in_which_two_nodes_may_be_heard_end_the_same(order: tuple[str, ...]) -> None:
    found = Whereabouts()
    for word in order:
        number, node = (1, FIRST) if word.endswith("first") else (2, SECOND)
        (found.opened if word.startswith("opened") else found.closed)(AGENT, Connection(number, node))
    assert found.of(AGENT) == Connection(2, SECOND)
