"""Reads and writes of a gRPC call that go on to their end when nobody waits for them any more.

grpc.aio frees what it holds for one only when the coroutine that awaits it goes on (grpc/grpc#43360): whoever cancels that coroutine
leaks it, with the message that had come. So only the waiting is cancelled. The read or write itself ends with its call, at the latest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# The event loop holds its tasks weakly.
_going_on: set[asyncio.Task[Any]] = set()


async def unbroken(operation: Coroutine[Any, Any, T]) -> T:
    """What it returns or raises. A cancellation reaches the caller at once, and the operation never."""
    task = asyncio.ensure_future(operation)
    _going_on.add(task)
    task.add_done_callback(_ended)
    try:
        return await asyncio.shield(task)
    finally:
        del task  # it holds its error, whose traceback holds this frame


async def unbroken_reads(frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same frames, each read with `unbroken`."""
    iterator = aiter(frames)
    while (frame := await unbroken(_next(iterator))) is not None:
        yield frame


async def _next(frames: AsyncIterator[bytes]) -> bytes | None:
    return await anext(frames, None)


def _ended(task: asyncio.Task[Any]) -> None:
    _going_on.discard(task)
    if not task.cancelled():
        task.exception()  # seen: how a call ends that nobody waits for concerns nobody
