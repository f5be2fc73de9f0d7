"""What may be told otherwise after an older copy of the database was put back, and what a wrong clock of the server means. Pure.

A restore excuses exactly what the copy could not know: what was answered after the copy began and asked before the server was killed.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.torture.nemesis.record import Attempt, Cancelling, Look, Offset, Restore

COMMIT_SECONDS = 2.0
"""How long after its time a change may be committed, on a busy disk: a copy that is begun meanwhile lacks it."""
SLACK_SECONDS = 0.05
"""The server's clock is in milliseconds; a disturbance is noted just before and just after its signal."""


def forgets(restore: Restore, asked: Attempt | Cancelling, restores: Sequence[Restore] = ()) -> bool:
    """The copy may lack what came of this call, and the call may have reached the server that was killed. `restores`: all of them."""
    return asked.begun < restore.begun and _may_lack(restore, asked, restores)


def _may_lack(restore: Restore, asked: Attempt | Cancelling, restores: Sequence[Restore]) -> bool:
    """The copy was begun before the answer, or while another one was live that may lack it."""
    if asked.ended >= restore.copied_begun:
        return True
    before = [one for one in restores if asked.begun < one.begun < restore.copied_ended and one.begun < restore.begun]
    last = [one for one in before if one.ended <= restore.copied_begun][-1:]
    meanwhile = [one for one in before if one.ended > restore.copied_begun]
    return any(_may_lack(one, asked, restores) for one in (*last, *meanwhile))


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
