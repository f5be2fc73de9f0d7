"""Nothing is sent twice, against what was said, to somebody else, or out of order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.torture.nemesis.record import Arrival, Attempt, Wish
from tests.torture.nemesis.rules.case import DONE, NOT_SENT, UNCERTAIN, Case, Violation, came_back
from tests.torture.nemesis.times import forgets


def duplicated(case: Case) -> Iterator[Violation]:
    """A recipient sees a message once: ids beyond one for each operation are duplicates. Repeats of an id are not shown."""
    for text, arrivals in case.by_text.items():
        ids = list(dict.fromkeys(one.whatsapp_id for one in arrivals))
        most = max(1, len(case.operations.get(text, ())))
        wish = case.wishes.get(text)
        operation_id = wish.operation_id if wish else 0
        if len(ids) > most or (wish is not None and len(ids) > 1):
            sentence = f"people saw it {len(ids)} times: {', '.join(ids)}"
            yield Violation(kind="duplicated", sentence=sentence, text=text, operation_id=operation_id)
    for wish in case.history.wishes:
        found = case.operations.get(wish.text, ())
        if len(found) > 1:
            sentence = f"one call made several operations: {', '.join(str(one.operation_id) for one in found)}"
            yield Violation(kind="duplicated", sentence=sentence, text=wish.text, operation_id=found[0].operation_id)


def sent_all_the_same(case: Case) -> Iterator[Violation]:
    """Cancelled, failed and expired were never sent; what was refused was neither queued nor sent."""
    for wish, look in case.accepted():
        if look.status in NOT_SENT and case.arrivals(wish.text):
            sentence = f"it is {look.status}, and arrived"
            yield Violation(kind="sent all the same", sentence=sentence, text=wish.text, operation_id=look.operation_id)
    for wish in case.history.wishes:
        if wish.attempts and all(attempt.refused for attempt in wish.attempts):
            found = case.operations.get(wish.text, ())
            if found or case.arrivals(wish.text):
                answers = ", ".join(f"{one.status} {one.code}".strip() for one in wish.attempts)
                yield Violation(
                    kind="refused but queued",
                    sentence=f"every answer refused it ({answers}), and it was {'sent' if case.arrivals(wish.text) else 'queued'}",
                    text=wish.text,
                    operation_id=found[0].operation_id if found else 0,
                )


def cancelled(case: Case) -> Iterator[Violation]:
    """Who was told "cancelled" can rely on it."""
    references = {look.operation_id: look.reference for look in case.history.final.values()}
    for one in case.history.cancellings:
        text = references.get(one.operation_id, "")
        look = case.final(one.operation_id)
        if any(forgets(restore, one, case.history.restores) for restore in case.history.restores):
            continue  # the cancellation is lost with the newer database
        if one.done and (case.arrivals(text) or (look is not None and look.status != "cancelled")):
            sentence = f"the client was told that it is cancelled, and it is {look.status if look else 'gone'}"
            yield Violation(kind="sent all the same", sentence=sentence, text=text, operation_id=one.operation_id)


def astray(case: Case) -> Iterator[Violation]:
    """What arrives was wanted, by this account, in this chat, and carries the id that the hub names."""
    for arrival in case.history.arrivals:
        wish = case.wishes.get(arrival.body)
        if wish is None:
            yield Violation(kind="astray", sentence="something arrived that no client wanted", text=arrival.body)
            continue
        wanted = (case.history.senders[wish.channel], wish.chat)
        if (arrival.sender, arrival.chat) != wanted:
            sentence = f"it went from {arrival.sender} to {arrival.chat} instead of {wanted}"
            yield Violation(kind="astray", sentence=sentence, text=wish.text, operation_id=wish.operation_id)
    for wish, look in case.accepted():
        arrivals = case.arrivals(wish.text)
        if arrivals and look.status in DONE and look.whatsapp_id not in {one.whatsapp_id for one in arrivals}:
            sentence = f"it names the id {look.whatsapp_id or 'none'}, and arrived as {arrivals[0].whatsapp_id}"
            yield Violation(kind="astray", sentence=sentence, text=wish.text, operation_id=look.operation_id)


def out_of_order(case: Case) -> Iterator[Violation]:
    """First in, first out per chat within a priority, as far as clients can know: one was answered before the other was first
    asked for. After a restore the answer counts that named the operation which is there. What was uncertain at any time holds nothing up and is left aside."""
    lanes: dict[tuple[str, str, str], list[tuple[Wish, Arrival, Attempt]]] = defaultdict(list)
    returned = came_back(case)
    for wish, look in case.messages():
        arrivals = case.arrivals(wish.text)
        # Its place is its send_at.
        doubted = any(change.status == UNCERTAIN for change in look.timeline)
        if arrivals and not wish.send_at and not doubted and look.operation_id not in returned:
            answered = next(one for one in wish.attempts if one.operation_id == look.operation_id)
            lanes[wish.channel, wish.chat, wish.priority].append((wish, arrivals[0], answered))
    for lane in lanes.values():
        yield from _lane(lane)


def _lane(lane: list[tuple[Wish, Arrival, Attempt]]) -> Iterator[Violation]:
    lane.sort(key=lambda one: one[1].line)
    latest, first, _ = lane[0]
    for wish, arrival, answered in lane[1:]:
        if answered.ended < latest.attempts[0].begun:
            sentence = (
                f"it arrived (line {arrival.line}) after {latest.text} (line {first.line}), which was asked for later"
            )
            yield Violation(kind="out of order", sentence=sentence, text=wish.text, operation_id=answered.operation_id)
        if wish.attempts[0].begun > latest.attempts[0].begun:
            latest, first = wish, arrival
