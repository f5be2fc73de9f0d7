"""Looking for the run that shows a protocol fault; where it was last found is tried first, which changes the time it takes and nothing else.

`python -m tests.simulation.mutants.search` looks for all of them from the start and writes `found.json` anew: after a change of the
machines the runs of the old seeds are other ones, and looking takes minutes again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.play import play

FOUND = Path(__file__).with_name("found.json")


def finding(mutant: Mutant, last: int | None) -> int | None:
    """A seed within the mutant's budget that shows it; None when there is none. `last`: where it was found before."""
    with pytest.MonkeyPatch.context() as patch:
        mutant.patch(patch)
        return next((seed for seed in _seeds(mutant, last) if _shows(mutant, seed)), None)


def last_found() -> dict[str, int]:
    """By the mutant's name."""
    return dict(json.loads(FOUND.read_text(encoding="utf-8")))


def _seeds(mutant: Mutant, last: int | None) -> Iterator[int]:
    if last is not None and last < mutant.runs:
        yield last
    yield from (seed for seed in range(mutant.runs) if seed != last)


def _shows(mutant: Mutant, seed: int) -> bool:
    try:
        play(seed, mutant.focus)
    except (AssertionError, KeyError, ValueError):
        return True
    return False


def _anew(name: str) -> int | None:
    return finding(MUTANTS[name], None)


def main() -> int:
    """Writes the file; the exit code."""
    with ProcessPoolExecutor() as jobs:
        seeds = dict(zip(MUTANTS, jobs.map(_anew, MUTANTS), strict=True))
    found = {name: seed for name, seed in sorted(seeds.items()) if seed is not None}
    FOUND.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(
        f"{len(found)} of {len(MUTANTS)} found; not: {', '.join(sorted(MUTANTS.keys() - found)) or 'none'}.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
