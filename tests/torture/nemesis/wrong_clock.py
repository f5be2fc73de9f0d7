"""`python -m tests.torture.nemesis.wrong_clock SECONDS COMMAND …`: messenger-hub on a machine whose clock is so many seconds ahead,
or behind. Intervals are left alone, as when somebody sets a clock.

The hub has one place that asks for the time of day, `time.time_ns`. libfaketime cannot do it: gRPC waits until times of day by a system
call that it does not see, and stands still for as long as the clock is ahead.
"""

from __future__ import annotations

import sys
import time


def set_clock(seconds: float) -> None:
    """From now on this process has the time of day of so many seconds later."""
    right = time.time_ns
    time.time_ns = lambda: right() + round(seconds * 1e9)
    time.time = lambda: time.time_ns() / 1e9


def main() -> None:
    """Sets the clock, then is the command."""
    set_clock(float(sys.argv.pop(1)))

    from messenger_hub_cli.main import main as command  # noqa: PLC0415 its clock is wrong from its first line on

    command()


if __name__ == "__main__":
    main()
