"""Wishes to link or to unlink a channel, which live in memory alone: told to the other nodes, one of which has the desktop's stream.

A wish belongs to the node that was asked, and ends with it. Each node tells all its wishes whenever they change, and which ones of others it
has seen fulfilled, so a notice that was lost is made good by the next one.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Mapping, Sequence

import msgspec

from messenger_hub_server.model import ChannelId
from messenger_hub_server.nodes.notices import NodeId, Notices
from messenger_hub_server.records import Linking, Wish
from messenger_hub_server.registry import Registry

WISHES = "wishes"
MOST_FULFILLED = 100


class _Wished(msgspec.Struct, frozen=True, array_like=True):
    """`number` tells a wish from the next one like it. `phone`: None when the channel is to be unlinked."""

    number: int
    channel_id: int
    phone: str | None

    @property
    def wish(self) -> Wish:
        """As the registry knows it."""
        return Wish(ChannelId(self.channel_id), None if self.phone is None else Linking(phone=self.phone))


class _Told(msgspec.Struct, frozen=True, array_like=True):
    """All of a node. `asks`: it wants to hear the same of the others."""

    wishes: list[_Wished]
    fulfilled: list[int]
    asks: bool


class SharedWishes:
    """Begins with its making."""

    def __init__(self, registry: Registry, notices: Notices) -> None:
        self._registry = registry
        self._notices = notices
        self._own: dict[Wish, int] = {}
        self._elsewhere: dict[NodeId, Mapping[int, Wish]] = {}
        self._fulfilled: deque[int] = deque(maxlen=MOST_FULFILLED)
        notices.subscribe(WISHES, self._heard, self._ask)
        notices.on_nodes(self._nodes_changed)
        registry.on_change(self._changed)
        registry.on_fulfilled(self._end)

    def _changed(self) -> None:
        """Of the registry: perhaps of its wishes."""
        wishes = self._registry.wishes()
        if wishes != self._own.keys():
            self._own = {wish: self._own.get(wish) or secrets.randbits(48) + 1 for wish in wishes}
            self._tell()

    def _tell(self, *, asks: bool = False) -> None:
        wishes = [
            _Wished(number=number, channel_id=wish.channel_id, phone=wish.linking.phone if wish.linking else None)
            for wish, number in self._own.items()
        ]
        told = _Told(wishes=wishes, fulfilled=list(self._fulfilled), asks=asks)
        self._notices.tell(WISHES, msgspec.json.encode(told))

    def _ask(self) -> None:
        self._tell(asks=True)

    def _heard(self, node: NodeId, body: bytes) -> None:
        told = msgspec.json.decode(body, type=_Told)
        self._elsewhere[node] = {one.number: one.wish for one in told.wishes if one.number not in self._fulfilled}
        self._show()
        for wish in [wish for wish, number in self._own.items() if number in told.fulfilled]:
            self._registry.withdraw(wish)
        if told.asks:
            self._tell()

    def _nodes_changed(self) -> None:
        there = {node.id for node in self._notices.nodes()}
        if self._elsewhere.keys() - there:
            self._elsewhere = {node: wishes for node, wishes in self._elsewhere.items() if node in there}
            self._show()
        if self._own or self._fulfilled:
            self._tell()  # whoever has come knows nothing

    def _end(self, channel_id: ChannelId, wishes: Sequence[Wish]) -> None:
        """What was wished elsewhere has happened here."""
        for numbers in self._elsewhere.values():
            self._fulfilled.extend(n for n, wish in numbers.items() if wish in wishes and wish.channel_id == channel_id)
        self._elsewhere = {
            node: {number: wish for number, wish in numbers.items() if number not in self._fulfilled}
            for node, numbers in self._elsewhere.items()
        }
        self._show()
        self._tell()

    def _show(self) -> None:
        self._registry.wished_elsewhere({wish for numbers in self._elsewhere.values() for wish in numbers.values()})
