"""One round: a fresh world, clients, faults for so long; then all faults stop, the queue drains, and the checker judges."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import grpc

from tests.torture.nemesis.checker import Verdict, check
from tests.torture.nemesis.clients import Client, Door, Grpc, Rest
from tests.torture.nemesis.done import Done
from tests.torture.nemesis.estate import Estate, Layout
from tests.torture.nemesis.hands import Hands
from tests.torture.nemesis.operator import Operator
from tests.torture.nemesis.plan import Step
from tests.torture.nemesis.record import History, Look, Restore
from tests.torture.nemesis.rules.case import Violation
from tests.torture.nemesis.story import story
from tests.torture.nemesis.watcher import Watcher

CHATS: Sequence[str] = (
    "12025550111@c.us",
    "12025550112@c.us",
    "12025550113@c.us",
    "12025550114@c.us",
    "12025550115@c.us",
    "12025550116@c.us",
    "120363000000000001@g.us",
    "120363000000000002@g.us",
)
CONTACTS: Sequence[str] = tuple(f"1202555015{i}" for i in range(8))
CLIENTS = 4  # a channel's; each has chats of its own
DRAIN_SECONDS = 180.0
LOOK_SECONDS = 0.2
LOOKS_AT_ONCE = 8
RECONNECT = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.enable_http_proxy", 0),
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A violation with everything that is known of its message: Unix seconds and what happened."""

    violation: Violation
    timeline: Sequence[tuple[float, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a round found."""

    number: int
    seed: str
    nginx: bool
    seconds: float
    setup_seconds: float
    drain_seconds: float
    done: Done
    verdict: Verdict
    told: Sequence[Told]


class Progress:
    """What the round under way has seen so far, for the line that people look at."""

    def __init__(self) -> None:
        self.clients: Sequence[Client] = ()
        self.done = Done()
        self.phase = "starting"

    @property
    def accepted(self) -> int:
        """Operations."""
        return sum(wish.accepted is not None for client in self.clients for wish in client.wishes)

    @property
    def settled(self) -> int:
        """Of them, as far as clients have looked."""
        return sum(client.settled for client in self.clients)


async def play(
    number: int,
    seed: str,
    layout: Layout,
    schedule: Iterable[Step],
    seconds: float,
    folder: Path,
    progress: Progress,
    tamper: Callable[[History], History] = lambda history: history,
) -> Result:
    """Plays one round with faults for so many seconds. `tamper`: for tests, changes what is judged."""
    begun = time.monotonic()
    estate = Estate(folder, layout)
    async with estate.standing():
        set_up = time.monotonic()
        hands = Hands(estate)
        progress.done = hands.done
        async with _connections(estate) as connections:
            rest = Rest(estate)
            doors = [door for connection in connections for door in (rest, Grpc(estate, connection))]
            clients = _clients(estate, seed, doors)
            progress.clients = clients
            # What one node was told of a key holds at the others.
            operators = [Operator(estate, random.Random(f"{seed} operator"))] if len(estate.nodes) > 1 else []
            ways = zip(layout.channels, itertools.cycle(connections), strict=False)
            async with _watching([Watcher(estate, one, connection) for one, connection in ways]) as watchers:
                progress.phase = "faults"
                await _disturb([*clients, *operators], hands, schedule, seconds)
                progress.phase = "draining"
                drained = time.monotonic()
                await hands.put_right()
                await _drain(clients, rest, layout.channels, hands.done.restores)
                for operator in operators:
                    await operator.last_looks()
                states = {channel: await _state(estate, channel) for channel in layout.channels}
                # What is told at the end must be durable: one more kill before the last looks.
                await _die_once_more(estate)
                history = tamper(await _history(estate, clients, watchers, operators, hands.done, rest, states))
        finished = time.monotonic()
    verdict = check(history)
    seen = [*hands.done.wrong, *(sentence for operator in operators for sentence in operator.wrong)]
    wrong = [Violation(kind="wrong", sentence=sentence) for sentence in seen]
    violations = [*verdict.violations, *wrong]
    return Result(
        number=number,
        seed=seed,
        nginx=layout.nginx,
        seconds=finished - begun,
        setup_seconds=set_up - begun,
        drain_seconds=finished - drained,
        done=hands.done,
        verdict=Verdict(violations=violations, doubts=verdict.doubts, counts=verdict.counts),
        told=[Told(violation=one, timeline=story(history, one)) for one in violations],
    )


@asynccontextmanager
async def _connections(estate: Estate) -> AsyncIterator[Sequence[grpc.aio.Channel]]:
    """One for each node, which the balancer gives to any of them."""
    options = [*RECONNECT, *([("grpc.use_local_subchannel_pool", 1)] if len(estate.nodes) > 1 else [])]
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(grpc.aio.insecure_channel(estate.grpc, options=options))
            for _ in estate.nodes
        ]


async def _die_once_more(estate: Estate) -> None:
    for server in estate.servers:
        await server.kill()
    if estate.database:
        await estate.database.kill()
        await estate.database.start()
    for server in estate.servers:
        await server.start()


@asynccontextmanager
async def _watching(watchers: Sequence[Watcher]) -> AsyncIterator[Sequence[Watcher]]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(watcher.run()) for watcher in watchers]
        yield watchers
        for task in tasks:
            task.cancel()


def _clients(estate: Estate, seed: str, doors: Sequence[Door]) -> Sequence[Client]:
    numbers = itertools.count(1)
    texts = (f"message {number}" for number in numbers)
    clients = []
    turn = itertools.cycle(doors)
    for channel in estate.layout.channels:
        for i in range(CLIENTS):
            name = f"{channel} {i}"
            chance = random.Random(f"{seed} {name}")
            door, contacts = next(turn), CONTACTS[i::CLIENTS]
            clients.append(
                Client(name, channel, CHATS[i::CLIENTS], contacts, door, chance, texts, lambda: estate.restoring)
            )
    return clients


async def _disturb(
    callers: Sequence[Client | Operator], hands: Hands, schedule: Iterable[Step], seconds: float
) -> None:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for caller in callers:
            group.create_task(caller.run(stop))
        faults = group.create_task(hands.run(schedule, stop))
        await asyncio.wait({faults}, timeout=seconds)
        stop.set()


async def _drain(clients: Sequence[Client], rest: Rest, channels: Sequence[str], restores: Sequence[Restore]) -> None:
    """Until every client has its answers and nothing waits; bounded: what is left then is lost."""
    lapses = [(one.copied_begun, one.ended) for one in restores]
    over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        deadline = asyncio.get_running_loop().call_later(DRAIN_SECONDS, over.set)
        for client in clients:
            group.create_task(client.finish(over, lapses))
    while not over.is_set():
        waiting = [await rest.waiting(channel) for channel in channels]
        if not any(one is None or one > 0 for one in waiting):
            break
        await asyncio.sleep(LOOK_SECONDS)
    deadline.cancel()


async def _state(estate: Estate, channel: str) -> str:
    told = await _answered(lambda: estate.status(channel))
    return f"{told['channel']} ({told['reason']})"


async def _history(
    estate: Estate,
    clients: Sequence[Client],
    watchers: Sequence[Watcher],
    operators: Sequence[Operator],
    done: Done,
    rest: Rest,
    states: Mapping[str, str],
) -> History:
    final: dict[int, Look] = {}
    for channel in estate.layout.channels:
        listed = await _answered(lambda channel=channel: rest.listed(channel))  # type: ignore[misc]
        told = {number for c in clients if c.channel == channel for wish in c.wishes for number in wish.numbers}
        ids = sorted({*listed, *told})
        for start in range(0, len(ids), LOOKS_AT_ONCE):
            some = ids[start : start + LOOKS_AT_ONCE]
            looks = await asyncio.gather(
                *(_answered(lambda one=one, channel=channel: rest.look(channel, one)) for one in some)  # type: ignore[misc]
            )
            final |= {look.operation_id: look for look in looks}
    for watcher in watchers:
        await watcher.caught_up({number: look for number, look in final.items() if look.found})
    return History(
        wishes=[wish for client in clients for wish in client.wishes],
        looks=[look for client in clients for look in client.looks],
        cancellings=[one for client in clients for one in client.cancellings],
        disturbances=done.disturbances,
        arrivals=estate.arrivals(),
        final={number: look for number, look in final.items() if look.found},
        senders=estate.accounts,
        states=states,
        restores=done.restores,
        offsets=done.offsets,
        streams=[stream for watcher in watchers for stream in watcher.streams],
        contacts={channel: await estate.contacts(channel) for channel in estate.layout.channels},
        nodes=len(estate.nodes),
        key_changes=[change for operator in operators for change in operator.changes],
        key_uses=[use for operator in operators for use in operator.uses],
    )


async def _answered(ask: Callable[[], Awaitable[T | None]]) -> T:
    async with asyncio.timeout(DRAIN_SECONDS):
        while (answer := await ask()) is None:
            await asyncio.sleep(LOOK_SECONDS)
        return answer
