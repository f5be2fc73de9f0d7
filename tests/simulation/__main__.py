"""`./hub torture simulator [--steps N | --minutes M | --shrink SEED] [--seed S] [--jobs J] [--ledger FILE]`: the simulator for volume.

Only effective steps under faults are counted; the calm in which a run settles is not. The exit code is 0 when no invariant broke.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import click

from tests.simulation.coverage import Sum
from tests.simulation.play import play
from tests.simulation.shrink import shrunk
from tests.torture.arguments import whole_number
from tests.torture.ledger import Code, append, entry_of

BATCH = 50  # seeds that a job plays before it tells


def main(arguments: list[str] | None = None) -> int:
    """The exit code."""
    given = _parser().parse_args(arguments)
    if given.shrink is not None:
        return _shrink(given.shrink)
    code, begun, total = Code.here(), time.time(), Sum()
    deadline = begun + given.minutes * 60 if given.minutes else None
    first = given.seed
    with _frozen(), ProcessPoolExecutor(given.jobs) as jobs:
        while total.steps < given.steps if deadline is None else time.time() < deadline:
            for done in jobs.map(_batch, range(first, first + BATCH * given.jobs, BATCH)):
                total.add(done)
            first += BATCH * given.jobs
    seconds = time.time() - begun
    _tell(total, seconds, given.seed, first)
    if given.ledger:
        transitions, pairs = _unseen(total)
        entry = {
            **entry_of("simulator", code, begun, sound=not total.broken),
            "seeds": [given.seed, first - 1],
            "steps": total.steps,
            "runs": total.runs,
            "seconds": round(seconds, 1),
            "violations": total.broken,
            "unseen transitions": transitions,
            "unseen pairs": pairs,
        }
        append(given.ledger, entry)
    return 1 if total.broken else 0


@contextmanager
def _frozen() -> Iterator[None]:
    """Forks do not clean up after their parent: gRPC's objects would wait there, for ever, for a thread that only the parent has."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _shrink(seed: int) -> int:
    click.echo(f"Looking for a shorter run that breaks as seed {seed} does: this may take a minute.", err=True)
    try:
        short = shrunk(seed)
    except ValueError as sound:
        click.echo(f"There is nothing to shrink: {sound}.", err=True)
        return 0
    for line in short.story:
        click.echo(line)
    click.echo(short.broke)
    return 1


def _batch(first: int) -> Sum:
    total = Sum()
    for seed in range(first, first + BATCH):
        try:
            world = play(seed)
        except Exception as problem:
            total.broken.append((seed, f"{type(problem).__name__}: {problem}"))
        else:
            total.add_run(world)
    return total


def _unseen(total: Sum) -> tuple[list[str], list[str]]:
    """Transitions, and faults with the state that they never met."""
    transitions = [f"{state.value} to {to.value}" for state, to in total.unseen_transitions()]
    return transitions, [f"{fault} while {state.value}" for fault, state in total.unseen_pairs()]


def _tell(total: Sum, seconds: float, first: int, after: int) -> None:
    transitions, pairs = _unseen(total)
    click.echo(
        f"{'BROKEN' if total.broken else 'Sound'}: {total.steps} steps in {total.runs} runs, seeds {first} to {after - 1}, "
        f"{total.steps / seconds:.0f} steps per second"
    )
    click.echo(f"transitions not seen: {', '.join(transitions) or 'none'}")
    click.echo(f"faults not seen: {', '.join(pairs) or 'none'}")
    for seed, why in total.broken:
        click.echo(f"seed {seed}: {why}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./hub torture simulator", description=__doc__)
    parser.add_argument(
        "--steps", type=whole_number, default=100_000, help="at least so many effective steps (%(default)s)"
    )
    parser.add_argument("--minutes", type=float, help="or for so long")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (%(default)s)")
    parser.add_argument("--jobs", type=whole_number, default=1, help="processes at a time (%(default)s)")
    parser.add_argument(
        "--shrink", type=int, metavar="SEED", help="tell the shortest story that breaks as this seed does"
    )
    parser.add_argument("--ledger", type=Path, help="gets one line more")
    return parser


if __name__ == "__main__":
    sys.exit(main())
