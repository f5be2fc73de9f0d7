"""Puts text on the desktop's clipboard.

GTK does it inside this process on X11, where the clipboard lives in the program that copied. Under Wayland GTK may set the
clipboard only while one of its windows has the focus, which a tray never has, so a program goes first there.
"""

# ruff: noqa: PLC0415 (GTK may be missing)

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final

PROGRAM_SECONDS: Final = 3.0
"""These programs take milliseconds; the menu waits for them, so a stuck one must not hold it for long."""

_PROGRAMS: Mapping[str, Sequence[Sequence[str]]] = {
    "win32": [["clip"]],
    "darwin": [["pbcopy"]],
    "wayland": [["wl-copy"], ["xclip", "-selection", "clipboard"]],
    "x11": [["xclip", "-selection", "clipboard"], ["xsel", "--clipboard", "--input"]],
}


def copy(text: str) -> str | None:
    """Copies the text; returns None when that worked, else why it did not, in one sentence.

    With GTK it must be called on the thread that runs GTK's loop.
    """
    desktop = _desktop()
    if desktop == "x11" and _copy_with_gtk(text):
        return None
    programs = [command for command in _PROGRAMS[desktop] if shutil.which(command[0])]
    if any(_copy_with_program(command, text) for command in programs):
        return None
    if programs:
        return f"{programs[0][0]} could not reach the clipboard."
    return f"No program for the clipboard is installed ({_PROGRAMS[desktop][0][0]})."


def _desktop() -> str:
    if sys.platform in ("win32", "darwin"):
        return sys.platform
    return "wayland" if os.environ.get("WAYLAND_DISPLAY") else "x11"


def _copy_with_gtk(text: str) -> bool:
    try:
        import gi

        gi.require_version("Gtk", "3.0")
        from gi.repository import Gdk, Gtk
    except (ImportError, ValueError):
        return False
    if Gdk.Display.get_default() is None:
        return False
    clipboard = Gtk.Clipboard.get(Gdk.SELECTION_CLIPBOARD)
    clipboard.set_text(text, -1)
    return True


def _copy_with_program(command: Sequence[str], text: str) -> bool:
    # clip.exe takes UTF-16 for what it is by its byte order mark, anything else for the console's code page.
    data = text.encode("utf-16" if command[0] == "clip" else "utf-8")
    try:
        # xclip and wl-copy stay behind as the clipboard's owner, holding whatever pipes they were given.
        finished = subprocess.run(
            command,
            input=data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PROGRAM_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return finished.returncode == 0
