"""Folders inside the data folder in which a back-up or a restore is put together: private, one process at a time, gone afterwards.

They hold copies that neither retention nor the erasure of a person reaches, so whatever ends a process, they must not stay: the next
process of the kind empties the folder, and so does the next start of the server.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from messenger_hub.runtime.folder import FolderError, FolderLocked, PrivateFolder

from messenger_hub_server.backup.problems import Hindered, writing

BACKUP = ".backup"
RESTORE = ".restore"


@contextmanager
def staging(data_dir: Path, name: str, owner: str) -> Iterator[PrivateFolder]:
    """An empty folder for this process. Raises Hindered when another one is at work in it, or it cannot be made."""
    path = data_dir / name
    with writing(data_dir):
        try:
            folder = _taken(path, owner)
        except FolderLocked as error:
            raise Hindered(f"{owner} is at work on {data_dir} already: wait for it.", "in_use") from error
        except FolderError as error:
            raise Hindered(str(error), "not_writable") from error
    try:
        yield folder
    finally:
        _discard(folder)


def discard_leftovers(data_dir: Path) -> None:
    """Deletes what a back-up or a restore that was killed has left; one that is at work keeps its own."""
    for name in (BACKUP, RESTORE):
        path = data_dir / name
        if path.is_dir():
            try:
                _discard(_taken(path, "messenger-hub server"))
            except FolderLocked:
                continue


def _taken(path: Path, owner: str) -> PrivateFolder:
    folder = PrivateFolder(path)
    folder.lock(owner)
    for left in path.iterdir():
        if left.name not in ("lock", "owner"):
            left.unlink()
    return folder


def _discard(folder: PrivateFolder) -> None:
    shutil.rmtree(folder.path, ignore_errors=True)
    folder.unlock()
