"""Many desktops that have nothing to do: what their streams cost in memory and processor, and how long all of them take to come back.

Verified: every stream is welcomed, each on a channel of its own, before anything is measured; else there are no figures.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import psutil

from tests.bench.children import Child
from tests.bench.estate import Estate, running_estate

IDLE_SECONDS = 60.0  # a heartbeat of each stream lies within
READY_SECONDS = 300.0
KIB, GIB = 1 << 10, 1 << 30


async def measure(folder: Path, streams: int, returning: int) -> Mapping[str, float]:
    """Of `streams` desktops, of which `returning` come back at once. Raises ChildFailed."""
    async with AsyncExitStack() as stack:
        estate = await stack.enter_async_context(running_estate(folder, streams - 1))
        server = psutil.Process(estate.server.process.pid)
        empty = server.memory_info().rss
        crowd = await _come(stack, estate, folder, streams)
        one = (server.memory_info().rss - empty) / streams
        share = await _idle_share(estate.server)
        await crowd.end()
        since = time.monotonic()
        await _come(stack, estate, folder, returning)
        back = time.monotonic() - since
    return {
        "streams": streams,
        "kib_a_stream": one / KIB,
        "streams_a_gib": GIB / one,
        "idle_share_of_a_core": share,
        "returning": returning,
        "all_back_seconds": back,
    }


def table(found: Mapping[str, float]) -> str:
    """The figures in Markdown."""
    return "\n".join(
        (
            "| idle streams | KiB each | a GiB holds | processor, of one core | came back at once | all welcomed after |",
            "| --- | --- | --- | --- | --- | --- |",
            f"| {found['streams']:.0f} | {found['kib_a_stream']:.1f} | {found['streams_a_gib']:.0f} "
            f"| {found['idle_share_of_a_core']:.1%} | {found['returning']:.0f} | {found['all_back_seconds']:.1f} s |",
        )
    )


def rows(found: Mapping[str, float]) -> Mapping[str, float]:
    """Rows of `aims`."""
    return {"idle streams a GiB": found["streams_a_gib"]}


async def _come(stack: AsyncExitStack, estate: Estate, folder: Path, count: int) -> Child:
    """That many desktops, all welcomed."""
    crowd = await Child.start("agent", ["tests.bench.agent"], folder)
    stack.push_async_callback(crowd.end)
    desktops = [(place.channel_id, place.credential) for place in estate.places[:count]]
    command = {"do": "connect", "address": estate.grpc, "desktops": desktops, "window": 0, "seconds": READY_SECONDS}
    await crowd.ask(command, READY_SECONDS + 30)
    return crowd


async def _idle_share(server: Child) -> float:
    """Processor seconds a second."""
    before, since = server.cpu_seconds, time.monotonic()
    await asyncio.sleep(IDLE_SECONDS)
    return (server.cpu_seconds - before) / (time.monotonic() - since)
