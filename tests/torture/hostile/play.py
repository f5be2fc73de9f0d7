"""A run: all cases in chunks, by one process or several, while the server's memory is looked at; then the verdict."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import psutil
from messenger_hub.admin.v1 import channel_admin_service_pb2
from messenger_hub_cli.running_hub import running_hub

from tests.torture.hostile.case import REST, Case, Secrets
from tests.torture.hostile.cases import case
from tests.torture.hostile.contract import BASE, PHONE
from tests.torture.hostile.estate import Target
from tests.torture.hostile.oracle import judge_log
from tests.torture.hostile.rest import JSON, request
from tests.torture.hostile.sending import Tally, Violation, read_answer, send_all

CHUNK = 4_000
WARM_SHARE = 0.1
WARM_LEAST = 20_000
"""Memory is compared from here on: caches of the first requests are full by then. Shorter runs have no say about memory."""
MOST_GROWTH = 48 * 1024 * 1024
SAMPLE_SECONDS = 0.5
CLEAR_EVERY = 10  # chunks; what was accepted waits for a desktop that never comes, and answers tell how much waits


@dataclass(slots=True, kw_only=True)
class Run:
    """What happened. `rss` are (requests sent, bytes) in the order of time."""

    seed: str
    requests: int
    jobs: int
    tally: Tally = field(default_factory=Tally)
    sent: int = 0
    seconds: float = 0.0
    rss: list[tuple[int, int]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def warm(self) -> int:
        """After how many requests memory counts."""
        return max(WARM_LEAST, int(self.requests * WARM_SHARE))

    @property
    def growth(self) -> int | None:
        """How much the median of the last tenth of the samples is above that of the first tenth after the warm-up; None in a short run."""
        samples = [rss for sent, rss in self.rss if sent >= self.warm]
        if len(samples) < 20:
            return None
        tenth = len(samples) // 10
        return sorted(samples[-tenth:])[tenth // 2] - sorted(samples[:tenth])[tenth // 2]

    @property
    def sound(self) -> bool:
        """Nothing was wrong."""
        return not self.tally.found and not self.faults and self.sent == self.requests


Progress = Callable[[Run], None]


async def play(run: Run, target: Target, progress: Progress = lambda _: None) -> None:
    """Sends all cases and judges; fills `run`."""
    begun = time.monotonic()
    spans = iter([range(first, min(first + CHUNK, run.requests)) for first in range(0, run.requests, CHUNK)])
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(run.jobs, mp_context=context, initializer=_begin) as pool:
        looking = asyncio.ensure_future(_look(run, target, progress, begun))
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(run.jobs):
                    group.create_task(_send_chunks(run, target, pool, spans))
        finally:
            looking.cancel()
            await asyncio.wait({looking})
    run.seconds = time.monotonic() - begun
    await _judge_end(run, target)


async def _send_chunks(run: Run, target: Target, pool: ProcessPoolExecutor, spans: Any) -> None:
    loop = asyncio.get_running_loop()
    for span in spans:
        if not target.alive():
            return
        tally = await loop.run_in_executor(
            pool, _send, run.seed, span, target.http, target.grpc, target.secrets.apart()
        )
        run.tally.add(tally)
        run.sent += len(span)
        if span.start // CHUNK % CLEAR_EVERY == CLEAR_EVERY - 1 and target.alive():
            await _clear(target)


def _begin() -> None:
    random.seed(0)


def _send(seed: str, span: range, http: tuple[str, int], grpc_target: str, secrets: Secrets) -> Tally:
    """In a process of its own."""
    cases = [case(seed, number, secrets) for number in span]
    try:
        return asyncio.run(send_all(cases, http, grpc_target))
    except* OSError as lost:
        tally = Tally()
        sentence = f"the server cannot be reached: {next(iter(_leaves(lost)))}"
        tally.found[sentence] = 1
        tally.violations.append(
            Violation(
                number=span.start,
                kind="chunk",
                sentence=sentence,
                asked=f"cases {span.start} to {span.stop}",
                answered="",
            )
        )
        lost_tally = tally
    return lost_tally


def _leaves(group: BaseExceptionGroup[BaseException]) -> Sequence[BaseException]:
    return list(
        chain.from_iterable(_leaves(one) if isinstance(one, BaseExceptionGroup) else [one] for one in group.exceptions)
    )


async def _look(run: Run, target: Target, progress: Progress, begun: float) -> None:
    """Samples memory, and tells how far it is."""
    while True:
        try:
            run.rss.append((run.sent, target.rss()))
        except psutil.Error:
            return
        run.seconds = time.monotonic() - begun
        progress(run)
        await asyncio.sleep(SAMPLE_SECONDS)  # noqa: TID251 samples are taken by the clock


async def _clear(target: Target) -> None:
    """As an operator does who throws away what waits."""
    async with running_hub(target.log.parent / "hub") as hub:
        for channel in target.secrets.channels[: len(target.secrets.channels) // 2]:
            await hub.channels.ClearQueue(channel_admin_service_pb2.ClearQueueRequest(channel=str(channel)))


# ---- the end --------------------------------------------------------------------------------------------------------------------


async def _judge_end(run: Run, target: Target) -> None:
    if not target.alive():
        run.faults.append("the server has died")
    else:
        run.faults += await _answers_still(target)
    run.faults += judge_log(target.log.read_text(errors="replace"), [*target.secrets.keys, *target.secrets.credentials])
    if run.growth is not None and run.growth > MOST_GROWTH:
        run.faults.append(
            f"the server's memory has grown by {run.growth >> 20} MiB after the warm-up, and may by {MOST_GROWTH >> 20} MiB"
        )


async def _answers_still(target: Target) -> Sequence[str]:
    """A right request gets its 201."""
    headers = [(b"X-API-Key", target.secrets.keys[0].encode()), (b"Content-Type", JSON)]
    raw = request(
        b"POST", f"{BASE}/send".encode(), headers, b'{"mobile": "%s", "message": "still there?"}' % PHONE.encode()
    )
    try:
        async with asyncio.timeout(30):
            reader, writer = await asyncio.open_connection(*target.http)
            writer.write(raw)
            answer = await read_answer(reader)
            writer.close()
    except (OSError, TimeoutError) as error:
        return [f"a right request got no answer at the end: {type(error).__name__}"]
    return [] if answer is not None and answer.status == 201 else [f"a right request got {answer} at the end"]


async def play_one(seed: str, number: int, target: Target) -> tuple[Case, Tally]:
    """One case alone, for a closer look."""
    chosen = case(seed, number, target.secrets.apart())
    tally = await send_all([chosen], target.http, target.grpc)
    return chosen, tally


__all__ = ["REST", "Run", "play", "play_one"]
