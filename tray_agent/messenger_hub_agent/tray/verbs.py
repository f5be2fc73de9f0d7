"""What the menu does with the app's own commands, each in a process of its own: the console and starting at login.

None of it may be called on the UI's thread, which it would hold up.
"""

from __future__ import annotations

import json
import subprocess
import sys
import webbrowser
from typing import Final

VERB_SECONDS: Final = 20.0
"""They take about a second; a machine that has just started is slower."""


def open_console(address: str) -> bool:
    """Shows the console: signed in where the hub runs on this machine, else at its address, where it asks who is there."""
    if _ran("console") is not None:
        return True
    return webbrowser.open(f"{address.rstrip('/')}/console/")


def starts_at_login() -> bool | None:
    """None when that cannot be told."""
    told = _ran("autostart", "status")
    return None if told is None else _is_on(told)


def start_at_login(wanted: bool) -> bool | None:
    """Whether it does from now on; None when that cannot be told."""
    _ran("autostart", "on" if wanted else "off")
    return starts_at_login()


def _is_on(told: str) -> bool | None:
    try:
        return bool(json.loads(told)["on"])
    except (ValueError, KeyError):
        return None


def _ran(*verb: str) -> str | None:
    """What the command printed; None when it did not work."""
    as_json = () if verb == ("console",) else ("--json",)  # with which it would only print the link
    try:
        done = subprocess.run(
            [sys.executable, "-m", "messenger_hub_cli", *verb, *as_json],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=VERB_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
