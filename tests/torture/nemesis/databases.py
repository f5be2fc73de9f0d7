"""Two ways to an older copy of the hub's database: the file itself, and the back-up command. Both copy while the hub runs."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

DATABASE = "hub.db"
COMMAND_SECONDS = 60.0
PASSPHRASE = {"MESSENGER_HUB_BACKUP_PASSPHRASE": "a passphrase for a trial"}


class File:
    """hub.db, copied as SQLite copies it, and put in the place of the newer one."""

    def __init__(self, hub: Path, place: Path) -> None:
        self._hub = hub
        self._place = place

    async def make(self) -> bool:
        """Copies it; whether that worked."""
        await asyncio.to_thread(self._copy)
        return True

    async def put_back(self) -> str:
        """While the hub is down. What went wrong, or ""."""
        for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"):
            (self._hub / name).unlink(missing_ok=True)
        shutil.copyfile(self._place, self._hub / DATABASE)
        (self._hub / DATABASE).chmod(0o600)
        return ""

    def _copy(self) -> None:
        source = f"{(self._hub / DATABASE).as_uri()}?mode=ro"
        with closing(sqlite3.connect(source, uri=True)) as there, closing(sqlite3.connect(self._place)) as here:
            there.backup(here)


class BackUp:
    """`messenger-hub backup` and `messenger-hub restore`."""

    def __init__(self, hub: Path, place: Path) -> None:
        self._hub = hub
        self._place = place

    async def make(self) -> bool:
        """Makes one; whether that worked: the hub may die meanwhile."""
        return not await self._run("backup")

    async def put_back(self) -> str:
        """While the hub is down. What went wrong, or ""."""
        return await self._run("restore", "--yes")

    async def _run(self, verb: str, *more: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "messenger_hub_cli", verb, str(self._place), *more, "--data-dir", str(self._hub)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **PASSPHRASE},
        )
        async with asyncio.timeout(COMMAND_SECONDS):
            _, told = await process.communicate()
        return told.decode() if process.returncode else ""
