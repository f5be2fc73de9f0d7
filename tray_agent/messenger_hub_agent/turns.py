"""Browsers start a few at a time: a start costs a core for seconds, and all at once would keep every channel waiting for long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Turn:
    """One's turn, until `end`."""

    def __init__(self, ended: Callable[[], None]) -> None:
        self._ended: Callable[[], None] | None = ended

    def end(self) -> None:
        """Lets the next one go; only the first call does."""
        ended, self._ended = self._ended, None
        if ended is not None:
            ended()


class Turns:
    """At most `most` have their turn at a time. Of those who wait, the first who has work goes first."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    async def take(self, has_work: Callable[[], bool]) -> Turn:
        """Waits for it. `has_work` is asked when a turn ends."""
        if self._free:
            self._free -= 1
            return Turn(self._next)
        mine = has_work, asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        try:
            await mine[1]
        except asyncio.CancelledError:
            if mine in self._waiting:
                self._waiting.remove(mine)
            else:
                self._next()  # it came at the same moment
            raise
        return Turn(self._next)

    def _next(self) -> None:
        waiting = [one for one in self._waiting if not one[1].done()]  # the others have just given up
        following = next((one for one in waiting if one[0]()), None) or next(iter(waiting), None)
        if following is None:
            self._free += 1
            return
        self._waiting.remove(following)
        following[1].set_result(None)
