"""Judges a round: what clients were told, and what the hub says at the end, against what arrived at the phone network.

Pure, and shares no code with the hub: its own table of states, its own idea of what justifies a doubt. Each rule is a generator
of violations; `check` runs all of them.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.torture.answers import ACCEPTED, NO_ANSWER
from tests.torture.nemesis.record import (
    MESSAGE,
    SAVE,
    UNKNOWN,
    Arrival,
    Attempt,
    Disturbance,
    Event,
    History,
    Look,
    Restore,
    Stream,
    Wish,
)
from tests.torture.nemesis.times import COMMIT_SECONDS, SLACK_SECONDS, ahead, behind, between, forgets, machine

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

# What can take the evidence of a send away, by the code that names what is missing. A killed server or a broken network alone
# cannot: the agent and its page have seen what happened.
PAGE_LOST = frozenset(
    {"kill agent", "agent's clock", "kill browser", "stop browser", "kill page", "crash page", "hang page"}
)
# Before a message to a new chat WhatsApp is asked for the chat: when it goes away in that moment the page never answers, and knows
# nothing of the message afterwards.
WHATSAPP_LOST = frozenset({"kill twin", "stop twin"})
EVIDENCE: Mapping[str, frozenset[str]] = {
    "not_found_afterwards": PAGE_LOST | WHATSAPP_LOST,
    "no_answer": PAGE_LOST | WHATSAPP_LOST,
    "evidence_lost": frozenset({"copy agent"}),
    "journal_silent": frozenset({"copy agent"}),
    # After a restore, when the channel's journal is not the one that had already taken over when the copy was made.
    RESTORED: frozenset({"copy agent"}),
}
# An agent asks whether a message has expired just before it begins; until the message arrives, every process on its way may be
# stopped for three seconds, or be killed and started again, after which WhatsApp sends what its page had queued.
UNDER_WAY_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """What was promised and did not hold. `text` and `operation_id` name the message, where there is one."""

    kind: str
    sentence: str
    text: str = ""
    operation_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """One justified `uncertain`: its code, the faults that fell into its window, and whether the message had arrived."""

    operation_id: int
    code: str
    faults: Sequence[str]
    arrived: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of a round."""

    violations: Sequence[Violation]
    doubts: Sequence[Doubt]
    counts: Mapping[str, int]


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


def check(history: History) -> Verdict:
    """All rules."""
    case = Case.of(history)
    violations = [violation for rule in RULES for violation in rule(case)]
    return Verdict(violations=violations, doubts=_doubts(case), counts=_counts(case))


# ---- nothing is lost --------------------------------------------------------------------------------------------------------


def _unknown(case: Case) -> Iterator[Violation]:
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


def _lost(case: Case) -> Iterator[Violation]:
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


def _untimely(case: Case) -> Iterator[Violation]:
    """Nothing is given to a desktop before its send_at or after its expires_at, on the server's clock, nor arrives then."""
    for wish, look in case.messages():
        arrival = next(iter(case.arrivals(wish.text)), None)
        for change in look.timeline:
            if change.status == "processing" and wish.send_at and change.at < wish.send_at - 0.001:
                sentence = "it was given to a desktop before its send_at"
            # After a restore it is told once more that a desktop has it; by then it has arrived.
            elif (
                (change.status == "processing" and wish.expires_at and change.at > wish.expires_at + SLACK_SECONDS)
                and arrival is not None
                and arrival.at > machine(change.at, case.history.offsets)[0]
            ):
                sentence = "it was given to a desktop after its expires_at, and arrived"
            else:
                continue
            yield Violation(kind="untimely", sentence=sentence, text=wish.text, operation_id=look.operation_id)
        if arrival is not None and (sentence := _arrived_untimely(case, wish, arrival)):
            yield Violation(kind="untimely", sentence=sentence, text=wish.text, operation_id=look.operation_id)


def _arrived_untimely(case: Case, wish: Wish, arrival: Arrival) -> str:
    most_ahead = ahead(case.history.offsets, wish.attempts[0].begun, arrival.at)
    if wish.send_at and arrival.at + most_ahead < wish.send_at - SLACK_SECONDS:
        return f"it arrived {wish.send_at - arrival.at:.3f} s before its send_at"
    if wish.expires_at and arrival.at > wish.expires_at + behind(case.history.offsets) + UNDER_WAY_SECONDS:
        return f"it arrived {arrival.at - wish.expires_at:.3f} s after its expires_at"
    return ""


def _contacts(case: Case) -> Iterator[Violation]:
    """A contact is what the last change that succeeded has made of it; one that is uncertain, or still waits, may have been made too."""
    returned = _returned(case)
    for channel, phone in case.history.contacts.items():
        late: dict[str, set[str]] = defaultdict(set)
        could: dict[str, set[str]] = defaultdict(lambda: {""})
        for number in sorted(case.history.final):
            look = case.history.final[number]
            wish = case.wishes.get(look.reference)
            if wish is None or wish.kind == MESSAGE or wish.channel != channel:
                continue
            name = wish.text if wish.kind == SAVE else ""
            if number in returned:
                late[wish.chat].add(name)
            elif look.status == SET:
                could[wish.chat] = {name}
            elif look.status in WAITING | {UNCERTAIN}:
                could[wish.chat].add(name)
        for contact, names in could.items():
            if phone.get(contact, "") not in names | late[contact]:
                wanted = " or ".join(sorted(one or "gone" for one in names))
                sentence = f"the contact is {phone.get(contact, 'gone')} on the phone, and should be {wanted}"
                yield Violation(kind="wrong contact", sentence=sentence, text=min(names))


# ---- nothing is sent twice, or against what was said ------------------------------------------------------------------------


def _duplicated(case: Case) -> Iterator[Violation]:
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


def _sent_all_the_same(case: Case) -> Iterator[Violation]:
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


def _cancelled(case: Case) -> Iterator[Violation]:
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


def _astray(case: Case) -> Iterator[Violation]:
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


# ---- order ------------------------------------------------------------------------------------------------------------------


def _out_of_order(case: Case) -> Iterator[Violation]:
    """First in, first out per chat within a priority, as far as clients can know: one was answered before the other was first
    asked for. After a restore the answer counts that named the operation which is there. What was uncertain at any time holds nothing up and is left aside."""
    lanes: dict[tuple[str, str, str], list[tuple[Wish, Arrival, Attempt]]] = defaultdict(list)
    returned = _returned(case)
    for wish, look in case.messages():
        arrivals = case.arrivals(wish.text)
        # Its place is its send_at.
        doubted = any(change.status == UNCERTAIN for change in look.timeline)
        if arrivals and not wish.send_at and not doubted and look.operation_id not in returned:
            answered = next(one for one in wish.attempts if one.operation_id == look.operation_id)
            lanes[wish.channel, wish.chat, wish.priority].append((wish, arrivals[0], answered))
    for lane in lanes.values():
        yield from _lane(lane)


def _returned(case: Case) -> Collection[int]:
    """Operations that stood in no queue until a restore took their cancellation back: others may have overtaken them."""
    return {
        one.operation_id
        for one in case.history.cancellings
        if one.done is not False
        and any(forgets(restore, one, case.history.restores) for restore in case.history.restores)
    }


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


# ---- doubts -----------------------------------------------------------------------------------------------------------------


def _unjustified(case: Case) -> Iterator[Violation]:
    for look, begun, at in _uncertain(case):
        # One that a fact has settled since no longer names a code: any that there is may have been it.
        code = look.code if look.status == UNCERTAIN else ""
        if look.status == UNCERTAIN and code not in EVIDENCE:
            sentence = f"uncertain with the code {code or 'none'}, which nothing here can have caused"
        elif not _in_window(case, look, code, begun, at):
            wanted = f" that explains {code}" if code else ""
            sentence = f"uncertain, and nothing was disturbed{wanted} from {begun:.3f} to {at:.3f}"
        else:
            continue
        yield Violation(
            kind="unjustified uncertain", sentence=sentence, text=look.reference, operation_id=look.operation_id
        )


def _uncertain(case: Case) -> Iterator[tuple[Look, float, float]]:
    """Operations that are or were uncertain, with the window in which the evidence must have gone: from the last lease on."""
    for look in case.history.final.values():
        leased = 0.0
        for change in look.timeline:
            earliest, latest = machine(change.at, case.history.offsets)
            if change.status == "processing":
                leased = earliest
            elif change.status == UNCERTAIN:
                # What had happened since an older copy was made is told anew, and its lease is not.
                copies = [one.copied_begun for one in case.history.restores if one.begun <= latest]
                yield look, min([leased or earliest, *copies]), latest


def _in_window(case: Case, look: Look, code: str, begun: float, at: float) -> Sequence[str]:
    wish = case.wishes.get(look.reference)
    justified = EVIDENCE.get(code, frozenset().union(*EVIDENCE.values()))
    if code == RESTORED and not any(one.begun <= at for one in case.history.restores):
        return []
    return [
        one.fault
        for one in case.history.disturbances
        if one.fault in justified
        and (wish is None or wish.channel in one.channels)
        and _overlaps(one, begun - SLACK_SECONDS, at + SLACK_SECONDS)
    ]


def _overlaps(one: Disturbance, begun: float, ended: float) -> bool:
    return one.begun <= ended and (one.ended is None or one.ended >= begun)


def _doubts(case: Case) -> Sequence[Doubt]:
    return [
        Doubt(
            operation_id=look.operation_id,
            code=look.code or "resolved by a fact",
            faults=sorted(set(_in_window(case, look, look.code if look.status == UNCERTAIN else "", begun, at))),
            arrived=bool(case.arrivals(look.reference)),
        )
        for look, begun, at in _uncertain(case)
    ]


# ---- what was said stays said -----------------------------------------------------------------------------------------------


def _changed(case: Case) -> Iterator[Violation]:
    """The same key gets the same answer, for ever."""
    for wish in case.history.wishes:
        answers = [one for one in wish.attempts if one.status == ACCEPTED]
        for one, another in itertools.pairwise(answers):
            told = {(one.operation_id, one.recipient), (another.operation_id, another.recipient)}
            if len(told) > 1 and not _made_anew(case, wish, one, another):
                yield Violation(
                    kind="changed answer",
                    sentence=f"one key was answered in different ways: {', '.join(str(each) for each in sorted(told))}",
                    text=wish.text,
                    operation_id=one.operation_id,
                )
    given: dict[int, str] = {}
    for wish in case.history.wishes:
        for number in wish.numbers:
            if given.setdefault(number, wish.text) != wish.text:
                sentence = f"operation {number} was given to {given[number]} too"
                yield Violation(kind="changed answer", sentence=sentence, text=wish.text, operation_id=number)
    for wish, look in case.accepted():
        if look.reference != wish.text:
            sentence = f"operation {look.operation_id} is another one now: {look.reference}"
            yield Violation(kind="changed answer", sentence=sentence, text=wish.text, operation_id=look.operation_id)


def _made_anew(case: Case, wish: Wish, one: Attempt, another: Attempt) -> bool:
    """A restore has taken the operation that was named first, before the key was asked again; it is gone, or a later restore has brought
    a copy that was made before, or has taken the other one, after which a journal told of the first."""
    restores = case.history.restores
    other_gone = case.final(another.operation_id) is None and any(forgets(each, another, restores) for each in restores)
    return one.recipient == another.recipient and any(
        forgets(restore, one, case.history.restores)
        and another.ended >= restore.begun
        and (case.final(one.operation_id) is None or other_gone or _brought_back(case, one, restore))
        for restore in case.history.restores
    )


def _brought_back(case: Case, one: Attempt, taken: Restore) -> bool:
    return any(
        later.begun >= taken.begun and one.begun <= later.copied_ended and later.copied_begun < taken.begun
        for later in case.history.restores
        if later is not taken
    )


def _backwards(case: Case) -> Iterator[Violation]:
    """States only go where the table leads; what a timeline has told stays in it, but for what a restore's copy could not know."""
    for look in case.history.final.values():
        for one, following in itertools.pairwise(look.timeline):
            if following.status not in FOLLOWING[one.status]:
                yield _back(look, f"its timeline goes from {one.status} to {following.status}")
    for operation_id, looks in case.looks.items():
        last = case.final(operation_id)
        for before, after in itertools.pairwise([*(one for one in looks if one.found), *([last] if last else [])]):
            # Two looks under way at once may be answered in any order.
            if after.begun >= before.ended:
                yield from _between(case, before, after)


def _between(case: Case, before: Look, after: Look) -> Iterator[Violation]:
    restores = between(case.history.restores, before, after)
    if not restores and after.status not in _reachable(before.status):
        yield _back(after, f"a client saw it {before.status}, then {after.status}")
    kept = itertools.takewhile(lambda change: _copied(case, change.at, restores), before.timeline)
    told = [(change.status, change.at) for change in kept]
    now = [(change.status, change.at) for change in after.timeline]
    if told and now and now[: len(told)] != told:
        yield _back(after, f"its timeline was {told} and is {now}")


def _copied(case: Case, at: float, restores: Sequence[Restore]) -> bool:
    """What happened at this time of the server's clock stands in the copies of these restores."""
    _, latest = machine(at, case.history.offsets)
    return all(latest < restore.copied_begun - COMMIT_SECONDS for restore in restores)


def _back(look: Look, sentence: str) -> Violation:
    return Violation(kind="went backwards", sentence=sentence, text=look.reference, operation_id=look.operation_id)


def _reachable(status: str) -> frozenset[str]:
    reached, edge = {status}, [status]
    while edge:
        more = FOLLOWING[edge.pop()] - reached
        reached |= more
        edge += more
    return frozenset(reached)


def _watched(case: Case) -> Iterator[Violation]:
    """A watcher is told every change of what it is told of, once and in order, through all breaks; and in the end as the look-up."""
    for stream in case.history.streams:
        if stream.refused:
            yield Violation(kind="watch broken", sentence=f"it could not be resumed: {stream.refused}")
        told: dict[int, list[Event]] = defaultdict(list)
        for event in stream.events:
            told[event.operation_id].append(event)
        for operation_id, events in told.items():
            yield from _told_of(case, stream, operation_id, events)
        if stream.last:
            yield from _not_told(case, stream, told.keys())


def _told_of(case: Case, stream: Stream, operation_id: int, events: Sequence[Event]) -> Iterator[Violation]:
    look = case.final(operation_id)
    text = look.reference if look is not None else ""
    for one, following in itertools.pairwise(events):
        if following.status not in FOLLOWING[one.status]:
            sentence = f"a watcher was told that it is {one.status}, then {following.status}"
            yield Violation(kind="went backwards", sentence=sentence, text=text, operation_id=operation_id)
    timeline = [(change.status, change.at) for change in look.timeline] if look is not None else []
    restores = [one for one in case.history.restores if one.ended >= stream.begun and not stream.last]
    # What was told before a copy was begun stands in it.
    changes = [(one.status, one.at) for one in events if all(one.told < each.copied_begun for each in restores)]
    if changes:
        first = timeline.index(changes[0]) if changes[0] in timeline else None
        there = timeline[first:] if first is not None else []
        # Receipts may come after the last look; a stream that ended earlier knows less.
        least = len(there) if stream.last else 0
        if first is None or len(changes) < least or changes[: len(there)] != there[: len(changes)]:
            sentence = f"a watcher was told {changes}, and the look-up says {timeline}"
            yield Violation(kind="watched otherwise", sentence=sentence, text=text, operation_id=operation_id)


def _not_told(case: Case, stream: Stream, told: Collection[int]) -> Iterator[Violation]:
    """What was asked for after the stream had begun is told."""
    for wish in case.history.wishes:
        named = next((one for one in wish.attempts if one.status == ACCEPTED), None)
        new = named is not None and wish.attempts[0].begun > stream.begun and wish.channel == stream.channel
        if named is not None and new and case.final(named.operation_id) is not None and named.operation_id not in told:
            sentence = "a watcher was never told of it"
            yield Violation(
                kind="watched otherwise", sentence=sentence, text=wish.text, operation_id=named.operation_id
            )


def _unanswered(case: Case) -> Iterator[Violation]:
    """Only what is documented: accepted, nothing was queued (503), the outcome is unknown (503), or no answer at all."""
    for wish in case.history.wishes:
        for attempt in wish.attempts:
            if attempt.status not in (NO_ANSWER, ACCEPTED, 503):
                # A time that has passed on the server's clock is no time in the future.
                clock = attempt.ended + ahead(case.history.offsets, attempt.begun, attempt.ended)
                if attempt.status == 422 and wish.expires_at and wish.expires_at <= clock:
                    continue
                sentence = f"the answer was {attempt.status} {attempt.code}".rstrip()
                yield Violation(kind="undocumented answer", sentence=sentence, text=wish.text)


Rule = Callable[[Case], Iterable[Violation]]

RULES: Sequence[Rule] = (
    _unknown,
    _lost,
    _untimely,
    _contacts,
    _duplicated,
    _sent_all_the_same,
    _cancelled,
    _astray,
    _out_of_order,
    _unjustified,
    _changed,
    _backwards,
    _watched,
    _unanswered,
)


def _counts(case: Case) -> Mapping[str, int]:
    history = case.history
    ids = [(one.sender, one.whatsapp_id) for one in history.arrivals]
    states: dict[str, int] = defaultdict(int)
    for look in history.final.values():
        states[look.status] += 1
    attempts = [attempt for wish in history.wishes for attempt in wish.attempts]
    return {
        "wishes": len(history.wishes),
        "accepted": sum(wish.accepted is not None for wish in history.wishes),
        "operations": len(history.final),
        "attempts": len(attempts),
        "unanswered attempts": sum(one.status == NO_ANSWER or one.code == UNKNOWN for one in attempts),
        "unknown outcomes": sum(
            wish.accepted is None and not all(one.refused for one in wish.attempts) for wish in history.wishes
        ),
        "arrivals": len(ids),
        "contact changes": sum(wish.kind != MESSAGE for wish in history.wishes),
        "with send_at": sum(bool(wish.send_at) for wish in history.wishes),
        "with expires_at": sum(bool(wish.expires_at) for wish in history.wishes),
        "asked anew after a restore": sum(len(wish.numbers) > 1 for wish in history.wishes),
        "gone with a restore": sum(
            bool(wish.numbers) and all(number not in history.final for number in wish.numbers)
            for wish in history.wishes
        ),
        "watched changes": sum(len(stream.events) for stream in history.streams),
        "repeated ids": len(ids) - len(set(ids)),
        **{f"ended {state}": count for state, count in sorted(states.items())},
    }


def story(history: History, violation: Violation) -> Sequence[tuple[float, str]]:
    """Everything known of a violation's message, in order of time, with the disturbances meanwhile."""
    wish = next((one for one in history.wishes if one.text == violation.text), None)
    lines = [*(_asked(wish) if wish else ()), *_known(history, violation, wish)]
    if not lines:
        return []
    begun, ended = min(lines)[0] - 1, max(lines)[0]
    for fault in history.disturbances:
        if _overlaps(fault, begun, ended):
            lines.append((fault.begun, f"FAULT {fault.fault}: {fault.target}"))
            lines += [] if fault.ended is None else [(fault.ended, f"FAULT over, {fault.fault}: {fault.target}")]
    return sorted(lines)


def _asked(wish: Wish) -> Iterator[tuple[float, str]]:
    for attempt in wish.attempts:
        answer = "no answer" if attempt.status == NO_ANSWER else f"{attempt.status} {attempt.code}".rstrip()
        yield attempt.begun, f"client asks by {wish.door}, {'with' if wish.key else 'without'} a key"
        yield attempt.ended, f"client is told: {answer}, operation {attempt.operation_id or '–'}"


def _known(history: History, violation: Violation, wish: Wish | None) -> Iterator[tuple[float, str]]:
    ids = {violation.operation_id, *(one.operation_id for one in (wish.attempts if wish else ()))} - {0}
    for one in history.cancellings:
        if one.operation_id in ids:
            told = {True: "done", False: "refused", None: "no answer"}[one.done]
            yield one.ended, f"client cancels: {told}"
    for look in history.looks:
        if look.operation_id in ids:
            yield look.ended, f"client looks: {look.status if look.found else 'not found'}"
    for look in history.final.values():
        if look.operation_id in ids or (violation.text and look.reference == violation.text):
            for change in look.timeline:
                yield change.at, f"operation {look.operation_id}: {change.status}, {change.reason}"
            yield look.ended, " ".join(filter(None, ("at the end:", look.status, look.code, look.whatsapp_id)))
    for arrival in history.arrivals:
        if arrival.body == violation.text:
            yield arrival.at, f"arrives at the phone network, line {arrival.line}, {arrival.whatsapp_id}"
