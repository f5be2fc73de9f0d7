"""Wake-ups across nodes: what one node commits, the lines and watchers of the others hear of."""

from __future__ import annotations

from messenger_hub_server.delivery.actions import Offer
from messenger_hub_server.delivery.handover import Taken
from messenger_hub_server.lines import Lines
from messenger_hub_server.model import ChannelId
from messenger_hub_server.nodes.notices import NodeId, Notices
from messenger_hub_server.watch import News

WAKE, NEWS = "wake", "news"


class ToldLines:
    """See queue.Lines: those of this node, and a wake-up reaches the other nodes' too. For what all nodes do by
    themselves, use those of this node."""

    def __init__(self, here: Lines, notices: Notices) -> None:
        self._here = here
        self._notices = notices
        notices.subscribe(WAKE, self._heard, here.wake_all)

    def wake(self, channel_id: ChannelId) -> None:
        """See queue.Lines."""
        self._here.wake(channel_id)
        self._notices.tell(WAKE, b"%d" % channel_id)

    def wake_all(self) -> None:
        """See queue.Lines."""
        self._here.wake_all()
        self._notices.tell(WAKE)

    def offer(self, channel_id: ChannelId, count: int) -> Offer | None:
        """See queue.Lines."""
        return self._here.offer(channel_id, count)

    def offered(self, channel_id: ChannelId, offer: Offer, taken: Taken) -> None:
        """See queue.Lines."""
        self._here.offered(channel_id, offer, taken)

    def unknown(self, channel_id: ChannelId, offer: Offer) -> None:
        """See queue.Lines."""
        self._here.unknown(channel_id, offer)

    def _heard(self, _: NodeId, body: bytes) -> None:
        if body:
            self._here.wake(ChannelId(int(body)))
        else:
            self._here.wake_all()


class ToldNews(News):
    """The news of all nodes."""

    def __init__(self, notices: Notices) -> None:
        super().__init__()
        self._notices = notices
        notices.subscribe(NEWS, lambda _, __: self._tell_here(), self._tell_here)
        # What a node that is gone was about to commit is decided by now, and it tells nobody.
        notices.on_nodes(self._tell_here)

    def tell(self) -> None:
        """See News."""
        super().tell()
        self._notices.tell(NEWS)

    def _tell_here(self) -> None:
        super().tell()
