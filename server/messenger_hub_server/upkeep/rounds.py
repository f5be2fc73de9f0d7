"""Runs the jobs, each when it wants to, or earlier when something was committed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from messenger_hub.runtime.clock import Clock
from messenger_hub.runtime.log import logger

from messenger_hub_server.errors import HubError
from messenger_hub_server.store.base import StoreError
from messenger_hub_server.watch import News

log = logger(__name__)

AFTER_FAULT_MS = 5_000
LEAST_SECONDS = 0.05  # a busy hub commits all the time; the jobs need not look after each commit


class Job(Protocol):
    """One thing to do now and then."""

    on_news: bool
    """Run it after commits too. A job that always commits must not: its own commit would call it again."""

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
        """Runs every job, then each again when it wants to, or when there is news that it wants to hear."""
        due = dict.fromkeys(self._jobs, 0.0)
        seen = self._news.count
        while True:
            for job in self._jobs:
                if due[job] <= self._clock.monotonic():
                    due[job] = self._clock.monotonic() + await self._run(job) / 1000
            await asyncio.sleep(LEAST_SECONDS)
            try:
                async with asyncio.timeout(max(0.0, min(due.values()) - self._clock.monotonic())):
                    seen = await self._news.news(seen)
            except TimeoutError:
                continue
            due |= {job: 0.0 for job in self._jobs if job.on_news}

    async def _run(self, job: Job) -> int:
        try:
            return await job.run_once(self._clock.now_ms())
        except HubError as error:
            log.warning("upkeep waits", job=type(job).__name__, code=error.code)
        except StoreError:
            log.warning("upkeep waits", job=type(job).__name__, exc_info=True)
        return AFTER_FAULT_MS
