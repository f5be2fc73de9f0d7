"""`python -m tests.torture.hostile --requests N [--seed S]`: sends what no client should to a real server, and judges what it makes of it.

The exit code is 0 when every answer was one of the contract's and the server came through it, else 1. A seed and a number repeat one
request: `--seed S --only N`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tests.torture.arguments import made_folder
from tests.torture.hostile.estate import target
from tests.torture.hostile.play import MOST_GROWTH, Run, play, play_one
from tests.torture.ledger import Code, append, entry_of

RESULTS = Path("test-results")
TELL_SECONDS = 15.0


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    given = _parser().parse_args(arguments)
    seed = given.seed or secrets.token_hex(4)
    folder = Path(tempfile.mkdtemp(prefix="messenger-hub-hostile-", dir=given.folder))
    try:
        if given.only is not None:
            return asyncio.run(_one(seed, given.only, folder))
        click.echo(f"seed {seed}: one of its requests again with --seed {seed} --only NUMBER", err=True)
        run = Run(seed=seed, requests=given.requests, jobs=given.jobs)
        code = Code.here()
        asyncio.run(_all(run, folder))
        return _finish(run, code, given, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _all(run: Run, folder: Path) -> None:
    telling = _Telling()
    async with target(folder) as server:
        await play(run, server, telling.progress)


async def _one(seed: str, number: int, folder: Path) -> int:
    async with target(folder) as server:
        chosen, tally = await play_one(seed, number, server)
        log = server.log.read_text(errors="replace")
    click.echo(
        f"{chosen.kind}\n{chosen.raw!r}\n{chosen.method} {[bytes(frame) for frame in chosen.frames]!r}\n{dict(tally.statuses)}"
    )
    for violation in tally.violations:
        click.echo(f"{violation.sentence}: {violation.answered}")
    click.echo(log)
    return 1 if tally.violations else 0


class _Telling:
    """A live line on a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        self._lively = sys.stderr.isatty()
        self._told = 0.0

    def progress(self, run: Run) -> None:
        if not self._lively and time.monotonic() - self._told < TELL_SECONDS:
            return
        self._told = time.monotonic()
        rate = run.sent / run.seconds if run.seconds else 0
        wrong = sum(run.tally.found.values())
        line = (
            f"{int(run.seconds) // 60}:{int(run.seconds) % 60:02} {run.sent:,} of {run.requests:,} sent, {rate:,.0f}/s | {run.rss[-1][1] >> 20} MiB | "
            + (f"{wrong} VIOLATIONS" if wrong else "sound so far")
        )
        click.echo(f"\r\033[K{line}" if self._lively else line, err=True, nl=not self._lively)


def _finish(run: Run, code: Code, given: argparse.Namespace, folder: Path) -> int:
    told = summary(run, code)
    given.json.parent.mkdir(parents=True, exist_ok=True)
    violations = [
        {"number": v.number, "kind": v.kind, "sentence": v.sentence, "asked": v.asked, "answered": v.answered}
        for v in run.tally.violations
    ]
    given.json.write_text(
        json.dumps({**told, "violations": violations, "rss samples": run.rss}, indent=1, ensure_ascii=False) + "\n"
    )
    append(given.ledger, told)
    if not run.sound and (folder / "server.log").exists():
        shutil.copy(folder / "server.log", given.json.with_suffix(".log"))
    for violation in run.tally.violations:
        click.echo(
            f"{violation.number} ({violation.kind}): {violation.sentence}\n   {violation.asked[:300]}\n   {violation.answered[:300]}"
        )
    for fault in run.faults:
        click.echo(fault)
    click.echo(_sentence(run))
    return 0 if run.sound else 1


def summary(run: Run, code: Code) -> dict[str, Any]:
    """A ledger's line."""
    warm = [rss for sent, rss in run.rss if sent >= run.warm]
    return {
        **entry_of("fuzz", code, time.time() - run.seconds, sound=run.sound),
        "seed": run.seed,
        "requests": run.requests,
        "sent": run.sent,
        "jobs": run.jobs,
        "seconds": round(run.seconds, 1),
        "requests a second": round(run.sent / run.seconds) if run.seconds else 0,
        "kinds": dict(run.tally.kinds.most_common()),
        "statuses": dict(run.tally.statuses.most_common()),
        "rss MiB": {
            "first": run.rss[0][1] >> 20 if run.rss else None,
            "after the warm-up": warm[0] >> 20 if warm else None,
            "last": run.rss[-1][1] >> 20 if run.rss else None,
            "most": max((rss for _, rss in run.rss), default=0) >> 20,
            "growth after the warm-up": None if run.growth is None else round(run.growth / 2**20, 1),
            "allowed": MOST_GROWTH >> 20,
        },
        "found": dict(run.tally.found),
        "faults": run.faults,
    }


def _sentence(run: Run) -> str:
    growth = "not judged in so short a run" if run.growth is None else f"{run.growth / 2**20:.1f} MiB"
    return (
        f"{'Sound' if run.sound else 'BROKEN'}: {run.sent:,} hostile requests in {run.seconds:.1f} s ({run.sent / run.seconds:,.0f}/s), "
        f"{sum(run.tally.found.values()) + len(run.faults)} violations; memory grew by {growth}; seed {run.seed}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./hub torture fuzz", description=__doc__)
    parser.add_argument("--requests", type=_count, default=100_000, help="how many to send (%(default)s)")
    parser.add_argument("--seed", default="", help="which requests; the same again for the same seed (drawn)")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="send this one alone, and show it")
    parser.add_argument("--jobs", type=_count, default=1, help="processes that send (%(default)s)")
    parser.add_argument("--json", type=Path, default=RESULTS / "fuzz.json", help="where everything goes (%(default)s)")
    parser.add_argument(
        "--ledger", type=Path, default=RESULTS / "fuzz-ledger.jsonl", help="gets one line more (%(default)s)"
    )
    parser.add_argument(
        "--folder", type=made_folder, help="a folder for the server's data (the system's temporary folder)"
    )
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("write a number above 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
