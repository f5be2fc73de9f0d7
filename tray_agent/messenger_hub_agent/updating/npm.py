"""Fetches a version of wa-js with the npm that is on this machine, as it is set up there. npm ends with the call that started it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import msgspec

from messenger_hub_agent.updating.package import NAME, opened
from messenger_hub_agent.updating.problems import NotFetched, NpmMissing, Unusable
from messenger_hub_agent.whatsapp.wa_js import WaJs

NPM_SECONDS = 120.0
LATEST = "latest"
UNKNOWN = frozenset({"E404", "ETARGET"})


class Offer(msgspec.Struct, frozen=True, rename={"integrity": "dist.integrity"}):
    """What npm has, and the integrity that it states."""

    version: str
    integrity: str


class _Problem(msgspec.Struct, frozen=True):
    code: str = "unknown"
    summary: str = ""


class _Refusal(msgspec.Struct, frozen=True):
    error: _Problem


async def offered(version: str) -> Offer:
    """That version, or the one of that tag. Raises UpdateProblem, within NPM_SECONDS."""
    told = await _npm(version, "view", f"{NAME}@{version}", "version", "dist.integrity")
    try:
        return msgspec.json.decode(told, type=Offer)
    except msgspec.DecodeError as error:
        raise NotFetched("npm answered in a form that is not known: update npm.", "npm") from error


async def fetched(offer: Offer) -> WaJs:
    """Packs it, and verifies it against what npm stated before. Raises UpdateProblem, within NPM_SECONDS and what unpacking takes."""
    with tempfile.TemporaryDirectory(prefix="messenger-hub-wa-js-") as name:
        await _npm(offer.version, "pack", f"{NAME}@{offer.version}", "--ignore-scripts", "--pack-destination", name)
        found = await asyncio.to_thread(_packed_in, Path(name), offer.integrity)
    if found.version != offer.version:
        raise Unusable(
            f"npm gave wa-js {found.version} where {offer.version} was asked for: nothing was changed; check npm's registry.",
            "no_wa_js",
        )
    return found


def _packed_in(folder: Path, integrity: str) -> WaJs:
    packages = [*folder.glob("*.tgz")]
    if len(packages) != 1:
        raise NotFetched("npm packed nothing: update npm.", "npm")
    return opened(packages[0], integrity)


async def _npm(version: str, *arguments: str) -> bytes:
    """What one of npm's commands answers, as JSON."""
    npm = shutil.which("npm")
    if npm is None:
        raise NpmMissing(
            "There is no npm on this machine: install it (on Debian: apt install npm), or give a package that another machine has "
            "fetched with --file PACKAGE.tgz --integrity sha512-….",
            "npm_missing",
        )
    code, told = await _run(npm, *arguments, "--json")
    if code == 0:
        return told
    problem = _problem(told)
    if problem.code in UNKNOWN:
        raise Unusable(f"wa-js has no version {version}: npm view {NAME} versions lists them.", "unknown_version")
    raise NotFetched(f"npm could not fetch wa-js ({problem.code}): check the network and npm's settings.", "npm")


async def _run(*command: str) -> tuple[int | None, bytes]:
    """Its exit code and what it printed."""
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=nothing, stdout=pipe, stderr=nothing, start_new_session=True
        )
    except OSError as error:
        raise NotFetched(f"npm cannot be started ({error.strerror}): install it again.", "npm") from error
    try:
        async with asyncio.timeout(NPM_SECONDS):
            told, _ = await process.communicate()
    except TimeoutError as error:
        raise NotFetched(f"npm did not answer within {NPM_SECONDS:.0f} s: check the network.", "npm") from error
    finally:
        if process.returncode is None:
            _end(process)
            await process.wait()
    return process.returncode, told


def _end(process: asyncio.subprocess.Process) -> None:
    """With what it has started: npm may be a script that runs another one, which would hold our end of the pipe open."""
    if sys.platform == "win32":
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _problem(told: bytes) -> _Problem:
    try:
        return msgspec.json.decode(told, type=_Refusal).error
    except msgspec.DecodeError:
        return _Problem()
