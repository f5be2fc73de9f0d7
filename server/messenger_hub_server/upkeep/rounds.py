"""Runs the jobs, each when it wants to, or earlier when something was committed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from messenger_hub.runtime.clock import Clock
from messenger_hub.runtime.log import logger

from messenger_hub_server.errors import HubError
from messenger_hub_server.watch import News

log = logger(__name__)

AFTER_FAULT_MS = 5_000
LEAST_SECONDS = 0.05  # a busy hub commits all the time; the jobs need not look after each commit


class Job(Protocol):
    """One thing to do now and then."""

    async def run_once(self, now_ms: int) -> int:
        """Returns in how many milliseconds to run again."""
        ...


class Rounds:
    """Endless; ends by cancellation."""

    def __init__(self, jobs: Sequence[Job], news: News, clock: Clock) -> None:
        self._jobs = jobs
        self._news = news
        self._clock = clock

    async def run(self) -> None:
        """Runs every job, then waits for the first that wants to run again, or for news."""
        while True:
            seen = self._news.count
            waits = [await self._run(job) for job in self._jobs]
            await asyncio.sleep(LEAST_SECONDS)
            try:
                async with asyncio.timeout(min(waits) / 1000):
                    await self._news.news(seen)
            except TimeoutError:
                continue

    async def _run(self, job: Job) -> int:
        try:
            return await job.run_once(self._clock.now_ms())
        except HubError as error:
            log.warning("upkeep waits", job=type(job).__name__, code=error.code)
            return AFTER_FAULT_MS
