"""Linux and macOS."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from messenger_hub.runtime.system.contract import Openness

assert sys.platform != "win32"  # noqa: S101 for mypy, which then skips this file when it checks Windows

STOP_SIGNALS: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM)
KILLED_SECONDS = 5.0  # what SIGKILL takes, as when the machine swaps
CHILD_OPTIONS: Mapping[str, Any] = {"start_new_session": True}

# CLOCK_MONOTONIC stands still while Linux is suspended: leases and expiry would outlive a closed laptop lid.
_INTERVALS = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def make_private_folder(path: Path) -> None:
    """See System."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)


def keep_private(path: Path) -> None:
    """See System. Its mode has said so from the beginning."""


def open_to_others(path: Path) -> Openness | None:
    """See System."""
    mode = path.stat().st_mode
    if not stat.S_IMODE(mode) & 0o077:
        return None
    wanted = "700" if stat.S_ISDIR(mode) else "600"
    return Openness(how=f"mode {stat.S_IMODE(mode):o}", remedy=f"chmod {wanted} {path}")


def replace(draft: Path, target: Path) -> None:
    """See System."""
    draft.replace(target)


def sync_file(path: Path) -> None:
    """See System."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """See System."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_in_use(error: OSError) -> bool:
    """See System. What it writes meanwhile keeps the folder from being empty."""
    return error.errno == errno.ENOTEMPTY


def registered_programs(names: Sequence[str]) -> Sequence[str]:
    """See System. There is none: programs are found by PATH."""
    del names
    return []


def seconds() -> float:
    """See System; suspension is included where the system counts it."""
    return time.clock_gettime(_INTERVALS)


def when_told_to_stop(loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> None:
    """See System."""
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)


def is_root() -> bool:
    """See System."""
    return os.geteuid() == 0


def kill_this_process() -> None:
    """See System."""
    os.kill(os.getpid(), signal.SIGKILL)


def stop_this_process() -> None:
    """See System."""
    os.kill(os.getpid(), signal.SIGSTOP)


def speak_utf8() -> None:
    """See System. The locale decides, which is UTF-8 since Python 3.7 also where it is C."""


@dataclass(slots=True)
class Family:
    """See Family. It is a process group, which the child leads."""

    process: asyncio.subprocess.Process

    def kill(self) -> None:
        """See Family."""
        # Once the child is gone, its number may be another program's by now.
        if self.process.returncode is None or not _is_there(self.process.pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)


async def start_family(program: str, *arguments: str, **options: Any) -> Family:
    """See System."""
    starting = asyncio.ensure_future(asyncio.create_subprocess_exec(program, *arguments, **options, **CHILD_OPTIONS))
    try:
        return Family(await asyncio.shield(starting))
    except asyncio.CancelledError:
        # The child runs before the loop has taken it over, and the library would end it without what it has started by then.
        with contextlib.suppress(OSError, TimeoutError):
            family = Family(await starting)
            family.kill()
            async with asyncio.timeout(KILLED_SECONDS):
                await family.process.wait()
        raise


def ask_to_end(process: asyncio.subprocess.Process) -> None:
    """See System."""
    process.send_signal(signal.SIGTERM)


def with_streams(program: str) -> str:
    """See System."""
    return program


def without_window(program: str) -> str:
    """See System."""
    return program


def _is_there(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
