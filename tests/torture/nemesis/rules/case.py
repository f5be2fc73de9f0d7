"""What rules look at: a history with its indexes, the states as a client sees them, and what a violation is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.torture.nemesis.record import MESSAGE, Arrival, Disturbance, History, Look, Wish
from tests.torture.nemesis.times import forgets

DONE = frozenset({"sent", "delivered", "read"})
SET = "succeeded"
NOT_SENT = frozenset({"failed", "cancelled", "expired"})
WAITING = frozenset({"pending", "processing"})
UNCERTAIN = "uncertain"
RESTORED = "restored"

# As docs/delivery.md tells it; a client sees leased as processing.
FOLLOWING: Mapping[str, frozenset[str]] = {
    "pending": frozenset({"processing", "cancelled", "expired", "failed", "sent", SET, UNCERTAIN}),
    "processing": frozenset({"pending", "cancelled", "expired", "failed", UNCERTAIN, SET}) | DONE,
    "sent": frozenset({"delivered", "read"}),
    "delivered": frozenset({"read"}),
    "read": frozenset(),
    SET: frozenset(),
    UNCERTAIN: DONE | {"failed", SET},
    "cancelled": DONE | {SET},
    "expired": DONE | {SET},
    "failed": DONE | {SET},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """What was promised and did not hold. `text` and `operation_id` name the message, where there is one."""

    kind: str
    sentence: str
    text: str = ""
    operation_id: int = 0


@dataclass(frozen=True, slots=True)
class Case:
    """The history with its indexes."""

    history: History
    by_text: Mapping[str, Sequence[Arrival]] = field(default_factory=dict)
    wishes: Mapping[str, Wish] = field(default_factory=dict)
    operations: Mapping[str, Sequence[Look]] = field(default_factory=dict)
    looks: Mapping[int, Sequence[Look]] = field(default_factory=dict)

    @classmethod
    def of(cls, history: History) -> Case:
        by_text: dict[str, list[Arrival]] = defaultdict(list)
        operations: dict[str, list[Look]] = defaultdict(list)
        looks: dict[int, list[Look]] = defaultdict(list)
        for arrival in history.arrivals:
            by_text[arrival.body].append(arrival)
        for look in history.final.values():
            operations[look.reference].append(look)
        for look in sorted(history.looks, key=lambda one: one.ended):
            looks[look.operation_id].append(look)
        return cls(history, by_text, {wish.text: wish for wish in history.wishes}, operations, looks)

    def arrivals(self, text: str) -> Sequence[Arrival]:
        return self.by_text.get(text, ())

    def final(self, operation_id: int) -> Look | None:
        look = self.history.final.get(operation_id)
        return look if look is not None and look.found else None

    def accepted(self) -> Iterator[tuple[Wish, Look]]:
        """Everything that was answered 201 and is there, with its last look; after a restore under the last number that is."""
        for wish in self.history.wishes:
            looks = [look for number in reversed(wish.numbers) if (look := self.final(number)) is not None]
            if looks:
                yield wish, looks[0]

    def messages(self) -> Iterator[tuple[Wish, Look]]:
        """Of them the messages."""
        return ((wish, look) for wish, look in self.accepted() if wish.kind == MESSAGE)

    def carried_out(self, wish: Wish, operation_id: int) -> bool:
        """Something tells that this operation was carried out, and no other of the same key, which took its place, tells of it: an
        arrival, or what a client was told."""
        others = [look for look in self.operations.get(wish.text, ()) if look.operation_id != operation_id]
        ids = {look.whatsapp_id for look in others}
        arrived = any(one.whatsapp_id not in ids for one in self.arrivals(wish.text))
        told = any(look.status in DONE or look.status == SET for look in self.looks.get(operation_id, ()))
        return arrived or (told and not any(look.status in DONE or look.status == SET for look in others))


def overlaps(one: Disturbance, begun: float, ended: float) -> bool:
    return one.begun <= ended and (one.ended is None or one.ended >= begun)


def came_back(case: Case) -> Collection[int]:
    """Operations that stood in no queue until a restore took their cancellation back: others may have overtaken them."""
    return {
        one.operation_id
        for one in case.history.cancellings
        if one.done is not False
        and any(forgets(restore, one, case.history.restores) for restore in case.history.restores)
    }
