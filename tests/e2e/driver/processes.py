"""The processes of a browser."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import psutil

from tests.eventually import eventually


def members(leader: int) -> Sequence[psutil.Process]:
    """Everything that runs in the browser's process group or descends from it; what is dead and not buried yet does not count."""
    found = {}
    with contextlib.suppress(psutil.NoSuchProcess):
        found = {process.pid: process for process in psutil.Process(leader).children(recursive=True)}
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(process.pid) == leader:
                found[process.pid] = process
    return running(list(found.values()))


def running(processes: Sequence[psutil.Process]) -> Sequence[psutil.Process]:
    """Those that still run."""
    return [process for process in processes if process.is_running() and _status(process) != psutil.STATUS_ZOMBIE]


def ended(processes: Sequence[psutil.Process], seconds: float = 1.0) -> None:
    """Fails when one still runs after so long; one that was killed takes a few milliseconds to die."""
    eventually(lambda: not running(processes), seconds, what="the end of the browser's processes")


def _status(process: psutil.Process) -> str:
    try:
        return str(process.status())
    except psutil.NoSuchProcess:
        return psutil.STATUS_ZOMBIE


def renderers(leader: int) -> Sequence[psutil.Process]:
    """Those that run pages."""
    return [process for process in members(leader) if "--type=renderer" in process.cmdline()]


def kernel_says(process: psutil.Process, field: str) -> str:
    """A field of /proc/PID/status."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(line.split(":", 1)[1].strip() for line in lines if line.startswith(f"{field}:"))
