"""What was said stays said: answers, states, timelines."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from tests.torture.answers import ACCEPTED, NO_ANSWER
from tests.torture.nemesis.record import Attempt, Look, Restore, Wish
from tests.torture.nemesis.rules.case import FOLLOWING, Case, Violation
from tests.torture.nemesis.times import COMMIT_SECONDS, ahead, between, forgets, machine


def changed(case: Case) -> Iterator[Violation]:
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


def backwards(case: Case) -> Iterator[Violation]:
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


def unanswered(case: Case) -> Iterator[Violation]:
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
