"""One channel's line: its machine, and what that has asked for and not got yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from messenger_hub.runtime.clock import Clock

from messenger_hub_server.delivery.actions import Action, Commit, Load, Offer
from messenger_hub_server.delivery.channel import Channel
from messenger_hub_server.delivery.handover import Taken

MOST_WRITES = 2_000  # that wait for their commit before the channel's streams are read no further


class ChannelLine:
    """See lines.Line. `perform` does what the machine asks for; `failed` is called in the handler of a fault of ours. `roomy`: streams may
    be read."""

    def __init__(self, channel: Channel, perform: Perform, failed: Callable[[ChannelLine], None], clock: Clock) -> None:
        self.machine = channel
        self._perform = perform
        self._failed = failed
        self._clock = clock
        self.pending: list[Load | Commit] = []
        self.filled = asyncio.Event()
        self.roomy = asyncio.Event()
        self._writes = 0
        self.roomy.set()

    def wake(self) -> None:
        """See lines.Line."""
        self._contain(lambda: self.machine.wake(self._clock.now_ms()))

    def offer(self, count: int) -> Offer | None:
        """See lines.Line."""
        try:
            return self.machine.offer(count)
        except Exception:  # as in _contain
            self._failed(self)
            return None

    def offered(self, offer: Offer, taken: Taken) -> None:
        """See lines.Line."""
        self._contain(lambda: self.machine.offered(offer, taken, self._clock.now_ms()))

    def unknown(self, offer: Offer) -> None:
        """See lines.Line."""
        self._contain(lambda: self.machine.unknown(offer))

    def _contain(self, decide: Callable[[], Sequence[Action]]) -> None:
        """The queue calls: a fault of ours must not end it, and with it all channels."""
        try:
            self._perform(self, decide())
        except Exception:
            self._failed(self)

    def add(self, action: Load | Commit) -> None:
        """To be performed after what waits already."""
        self.pending.append(action)
        self.filled.set()
        self._count(_weight(action))

    def take(self) -> Load | Commit:
        """The oldest, which waits no more."""
        self._count(-_weight(self.pending[0]))
        return self.pending.pop(0)

    def clear(self) -> None:
        """Nothing waits any more."""
        self.pending.clear()
        self._count(-self._writes)

    def _count(self, more: int) -> None:
        self._writes += more
        if self._writes < MOST_WRITES:
            self.roomy.set()
        else:
            self.roomy.clear()


Perform = Callable[[ChannelLine, Sequence[Action]], None]
"""Does what the machine asks for."""


def _weight(action: Load | Commit) -> int:
    return 1 + len(action.writes) if isinstance(action, Commit) else 1
