"""Notices: short words between the nodes of one hub, for what is known better at once than within seconds.

A notice decides nothing: what is stored stands in the database, and whoever has missed notices finds it there. Callbacks run on the event
loop and must not block.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import NewType, Protocol

NodeId = NewType("NodeId", int)

JOIN_SECONDS = 5.0

Heard = Callable[[NodeId, bytes], None]
Ends = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A server process that is at work. `id` is another one at its next start; `name` is for people and need not be unique."""

    id: NodeId
    name: str
    since_ms: int


class Notices(Protocol):
    """What one node tells the others, and hears of them."""

    @property
    def own(self) -> Node:
        """This node."""
        ...

    def nodes(self) -> Sequence[Node]:
        """All that are there, longest first, this one too. Known within half a second, as long as the database answers."""
        ...

    def tell(self, topic: str, body: bytes = b"") -> None:
        """Tells every other node, soon, in the order of telling. The same words told again before they are on their way are told once,
        at the later place; after a lost connection they may come twice."""
        ...

    def subscribe(self, topic: str, heard: Heard, missed: Callable[[], None]) -> Ends:
        """Calls `heard` with who tells what, and `missed` when notices may have been lost: then ask, or look. Returns what ends it."""
        ...

    def on_nodes(self, changed: Callable[[], None]) -> Ends:
        """Calls back after a change of `nodes`; returns what ends that. A node is there before anything of it is heard."""
        ...

    async def joined(self) -> None:
        """Waits until the other nodes were heard for the first time."""
        ...

    async def run(self, stop: asyncio.Event) -> None:
        """Tells and hears until `stop`; what was told by then is on its way, if the database answers."""
        ...


class Alone:
    """The only node: hears nothing, and tells nobody."""

    def __init__(self, name: str, since_ms: int) -> None:
        self.own = Node(id=NodeId(1), name=name, since_ms=since_ms)

    def nodes(self) -> Sequence[Node]:
        """See Notices."""
        return (self.own,)

    def tell(self, topic: str, body: bytes = b"") -> None:
        """See Notices."""

    def subscribe(self, topic: str, heard: Heard, missed: Callable[[], None]) -> Ends:
        """See Notices."""
        return lambda: None

    def on_nodes(self, changed: Callable[[], None]) -> Ends:
        """See Notices."""
        return lambda: None

    async def joined(self) -> None:
        """See Notices."""

    async def run(self, stop: asyncio.Event) -> None:
        """See Notices."""
        await stop.wait()


@asynccontextmanager
async def telling(notices: Notices) -> AsyncIterator[None]:
    """Tells and hears as long as the block runs, which begins when the other nodes are heard, or cannot be for now."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(notices.run(stop))
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(JOIN_SECONDS):
                    await notices.joined()
            yield
        finally:
            stop.set()
