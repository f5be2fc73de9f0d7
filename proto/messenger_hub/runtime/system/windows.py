"""Windows 10 and newer. What it asks of the system by name is in `win32`; `access` reads who may open a file."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from messenger_hub.runtime.system import access
from messenger_hub.runtime.system.contract import Openness

assert sys.platform == "win32"  # noqa: S101 for mypy, which then skips this file when it checks Linux

import winreg  # noqa: E402 the assertion comes first

from messenger_hub.runtime.system import win32  # noqa: E402 the assertion comes first

STOP_SIGNALS: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM, signal.SIGBREAK)
CHILD_OPTIONS: Mapping[str, Any] = {
    # A console of its own that nobody sees: Ctrl-C and the closing of ours do not reach it.
    "creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
}
SUSPENDED = 0x4  # CREATE_SUSPENDED
APP_PATHS = r"SOFTWARE\Microsoft\Windows\CurrentVersion\App Paths"
REPLACE_SECONDS, REPLACE_PAUSE_SECONDS = 2.0, 0.02
"""A virus scanner or a reader has the old file open for a moment, and then it cannot be replaced."""


def make_private_folder(path: Path) -> None:
    """See System."""
    path.mkdir(parents=True, exist_ok=True)
    if not access.is_private(win32.descriptor_of(path), win32.user_names()):
        win32.set_descriptor(path, access.private_to(win32.user_sid(), folder=True))


def keep_private(path: Path) -> None:
    """See System."""
    win32.set_descriptor(path, access.private_to(win32.user_sid(), folder=False))


def open_to_others(path: Path) -> Openness | None:
    """See System."""
    found = access.strangers(win32.descriptor_of(path), win32.user_names())
    if not found:
        return None
    below = "(OI)(CI)" if path.is_dir() else ""
    return Openness(
        how=f"it lets in {', '.join(found)}",
        remedy=f'icacls "{path}" /inheritance:r /grant:r *{win32.user_sid()}:{below}F',
    )


def replace(draft: Path, target: Path) -> None:
    """See System. The name is on the disk when this returns: a folder cannot be synced afterwards."""
    give_up = time.monotonic() + REPLACE_SECONDS
    while True:
        try:
            win32.move(draft, target)
        except PermissionError:
            if time.monotonic() >= give_up:
                raise
            time.sleep(REPLACE_PAUSE_SECONDS)
        else:
            return


def sync_file(path: Path) -> None:
    """See System. Windows syncs only what may be written."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """See System. Windows has no such call; NTFS keeps a journal of names, and `replace` waits for the disk."""


def is_in_use(error: OSError) -> bool:
    """See System. An open file cannot be removed."""
    return error.errno in (errno.ENOTEMPTY, errno.EACCES)


def registered_programs(names: Sequence[str]) -> Sequence[str]:
    """See System. The registry's App Paths."""
    found = []
    for name in names:
        for root in (winreg.HKEY_CURRENT_USER, winreg.HKEY_LOCAL_MACHINE):
            with contextlib.suppress(OSError):  # none of that name
                found.append(winreg.QueryValue(root, rf"{APP_PATHS}\{name}").strip('"'))
    return found


def seconds() -> float:
    """See System. Both clocks that Python takes here count on while the machine is suspended."""
    return time.monotonic()


def when_told_to_stop(loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> None:
    """See System. The loop of Windows has no handlers of its own, but wakes up when a signal comes."""

    def told(*_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            loop.call_soon_threadsafe(stop)

    for number in STOP_SIGNALS:
        signal.signal(number, told)


def is_root() -> bool:
    """See System."""
    return False


def kill_this_process() -> None:
    """See System. os.kill with any number but two is TerminateProcess."""
    os.kill(os.getpid(), signal.SIGTERM)


def stop_this_process() -> None:
    """See System."""
    win32.suspend_this_process()


def speak_utf8() -> None:
    """See System. A console speaks Unicode anyhow; files and pipes would get the code page of the country."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):  # a program without a window has none
            stream.reconfigure(encoding="utf-8")


@dataclass(slots=True)
class Family:
    """See Family. It is a job, or none where the child ended before it was in one."""

    process: asyncio.subprocess.Process
    job: int

    def kill(self) -> None:
        """See Family. The job is given up with it."""
        if self.job:
            win32.end_job(self.job)
            self.job = 0
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it is ending
                self.process.kill()


async def start_family(program: str, *arguments: str, **options: Any) -> Family:
    """See System. Suspended until it is in its job, and so is all that it starts."""
    flags = CHILD_OPTIONS["creationflags"] | SUSPENDED
    process = await asyncio.create_subprocess_exec(program, *arguments, **options, creationflags=flags)
    try:
        return Family(process, win32.resume_in_job(process.pid))
    except BaseException:
        process.kill()
        raise


def ask_to_end(process: asyncio.subprocess.Process) -> None:
    """See System. There is no signal for it: what it watches is the end of its standard input."""
    if process.stdin is not None:
        process.stdin.close()


def with_streams(program: str) -> str:
    """See System. Of python and pythonw, and of the app's two programs, the one with a console."""
    return _sibling(program, lambda stem: stem.removesuffix("w"))


def without_window(program: str) -> str:
    """See System."""
    return _sibling(program, lambda stem: f"{stem.removesuffix('w')}w")


def _sibling(program: str, name: Callable[[str], str]) -> str:
    path = PureWindowsPath(program)
    other = path.with_stem(name(path.stem))
    return str(other) if Path(other).is_file() else program
