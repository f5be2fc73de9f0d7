"""Live channels: one desktop app with many browsers and the twin, from cold to sendable, what each takes, and how fast all send together.

Verified: what was accepted has arrived in the twin's log, once each; else there are no figures.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import psutil

from tests.bench.verification import NotTrue
from tests.torture.nemesis import estate as nemesis

AGENT = "desktop"
LOOK_SECONDS = 0.1
READY_SECONDS = 900.0
IDLE_SECONDS = 30.0
GIB = 1 << 30


async def measure(
    folder: Path, channels: int, messages: int, idle_seconds: float = IDLE_SECONDS
) -> Mapping[str, float]:
    """Rows of `aims`, with `messages` for each channel. Raises NotTrue or TimeoutError."""
    names = [f"channel-{number}" for number in range(channels)]
    estate = nemesis.Estate(folder, nemesis.Layout(agents={AGENT: names}))
    async with estate.standing():
        await estate.agents[AGENT].end()
        since = time.monotonic()
        await estate.agents[AGENT].start()
        await _all_sendable(estate)
        ready = time.monotonic() - since
        await asyncio.sleep(idle_seconds)
        each = _memory(folder) / channels
        rate = await _sends(estate, messages)
    return {
        "live channels a GiB": GIB / each,
        "channels on one agent, cold to sendable": ready,
        "messages a second through Chromium and the twin, pace off": rate,
    }


async def _all_sendable(estate: nemesis.Estate) -> None:
    async with asyncio.timeout(READY_SECONDS):
        for channel in estate.layout.channels:
            while not ((status := await estate.status(channel)) and status["can_send"]):
                await asyncio.sleep(LOOK_SECONDS)


async def _sends(estate: nemesis.Estate, messages: int) -> float:
    """Arrivals a second, from the first request to the last arrival."""
    wanted = {f"{channel} {number}" for channel in estate.layout.channels for number in range(messages)}
    since = time.monotonic()

    async def send(channel: str) -> None:
        for number in range(messages):
            body = {"mobile": f"1202555{number:04d}", "message": f"{channel} {number}"}
            code, answer = await estate.call(channel, "POST", "/send", body)
            if code != 201:
                raise NotTrue(f"A message was answered with {code}: {answer}.")

    async with asyncio.TaskGroup() as group:
        for channel in estate.layout.channels:
            group.create_task(send(channel))
    async with asyncio.timeout(READY_SECONDS):
        while len(arrived := estate.arrivals()) < len(wanted):
            await asyncio.sleep(LOOK_SECONDS)
    took = time.monotonic() - since
    counted = Counter(one.body for one in arrived)
    if counted != Counter(wanted):
        raise NotTrue(f"{len(wanted)} were sent, and {counted - Counter(wanted)} arrived beside them.")
    return len(wanted) / took


def _memory(folder: Path) -> float:
    """Bytes of the desktop app and all its browsers, shared pages counted once."""
    here = str(folder / AGENT)
    (agent,) = [
        one for one in psutil.process_iter(["cmdline"])
        if (words := one.info["cmdline"] or [])[-1:] and "agent" in words and here in words
    ]  # fmt: skip
    return float(sum(one.memory_full_info().pss for one in (agent, *agent.children(recursive=True))))
