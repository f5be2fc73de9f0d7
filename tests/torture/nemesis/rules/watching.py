"""A watcher is told everything, once and in order."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from tests.torture.answers import ACCEPTED
from tests.torture.nemesis.record import Event, Stream
from tests.torture.nemesis.rules.case import FOLLOWING, Case, Violation


def watched(case: Case) -> Iterator[Violation]:
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
