"""Starts and ends Chromium, with its debugging pipe; knows no browser library.

Nothing listens: who controls the browser holds the pipe, and when this process dies the browser saves, exits and is gone.
Switches and their reasons were measured on Chromium 156 (docs/driver.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from messenger_hub_agent.whatsapp.browser_process import BrowserProcess
from messenger_hub_agent.whatsapp.errors import BrowserDied, SandboxRefused
from messenger_hub_agent.whatsapp.finding import find_browser
from messenger_hub_agent.whatsapp.process import processes
from messenger_hub_agent.whatsapp.profile import Profile

END_SECONDS = 10.0  # what the browser gets to save everything
KILL_SECONDS = 5.0
LOG_TAIL_BYTES = 2_000

_DEAD_END = "http://127.0.0.1:9"  # the discard port: refused at once

SWITCHES: Sequence[str] = (
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--disable-breakpad",
    "--disable-background-networking",
    "--disable-component-update",
    f"--component-updater=url-source={_DEAD_END}/",  # the two above do not keep it from asking Google
    "--disable-sync",
    "--disable-extensions",
    "--disable-default-apps",
    "--disable-dev-shm-usage",  # a container's /dev/shm is 64 MB
    "--password-store=basic",
    "--use-mock-keychain",
    "--lang=en-US",
    "--hide-crash-restore-bubble",
    "--disable-gpu",
    "--disable-software-rasterizer",  # without a GPU its process would run unsandboxed
    # A page in the background works on.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-features=Translate,MediaRouter,OptimizationHints,SpareRendererForSitePerProcess,"
    "WebUIOmniboxPopup,WebUIOmniboxAimPopup,NetworkTimeServiceQuerying",
    "--remote-debugging-pipe",
)
HEADLESS: Sequence[str] = (
    "--headless",
    "--window-size=1280,900",
    f"--gaia-url={_DEAD_END}",  # shows a warning in a window, so headless only
)
SHOWN = ("DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR")
"""What a browser with a window needs of our environment."""

NO_SANDBOX = (
    "The browser has no sandbox here, because this system gives no user namespaces: in Docker, start the container with "
    "--security-opt seccomp=unconfined (or with a profile that allows clone and unshare); on Ubuntu, allow user namespaces "
    "for the browser in AppArmor."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserOptions:
    """With or without a window; `program` None looks for one at each start; `log` gets what the browser writes."""

    program: Path | None
    visible: bool
    log: Path
    extra: Sequence[str] = ()


class Browser:
    """One running Chromium. `read_descriptor` and `write_descriptor` are our ends of its pipe, for whoever speaks its protocol."""

    def __init__(self, running: BrowserProcess, program: Path, options: BrowserOptions) -> None:
        self._running = running
        self._process = running.family.process
        self._options = options
        self._program = program
        self.read_descriptor = running.read_descriptor
        self.write_descriptor = running.write_descriptor

    @property
    def process_id(self) -> int:
        """Also the id of its process group."""
        return self._process.pid

    @classmethod
    async def start(cls, profile: Profile, options: BrowserOptions) -> Browser:
        """Starts it; that it works shows only when it answers on the pipe. Raises BrowserMissing."""
        program = find_browser(options.program)
        arguments = (
            *SWITCHES,
            *(() if options.visible else HEADLESS),
            *options.extra,
            f"--user-data-dir={profile.folder}",
            "about:blank",
        )
        with open(os.open(options.log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as log:  # noqa: ASYNC230, PTH123
            running = await processes.start(program, arguments, profile, _environment(profile, options), log)
        return cls(running, program, options)

    def why_dead(self) -> BrowserDied:
        """What to say about a browser that ended while starting."""
        try:
            told = self._options.log.read_bytes()[-LOG_TAIL_BYTES:].decode("utf-8", "replace")
        except OSError:
            told = ""
        if "No usable sandbox" in told:
            return SandboxRefused(NO_SANDBOX)
        last = next((line for line in reversed(told.splitlines()) if line.strip()), "it wrote nothing")
        return BrowserDied(
            f"{self._program} ended while starting (exit code {self._process.returncode}): {last}. "
            f"All that it wrote is in {self._options.log}; try another one with --browser PATH."
        )

    async def ended(self) -> None:
        """Waits for its end."""
        await self._process.wait()

    async def end(self) -> None:
        """Waits until it has saved and gone, once its pipe is closed; what is left then is killed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await self._process.wait()
        self._running.family.kill()
        async with asyncio.timeout(KILL_SECONDS):
            await self._process.wait()


def _environment(profile: Profile, options: BrowserOptions) -> Mapping[str, str]:
    shown = {name: os.environ[name] for name in SHOWN if name in os.environ} if options.visible else {}
    return {**processes.environment(profile), **shown}
