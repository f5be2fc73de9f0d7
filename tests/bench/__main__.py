"""`python -m tests.bench [hub|driver|crowd|depth] …`: the whole way against bare aiohttp, the driver, idle desktops, a deep queue."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from tests.bench import crowd, depth, driver, plan, report
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
            if given.what == "driver":
                return _finish(driver.table(found := asyncio.run(driver.measure(Path(name)))), found, given.json)
            if given.what == "crowd":
                idle = asyncio.run(crowd.measure(Path(name), given.streams, given.streams // 2))
                return _finish(crowd.table(idle), idle, given.json)
            if given.what == "depth":
                deep = asyncio.run(depth.measure(Path(name), given.pending))
                return _finish(depth.table(deep), deep, given.json)
            result = asyncio.run(measure(wanted, Path(name), _tell, tamper))
        except (NotTrue, ChildFailed) as error:
            _tell(f"The run is worth nothing: {error}")
            return 1
        found = report.figures(wanted, result, Path(name))
    _tell(f"{result.seconds:.0f} s")
    return _finish(report.table(found), found, given.json)


def _finish(table: str, found: Mapping[str, object], file: Path) -> int:
    click.echo(table)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    _tell(f"everything in {file}")
    return 0


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument(
        "what", nargs="?", choices=("hub", "driver", "crowd", "depth"), default="hub", help="what (%(default)s)"
    )
    parser.add_argument("--streams", type=int, default=10_000, help="of crowd: how many desktops (%(default)s)")
    parser.add_argument("--pending", type=int, default=1_000_000, help="of depth: how many wait (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="less than half a minute; figures are rough")
    parser.add_argument("--json", type=Path, default=RESULT, help="where the figures go (%(default)s)")
    parser.add_argument("--folder", type=Path, help="a folder on the disk to measure (the system's temporary folder)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
