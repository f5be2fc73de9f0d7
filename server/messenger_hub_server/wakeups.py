"""Who wants to know that a channel has work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from messenger_hub_server.model import ChannelId

Callback = Callable[[], None]


class Wakeups:
    """Callbacks run on the event loop and must not block."""

    def __init__(self) -> None:
        self._callbacks: defaultdict[ChannelId, set[Callback]] = defaultdict(set)

    def subscribe(self, channel_id: ChannelId, callback: Callback) -> Callback:
        """Calls back at every wake of the channel; returns what ends that."""
        self._callbacks[channel_id].add(callback)
        return lambda: self._callbacks[channel_id].discard(callback)

    def wake(self, channel_id: ChannelId) -> None:
        """The channel may have something to lease."""
        for callback in tuple(self._callbacks.get(channel_id, ())):
            callback()

    def wake_all(self) -> None:
        """Any channel may have something to lease."""
        for channel_id in tuple(self._callbacks):
            self.wake(channel_id)
