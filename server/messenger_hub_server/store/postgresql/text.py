"""Text as PostgreSQL can hold it: it knows no U+0000, which an agent may send.

U+001A stands before a 0 that is a NUL and before a 1 that is itself. The parts of a text are the parts of its stored form, so
equality and looking for a part work on either.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from messenger_hub_server.model import Operation, Problem

T = TypeVar("T")

_MARK = "\x1a"
_TEXTS = ("wa_id", "recipient", "target", "body", "reason", "reference")


def stored(value: T) -> T:
    """A value as it is bound: texts without NUL, all else as it is."""
    if isinstance(value, str) and ("\0" in value or _MARK in value):
        return value.replace(_MARK, f"{_MARK}1").replace("\0", f"{_MARK}0")  # type: ignore[return-value]
    return value


def read(value: str) -> str:
    """The text again."""
    return value.replace(f"{_MARK}0", "\0").replace(f"{_MARK}1", _MARK) if _MARK in value else value


def read_operation(operation: Operation) -> Operation:
    """An operation whose texts are as they were given."""
    changed: dict[str, object] = {name: read(value) for name in _TEXTS if _MARK in (value := getattr(operation, name))}
    problem = operation.problem
    if problem is not None and _MARK in problem.message:
        changed["problem"] = Problem(code=problem.code, message=read(problem.message))
    return msgspec.structs.replace(operation, **changed) if changed else operation
