"""The one place where a test waits by looking again: for what other processes do, which nothing here can signal."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import psutil

T = TypeVar("T")

LOOK_SECONDS = 0.05


def eventually(look: Callable[[], T | None], seconds: float = 30.0, *, what: str = "") -> T:
    """The first answer that holds. Fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = look()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not happen within {seconds:.0f} s: {what or look}")
        time.sleep(LOOK_SECONDS)  # noqa: TID251 what this module is for


def all_end(processes: Sequence[psutil.Process], seconds: float = 10.0) -> None:
    """Waits for the end of processes that are not ours to wait for. One that nobody has reaped yet has ended too."""

    def is_there(one: psutil.Process) -> bool:
        try:
            return bool(one.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def left() -> list[psutil.Process]:
        return [one for one in processes if is_there(one)]

    try:
        eventually(lambda: not left(), seconds)
    except AssertionError as late:
        raise AssertionError(f"still there: {left()}") from late
