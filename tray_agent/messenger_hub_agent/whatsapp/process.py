"""The browser as a process of the operating system: its start with the debugging pipe, its end, and which ones are at work."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from messenger_hub_agent.whatsapp.browser_process import BrowserProcess
from messenger_hub_agent.whatsapp.profile import Profile

if sys.platform == "win32":
    from messenger_hub_agent.whatsapp import process_windows as _here
else:
    from messenger_hub_agent.whatsapp import process_unix as _here


class PipeEnd(Protocol):
    """What owns one of our ends of the pipe; an event loop takes it over."""

    def fileno(self) -> int:
        """The descriptor; on Windows, the handle."""
        ...

    def close(self) -> None:
        """Gives it up."""
        ...


class Processes(Protocol):
    """How an operating system starts, ends and finds browsers."""

    async def start(
        self, program: Path, arguments: Sequence[str], profile: Profile, environment: Mapping[str, str], log: BinaryIO
    ) -> BrowserProcess:
        """Starts it with the pipe; `arguments` hold --remote-debugging-pipe. Raises OSError."""
        ...

    def environment(self, profile: Profile) -> Mapping[str, str]:
        """What every browser needs of our environment, and nothing secret."""
        ...

    def pipe_end(self, descriptor: int, mode: str) -> PipeEnd:
        """What owns this descriptor from now on; `mode` is "rb" or "wb"."""
        ...

    def at_work(self, profile_folder: Path) -> Iterator[int]:
        """Main processes that work with the profile, whoever started them, also those that have not become the browser yet."""
        ...

    def kill_stranger(self, process_id: int) -> None:
        """Ends one of those that `at_work` told, and its helpers; harmless where it has ended."""
        ...


processes: Processes = _here
