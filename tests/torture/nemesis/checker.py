"""Judges a round: what clients were told, and what the hub says at the end, against what arrived at the phone network.

Pure, and shares no code with the hub: its own table of states, its own idea of what justifies a doubt. Each rule is a generator
of violations; `check` runs all of them.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.torture.nemesis.record import ACCEPTED, NO_ANSWER, UNKNOWN, Arrival, Disturbance, History, Look, Wish

DONE = frozenset({"sent", "delivered", "read"})
NOT_SENT = frozenset({"failed", "cancelled", "expired"})
WAITING = frozenset({"pending", "processing"})
UNCERTAIN = "uncertain"

# As docs/delivery.md tells it; a client sees leased as processing.
FOLLOWING: Mapping[str, frozenset[str]] = {
    "pending": frozenset({"processing", "cancelled", "expired", "failed", "sent", UNCERTAIN}),
    "processing": frozenset({"pending", "cancelled", "expired", "failed", UNCERTAIN}) | DONE,
    "sent": frozenset({"delivered", "read"}),
    "delivered": frozenset({"read"}),
    "read": frozenset(),
    UNCERTAIN: DONE | {"failed"},
    "cancelled": DONE,
    "expired": DONE,
    "failed": DONE,
}

# What can take the evidence of a send away, by the code that names what is missing. A killed server or a broken network alone
# cannot: the agent and its page have seen what happened.
PAGE_LOST = frozenset({"kill agent", "kill browser", "stop browser", "kill page", "crash page", "hang page"})
EVIDENCE: Mapping[str, frozenset[str]] = {
    "not_found_afterwards": PAGE_LOST,
    "no_answer": PAGE_LOST | {"kill twin", "stop twin"},
    "evidence_lost": frozenset({"copy agent"}),
    "journal_silent": frozenset({"copy agent"}),
}
# The server's clock is this machine's, in milliseconds; a disturbance is noted just before and just after its signal.
SLACK_SECONDS = 0.05


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
        """Everything that was answered 201 and is there, with its last look."""
        for wish in self.history.wishes:
            look = self.final(wish.operation_id)
            if look is not None:
                yield wish, look


def check(history: History) -> Verdict:
    """All rules."""
    case = Case.of(history)
    violations = [violation for rule in RULES for violation in rule(case)]
    return Verdict(violations=violations, doubts=_doubts(case), counts=_counts(case))


# ---- nothing is lost --------------------------------------------------------------------------------------------------------


def _unknown(case: Case) -> Iterator[Violation]:
    """An id that was given out is known from then on."""
    given: dict[int, tuple[float, str]] = {}
    for wish in case.history.wishes:
        for attempt in wish.attempts:
            if attempt.status == ACCEPTED:
                given.setdefault(attempt.operation_id, (attempt.ended, wish.text))
    for operation_id, (at, text) in given.items():
        missing = [look for look in case.looks.get(operation_id, ()) if not look.found and look.begun >= at]
        if missing or case.final(operation_id) is None:
            yield Violation(
                kind="accepted but unknown",
                sentence=f"operation {operation_id} was accepted, and a later look-up did not find it",
                text=text,
                operation_id=operation_id,
            )


def _lost(case: Case) -> Iterator[Violation]:
    """Accepted is sent in the end, or the client knows why not."""
    cancelled = {one.operation_id for one in case.history.cancellings if one.done is not False}
    for wish, look in case.accepted():
        if look.status in WAITING:
            state = case.history.states.get(wish.channel, "unknown")
            sentence = f"it is still {look.status} after the drain; its channel is {state}"
        elif look.status in DONE and not case.arrivals(wish.text):
            sentence = f"it is {look.status}, and never arrived"
        elif look.status in NOT_SENT and not (look.status == "cancelled" and look.operation_id in cancelled):
            sentence = f"it is {look.status} ({look.code or 'without a code'}), and nobody asked for that"
        else:
            continue
        yield Violation(kind="lost", sentence=sentence, text=wish.text, operation_id=look.operation_id)


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
    asked for. What was uncertain at any time holds nothing up and is left aside."""
    lanes: dict[tuple[str, str, str], list[tuple[Wish, Arrival]]] = defaultdict(list)
    for wish, look in case.accepted():
        arrivals = case.arrivals(wish.text)
        if arrivals and not any(change.status == UNCERTAIN for change in look.timeline):
            lanes[wish.channel, wish.chat, wish.priority].append((wish, arrivals[0]))
    for lane in lanes.values():
        yield from _lane(lane)


def _lane(lane: list[tuple[Wish, Arrival]]) -> Iterator[Violation]:
    lane.sort(key=lambda one: one[1].line)
    latest, first = lane[0]
    for wish, arrival in lane[1:]:
        answered = wish.accepted
        if answered is not None and answered.ended < latest.attempts[0].begun:
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
            if change.status == "processing":
                leased = change.at
            elif change.status == UNCERTAIN:
                yield look, leased or change.at, change.at


def _in_window(case: Case, look: Look, code: str, begun: float, at: float) -> Sequence[str]:
    wish = case.wishes.get(look.reference)
    justified = EVIDENCE.get(code, frozenset().union(*EVIDENCE.values()))
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
        answers = {(one.operation_id, one.recipient) for one in wish.attempts if one.status == ACCEPTED}
        if len(answers) > 1:
            told = ", ".join(str(one) for one in sorted(answers))
            yield Violation(
                kind="changed answer",
                sentence=f"one key was answered in different ways: {told}",
                text=wish.text,
                operation_id=wish.operation_id,
            )
    given: dict[int, str] = {}
    for wish in case.history.wishes:
        if wish.operation_id and given.setdefault(wish.operation_id, wish.text) != wish.text:
            sentence = f"operation {wish.operation_id} was given to {given[wish.operation_id]} too"
            yield Violation(kind="changed answer", sentence=sentence, text=wish.text, operation_id=wish.operation_id)
    for wish, look in case.accepted():
        if look.reference != wish.text:
            sentence = f"operation {look.operation_id} is another one now: {look.reference}"
            yield Violation(kind="changed answer", sentence=sentence, text=wish.text, operation_id=look.operation_id)


def _backwards(case: Case) -> Iterator[Violation]:
    """States only go where the table leads; what a timeline has told stays in it."""
    for look in case.history.final.values():
        for one, following in itertools.pairwise(look.timeline):
            if following.status not in FOLLOWING[one.status]:
                yield _back(look, f"its timeline goes from {one.status} to {following.status}")
    for operation_id, looks in case.looks.items():
        last = case.final(operation_id)
        for before, after in itertools.pairwise([*(one for one in looks if one.found), *([last] if last else [])]):
            # Two looks under way at once may be answered in any order.
            if after.begun >= before.ended and after.status not in _reachable(before.status):
                yield _back(after, f"a client saw it {before.status}, then {after.status}")
            told = [(change.status, change.at) for change in before.timeline]
            now = [(change.status, change.at) for change in after.timeline]
            if told and now and after.begun >= before.ended and now[: len(told)] != told:
                yield _back(after, f"its timeline was {told} and is {now}")


def _back(look: Look, sentence: str) -> Violation:
    return Violation(kind="went backwards", sentence=sentence, text=look.reference, operation_id=look.operation_id)


def _reachable(status: str) -> frozenset[str]:
    reached, edge = {status}, [status]
    while edge:
        more = FOLLOWING[edge.pop()] - reached
        reached |= more
        edge += more
    return frozenset(reached)


def _unanswered(case: Case) -> Iterator[Violation]:
    """Only what is documented: accepted, nothing was queued (503), the outcome is unknown (503), or no answer at all."""
    for wish in case.history.wishes:
        for attempt in wish.attempts:
            if attempt.status not in (NO_ANSWER, ACCEPTED, 503):
                sentence = f"the answer was {attempt.status} {attempt.code}".rstrip()
                yield Violation(kind="undocumented answer", sentence=sentence, text=wish.text)


Rule = Callable[[Case], Iterable[Violation]]

RULES: Sequence[Rule] = (
    _unknown,
    _lost,
    _duplicated,
    _sent_all_the_same,
    _cancelled,
    _astray,
    _out_of_order,
    _unjustified,
    _changed,
    _backwards,
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
