"""Which of several failures to tell, when the tasks of one group have failed together."""

from __future__ import annotations

from typing import TypeVar

E = TypeVar("E", bound=Exception)


def innermost(errors: BaseExceptionGroup[E], kind: type[E]) -> E:
    """The first of them, however deep the groups are; the others came of it. TypeError when it is not of that kind."""
    first: BaseException = errors
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if not isinstance(first, kind):
        raise TypeError(f"not a {kind.__name__}") from first
    return first
