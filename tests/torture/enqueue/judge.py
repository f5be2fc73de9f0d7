"""Judges a world whose server was killed while programs asked: what was answered, against what is there.

Pure, and shares no code with the hub. Each rule is a generator of violations; `judge` runs all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.torture.answers import ACCEPTED, NO_ANSWER
from tests.torture.enqueue.record import Records, Row, Wish

DOCUMENTED = frozenset({NO_ANSWER, ACCEPTED, 503})


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """What was promised and did not hold. `reference` names the message, where there is one."""

    kind: str
    sentence: str
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """The records with their indexes."""

    records: Records
    wishes: Mapping[str, Wish] = field(default_factory=dict)
    rows: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    numbers: Mapping[int, Row] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Records) -> Case:
        rows: dict[str, list[Row]] = defaultdict(list)
        for row in records.rows:
            rows[row.reference].append(row)
        wishes = {wish.reference: wish for wish in records.wishes}
        return cls(records, wishes, rows, {row.number: row for row in records.rows})


def judge(records: Records) -> Sequence[Violation]:
    """All rules."""
    case = Case.of(records)
    return [violation for rule in RULES for violation in rule(case)]


def _lost(case: Case) -> Iterator[Violation]:
    """Everything that was answered 201 is there, under its number and as it was asked."""
    for wish in case.records.wishes:
        for number in sorted({one.number for one in wish.accepted}):
            row = case.numbers.get(number)
            if row is None:
                sentence = f"operation {number} was accepted and is gone"
            elif row.reference != wish.reference:
                sentence = f"operation {number} was accepted and is another one now: {row.reference}"
            else:
                continue
            yield Violation(kind="lost", sentence=sentence, reference=wish.reference)


def _twice(case: Case) -> Iterator[Violation]:
    """With a key once however often it was asked; without one not more often than it was asked and not refused."""
    for wish in case.records.wishes:
        found = [row.number for row in case.rows.get(wish.reference, ())]
        most = 1 if wish.key else sum(not one.refused for one in wish.attempts)
        if len(found) > max(most, 1):
            sentence = f"{len(found)} operations instead of {most} at most: {', '.join(map(str, found))}"
            yield Violation(kind="twice", sentence=sentence, reference=wish.reference)


def _refused(case: Case) -> Iterator[Violation]:
    """What every answer refused is not there."""
    for wish in case.records.wishes:
        if all(one.refused for one in wish.attempts) and wish.reference in case.rows:
            answers = ", ".join(f"{one.status} {one.code}".strip() for one in wish.attempts) or "never asked"
            sentence = f"every answer refused it ({answers}), and it is there"
            yield Violation(kind="refused but queued", sentence=sentence, reference=wish.reference)


def _changed(case: Case) -> Iterator[Violation]:
    """The same key gets the first answer's number, and is told that it is a repeat; without a key nothing is one."""
    for wish in case.records.wishes:
        numbers = [one.number for one in wish.accepted]
        if wish.key and len(set(numbers)) > 1:
            sentence = f"one key was answered with {', '.join(map(str, numbers))}"
            yield Violation(kind="changed answer", sentence=sentence, reference=wish.reference)
        if wish.key and any(one.replayed is False for one in wish.accepted[1:]):
            sentence = "a key that had been answered was answered again as if it were new"
            yield Violation(kind="changed answer", sentence=sentence, reference=wish.reference)
        if (not wish.key and any(one.replayed for one in wish.accepted)) or _first_is_replay(wish):
            sentence = "the first call was answered as a repeat"
            yield Violation(kind="changed answer", sentence=sentence, reference=wish.reference)


def _first_is_replay(wish: Wish) -> bool:
    return bool(wish.attempts and wish.attempts[0].replayed)


def _reused(case: Case) -> Iterator[Violation]:
    """No number is given out for two messages."""
    given: dict[int, str] = {}
    for wish in case.records.wishes:
        numbers = [one.number for one in wish.accepted]
        if not wish.key and len(set(numbers)) < len(numbers):
            sentence = f"two calls without a key were given one number: {numbers}"
            yield Violation(kind="number used again", sentence=sentence, reference=wish.reference)
        for number in sorted(set(numbers)):
            if given.setdefault(number, wish.reference) != wish.reference:
                sentence = f"operation {number} was given to {given[number]} too"
                yield Violation(kind="number used again", sentence=sentence, reference=wish.reference)


def _unasked(case: Case) -> Iterator[Violation]:
    """What is there was asked for, word by word."""
    for row in case.records.rows:
        wish = case.wishes.get(row.reference)
        if wish is None or row.text != wish.text:
            sentence = (
                f"operation {row.number} was asked by nobody" if wish is None else f"{row.number} has another text"
            )
            yield Violation(kind="unasked", sentence=sentence, reference=row.reference)


def _listed(case: Case) -> Iterator[Violation]:
    """The API lists what the database holds, each once."""
    there, listed = sorted((row.number, row.reference) for row in case.records.rows), sorted(case.records.listed)
    if there != listed:
        different = sorted(set(there) ^ set(listed))
        sentence = f"the API lists {len(listed)} operations, the database holds {len(there)}: {different[:5]}"
        yield Violation(kind="listed wrongly", sentence=sentence)


def _undocumented(case: Case) -> Iterator[Violation]:
    """Only what is documented: accepted, nothing was queued (503), the outcome is unknown (503), or no answer at all."""
    for wish in case.records.wishes:
        for one in wish.attempts:
            if one.status not in DOCUMENTED:
                sentence = f"the answer was {one.status} {one.code}".rstrip()
                yield Violation(kind="undocumented answer", sentence=sentence, reference=wish.reference)


def _damaged(case: Case) -> Iterator[Violation]:
    """`messenger-hub check` finds nothing wrong, and every life began and ended as it was told to."""
    for finding in case.records.findings:
        yield Violation(kind="damaged", sentence=finding)
    for life, why in case.records.own_ends.items():
        yield Violation(kind="ended by itself", sentence=f"life {life}: {why}")


Rule = Callable[[Case], Iterable[Violation]]

RULES: Sequence[Rule] = (
    _lost,
    _twice,
    _refused,
    _changed,
    _reused,
    _unasked,
    _listed,
    _undocumented,
    _damaged,
)
