"""Where the browser is: our own search, because none is ever downloaded."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from messenger_hub.runtime.system import here

from messenger_hub_agent.whatsapp.errors import BrowserMissing

# Debian's /usr/bin/chromium is a shell wrapper that adds API keys and switches of its own; the program behind it runs directly.
LINUX: Sequence[str] = (
    "google-chrome-stable",
    "google-chrome",
    "/opt/google/chrome/chrome",
    "/usr/lib/chromium/chromium",
    "/usr/lib64/chromium-browser/chromium-browser",
    "chromium",
    "chromium-browser",
    "microsoft-edge-stable",
    "microsoft-edge",
    "/opt/microsoft/msedge/msedge",
)
MACOS: Sequence[str] = tuple(
    f"{root}/{name}.app/Contents/MacOS/{name}"
    for name in ("Google Chrome", "Chromium", "Microsoft Edge")
    for root in ("/Applications", "~/Applications")
)
WINDOWS: Sequence[str] = tuple(
    rf"%{root}%\{tail}"
    for tail in (
        r"Google\Chrome\Application\chrome.exe",
        r"Chromium\Application\chrome.exe",
        r"Microsoft\Edge\Application\msedge.exe",
    )
    for root in ("ProgramFiles", "ProgramFiles(x86)", "LocalAppData")
)


def find_browser(
    override: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    candidates: Sequence[str] | None = None,
) -> Path:
    """The browser to start: `override` if given, else the first of Chrome, Chromium, Edge that is installed.

    Raises BrowserMissing, whose sentence says what to install or that the override does not exist.
    """
    environment = os.environ if environment is None else environment
    if override is not None:
        return _overridden(override)
    for candidate in _platform_candidates() if candidates is None else candidates:
        for path in _resolved(candidate, environment):
            if path.is_file() and os.access(path, os.X_OK):
                return path
    raise BrowserMissing(_advice())


def _overridden(path: Path) -> Path:
    if not path.is_file():
        raise BrowserMissing(f"There is no browser at {path}: give --browser the path of Chrome, Chromium or Edge.")
    if not os.access(path, os.X_OK):
        raise BrowserMissing(f"{path} is not executable: give --browser the path of Chrome, Chromium or Edge.")
    return path.resolve()


def _platform_candidates() -> Sequence[str]:
    if sys.platform == "win32":
        return (*WINDOWS, *here.registered_programs(("chrome.exe", "msedge.exe")))
    return MACOS if sys.platform == "darwin" else LINUX


def _resolved(candidate: str, environment: Mapping[str, str]) -> Iterator[Path]:
    if candidate.startswith("%"):
        variable, _, tail = candidate[1:].partition("%")
        if root := environment.get(variable):
            yield Path(root + tail)
    elif "/" in candidate:
        yield Path(candidate).expanduser()
    elif (found := shutil.which(candidate, path=environment.get("PATH", ""))) and not _is_snap(found):
        yield Path(found)


def _is_snap(found: str) -> bool:
    """A snap cannot read folders that begin with a dot, which is where a profile may lie."""
    return "/snap/" in str(Path(found).resolve()) or found.startswith("/snap/")


def _advice() -> str:
    if sys.platform.startswith("linux"):
        return (
            "No browser was found: install one (Debian: apt install chromium; Ubuntu: Google Chrome or Microsoft Edge, "
            "because its Chromium is a snap that cannot read our folders), or give --browser PATH."
        )
    return "No browser was found: install Google Chrome, Chromium or Microsoft Edge, or give --browser PATH."
