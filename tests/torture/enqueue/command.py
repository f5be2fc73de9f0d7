"""`./hub torture enqueue --kills N [--seed S]`: kills the server at random moments while programs ask it for messages.

Everything that was answered 201 must be there after the last kill, and nothing may be there twice. The exit code is 0 when that
held, else 1. A seed decides what is asked and how long each life lasts; the moments are the machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import click

from tests.torture.answers import NO_ANSWER
from tests.torture.arguments import made_folder, whole_number
from tests.torture.enqueue.judge import Violation, judge
from tests.torture.enqueue.nursery import EndedByItself, Nursery
from tests.torture.enqueue.record import Records
from tests.torture.enqueue.world import World
from tests.torture.ledger import Code, append, entry_of

RESULTS = Path("test-results")
BATCH = 1_000  # kills; each gets a line of the ledger
FOLDER = 250  # kills; then a new data folder, because a start looks through the database
TELL_SECONDS = 1.0
TELL_LINE_SECONDS = 15.0  # where nobody looks at a terminal
SHOWN = 20  # violations in a line of the ledger; all are in the records that are kept
JUDGED = ("server/messenger_hub_server", "proto/messenger_hub/runtime", "proto/messenger_hub/v1")

Tamper = Callable[[Records], Records]


@dataclass(slots=True, kw_only=True)
class Batch:
    """What came of some worlds."""

    seed: str
    begun: float
    kills: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Something was judged, and all of it held."""
        return self.kills > 0 and not self.violations and not self.broken


class Run:
    """All batches of one command."""

    def __init__(self, given: argparse.Namespace, seed: str, tamper: Tamper) -> None:
        self._given = given
        self._seed = seed
        self._tamper = tamper
        self._nursery = Nursery()
        self._begun = time.time()
        self._batches: list[Batch] = []
        self._playing: list[World] = []

    async def play(self) -> bool:
        """Whether all was sound. Adds a line to the ledger for each batch."""
        code, left = Code.here(JUDGED), self._given.kills
        telling = asyncio.ensure_future(self._keep_telling())
        try:
            for number in range((left + BATCH - 1) // BATCH):
                batch = Batch(seed=f"{self._seed}/{number}", begun=time.time())
                self._batches.append(batch)
                await self._play_batch(batch, min(BATCH, left - number * BATCH))
                append(self._given.ledger, told(batch, code))
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling
        return all(batch.sound for batch in self._batches)

    async def _play_batch(self, batch: Batch, kills: int) -> None:
        most = min(FOLDER, math.ceil(kills / self._given.worlds))
        folders = iter([(i, min(most, kills - i)) for i in range(0, kills, most)])

        async def worlds() -> None:
            for first, count in folders:
                await self._play_world(batch, f"{batch.seed}/{first}", count)

        async with asyncio.TaskGroup() as group:
            for _ in range(self._given.worlds):
                group.create_task(worlds())

    async def _play_world(self, batch: Batch, seed: str, kills: int) -> None:
        folder = Path(tempfile.mkdtemp(prefix="messenger-hub-enqueue-", dir=self._given.folder))
        world = World(self._nursery, folder, seed)
        self._playing.append(world)
        records, found = None, list[Violation]()
        try:
            await world.play(kills)
            records = self._tamper(await world.end())
            found = [*judge(records)]
        except (EndedByItself, OSError, TimeoutError, aiohttp.ClientError) as problem:
            batch.broken.append(f"{seed}: {type(problem).__name__} {problem}")
        finally:
            self._playing.remove(world)
        batch.kills += world.kills
        batch.violations += found
        batch.counts += _counts(world, records)
        self._leave(folder, seed, records if found else None, keep=bool(found) or records is None)

    def _leave(self, folder: Path, seed: str, records: Records | None, *, keep: bool) -> None:
        if keep:
            kept = self._given.keep / f"enqueue-{seed.replace('/', '-')}"
            shutil.copytree(folder, kept, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock"))
            if records is not None:
                (kept / "records.json").write_text(json.dumps(records.told(), indent=1), encoding="utf-8")
            click.echo(f"data folder, log and records are in {kept}", err=True)
        shutil.rmtree(folder, ignore_errors=True)

    # ---- telling ------------------------------------------------------------------------------------------------------------

    async def _keep_telling(self) -> None:
        lively = sys.stderr.isatty()
        while True:
            click.echo(f"\r\033[K{self._line()}" if lively else self._line(), err=True, nl=not lively)
            await asyncio.sleep(TELL_SECONDS if lively else TELL_LINE_SECONDS)

    def _line(self) -> str:
        seconds = time.time() - self._begun
        kills = sum(one.kills for one in self._batches) + sum(one.kills for one in self._playing)
        accepted = sum(one.counts["accepted"] for one in self._batches) + sum(one.accepted for one in self._playing)
        judged = sum(one.kills for one in self._batches)
        bad = sum(len(one.violations) + len(one.broken) for one in self._batches)
        verdict = f"{bad} VIOLATIONS" if bad else f"sound in {judged} of them" if judged else "not judged yet"
        return (
            f"{int(seconds) // 60}:{int(seconds) % 60:02} {kills} kills of {self._given.kills}, {kills / max(seconds, 0.001):.1f} "
            f"a second | {accepted} accepted | {verdict}"
        )

    def sentences(self) -> Iterator[str]:
        """What came of it, for people."""
        counts = sum((batch.counts for batch in self._batches), Counter[str]())
        kills, seconds = sum(batch.kills for batch in self._batches), time.time() - self._begun
        sound = all(batch.sound for batch in self._batches)
        yield (
            f"{'Sound' if sound else 'BROKEN'}: {kills} kills, {kills / seconds:.1f} a second, over {counts['accepted']} accepted "
            f"messages ({counts['in doubt at a kill']} calls were in doubt, {counts['repeats']} repeated); seed {self._seed}"
        )
        for batch in self._batches:
            yield from (f"seed {why}" for why in batch.broken)
            yield from (f"seed {batch.seed}: {one.kind}: {one.sentence} ({one.reference})" for one in batch.violations)


def told(batch: Batch, code: Code) -> Mapping[str, Any]:
    """A line of the ledger."""
    seconds = time.time() - batch.begun
    return {
        **entry_of("enqueue", code, batch.begun, sound=batch.sound),
        "seed": batch.seed,
        "kills": batch.kills,
        "seconds": round(seconds, 1),
        "kills a second": round(batch.kills / seconds, 1),
        "counts": dict(sorted(batch.counts.items())),
        "violations": [f"{one.kind}: {one.sentence} ({one.reference})" for one in batch.violations[:SHOWN]],
        "broken": batch.broken,
    }


def _counts(world: World, records: Records | None) -> Counter[str]:
    attempts = [attempt for wish in world.wishes for attempt in wish.attempts]
    return Counter(
        {
            "accepted": world.accepted,
            "attempts": len(attempts),
            "in doubt at a kill": sum(one.status == NO_ANSWER for one in attempts),
            "of them there": _kept_in_doubt(records),
            "repeats": sum(max(0, len(wish.attempts) - 1) for wish in world.wishes),
            "refused": sum(one.refused for one in attempts),
            "operations": len(records.rows) if records else 0,
            **{f"killed {moment}": count for moment, count in world.moments.items()},
        }
    )


def _kept_in_doubt(records: Records | None) -> int:
    """How many calls without an answer had been committed, as far as it can be told: answered as a repeat, or there at the end."""
    if records is None:
        return 0
    there = {row.reference for row in records.rows}
    found = 0
    for wish in records.wishes:
        first = next(iter(wish.accepted), None)
        found += bool(first.replayed) if first else wish.reference in there
    return found


def main(arguments: Sequence[str] | None = None, *, tamper: Tamper = lambda records: records) -> int:
    """The exit code. `tamper`: for tests, changes what is judged."""
    given = _parser().parse_args(arguments)
    seed = given.seed or secrets.token_hex(4)
    run = Run(given, seed, tamper)
    sound = asyncio.run(run.play())
    if sys.stderr.isatty():
        click.echo("", err=True)  # below the live line
    for sentence in run.sentences():
        click.echo(sentence)
    click.echo(f"the ledger is {given.ledger}", err=True)
    return 0 if sound else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./hub torture enqueue", description=__doc__)
    parser.add_argument("--kills", type=whole_number, default=1_000, help="how many SIGKILLs (%(default)s)")
    parser.add_argument("--seed", default="", help="what is asked and how long each life lasts (drawn)")
    parser.add_argument("--worlds", type=whole_number, default=2, help="how many data folders at once (%(default)s)")
    parser.add_argument(
        "--ledger",
        type=Path,
        default=RESULTS / "enqueue-ledger.jsonl",
        help=f"gets a line for each {BATCH} kills (%(default)s)",
    )
    parser.add_argument("--keep", type=Path, default=RESULTS, help="where a broken world is kept (%(default)s)")
    parser.add_argument(
        "--folder", type=made_folder, help="a folder on the disk for the worlds (the system's temporary folder)"
    )
    return parser
