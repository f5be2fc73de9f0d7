"""The browser's pipe and its end on Windows, with a stand-in for the browser; `test_programs` has a real one."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from messenger_hub_agent.whatsapp import win32
from messenger_hub_agent.whatsapp.browser_process import BrowserProcess
from messenger_hub_agent.whatsapp.leftover import end_leftover
from messenger_hub_agent.whatsapp.pipe import Pipe
from messenger_hub_agent.whatsapp.process import processes
from messenger_hub_agent.whatsapp.profile import Profile, discard_profile, take_profile

SECONDS = 20
STAND_IN = Path(__file__).with_name("browser_of_pipes.py")


@dataclass
class Opened:
    profile: Profile
    browser: BrowserProcess
    pipe: Pipe
    answers: asyncio.Queue[bytes]
    ended: asyncio.Event

    async def ask(self, method: str) -> int:
        self.pipe.send(json.dumps({"id": 1, "method": method}).encode())
        async with asyncio.timeout(SECONDS):
            return int(json.loads(await self.answers.get())["result"])

    async def is_over(self) -> int:
        async with asyncio.timeout(SECONDS):
            await self.ended.wait()
            return await self.browser.family.process.wait()


@asynccontextmanager
async def opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Opened]:
    start = asyncio.create_subprocess_exec

    async def with_script(program: str, *words: str, **options: object) -> asyncio.subprocess.Process:
        return await start(program, str(STAND_IN), *words, **options)  # type: ignore[arg-type]

    profile = take_profile(folder)
    with monkeypatch.context() as patched, (folder / "log").open("wb") as log:
        patched.setattr(asyncio, "create_subprocess_exec", with_script)
        browser = await processes.start(
            Path(sys.executable),
            ["--remote-debugging-pipe", f"--user-data-dir={profile.folder}", "about:blank"],
            profile,
            processes.environment(profile),
            log,
        )
    answers: asyncio.Queue[bytes] = asyncio.Queue()
    ended = asyncio.Event()
    pipe = await Pipe.open(browser.read_descriptor, browser.write_descriptor, answers.put_nowait, ended.set)
    try:
        yield Opened(profile, browser, pipe, answers, ended)
    finally:
        pipe.close()
        browser.family.kill()
        await browser.family.process.wait()
        profile.release()
        discard_profile(folder)


async def test_messages_of_any_size_go_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, monkeypatch) as one:
        for size in (10, 3_000_000, 1):
            assert await one.ask("x" * size) == size


async def test_it_ends_by_itself_when_its_pipe_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, monkeypatch) as one:
        assert await one.ask("hello") == 5
        one.pipe.close()
        assert await one.is_over() == 0


async def test_its_death_is_told_by_the_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, monkeypatch) as one:
        one.pipe.send(b'{"id": 1, "method": "die"}')
        assert await one.is_over() == 3
        one.pipe.send(b"to nobody")


async def test_it_is_killed_with_its_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, monkeypatch) as one:
        assert await one.ask("hello") == 5
        one.browser.family.kill()
        assert await one.is_over() == 1


async def test_one_that_outlived_its_agent_is_found_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, monkeypatch) as one:
        assert await one.ask("hello") == 5
        assert f"{one.profile.folder}" in win32.command_line(one.browser.family.process.pid)
        assert one.browser.family.process.pid in processes.at_work(one.profile.folder)
        await end_leftover(one.profile.folder, save_seconds=0.2)
        assert await one.is_over() == 1


def test_nothing_secret_of_ours_reaches_the_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESSENGER_HUB_ENROL", "token")
    profile = take_profile(tmp_path)
    try:
        found = processes.environment(profile)
    finally:
        profile.release()
    assert "SYSTEMROOT" in {name.upper() for name in found}
    assert not any(name.upper().startswith("MESSENGER_HUB") for name in found)
