"""npm as a process: it ends with the call that started it, whatever it does, and gets nothing that is ours."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from messenger_hub_agent.updating import npm
from messenger_hub_agent.updating.choice import Choice
from messenger_hub_agent.updating.looking import looked_for
from messenger_hub_agent.updating.problems import NotFetched, UpdateProblem

SECONDS = 20
ANSWER = '{"version": "99.1.0", "dist.integrity": "sha512-x"}'
STAYS = "sleep 1000 &\necho $! > {began}"
LEAVES = f"setsid {STAYS}"


class Program:
    """An npm that is this script. What writes to `began` tells its number."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._began = folder / "began"
        os.mkfifo(self._began)

    def is_(self, script: str) -> None:
        file = self.folder / "npm"
        file.write_text(f"#!/bin/sh\n{script.replace('{began}', str(self._began))}\n")
        file.chmod(0o755)

    async def began(self) -> psutil.Process:
        return psutil.Process(int(await asyncio.to_thread(self._began.read_text)))


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    folder = tmp_path / "npm"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    yield Program(folder)


async def told(asked: Awaitable[object]) -> str:
    """Why nothing was fetched."""
    with pytest.raises(NotFetched) as problem:
        await asked
    return problem.value.reason


def has_ended(process: psutil.Process) -> bool:
    try:
        process.wait(SECONDS)
    except psutil.TimeoutExpired:
        return False
    return True


@pytest.mark.parametrize("start", [STAYS, LEAVES])
async def test_what_npm_has_started_cannot_hold_a_look_that_is_given_up(program: Program, start: str) -> None:
    program.is_(f"{start}\nwait")
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        look = group.create_task(npm.offered(npm.LATEST))
        child = await program.began()
        look.cancel()
    if start == STAYS:
        assert has_ended(child)
    else:
        child.kill()


async def test_an_npm_that_is_given_up_while_it_starts_has_ended_when_that_is_told(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.is_("sleep 1000")
    create, starts = asyncio.create_subprocess_exec, asyncio.Event()
    started: list[asyncio.subprocess.Process] = []

    async def starting(*command: str, **options: Any) -> asyncio.subprocess.Process:
        starts.set()
        started.append(await create(*command, **options))
        return started[0]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", starting)
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        look = group.create_task(npm.offered(npm.LATEST))
        await starts.wait()
        look.cancel()
    assert look.cancelled()
    assert started[0].returncode == -signal.SIGKILL


async def test_what_npm_has_left_behind_ends_with_it_and_holds_nothing(program: Program) -> None:
    program.is_(f"{STAYS}\necho '{ANSWER}'")
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        look = group.create_task(npm.offered(npm.LATEST))
        child = await program.began()
    assert look.result() == npm.Offer(version="99.1.0", integrity="sha512-x")
    assert has_ended(child)


async def test_an_npm_that_does_not_answer_is_ended_in_time(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npm, "NPM_SECONDS", 2.0)
    program.is_(f"{STAYS}\nwait")
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        look = group.create_task(told(npm.offered(npm.LATEST)))
        child = await program.began()
    assert look.result() == "npm did not answer in time"
    assert has_ended(child)


async def test_npm_gets_nothing_of_ours(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MESSENGER_HUB_ENROL", "MESSENGER_HUB_KEY", "MESSENGER_HUB_BACKUP_PASSPHRASE"):
        monkeypatch.setenv(name, "a secret")
    monkeypatch.setenv("npm_config_registry", "https://npm.example/")
    program.is_(f"env > {program.folder}/env\necho none")
    with pytest.raises(UpdateProblem):
        await npm.offered(npm.LATEST)
    got = (program.folder / "env").read_text()
    assert "npm_config_registry=https://npm.example/" in got
    assert "MESSENGER_HUB" not in got and "a secret" not in got


@pytest.mark.parametrize(
    "printed",
    ['{"version": "99.0.0-beta.1", "dist.integrity": "sha512-x"}', '"\\377"', "none", '{"version": "99.0.0"}'],
)
async def test_what_is_no_released_version_is_told(program: Program, printed: str) -> None:
    (program.folder / "printed").write_bytes(printed.replace("\\377", "\xff").encode("latin-1"))
    program.is_(f"cat {program.folder}/printed")
    with pytest.raises(NotFetched, match=r"npm names no released version\): .*--to"):
        await looked_for(Choice(pinned="4.6.0"), "")


@pytest.mark.parametrize("printed", ["", "\xff", "[]"])
async def test_a_refusal_of_npms_that_cannot_be_read_is_told(program: Program, printed: str) -> None:
    (program.folder / "printed").write_bytes(printed.encode("latin-1"))
    program.is_(f"cat {program.folder}/printed\nexit 1")
    with pytest.raises(NotFetched, match="npm says: unknown"):
        await looked_for(Choice(pinned="4.6.0"), "")


async def test_the_version_that_is_used_is_not_asked_for(program: Program) -> None:
    program.is_("exit 1")
    assert await looked_for(Choice(pinned="4.6.0"), "4.6.0") is None
