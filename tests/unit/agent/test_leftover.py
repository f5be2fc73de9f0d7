"""A browser that outlived its agent has ended before another one gets its profile."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from messenger_hub_agent.whatsapp.leftover import end_leftover

SECONDS = 10
STUBBORN = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(100)"
SAVING = "import sys; print(flush=True); sys.stdin.read()"


@asynccontextmanager
async def browser(script: str, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Something that looks like one, and has started."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        await process.stdout.readline()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_one_that_does_not_end_is_killed(tmp_path: Path) -> None:
    async with browser(STUBBORN, f"--user-data-dir={tmp_path}") as left:
        await end_leftover(tmp_path, save_seconds=0.1)
        async with asyncio.timeout(SECONDS):
            assert await left.wait() == -9


async def test_one_that_still_saves_is_waited_for(tmp_path: Path) -> None:
    async with browser(SAVING, f"--user-data-dir={tmp_path}") as left:
        async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
            ending = group.create_task(end_leftover(tmp_path, save_seconds=SECONDS))
            done, _ = await asyncio.wait({ending}, timeout=0.2)
            assert not done
            assert left.stdin is not None
            left.stdin.close()
        assert await left.wait() == 0


async def test_other_profiles_and_helpers_are_left_alone(tmp_path: Path) -> None:
    other, own = f"--user-data-dir={tmp_path}-other", f"--user-data-dir={tmp_path}"
    async with browser(STUBBORN, other) as stranger, browser(STUBBORN, "--type=renderer", own) as helper:
        async with asyncio.timeout(SECONDS):
            await end_leftover(tmp_path)
        assert (stranger.returncode, helper.returncode) == (None, None)
