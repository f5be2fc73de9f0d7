"""`./hub torture sums [LEDGER]`: what the batches of a ledger come to. Batches of other code are never added up."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.torture.ledger import BROKEN

FIGURES: Mapping[str, Sequence[tuple[str, Sequence[str]]]] = {
    "nemesis": (
        ("SIGKILLs", ("kills",)),
        ("breaks of the network", ("breaks of the network",)),
        ("operations", ("counts", "accepted")),
        ("uncertain", ("uncertain", "operations")),
        ("minutes", ("minutes",)),
    ),
    "nodes": (
        ("SIGKILLs", ("kills",)),
        ("breaks of the network", ("breaks of the network",)),
        ("operations", ("counts", "accepted")),
        ("uncertain", ("uncertain", "operations")),
        ("minutes", ("minutes",)),
    ),
    "enqueue": (
        ("SIGKILLs", ("kills",)),
        ("accepted", ("counts", "accepted")),
        ("calls in doubt", ("counts", "in doubt at a kill")),
    ),
    "failpoints": (
        ("deaths", ("runs",)),
        ("operations", ("operations",)),
        ("uncertain", ("uncertain",)),
    ),
    "fuzz": (("requests", ("sent",)),),
    "simulator": (("steps", ("steps",)), ("runs", ("runs",))),
}
"""For each attack what is added up, and where it stands in a line of the ledger."""

Line = Mapping[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 1 when a batch was broken, 2 without a ledger."""
    given = _parser().parse_args(arguments)
    try:
        lines = [json.loads(line) for line in given.ledger.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        sys.stderr.write(
            f"{given.ledger} is no ledger ({error}): play a batch first, as in ./hub torture --minutes 5.\n"
        )
        return 2
    for sentence in sums(lines):
        sys.stdout.write(f"{sentence}\n")
    return int(any(line["verdict"] == BROKEN for line in lines))


def sums(lines: Iterable[Line]) -> Iterator[str]:
    """A sentence for each attack, number of nodes and code, in the order of the ledger."""
    batches: dict[tuple[str, int, str], list[Line]] = {}
    for line in lines:
        batches.setdefault((line["what"], line.get("nodes", 0), line["judged"]), []).append(line)
    for (what, nodes, judged), some in batches.items():
        figures = ", ".join(f"{_sum(some, path):,.10g} {name}" for name, path in FIGURES[what])
        broken = [str(line.get("seed", line.get("seeds"))) for line in some if line["verdict"] == BROKEN]
        verdict = f"BROKEN: seed {', '.join(broken)}" if broken else "sound"
        count = f"{len(some)} batch{'es' if len(some) > 1 else ''}"
        yield f"{f'{nodes} {what}' if nodes else what}, code {judged}, {count} from {some[0]['date']}: {figures}; {verdict}"


def _sum(lines: Iterable[Line], path: Sequence[str]) -> float:
    return round(sum(_at(line, path) for line in lines), 2)


def _at(line: Line, path: Sequence[str]) -> float:
    found: Any = line
    for name in path:
        found = found.get(name, {})
    return float(found or 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./hub torture sums", description=__doc__)
    ledger = Path("test-results/torture-ledger.jsonl")
    parser.add_argument("ledger", type=Path, nargs="?", default=ledger, help="where the batches stand (%(default)s)")
    return parser
