"""Two that can only push and pull, joined by a pipe: nothing is ever whole in memory or, decrypted, on the disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, TypeVar

T = TypeVar("T")


def piped(produce: Callable[[BinaryIO], None], consume: Callable[[BinaryIO], T]) -> T:
    """What `consume` returns of what `produce` writes, on a thread of its own. Raises what failed first: a producer whose consumer has
    gone away is not the one."""
    read_end, write_end = os.pipe()
    with ThreadPoolExecutor(1, thread_name_prefix="backup") as thread, os.fdopen(read_end, "rb") as source:
        producing = thread.submit(_produce, produce, write_end)
        failure: Exception | None = None
        try:
            result = consume(source)
        except Exception as error:
            failure = error
        source.close()
        problem = producing.exception()
        if problem is not None and not isinstance(problem, BrokenPipeError):
            raise problem
        if failure is not None:
            raise failure
        return result


def _produce(produce: Callable[[BinaryIO], None], write_end: int) -> None:
    with os.fdopen(write_end, "wb") as target:
        produce(target)
