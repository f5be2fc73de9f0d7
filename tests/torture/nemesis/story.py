"""What is known of one message, for whoever looks into a violation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.torture.answers import NO_ANSWER
from tests.torture.nemesis.record import History, Wish
from tests.torture.nemesis.rules.case import Violation, overlaps


def story(history: History, violation: Violation) -> Sequence[tuple[float, str]]:
    """Everything known of a violation's message, in order of time, with the disturbances meanwhile."""
    wish = next((one for one in history.wishes if one.text == violation.text), None)
    lines = [*(_asked(wish) if wish else ()), *_known(history, violation, wish)]
    if not lines:
        return []
    begun, ended = min(lines)[0] - 1, max(lines)[0]
    for fault in history.disturbances:
        if overlaps(fault, begun, ended):
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
