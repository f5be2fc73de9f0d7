"""`python -m tests.bench [hub|ways|postgresql|driver|channels|crowd|depth|week] …`: the whole way against bare aiohttp, other ways and rivals,
PostgreSQL, the driver, live channels, idle desktops, a deep queue, a compressed week.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from tests.bench import aims, channels, crowd, depth, driver, plan, postgresql, report, ways, week
from tests.bench.children import ChildFailed
from tests.bench.measuring import Tamper, measure
from tests.bench.verification import NotTrue

RESULT = Path("test-results/bench.json")


def main(arguments: Sequence[str] | None = None, *, quick: plan.Plan = plan.QUICK, tamper: Tamper | None = None) -> int:
    """0, or 1 when something was lost, invented or repeated: then there are no figures. `quick`, `tamper`: for tests."""
    given = _parser().parse_args(arguments)
    wanted = quick if given.quick else plan.DEFAULT
    with tempfile.TemporaryDirectory(prefix="messenger-hub-bench-", dir=given.folder) as name:
        try:
            if given.what != "hub":
                return _finish(*asyncio.run(_single(given, Path(name))), given.json)
            result = asyncio.run(measure(wanted, Path(name), _tell, tamper))
        except (NotTrue, ChildFailed) as error:
            _tell(f"The run is worth nothing: {error}")
            return 1
        found = report.figures(wanted, result, Path(name))
    _tell(f"{result.seconds:.0f} s")
    return _finish(report.table(found), found, given.json)


async def _single(given: argparse.Namespace, folder: Path) -> tuple[str, Mapping[str, object]]:
    """One that is not the whole way: its tables, and its figures. Raises NotTrue or ChildFailed."""
    length = ways.QUICK if given.quick else ways.WHOLE
    match given.what:
        case "driver":
            sends = await driver.measure(folder)
            return driver.table(sends), sends
        case "crowd":
            idle = await crowd.measure(folder, given.streams, given.streams // 2)
            return _with_aims(crowd.table(idle), crowd.rows(idle)), idle
        case "depth":
            deep = await depth.measure(folder, given.pending)
            return _with_aims(depth.table(deep), depth.rows(deep)), deep
        case "ways":
            found = await ways.measure(folder, length)
        case "postgresql":
            found = await postgresql.measure(folder, length)
        case "channels":
            found = await channels.measure(folder, given.channels, given.messages)
        case _:
            found = await week.measure(folder, week.HOURS // 3 if given.quick else week.HOURS * week.DAYS)
    return aims.table(found, rough=given.quick), found


def _with_aims(table: str, rows: Mapping[str, float]) -> str:
    return f"{table}\n\n{aims.table(rows)}"


def _finish(table: str, found: Mapping[str, object], file: Path) -> int:
    click.echo(table)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    _tell(f"everything in {file}")
    return 0


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./hub bench", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        choices=("hub", "ways", "postgresql", "driver", "channels", "crowd", "depth", "week"),
        default="hub",
        help="what (%(default)s)",
    )
    parser.add_argument("--streams", type=int, default=10_000, help="of crowd: how many desktops (%(default)s)")
    parser.add_argument("--pending", type=int, default=1_000_000, help="of depth: how many wait (%(default)s)")
    parser.add_argument("--channels", type=int, default=20, help="of channels: how many on one desktop (%(default)s)")
    parser.add_argument("--messages", type=int, default=100, help="of channels: how many on each (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="a minute at most; figures are rough, and not judged")
    parser.add_argument("--json", type=Path, default=RESULT, help="where the figures go (%(default)s)")
    parser.add_argument("--folder", type=Path, help="a folder on the disk to measure (the system's temporary folder)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
