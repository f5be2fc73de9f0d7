"""Nodes of one hub in one process: what each tells reaches the others when the test lets it."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Sequence

from messenger_hub_server.nodes.notices import Ends, Heard, Node, NodeId


class Wire:
    """Between the nodes. What one node tells arrives in its order; `hold` keeps back all that one tells."""

    def __init__(self) -> None:
        self.ends: dict[NodeId, WiredNotices] = {}
        self.told: list[tuple[NodeId, bytes]] = []
        self._held: set[NodeId] = set()

    def joins(self, name: str) -> WiredNotices:
        """One more node."""
        node = Node(id=NodeId(len(self.ends) + 1), name=name, since_ms=1_000 * len(self.ends))
        self.ends[node.id] = joined = WiredNotices(self, node)
        self._tell_of_nodes()
        return joined

    def dies(self, notices: WiredNotices) -> None:
        """What it has not told yet nobody hears."""
        notices.is_there = False
        self._tell_of_nodes()

    def hold(self, notices: WiredNotices) -> None:
        """Until `carry_all`, nothing that it tells arrives."""
        self._held.add(notices.own.id)

    def carry_all(self) -> None:
        """Everything arrives, also what is told meanwhile."""
        self._held.clear()
        self.carry()

    def carry(self) -> None:
        """The same, without what is held."""
        while any(one.carry_one() for one in tuple(self.ends.values()) if one.own.id not in self._held):
            pass

    def there(self) -> Sequence[Node]:
        """The living ones."""
        return [one.own for one in self.ends.values() if one.is_there]

    def _tell_of_nodes(self) -> None:
        for one in self.ends.values():
            if one.is_there:
                for changed in tuple(one.on_change):
                    changed()


class WiredNotices:
    """See nodes.notices.Notices."""

    def __init__(self, wire: Wire, own: Node) -> None:
        self.own = own
        self.is_there = True
        self.on_change: list[Callable[[], None]] = []
        self.missed: list[Callable[[], None]] = []
        self._wire = wire
        self._heard: dict[str, list[Heard]] = defaultdict(list)
        self._outgoing: deque[tuple[str, bytes]] = deque()

    def nodes(self) -> Sequence[Node]:
        return self._wire.there()

    def tell(self, topic: str, body: bytes = b"") -> None:
        self._outgoing.append((topic, body))

    def subscribe(self, topic: str, heard: Heard, missed: Callable[[], None]) -> Ends:
        self._heard[topic].append(heard)
        self.missed.append(missed)
        return lambda: self._heard[topic].remove(heard)

    def on_nodes(self, changed: Callable[[], None]) -> Ends:
        self.on_change.append(changed)
        return lambda: self.on_change.remove(changed)

    def drops(self) -> None:
        """What it has told and nobody has heard yet is lost, and nobody knows."""
        self._outgoing.clear()

    def misses(self) -> None:
        """It is told that it may have missed something."""
        for missed in self.missed:
            missed()

    def carry_one(self) -> bool:
        """Whether there was something to carry."""
        if not self.is_there or not self._outgoing:
            return False
        topic, body = self._outgoing.popleft()
        self._wire.told.append((self.own.id, body))
        for other in tuple(self._wire.ends.values()):
            if other is not self and other.is_there:
                for heard in tuple(other._heard[topic]):
                    heard(self.own.id, body)
        return True
