"""One channel's line, as the queue sees it: it notes what it hears, and offers what it was told to."""

from __future__ import annotations

from dataclasses import dataclass, field

from messenger_hub_server.delivery.actions import Offer
from messenger_hub_server.delivery.handover import Taken


@dataclass(slots=True)
class NotedLine:
    """See lines.Line."""

    offers: list[Offer] = field(default_factory=list)
    woken: int = 0
    asked: list[int] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    doubted: list[Offer] = field(default_factory=list)

    def wake(self) -> None:
        self.woken += 1

    def offer(self, count: int) -> Offer | None:
        self.asked.append(count)
        return self.offers.pop(0) if self.offers else None

    def offered(self, offer: Offer, taken: Taken) -> None:
        self.taken.append(taken)

    def unknown(self, offer: Offer) -> None:
        self.doubted.append(offer)
