"""Questions to desktops over their streams: an answer is found by who was asked and by the question's number.

The first number is drawn, so that those of several nodes that ask one desktop differ.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Generic, TypeVar

from messenger_hub.agent.v1 import agent_service_pb2 as pb

from messenger_hub_server.model import AgentId

SECONDS = 10.0
MOST_FIRST = 1 << 62

A = TypeVar("A")
Ask = Callable[[AgentId, pb.ConnectResponse], bool]
"""Sends a frame to an agent's stream; False when there is none."""


class Away(Exception):
    """There is no stream to ask over, or it has ended."""


class Answers(Generic[A]):
    """Those that somebody waits for."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._waiting: dict[tuple[AgentId, int], asyncio.Future[A]] = {}
        self._number = secrets.randbelow(MOST_FIRST)

    async def ask(
        self, agent_id: AgentId, question: Callable[[int], pb.ConnectResponse], seconds: float | None = None
    ) -> A:
        """`question` is the frame of that number. Raises Away, at once when the stream ends, and TimeoutError after `seconds` (SECONDS)."""
        self._number += 1
        key = agent_id, self._number
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting[key] = answer
        try:
            if not self._ask(agent_id, question(self._number)):
                raise Away
            async with asyncio.timeout(SECONDS if seconds is None else seconds):
                return await answer
        finally:
            del self._waiting[key]

    def came(self, agent_id: AgentId, number: int, answer: A) -> None:
        """One that nobody waits for any more is dropped."""
        waiting = self._waiting.get((agent_id, number))
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def gone(self, agent_id: AgentId) -> None:
        """No answer comes from there any more."""
        for (asked, _), waiting in self._waiting.items():
            if asked == agent_id and not waiting.done():
                waiting.set_exception(Away())
