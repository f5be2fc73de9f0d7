"""A program with a tray icon, driven from outside: a view a line in (JSON), a command a line out (JSON).

The end of its input stops the icon, as the agent does when it is done; then it prints `ended` and exits 0. SIGINT prints
`interrupted` and stops it too.
"""

from __future__ import annotations

import dataclasses
import json
import signal
import sys
import threading
from datetime import datetime
from types import FrameType

from messenger_hub_agent.tray.availability import TrayUnavailable, tray_problem
from messenger_hub_agent.tray.icon import TrayIcon
from messenger_hub_agent.tray.menu import ChannelState, ChannelView, Command, TrayView


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def view(line: str) -> TrayView:
    fields = json.loads(line)
    fields["channels"] = tuple(channel(**values) for values in fields["channels"])
    return TrayView(**fields)


def channel(state: str, restricted_until: str | None = None, **rest: str) -> ChannelView:
    until = datetime.fromisoformat(restricted_until) if restricted_until else None
    return ChannelView(state=ChannelState(state), restricted_until=until, **rest)  # type: ignore[arg-type]


def main() -> int:
    if "--look-first" in sys.argv and (problem := tray_problem()):
        say(problem=problem)
        return 3

    def clicked(command: Command) -> None:
        say(
            command=type(command).__name__,
            **dataclasses.asdict(command),
            on_main_thread=threading.current_thread() is threading.main_thread(),
        )

    icon = TrayIcon(clicked)

    def interrupted(_number: int, _frame: FrameType | None) -> None:
        say(interrupted=True)
        icon.stop()

    def show_all() -> None:
        for line in sys.stdin:
            icon.show(view(line))
        icon.stop()

    signal.signal(signal.SIGINT, interrupted)
    threading.Thread(target=show_all, daemon=True).start()
    try:
        icon.run(lambda: say(ready=True))
    except TrayUnavailable as problem:
        say(problem=str(problem))
        return 3
    say(ended=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
