"""`./hub torture --minutes N [--seed S]`: kills, stops and cuts the hub's real processes while programs send, and judges what arrived.

The exit code is 0 when nothing was lost, sent twice or told wrongly, else 1. A seed replays the same faults at the same times, as
far as processes of their own allow. With `--store postgresql` each world has a PostgreSQL of its own, which `--nodes N` share.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import shlex
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from tests.torture.arguments import amount, made_folder, whole_number
from tests.torture.ledger import JUDGED, WITH_NODES, Code, append
from tests.torture.nemesis import plan, report
from tests.torture.nemesis.estate import NoNginx
from tests.torture.nemesis.postgresql import NoPostgresql
from tests.torture.nemesis.programs import ProgramFailed
from tests.torture.nemesis.record import History
from tests.torture.nemesis.round import Progress, play

RESULTS = Path("test-results")
TELL_SECONDS = 1.0
TELL_LINE_SECONDS = 15.0  # where nobody looks at a terminal
KEPT = (
    *("*.log", "*.jsonl*", "hub/*.db*", "*/agent/channels/*/*.db*", "*/agent/channels/*/*.log"),
    *("database.sql", "hub */*.json"),
)
SQLITE, POSTGRESQL = "sqlite", "postgresql"

Tamper = Callable[[History], History]


def main(arguments: Sequence[str] | None = None, *, tamper: Tamper = lambda history: history) -> int:
    """The exit code. `tamper`: for tests, changes what is judged."""
    given = _given(arguments)
    seed = given.seed or secrets.token_hex(4)
    nodes = given.nodes if given.store == POSTGRESQL else 0
    rounds = f" --store {given.store} --nodes {nodes}" if nodes else ""
    rounds += f" --rounds {given.rounds}" if given.rounds > 1 else ""
    rounds += f" --worlds {given.worlds}" if given.worlds > 1 else ""
    rounds += "".join(f" --without {shlex.quote(name)}" for name in given.without)
    rounds += "".join(f" --often {shlex.quote(name)}" for name in given.often)
    rounds += f" --gap {given.gap:g}" if given.gap else ""
    command = f"./hub torture --minutes {given.minutes:g}{rounds} --seed {shlex.quote(seed)}"
    code = Code.here(WITH_NODES if nodes else JUDGED)
    batch = report.Batch(seed=seed, minutes=given.minutes, command=command, code=code, begun=time.time(), nodes=nodes)
    _tell(f"seed {seed}: the same faults again with {command}")
    asyncio.run(_play_all(batch, given, tamper))
    batch.ended = time.time()
    return _finish(batch, given)


async def _play_all(batch: report.Batch, given: argparse.Namespace, tamper: Tamper) -> None:
    """The rounds, some at once; after one that could not be played no other begins."""
    count, seconds = plan.rounds(batch.minutes, given.rounds)
    waiting, playing = iter(range(count)), dict[int, Progress]()

    async def world() -> None:
        for number in waiting:
            await _play_one(batch, given, tamper, number, seconds, playing)
            if batch.broken:
                return

    telling = asyncio.ensure_future(_keep_telling(batch, playing))
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(given.worlds):
                group.create_task(world())
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling
    batch.results.sort(key=lambda one: one.number)


async def _play_one(
    batch: report.Batch,
    given: argparse.Namespace,
    tamper: Tamper,
    number: int,
    seconds: float,
    playing: dict[int, Progress],
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="messenger-hub-torture-", dir=given.folder))
    progress = playing[number] = Progress()
    seed = f"{batch.seed}/{number}"
    sound = False
    try:
        played = await play(
            number,
            seed,
            plan.layout(number, batch.nodes),
            _schedule(seed, given, batch.nodes),
            seconds,
            folder,
            progress,
            tamper,
        )
        batch.results.append(played)
        sound = not played.verdict.violations
    except* (ProgramFailed, NoNginx, NoPostgresql, TimeoutError, OSError) as problems:
        batch.broken.append((number, _innermost(problems)))
    finally:
        del playing[number]
    _leave(folder, given.keep / f"torture-{batch.seed}-{number}", keep=not sound)


def _faults(nodes: int) -> Sequence[plan.Fault]:
    return plan.ON_POSTGRESQL if nodes else plan.TABLE


def _schedule(seed: str, given: argparse.Namespace, nodes: int) -> Iterator[plan.Step]:
    pace = plan.NODES_PACE if nodes else plan.PACE
    pace = replace(pace, gap_seconds=given.gap) if given.gap else pace
    return plan.schedule(seed, plan.table(given.without, given.often, _faults(nodes)), pace)


def _innermost(problems: BaseExceptionGroup[BaseException]) -> str:
    first: BaseException = problems
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return f"{type(first).__name__} {first}".strip()


def _leave(folder: Path, kept: Path, *, keep: bool) -> None:
    """Removes a world; what explains a violation is kept."""
    if keep:
        for path in (path for pattern in KEPT for path in folder.glob(pattern)):
            target = kept / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        _tell(f"logs and database of the round are in {kept}")
    shutil.rmtree(folder, ignore_errors=True)


# ---- telling ----------------------------------------------------------------------------------------------------------------


async def _keep_telling(batch: report.Batch, playing: Mapping[int, Progress]) -> None:
    lively = sys.stderr.isatty()
    while True:
        line = _line(batch, playing)
        click.echo(f"\r\033[K{line}" if lively else line, err=True, nl=not lively)
        await asyncio.sleep(TELL_SECONDS if lively else TELL_LINE_SECONDS)


def _line(batch: report.Batch, playing: Mapping[int, Progress]) -> str:
    elapsed = int(time.time() - batch.begun)
    over, under_way = batch.results, playing.values()
    judged = sum(one.verdict.counts["accepted"] for one in over)
    done = [*(one.done for one in over), *(one.done for one in under_way)]
    kills = sum(one.kills for one in done)
    accepted = judged + sum(progress.accepted for progress in under_way)
    settled = judged + sum(progress.settled for progress in under_way)
    faults = sum((one.faults for one in done), start=Counter[str]())
    bad = sum(len(one.verdict.violations) for one in over)
    verdict = f"{bad} VIOLATIONS" if bad else "sound so far" if over else "not judged yet"
    shown = ", ".join(f"{name} {count}" for name, count in sorted(faults.items()))
    phases = ", ".join(f"round {number} {progress.phase}" for number, progress in sorted(playing.items()))
    return (
        f"{elapsed // 60}:{elapsed % 60:02} {phases} | {kills} kills | "
        f"{accepted} accepted, {settled} settled | {verdict} | {shown}"
    )


def _finish(batch: report.Batch, given: argparse.Namespace) -> int:
    told = report.summary(batch)
    for file, content in ((given.json, report.written(report.everything(batch))), (given.page, report.page(batch))):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
    append(given.ledger, told)
    if sys.stderr.isatty():
        _tell("")  # below the live line
    click.echo(_sentence(batch, told))
    for number, why in batch.broken:
        click.echo(f"Round {number} was not played to its end: {why}")
    for result in batch.results:
        for one in result.verdict.violations:
            click.echo(f"round {result.number}: {one.kind}: {one.text} ({one.operation_id}): {one.sentence}")
    _tell(f"read {given.page}; everything is in {given.json}; the ledger is {given.ledger}")
    return 0 if batch.sound else 1


def _sentence(batch: report.Batch, figures: Mapping[str, Any]) -> str:
    counts, breaks = figures["counts"], figures["recovery"].get("all breaks", {})
    return (
        f"{'Sound' if batch.sound else 'BROKEN'}: {figures['kills']} kills and {figures['breaks of the network']} breaks of the network "
        f"over {counts.get('accepted', 0)} operations in {figures['minutes']} min "
        f"({figures['kills a minute']} kills and {figures['operations a minute']} operations a minute); "
        f"uncertain {figures['uncertain']['operations']} ({figures['uncertain']['share']:.2%}); "
        f"streams work again after p50 {breaks.get('p50')} s, p99 {breaks.get('p99')} s; seed {batch.seed}"
    )


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _given(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.nodes > 1 and given.store != POSTGRESQL:
        parser.error("several nodes need a database that they share: add --store postgresql")
    there = {fault.name for fault in _faults(given.store == POSTGRESQL)}
    if strange := sorted({*given.without, *given.often} - there):
        parser.error(f"{', '.join(strange)} does not come with --store {given.store}: leave it out")
    return given


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./hub torture", description=__doc__)
    parser.add_argument(
        "--minutes", type=amount("minutes", 10_000), default=5.0, help="how long to disturb (%(default)g)"
    )
    parser.add_argument("--seed", default="", help="which faults come when; the same again for the same seed (drawn)")
    parser.add_argument("--rounds", type=int, default=1, help="at least so many worlds; by default one for 5 minutes")
    parser.add_argument("--worlds", type=int, default=1, help="how many rounds are played at once (%(default)s)")
    parser.add_argument("--store", choices=(SQLITE, POSTGRESQL), default=SQLITE, help="where the data is (%(default)s)")
    parser.add_argument(
        "--nodes", type=whole_number, default=1, help="how many servers share the database (%(default)s)"
    )
    names = sorted({fault.name for fault in (*plan.TABLE, *plan.ON_POSTGRESQL)})
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        choices=names,
        metavar="FAULT",
        help="leave a fault out; may be repeated",
    )
    parser.add_argument(
        "--often",
        action="append",
        default=[],
        choices=names,
        metavar="FAULT",
        help="let a fault come often; may be repeated",
    )
    parser.add_argument(
        "--gap",
        type=amount("seconds", 60),
        default=0.0,
        help=f"seconds between two faults, on average ({plan.PACE.gap_seconds:g}; "
        f"{plan.NODES_PACE.gap_seconds:g} with --store postgresql): longer, and more is sent between them",
    )
    parser.add_argument(
        "--json", type=Path, default=RESULTS / "torture.json", help="where everything goes (%(default)s)"
    )
    parser.add_argument("--page", type=Path, default=RESULTS / "torture.html", help="where the page goes (%(default)s)")
    parser.add_argument(
        "--ledger", type=Path, default=RESULTS / "torture-ledger.jsonl", help="gets one line more (%(default)s)"
    )
    parser.add_argument("--keep", type=Path, default=RESULTS, help="where a broken round's logs are kept (%(default)s)")
    parser.add_argument(
        "--folder", type=made_folder, help="a folder on the disk for the worlds (the system's temporary folder)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
