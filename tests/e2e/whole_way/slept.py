"""`python -m tests.e2e.whole_way.slept FILE COMMAND …`: messenger-hub on a machine that has slept for as many seconds as FILE says.

The time of day and the intervals that count a suspension have gone on meanwhile; those by which programs wait have not.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def follow(file: Path) -> None:
    """From now on this process' clocks are those of such a machine."""
    time_ns, gettime = time.time_ns, time.clock_gettime

    def slept() -> float:
        return float(file.read_text())

    time.time_ns = lambda: time_ns() + round(slept() * 1e9)
    time.time = lambda: time.time_ns() / 1e9
    time.clock_gettime = lambda clock: gettime(clock) + (slept() if clock == time.CLOCK_BOOTTIME else 0.0)


def main() -> None:
    """Sets the clocks, then is the command."""
    follow(Path(sys.argv.pop(1)))

    from messenger_hub_cli.main import main as command  # noqa: PLC0415 its clocks are these from its first line on

    command()


if __name__ == "__main__":
    main()
