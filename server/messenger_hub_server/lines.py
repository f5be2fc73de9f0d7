"""Between the queue, which stores what was accepted, and the streams, which hand it out: one line for each channel with a desktop."""

from __future__ import annotations

from typing import Protocol

from messenger_hub_server.delivery.actions import Offer
from messenger_hub_server.delivery.handover import Taken
from messenger_hub_server.model import ChannelId


class Line(Protocol):
    """Who hands out one channel's operations. Called on the event loop; nothing of it blocks."""

    def wake(self) -> None:
        """The channel may have something to lease."""
        ...

    def offer(self, count: int) -> Offer | None:
        """Leases for at most `count` operations that are about to be accepted; None when they have to wait. Answer with `offered` or
        `unknown`."""
        ...

    def offered(self, offer: Offer, taken: Taken) -> None:
        """What is durably leased under an offer."""
        ...

    def unknown(self, offer: Offer) -> None:
        """Whether its leases are stored cannot be known."""
        ...


class Lines:
    """The lines by their channel."""

    def __init__(self) -> None:
        self._lines: dict[ChannelId, Line] = {}

    def subscribe(self, channel_id: ChannelId, line: Line) -> None:
        """From now on the channel's line, instead of any other."""
        self._lines[channel_id] = line

    def wake(self, channel_id: ChannelId) -> None:
        """The channel may have something to lease."""
        if (line := self._lines.get(channel_id)) is not None:
            line.wake()

    def wake_all(self) -> None:
        """Any channel may have something to lease."""
        for line in tuple(self._lines.values()):
            line.wake()

    def offer(self, channel_id: ChannelId, count: int) -> Offer | None:
        """Leases for what the channel is about to accept, as its line has them."""
        line = self._lines.get(channel_id)
        return line.offer(count) if line is not None else None

    def offered(self, channel_id: ChannelId, offer: Offer, taken: Taken) -> None:
        """What is durably leased under an offer of the channel's line."""
        self._lines[channel_id].offered(offer, taken)

    def unknown(self, channel_id: ChannelId, offer: Offer) -> None:
        """Whether the leases of an offer are stored cannot be known."""
        self._lines[channel_id].unknown(offer)
