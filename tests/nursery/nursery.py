"""Programs that are there in 50 ms: each is forked off a process that has imported everything and used nothing of it yet.

What runs is what `python -m MODULE ARGUMENTS` runs, in a process, a session, an environment and streams of its own, which a signal ends
as it ends any other; only its imports, most of what a start costs, were done before.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

from tests.nursery.wire import NUMBER

PRELOADED = "LD_PRELOAD"
"""A library that a process can only be given when it is loaded: for each there is a nursery."""


class NurseryGone(Exception):
    """The process that programs are forked off has ended."""


class Forked:
    """A program that was started, used as subprocess.Popen is."""

    def __init__(self, pid: int, handle: int, ending: int, stdin: int, stdout: int) -> None:
        """`handle` stands for the process, whatever becomes of its number; its exit code comes from `ending`."""
        self.pid = pid
        self.stdin = os.fdopen(stdin, "w")
        self.stdout = os.fdopen(stdout)
        self._handle = handle
        self._ending = ending
        self._code: int | None = None
        self._lock = threading.Lock()

    @property
    def returncode(self) -> int | None:
        """The exit code, if it has ended: a negative one is the signal that ended it."""
        with self._lock:
            if self._code is None and select.select([self._ending], [], [], 0)[0]:
                self._take_code()
            return self._code

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end, at most so many seconds; the exit code. Raises TimeoutExpired."""
        if self.returncode is None and not select.select([self._ending], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        code = self.returncode
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        """To one that has ended nothing happens."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def fileno(self) -> int:
        """Readable once it has ended; valid while `returncode` is None."""
        return self._ending

    def _take_code(self) -> None:
        told = os.read(self._ending, NUMBER.size)
        os.close(self._ending)
        os.close(self._handle)
        (self._code,) = NUMBER.unpack(told) if told else (None,)
        if self._code is None:
            raise NurseryGone("The process that programs are forked off ended before one of them: see what it wrote.")


class ForkedAsync:
    """The same for an event loop: `ready` once, in that loop, then used as asyncio.subprocess.Process is."""

    def __init__(self, forked: Forked) -> None:
        self._forked = forked
        self.pid = forked.pid
        self.stdout = asyncio.StreamReader()
        self._pipe: asyncio.ReadTransport | None = None

    @property
    def returncode(self) -> int | None:
        """The exit code, if it has ended."""
        return self._forked.returncode

    async def ready(self) -> ForkedAsync:
        """Its output can be read from now on."""
        loop = asyncio.get_running_loop()
        self._pipe, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self.stdout), self._forked.stdout
        )
        return self

    async def wait(self) -> int:
        """Waits for its end; the exit code."""
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        if self.returncode is None:
            # One reader for a descriptor: whoever else waits has one of its own.
            mine = os.dup(self._forked.fileno())
            loop.add_reader(mine, over.set)
            try:
                await over.wait()
            finally:
                loop.remove_reader(mine)
                os.close(mine)
        code = self.returncode
        assert code is not None
        if self._pipe is not None:
            self._pipe.close()
            self._forked.stdin.close()
        return code

    def send_signal(self, number: int) -> None:
        """To one that has ended nothing happens."""
        self._forked.send_signal(number)

    def kill(self) -> None:
        """SIGKILL."""
        self._forked.kill()


class Nursery:
    """A process with everything imported, until `close`."""

    def __init__(self, preloaded: str = "") -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {**os.environ, PRELOADED: preloaded} if preloaded else None
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.nursery"],
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                env=environment,
            )
        self._socket = ours
        self._lock = threading.Lock()

    @property
    def pid(self) -> int:
        """Of the process that forks."""
        return self._process.pid

    def start(self, command: Sequence[str], environment: Mapping[str, str], errors: IO[Any] | int) -> Forked:
        """A module and its arguments; standard error goes to `errors`, the other two are pipes. Raises NurseryGone."""
        its_input, our_input = os.pipe()
        our_output, its_output = os.pipe()
        our_end, its_end = os.pipe()
        its_errors = errors if isinstance(errors, int) else errors.fileno()
        words = json.dumps({"command": command, "environment": dict(environment)}).encode()
        with self._lock:
            socket.send_fds(self._socket, [words], [its_input, its_output, its_errors, its_end])
            told, handles, _, _ = socket.recv_fds(self._socket, NUMBER.size, 1)
        for one in (its_input, its_output, its_end):
            os.close(one)
        if not told:
            raise NurseryGone("The process that programs are forked off has ended: see what it wrote.")
        (pid,) = NUMBER.unpack(told)
        return Forked(pid, handles[0], our_end, our_input, our_output)

    def close(self) -> None:
        """Nothing can be started any more; what was goes on."""
        self._socket.close()
        self._process.wait()


_nurseries: dict[str, Nursery] = {}
_making = threading.Lock()


def nursery(preloaded: str = "") -> Nursery:
    """The one of this process, or of this process with that library. It ends with this process."""
    with _making:
        if preloaded not in _nurseries:
            _nurseries[preloaded] = made = Nursery(preloaded)
            atexit.register(made.close)
        return _nurseries[preloaded]


def fork(command: Sequence[str], environment: Mapping[str, str], errors: IO[Any] | int) -> Forked:
    """Starts a module with its arguments, forked off the nursery that its environment asks for. Raises NurseryGone."""
    given = {name: value for name, value in environment.items() if name != PRELOADED}
    return nursery(environment.get(PRELOADED, "")).start(command, given, errors)
