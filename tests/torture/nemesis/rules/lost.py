"""Nothing is lost: what was accepted is there, in the end and at every look, and is carried out in its time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from tests.torture.answers import ACCEPTED
from tests.torture.nemesis.record import MESSAGE, SAVE, Arrival, Attempt, Look, Wish
from tests.torture.nemesis.rules.case import DONE, NOT_SENT, SET, UNCERTAIN, WAITING, Case, Violation, came_back
from tests.torture.nemesis.times import SLACK_SECONDS, ahead, behind, forgets, machine

# An agent asks whether a message has expired just before it begins; until the message arrives, every process on its way may be
# stopped for three seconds, or be killed and started again, after which WhatsApp sends what its page had queued.
UNDER_WAY_SECONDS = 15.0


def unknown(case: Case) -> Iterator[Violation]:
    """An id that was given out is known from then on. A restore takes what the copy could not know, but nothing that was carried out."""
    given: dict[int, tuple[Attempt, Wish]] = {}
    for wish in case.history.wishes:
        for attempt in wish.attempts:
            if attempt.status == ACCEPTED:
                given.setdefault(attempt.operation_id, (attempt, wish))
    for operation_id, (attempt, wish) in given.items():
        gone = case.final(operation_id) is None
        if gone and not _taken_away(case, wish, operation_id, attempt):
            sentence = f"operation {operation_id} was accepted, and is not there at the end"
        elif any(_missing(case, look, attempt) for look in case.looks.get(operation_id, ())):
            sentence = f"operation {operation_id} was accepted, and a later look-up did not find it"
        else:
            continue
        yield Violation(kind="accepted but unknown", sentence=sentence, text=wish.text, operation_id=operation_id)


def _taken_away(case: Case, wish: Wish, operation_id: int, attempt: Attempt) -> bool:
    """A restore may have taken it for good: nobody carried it out, and nobody found it after that restore."""
    found = [look.begun for look in case.looks.get(operation_id, ()) if look.found]
    return not case.carried_out(wish, operation_id) and any(
        forgets(restore, attempt, case.history.restores) and not any(begun > restore.ended for begun in found)
        for restore in case.history.restores
    )


def _missing(case: Case, look: Look, attempt: Attempt) -> bool:
    """It was not found, though the answer that named it had come, and no restore had taken it until the desktop tells of it again."""
    if look.found or look.begun < attempt.ended:
        return False
    found = [one.begun for one in case.looks.get(look.operation_id, ()) if one.found and one.ended <= look.begun]
    return not any(
        forgets(restore, attempt, case.history.restores)
        and look.ended >= restore.begun
        and not any(begun > restore.ended for begun in found)
        for restore in case.history.restores
    )


def lost(case: Case) -> Iterator[Violation]:
    """Accepted is carried out in the end, or the client knows why not. What a client was told to be done stays done."""
    cancelled = {one.operation_id for one in case.history.cancellings if one.done is not False}
    for wish, look in case.accepted():
        done = DONE if wish.kind == MESSAGE else {SET}
        was_done = any(one.status in done for one in case.looks.get(look.operation_id, ()))
        if look.status in WAITING:
            state = case.history.states.get(wish.channel, "unknown")
            sentence = f"it is still {look.status} after the drain; its channel is {state}"
        elif look.status in DONE and not case.arrivals(wish.text):
            sentence = f"it is {look.status}, and never arrived"
        elif was_done and look.status not in done:
            sentence = f"a client was told that it was done, and it is {look.status} now"
        elif look.status in NOT_SENT and not (
            (look.status == "cancelled" and look.operation_id in cancelled) or _has_expired(wish, look)
        ):
            sentence = f"it is {look.status} ({look.code or 'without a code'}), and nobody asked for that"
        elif look.status not in done | NOT_SENT | {UNCERTAIN}:
            sentence = f"it is a {wish.kind}, and {look.status}"
        else:
            continue
        yield Violation(kind="lost", sentence=sentence, text=wish.text, operation_id=look.operation_id)


def _has_expired(wish: Wish, look: Look) -> bool:
    """Its client gave it a time, and that had come on the server's clock."""
    at = [change.at for change in look.timeline if change.status == "expired"]
    return look.status == "expired" and bool(wish.expires_at) and bool(at) and at[-1] >= wish.expires_at - 0.001


def untimely(case: Case) -> Iterator[Violation]:
    """Nothing is given to a desktop before its send_at or after its expires_at, on the server's clock, nor arrives then."""
    for wish, look in case.messages():
        arrival = next(iter(case.arrivals(wish.text)), None)
        for change in look.timeline:
            if change.status != "processing" or not (sentence := _given_untimely(case, wish, change.at, arrival)):
                continue
            yield Violation(kind="untimely", sentence=sentence, text=wish.text, operation_id=look.operation_id)
        if arrival is not None and (sentence := _arrived_untimely(case, wish, arrival)):
            yield Violation(kind="untimely", sentence=sentence, text=wish.text, operation_id=look.operation_id)


def _given_untimely(case: Case, wish: Wish, at: float, arrival: Arrival | None) -> str:
    """`at`: when it was given to a desktop, on the server's clock. After a restore that is told once more, when it has arrived."""
    earliest, latest = machine(at, case.history.offsets)
    told_again = arrival is not None and any(
        arrival.at <= one.ended and one.begun <= latest for one in case.history.restores
    )
    if wish.send_at and at < wish.send_at - 0.001 and not told_again:
        return "it was given to a desktop before its send_at"
    if wish.expires_at and at > wish.expires_at + SLACK_SECONDS and arrival is not None and arrival.at > earliest:
        return "it was given to a desktop after its expires_at, and arrived"
    return ""


def _arrived_untimely(case: Case, wish: Wish, arrival: Arrival) -> str:
    most_ahead = ahead(case.history.offsets, wish.attempts[0].begun, arrival.at)
    if wish.send_at and arrival.at + most_ahead < wish.send_at - SLACK_SECONDS:
        return f"it arrived {wish.send_at - arrival.at:.3f} s before its send_at"
    if wish.expires_at and arrival.at > wish.expires_at + behind(case.history.offsets) + UNDER_WAY_SECONDS:
        return f"it arrived {arrival.at - wish.expires_at:.3f} s after its expires_at"
    return ""


def contacts(case: Case) -> Iterator[Violation]:
    """A contact is what the last change that succeeded has made of it; one that is uncertain, or still waits, may have been made too."""
    returned = came_back(case)
    for channel, phone in case.history.contacts.items():
        changes: dict[str, list[tuple[Wish, Look]]] = defaultdict(list)
        for look in case.history.final.values():
            wish = case.wishes.get(look.reference)
            if wish is not None and wish.kind != MESSAGE and wish.channel == channel:
                changes[wish.chat].append((wish, look))
        for contact, some in changes.items():
            names = _possible(case, some, returned)
            if names and phone.get(contact, "") not in names:
                wanted = " or ".join(sorted(one or "gone" for one in names))
                sentence = f"the contact is {phone.get(contact, 'gone')} on the phone, and should be {wanted}"
                yield Violation(kind="wrong contact", sentence=sentence, text=min(names))


def _possible(case: Case, changes: Sequence[tuple[Wish, Look]], returned: Collection[int]) -> frozenset[str]:
    """The names that a contact may have after these changes, "" when it is gone; none when nothing can have changed it."""
    in_turn = [one for one in changes if one[1].operation_id not in returned]
    done = [one for one in in_turn if one[1].status == SET]
    open_ = [one for one in in_turn if one[1].status in WAITING | {UNCERTAIN}]
    left = [one for one in (*done, *open_) if not any(_before(case, one, another) for another in done)]
    if not left:
        return frozenset()
    late = [one for one in changes if one[1].operation_id in returned]
    names = {wish.text if wish.kind == SAVE else "" for wish, _ in (*left, *late)}
    return frozenset(names if done else {"", *names})


def _before(case: Case, one: tuple[Wish, Look], another: tuple[Wish, Look]) -> bool:
    """One was accepted before another. Numbers of several nodes do not tell, but one that was answered before the other was asked for."""
    (wish, look), (later, following) = one, another
    if case.history.nodes > 1:
        answered = next((at.ended for at in wish.attempts if at.operation_id == look.operation_id), float("inf"))
        return answered < later.attempts[0].begun
    return look.operation_id < following.operation_id
