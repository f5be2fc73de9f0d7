"""Disks that a test fills and frees: a small tmpfs where this user may mount one, and SQLite's own limit everywhere."""

from __future__ import annotations

import gc
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

SIZE = "3m"
NO_LIMIT = 2**30


class Disk(Protocol):
    """A folder whose disk can be filled."""

    folder: Path

    def fill(self) -> None:
        """From now on nothing more fits."""
        ...

    def free(self) -> None:
        """Everything fits again."""
        ...


class Tmpfs:
    """A file system of its own, filled by a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        with self._filler.open("ab", buffering=0) as file:
            for size in (64 * 1024, 4096, 1):
                with_room = True
                while with_room:
                    try:
                        with_room = file.write(bytes(size)) == size
                    except OSError:
                        with_room = False

    def free(self) -> None:
        self._filler.unlink()


class Pages:
    """SQLite refuses to make a database larger: the error is the one of a full disk, before COMMIT."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        for connection in self._connections():
            count = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {count}")

    def free(self) -> None:
        for connection in self._connections():
            connection.execute(f"PRAGMA max_page_count = {NO_LIMIT}")

    def _connections(self) -> list[sqlite3.Connection]:
        """All in this process that are open, write, and have a file in the folder."""
        found = []
        for one in gc.get_objects():
            if isinstance(one, sqlite3.Connection) and self._is_ours(one):
                found.append(one)
        assert found, f"no connection to a file in {self.folder}"
        return found

    def _is_ours(self, connection: sqlite3.Connection) -> bool:
        try:
            file = connection.execute("PRAGMA database_list").fetchone()[2]
            writes = connection.execute("PRAGMA query_only").fetchone()[0] == 0
        except sqlite3.ProgrammingError:  # closed
            return False
        return writes and Path(file).is_relative_to(self.folder)


def may_mount() -> bool:
    """Root can; in some containers not even root."""
    if os.geteuid() != 0:
        return False
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        return subprocess.run(probe, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


KINDS = ["tmpfs", "pages"] if may_mount() else ["pages"]


@contextmanager
def disk(kind: str, folder: Path) -> Iterator[Disk]:
    """A disk of one of KINDS at the folder, gone afterwards."""
    folder.mkdir()
    if kind == "pages":
        yield Pages(folder)
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)], check=True)
    try:
        yield Tmpfs(folder)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
