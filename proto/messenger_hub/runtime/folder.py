"""A folder that only its owner can read: private files, one lock, one version marker."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock, Timeout

from messenger_hub.runtime.system import here

_LOCK_NAME = "lock"
_VERSION_NAME = "version"


class FolderError(Exception):
    """The folder cannot be used; the message says what to do."""


class FolderLocked(FolderError):
    """Another process holds the folder."""


class FolderTooNew(FolderError):
    """A newer version has written the folder."""


class FolderUnusable(FolderError):
    """The folder cannot be made, read or kept private."""


class PrivateFolder:
    """A folder of mode 0700 with files of mode 0600; on Windows, with an access list to that effect. Making the object makes the folder."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        try:
            here.make_private_folder(self.path)
        except OSError as error:
            raise FolderUnusable(f"{self.path} cannot be used as a data folder: {error.strerror}.") from error
        self._lock: FileLock | None = None

    def file(self, name: str) -> Path:
        """The path of a file in it, whether or not it exists."""
        return self.path / name

    def read(self, name: str) -> bytes | None:
        """The content of a file, or None when there is none."""
        try:
            return self.file(name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FolderUnusable(f"{self.file(name)} cannot be read: {error.strerror}.") from error

    def write_private(self, name: str, content: bytes) -> None:
        """Replaces a file in one step; when it returns, the content survives a power cut. Raises OSError, the old file intact."""
        target = self.file(name)
        draft = target.with_name(f".{target.name}.{os.getpid()}.draft")
        try:
            _write_durably(draft, content)
            here.replace(draft, target)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        sync_folder(target.parent)

    def lock(self, owner: str) -> None:
        """Takes the folder for this process until `unlock` or its end. Raises FolderLocked when another process has it.

        `owner` says who holds it, for the sentence that the other one prints.
        """
        lock = FileLock(self.file(_LOCK_NAME), mode=0o600, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise FolderLocked(self._who_holds()) from error
        self._lock = lock
        self.write_private("owner", f"{owner} (process {os.getpid()})".encode())

    def unlock(self) -> None:
        """Gives the folder back; harmless when it is not held."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def claim_version(self, version: int) -> None:
        """Marks a new folder with a layout version. Raises FolderTooNew when a newer one is there already."""
        found = self.read(_VERSION_NAME)
        if found is None:
            self.write_private(_VERSION_NAME, f"{version}\n".encode())
            return
        try:
            number = int(found)
        except ValueError as error:
            raise FolderUnusable(f"{self.file(_VERSION_NAME)} is damaged: it should hold a number.") from error
        if number > version:
            raise FolderTooNew(
                f"{self.path} was written by a newer version (layout {number}, this one knows {version}): "
                "install that version again, or use another data folder."
            )

    def _who_holds(self) -> str:
        holder = (self.read("owner") or b"another process").decode(errors="replace")
        return f"{self.path} is in use by {holder}: stop it first, or use another data folder."


def sync_folder(path: Path) -> None:
    """Makes the names in a folder durable: what was made, renamed or deleted in it survives a power cut. Raises OSError."""
    here.sync_folder(path)


def _write_durably(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
