"""`python -m tests.e2e.whole_way.waited FILE TIMERS COMMAND …`: messenger-hub for which more seconds have passed than for others.

What has begun as long ago as FILE says is over, and what is waited for as long as TIMERS says has not come in time: limits of a minute are
reached at once, with the number of seconds that the product gives them. The time of day is that of everybody.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

LOOK_SECONDS = 0.1  # between two looks at TIMERS of a program that only waits


class Waited:
    """How many seconds more have passed, for one of a program's clocks; it learns of it by a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        if not file.exists():
            file.write_text("0")

    @property
    def seconds(self) -> float:
        return float(self._file.read_text())

    def more(self, seconds: float) -> None:
        """As many have passed at once."""
        draft = self._file.with_suffix(".draft")
        draft.write_text(str(self.seconds + seconds))
        draft.replace(self._file)


def desktop(clock: Path, timers: Path) -> Sequence[str]:
    """The module to run, and its arguments, for a desktop app whose clock and timers go when these files say so."""
    return (__name__, str(clock), str(timers))


def follow(clock: Waited, timers: Waited) -> None:
    """From now on this process' intervals, and the timers of its event loops, are so much longer."""
    gettime, loop_time = time.clock_gettime, asyncio.BaseEventLoop.time

    def passed(number: int) -> float:
        return clock.seconds if number == time.CLOCK_BOOTTIME else 0.0

    time.clock_gettime = lambda number: gettime(number) + passed(number)
    asyncio.BaseEventLoop.time = lambda self: loop_time(self) + timers.seconds  # type: ignore[method-assign]
    # A loop sleeps until its next timer is due and would not notice.
    asyncio.base_events.MAXIMUM_SELECT_TIMEOUT = LOOK_SECONDS  # type: ignore[attr-defined]


def main() -> None:
    """Sets the clocks, then is the command."""
    follow(Waited(Path(sys.argv.pop(1))), Waited(Path(sys.argv.pop(1))))

    from messenger_hub_cli.main import main as command  # noqa: PLC0415 its clocks are these from its first line on

    command()


if __name__ == "__main__":
    main()
