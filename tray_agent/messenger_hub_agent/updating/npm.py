"""Fetches a version of wa-js with the npm that is on this machine, as it is set up there. npm ends with the call that started it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import msgspec
from messenger_hub.runtime.environment import without_ours
from messenger_hub.runtime.system import here
from messenger_hub.runtime.version import VERSION

from messenger_hub_agent.updating.package import NAME, opened
from messenger_hub_agent.updating.problems import NotFetched, NpmMissing, Unusable
from messenger_hub_agent.whatsapp.wa_js import WaJs

NPM_SECONDS = 120.0
KILL_SECONDS = 5.0
MOST_PRINTED = 1_000_000  # bytes
LATEST = "latest"
UNKNOWN = frozenset({"E404", "ETARGET"})
# Of JSON that npm has printed: not what was expected, or no UTF-8.
NOT_READ = (msgspec.DecodeError, UnicodeDecodeError)


class Offer(msgspec.Struct, frozen=True, rename={"integrity": "dist.integrity"}):
    """What npm has, and the integrity that it states."""

    version: Annotated[str, msgspec.Meta(pattern=VERSION)]
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
    except NOT_READ as error:
        raise NotFetched("npm names no released version", "update npm there, or name a version with --to") from error


async def fetched(offer: Offer) -> WaJs:
    """Packs it, and verifies it against what npm stated before. Raises UpdateProblem, within NPM_SECONDS and what unpacking takes."""
    with tempfile.TemporaryDirectory(prefix="messenger-hub-wa-js-", ignore_cleanup_errors=True) as name:
        await _npm(offer.version, "pack", f"{NAME}@{offer.version}", "--ignore-scripts", "--pack-destination", name)
        found = await asyncio.to_thread(_packed_in, Path(name), offer)
    if found.version != offer.version:
        raise Unusable(
            f"npm gave wa-js {found.version} where {offer.version} was asked for: nothing was changed; check npm's registry.",
            "no_wa_js",
            "npm gave another version than was asked for",
        )
    return found


def _packed_in(folder: Path, offer: Offer) -> WaJs:
    packages = [*folder.glob("*.tgz")]
    if len(packages) != 1:
        raise NotFetched("npm packed nothing", "update npm there")
    return opened(packages[0], offer.integrity, f"What npm gave as wa-js {offer.version}")


async def _npm(version: str, *arguments: str) -> bytes:
    """What one of npm's commands answers, as JSON."""
    npm = shutil.which("npm")
    if npm is None:
        raise NpmMissing
    code, told = await _run(npm, *arguments, "--json")
    if code == 0:
        return told
    problem = _problem(told)
    if problem.code in UNKNOWN:
        raise Unusable(
            f"wa-js has no version {version}: npm view {NAME} versions lists them.",
            "unknown_version",
            "there is no such version",
        )
    raise NotFetched(f"npm says: {problem.code[:100]}", "check the network and npm's settings there")


async def _run(*command: str) -> tuple[int | None, bytes]:
    """Its exit code and what it printed; whatever it has started ends with it. It prints into a file: a pipe would be held open by what
    npm has started and left."""
    nothing = asyncio.subprocess.DEVNULL
    with tempfile.TemporaryFile() as printed:
        try:
            family = await here.start_family(
                *command, stdin=nothing, stdout=printed, stderr=nothing, env=without_ours()
            )
        except OSError as error:
            raise NotFetched(f"npm cannot be started: {error.strerror}", "install it again there") from error
        try:
            async with asyncio.timeout(NPM_SECONDS):
                code = await family.process.wait()
        except TimeoutError as error:
            raise NotFetched("npm did not answer in time", "check the network there") from error
        finally:
            family.kill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(KILL_SECONDS):
                    await family.process.wait()
        printed.seek(0)
        return code, printed.read(MOST_PRINTED)


def _problem(told: bytes) -> _Problem:
    try:
        return msgspec.json.decode(told, type=_Refusal).error
    except NOT_READ:
        return _Problem()
