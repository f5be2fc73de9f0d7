"""`python -m tests.e2e.whole_way.waited FILE COMMAND …`: messenger-hub for which as many seconds more have passed as FILE says.

What has begun so long ago is over: limits of a minute are reached at once, with the number of seconds that the product gives them. The
time of day, and the timers by which a program sleeps, are those of everybody.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def follow(file: Path) -> None:
    """From now on this process' intervals are so much longer."""
    gettime = time.clock_gettime

    def passed(clock: int) -> float:
        return float(file.read_text()) if clock == time.CLOCK_BOOTTIME else 0.0

    time.clock_gettime = lambda clock: gettime(clock) + passed(clock)


def main() -> None:
    """Sets the clock, then is the command."""
    follow(Path(sys.argv.pop(1)))

    from messenger_hub_cli.main import main as command  # noqa: PLC0415 its clock is this one from its first line on

    command()


if __name__ == "__main__":
    main()
