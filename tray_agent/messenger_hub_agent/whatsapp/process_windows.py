"""On Windows: the pipe's handles are inherited, and the browser is told their numbers; a job holds it together with its helpers.

--remote-debugging-io-pipes=READ,WRITE: the handles that Chromium reads from and writes to, as unsigned decimal numbers. It wants
pipes, opened for waiting (ours, of the same pipes, are for overlapped use, as the event loop needs them), and refuses anything else by
ending at once, without a word.

The job ends nothing by itself: a browser whose agent is gone meets the end of its pipe, saves everything and exits, as elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from messenger_hub.runtime.environment import without_ours
from messenger_hub.runtime.system import here

from messenger_hub_agent.whatsapp.browser_process import BrowserProcess
from messenger_hub_agent.whatsapp.command_line import is_of
from messenger_hub_agent.whatsapp.profile import Profile

assert sys.platform == "win32"  # noqa: S101 for mypy, which then skips this file when it checks Linux

import _winapi  # noqa: E402 the assertion comes first
from asyncio.windows_utils import PipeHandle, pipe  # noqa: E402

from messenger_hub_agent.whatsapp import win32  # noqa: E402


async def start(
    program: Path, arguments: Sequence[str], profile: Profile, environment: Mapping[str, str], log: BinaryIO
) -> BrowserProcess:
    """See Processes."""
    # As asyncio has them for a child's standard streams: the end that is written to must be readable too, which is how its loop learns
    # that the other side is gone.
    their_read, our_write = pipe(duplex=True, overlapped=(False, True))
    our_read, their_write = pipe(duplex=False, overlapped=(True, False))
    theirs = [their_read, their_write]
    try:
        for handle in theirs:
            os.set_handle_inheritable(handle, True)
        family = await here.start_family(
            str(program),
            f"--remote-debugging-io-pipes={their_read},{their_write}",
            *arguments,
            # These and the standard streams, and nothing else.
            startupinfo=subprocess.STARTUPINFO(lpAttributeList={"handle_list": theirs}),
            env=environment,
            cwd=program.anchor,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    except BaseException:
        _winapi.CloseHandle(our_read)
        _winapi.CloseHandle(our_write)
        raise
    finally:
        for handle in theirs:
            _winapi.CloseHandle(handle)
    return BrowserProcess(family, our_read, our_write)


def environment(profile: Profile) -> Mapping[str, str]:
    """See Processes. Edge and Chrome need much of it: where the system, the user's folders and temporary files are."""
    del profile
    return without_ours()


def pipe_end(descriptor: int, mode: str) -> PipeHandle:
    """See Processes."""
    del mode
    return PipeHandle(descriptor)


def at_work(profile_folder: Path) -> Iterator[int]:
    """See Processes."""
    for process_id in win32.process_ids():
        with contextlib.suppress(OSError):  # it has ended meanwhile, or is another user's
            if is_of(win32.command_line(process_id), profile_folder):
                yield process_id


def kill_stranger(process_id: int) -> None:
    """See Processes. Its helpers end when it has: the sandbox holds them in a job of the browser's own."""
    with contextlib.suppress(OSError):
        win32.end_process(process_id)
