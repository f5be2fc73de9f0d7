"""On Linux and macOS: by way of the launcher, which puts the pipe where Chromium expects it, in a process group of its own."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from messenger_hub.runtime.system import here

from messenger_hub_agent.whatsapp import launcher
from messenger_hub_agent.whatsapp.browser_process import BrowserProcess
from messenger_hub_agent.whatsapp.profile import Profile

assert sys.platform != "win32"  # noqa: S101 for mypy, which then skips this file when it checks Windows

_PROCESSES = Path("/proc")


async def start(
    program: Path, arguments: Sequence[str], profile: Profile, environment: Mapping[str, str], log: BinaryIO
) -> BrowserProcess:
    """See Processes."""
    their_read, our_write = os.pipe()
    our_read, their_write = os.pipe()
    try:
        family = await here.start_family(
            *(sys.executable, "-I", "-S", launcher.__file__),
            *(str(their_read), str(their_write), str(profile.user_id), str(program)),
            *arguments,
            pass_fds=(their_read, their_write),
            env=environment,
            cwd="/",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    except BaseException:
        os.close(our_read)
        os.close(our_write)
        raise
    finally:
        os.close(their_read)
        os.close(their_write)
    return BrowserProcess(family, our_read, our_write)


def environment(profile: Profile) -> Mapping[str, str]:
    """See Processes."""
    return {"HOME": str(profile.folder), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


def pipe_end(descriptor: int, mode: str) -> io.FileIO:
    """See Processes. An unbuffered file object."""
    return io.FileIO(descriptor, mode)


def at_work(profile_folder: Path) -> Iterator[int]:
    """See Processes."""
    switch = f"--user-data-dir={profile_folder}".encode()
    for process in _PROCESSES.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            words = (process / "cmdline").read_bytes().split(b"\0")
            if switch in words and not any(word.startswith(b"--type=") for word in words):
                yield int(process.name)


def kill_stranger(process_id: int) -> None:
    """See Processes. It leads its group: its helpers too."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process_id, signal.SIGKILL)
