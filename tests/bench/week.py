"""A compressed week: as many messages as a busy week has, as fast as they go, with every desktop coming back each hour; does the server grow?

Time does not pass, so nothing is retired by its age: what is looked for is memory that an operation or a stream leaves behind. Verified as
in `measuring`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import psutil

from tests.bench import verification, wrk
from tests.bench.children import Child
from tests.bench.depth import size_of
from tests.bench.estate import Estate, again, running_estate

CHANNELS = 20
DAYS, HOURS = 7, 24
CONNECTIONS = 16
HOUR_SECONDS = 1.0
SETTLE_SECONDS = 60.0
CREDIT = 8
MIB = 1 << 20


async def measure(folder: Path, hours: int = DAYS * HOURS, hour_seconds: float = HOUR_SECONDS) -> Mapping[str, float]:
    """A row of `aims`, and what it is made of; the first seventh warms the server up. Raises NotTrue or ChildFailed."""
    async with running_estate(folder, CHANNELS - 1) as estate:
        places = estate.places
    empty = size_of(folder)
    async with again(folder, places) as estate:
        server = psutil.Process(estate.server.process.pid)
        last, done, warm, warm_done = 0, 0, 0, 0
        for hour in range(hours):
            last, count = await _hour(estate, folder, hour, hour_seconds, last)
            done += count
            if hour == max(0, hours // DAYS - 1):
                warm, warm_done = server.memory_info().rss, done
        end = server.memory_info().rss
    size = size_of(folder)
    return {
        "server memory that a compressed week adds": (end - warm) / MIB,
        "operations": done,
        "after the first day, MiB": warm / MIB,
        "bytes of memory an operation left": (end - warm) / max(1, done - warm_done),
        "bytes of the disk a settled operation takes": (size - empty) / max(1, done),
    }


async def _hour(estate: Estate, folder: Path, hour: int, seconds: float, last: int) -> tuple[int, int]:
    """Desktops come, programs send, all is settled, desktops go. The last operation, and how many there were."""
    async with AsyncExitStack() as stack:
        agent = await Child.start("agent", ["tests.bench.agent"], folder)
        stack.push_async_callback(agent.end)
        desktops = [(place.channel_id, place.credential) for place in estate.places]
        await agent.ask({"do": "connect", "address": estate.grpc, "desktops": desktops, "window": CREDIT})
        keys = [place.key for place in estate.places]
        told = await wrk.closed_loop(estate.http_port, keys, CONNECTIONS, seconds, 1 + hour * 1_000_000)
        done = await agent.ask({"do": "settled", "count": len(told.accepted), "seconds": SETTLE_SECONDS})
        found = estate.recorded(last)
        verification.check_slice(told.accepted, told.refused, found, done["carried_out"])
    return max(found, default=last), len(told.accepted)
