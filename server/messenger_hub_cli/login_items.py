"""What a desktop starts at login: XDG autostart, a LaunchAgent, or the Run key. Windows and macOS were not run (docs/development.md)."""

from __future__ import annotations

import os
import plistlib
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

NAME = "messenger-hub"
LABEL = "dev.messengerhub.up"
TITLE = "Messenger Hub"
RUN_KEY = r"Software\Microsoft\Windows\CurrentVersion\Run"
# What the specification of desktop entries has quoted; a percent sign begins a field code.
_RESERVED = frozenset(" \t\n\"'\\><~|&;$*?#()`")
_ESCAPED = str.maketrans({'"': '\\\\"', "`": "\\\\`", "$": "\\\\$", "\\": "\\\\\\\\"})


class LoginItem(Protocol):
    """One program that starts when its user logs in."""

    def put(self, command: Sequence[str]) -> None:
        """From the next login on; takes the place of an earlier command. Raises OSError."""
        ...

    def remove(self) -> None:
        """Harmless when it is not there. Raises OSError."""
        ...

    def command(self) -> str:
        """What is started, as text for people; empty when nothing is."""
        ...


class XdgAutostart:
    """A desktop entry in the user's autostart folder, which every panel of Linux reads."""

    def __init__(self, configuration: Path) -> None:
        self._file = configuration / "autostart" / f"{NAME}.desktop"

    def put(self, command: Sequence[str]) -> None:
        """See LoginItem."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        exec_line = " ".join(_quoted(part) for part in command)
        lines = ("[Desktop Entry]", "Type=Application", f"Name={TITLE}", f"Exec={exec_line}", "Terminal=false")
        self._file.write_text("\n".join((*lines, "X-GNOME-Autostart-enabled=true")) + "\n", "utf-8")

    def remove(self) -> None:
        """See LoginItem."""
        self._file.unlink(missing_ok=True)

    def command(self) -> str:
        """See LoginItem."""
        try:
            lines = self._file.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return ""
        return next((line.removeprefix("Exec=") for line in lines if line.startswith("Exec=")), "")


class LaunchAgent:
    """A property list in the user's LaunchAgents folder (macOS)."""

    def __init__(self, home: Path) -> None:
        self._file = home / "Library" / "LaunchAgents" / f"{LABEL}.plist"

    def put(self, command: Sequence[str]) -> None:
        """See LoginItem."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_bytes(plistlib.dumps({"Label": LABEL, "ProgramArguments": list(command), "RunAtLoad": True}))

    def remove(self) -> None:
        """See LoginItem."""
        self._file.unlink(missing_ok=True)

    def command(self) -> str:
        """See LoginItem."""
        try:
            return shlex.join(plistlib.loads(self._file.read_bytes())["ProgramArguments"])
        except FileNotFoundError:
            return ""


class RunKey:
    """A value under the user's Run key (Windows)."""

    def put(self, command: Sequence[str]) -> None:
        """See LoginItem."""
        if sys.platform == "win32":
            import winreg  # noqa: PLC0415 there only

            with winreg.CreateKey(winreg.HKEY_CURRENT_USER, RUN_KEY) as key:
                winreg.SetValueEx(key, NAME, 0, winreg.REG_SZ, subprocess.list2cmdline(command))

    def remove(self) -> None:
        """See LoginItem."""
        if sys.platform == "win32" and self.command():
            import winreg  # noqa: PLC0415

            with winreg.CreateKey(winreg.HKEY_CURRENT_USER, RUN_KEY) as key:
                winreg.DeleteValue(key, NAME)

    def command(self) -> str:
        """See LoginItem."""
        if sys.platform == "win32":
            import winreg  # noqa: PLC0415

            with winreg.CreateKey(winreg.HKEY_CURRENT_USER, RUN_KEY) as key:
                try:
                    return str(winreg.QueryValueEx(key, NAME)[0])
                except FileNotFoundError:
                    return ""
        return ""


def login_item() -> LoginItem:
    """This system's."""
    if sys.platform == "win32":
        return RunKey()
    if sys.platform == "darwin":
        return LaunchAgent(Path.home())
    return XdgAutostart(Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"))


def _quoted(part: str) -> str:
    text = part.replace("%", "%%")
    return f'"{text.translate(_ESCAPED)}"' if not part or _RESERVED & set(part) else text
