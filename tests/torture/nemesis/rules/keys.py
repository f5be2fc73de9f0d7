"""What an operator was told of a key holds at every node: at once when it lets programs in, within a second when it does not."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from tests.torture.nemesis.record import KeyUse
from tests.torture.nemesis.rules.case import Case, Violation

DEAD_SECONDS = 1.0
"""As docs/postgresql.md says it."""


def keys(case: Case) -> Iterator[Violation]:
    """A key is let in everywhere once it was made or switched on, and nowhere a second after it was switched off."""
    for use in case.history.key_uses:
        if use.let_in is not None and use.let_in not in _allowed(case, use):
            after = use.begun - max(one.ended for one in case.history.key_changes if one.name == use.name)
            told = "let in" if use.let_in else "refused"
            yield Violation(kind="key", sentence=f"{use.name} was {told} {after:.3f} s after it was changed")


def _allowed(case: Case, use: KeyUse) -> Collection[bool]:
    allowed: set[bool] = set()
    for change in case.history.key_changes:  # one after the other
        if change.name != use.name or change.begun >= use.ended:
            continue
        holds_from = change.ended + (0.0 if change.alive else DEAD_SECONDS)
        allowed = {change.alive} if holds_from <= use.begun else allowed | {change.alive}
    return allowed
