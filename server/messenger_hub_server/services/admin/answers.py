"""Questions to desktops over their streams: an answer is found by who was asked and by the question's number."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

SECONDS = 10.0

W = TypeVar("W")
A = TypeVar("A")


class Away(Exception):
    """There is no stream to ask over, or it has ended."""


class Answers(Generic[W, A]):
    """Those that somebody waits for; W says who was asked."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[W, int], asyncio.Future[A]] = {}
        self._number = 0

    async def ask(self, whom: W, send: Callable[[int], bool]) -> A:
        """`send` sends the question of that number; False when there is no stream. Raises Away, and TimeoutError after SECONDS."""
        self._number += 1
        key = whom, self._number
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting[key] = answer
        try:
            if not send(self._number):
                raise Away
            async with asyncio.timeout(SECONDS):
                return await answer
        finally:
            del self._waiting[key]

    def came(self, whom: W, number: int, answer: A) -> None:
        """One that nobody waits for any more is dropped."""
        waiting = self._waiting.get((whom, number))
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def gone(self, whom: W) -> None:
        """No answer comes from there any more."""
        for (asked, _), waiting in self._waiting.items():
            if asked == whom and not waiting.done():
                waiting.set_exception(Away())
