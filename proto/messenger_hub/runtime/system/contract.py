"""What everything above asks of the operating system: files that are private and durable, time, programs that run as children.

A module is an implementation: `unix` of Linux and macOS, `windows` of Windows. mypy holds both against this for their own system.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Openness:
    """How others than its owner can open a file or folder, and what to type so that they cannot. Parts of a sentence."""

    how: str
    remedy: str


class Family(Protocol):
    """A child with all that it starts and that stays with it."""

    process: asyncio.subprocess.Process

    def kill(self) -> None:
        """Ends all of it at once, also what the child has left behind; harmless where nothing is left."""
        ...


class System(Protocol):
    """One operating system."""

    # ---- files ----

    def make_private_folder(self, path: Path) -> None:
        """Makes the folder, with those above it, where there is none; only its owner can open it then. Raises OSError."""
        ...

    def keep_private(self, path: Path) -> None:
        """For a file that was just made with mode 0600 outside a private folder: only its owner can open it. Raises OSError."""
        ...

    def open_to_others(self, path: Path) -> Openness | None:
        """None for what only its owner, or who administers the machine, can open. Raises OSError."""
        ...

    def replace(self, draft: Path, target: Path) -> None:
        """Gives a file the name of another one, whose place it takes in one step. Raises OSError, the old one intact."""
        ...

    def sync_file(self, path: Path) -> None:
        """The file's content survives a power cut. Raises OSError."""
        ...

    def sync_folder(self, path: Path) -> None:
        """The names in the folder survive a power cut, as far as the system can be asked for it. Raises OSError."""
        ...

    def is_in_use(self, error: OSError) -> bool:
        """Whether a folder could not be removed only because a process that ends still works in it."""
        ...

    def registered_programs(self, names: Sequence[str]) -> Sequence[str]:
        """Paths of installed programs, by the names of their files, where the system keeps such a list; the user's own come first."""
        ...

    # ---- time ----

    def seconds(self) -> float:
        """Seconds since some moment, the time that the machine was suspended included."""
        ...

    # ---- this process ----

    STOP_SIGNALS: Sequence[Signals]
    """What asks a program to stop."""

    def when_told_to_stop(self, loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> None:
        """Calls back in the loop, which runs on the main thread, at each of STOP_SIGNALS."""
        ...

    def is_root(self) -> bool:
        """Whether this process may become any other user."""
        ...

    def kill_this_process(self) -> None:
        """Ends it at once: nothing is flushed, nobody is told."""
        ...

    def stop_this_process(self) -> None:
        """Halts it, with all its threads, until somebody lets it go on."""
        ...

    def speak_utf8(self) -> None:
        """What is read from and printed to files and pipes is UTF-8 from now on."""
        ...

    # ---- other processes ----

    CHILD_OPTIONS: Mapping[str, Any]
    """Options of a subprocess that Ctrl-C in our terminal does not reach, and that opens no window of its own."""

    async def start_family(self, program: str, *arguments: str, **options: Any) -> Family:
        """Starts a child as with CHILD_OPTIONS, and with a subprocess's other `options`. Raises OSError."""
        ...

    def ask_to_end(self, process: asyncio.subprocess.Process) -> None:
        """Asks a child that was started with CHILD_OPTIONS and --with-parent to finish; it has not ended yet."""
        ...

    def with_streams(self, program: str) -> str:
        """The interpreter or app to start as a child whose output is read, when this one is `program`."""
        ...

    def without_window(self, program: str) -> str:
        """The interpreter or app to start at login, when this one is `program`."""
        ...
