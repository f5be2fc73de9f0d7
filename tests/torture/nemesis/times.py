"""What may be told otherwise after an older copy of the database was put back, and what a wrong clock of the server means. Pure.

A restore excuses exactly what the copy could not know: what was answered after the copy began and asked before the server was killed.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.torture.nemesis.record import Attempt, Cancelling, Look, Offset, Restore

SLACK_SECONDS = 0.05
"""The server's clock is in milliseconds; a disturbance is noted just before and just after its signal."""


def forgets(restore: Restore, asked: Attempt | Cancelling) -> bool:
    """The copy may lack what came of this call, and the call may have reached the server that was killed."""
    return asked.ended >= restore.copied_begun and asked.begun < restore.begun


def between(restores: Sequence[Restore], before: Look, after: Look) -> Sequence[Restore]:
    """The restores that may have come between two looks."""
    return [one for one in restores if before.begun < one.begun and after.ended >= one.begun]


def machine(at: float, offsets: Sequence[Offset]) -> tuple[float, float]:
    """The earliest and the latest time of this machine at which the server's clock may have shown `at`."""
    found = [
        at - one.seconds
        for one in offsets
        if one.begun - SLACK_SECONDS <= at - one.seconds <= one.ended + SLACK_SECONDS
    ]
    return (min(found), max(found)) if found else (at, at)


def ahead(offsets: Sequence[Offset], begun: float, ended: float) -> float:
    """How many seconds the server's clock was ahead at most, in a span of this machine's time; not below 0."""
    return max([0.0, *(one.seconds for one in offsets if one.begun <= ended and one.ended >= begun)])


def behind(offsets: Sequence[Offset]) -> float:
    """How many seconds the server's clock was behind at most; not below 0."""
    return max([0.0, *(-one.seconds for one in offsets)])
