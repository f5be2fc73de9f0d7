"""The folder `wa-js` in the agent's folder: what is used, the fetched versions, and what somebody wants next.

Each file has one writer and is replaced in one step: `wanted.json` comes from the command line, everything else from the agent that
holds the folder. So neither needs the other to run.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec
from messenger_hub.runtime.folder import FolderUnusable, PrivateFolder

from messenger_hub_agent.updating.choice import Choice
from messenger_hub_agent.whatsapp.wa_js import WaJs, version

CHOICE = "choice.json"
WANTED = "wanted.json"
TAKING = "taking.json"

T = TypeVar("T")


class Wanted(msgspec.Struct, frozen=True):
    """What somebody wants to be used: a fetched wa-js, or without one the pinned one."""

    wa_js: WaJs | None = None


class Shelf:
    """One such folder, which is made when something is written. Raises FolderError where a file cannot be read or is damaged, and OSError
    where one cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def choice(self) -> Choice:
        """What is used here; the pinned one where nothing else was ever wanted."""
        kept = self._read(CHOICE, Choice)
        return Choice(pinned=version()) if kept is None else kept.shipped_with(version())

    def keep(self, choice: Choice) -> None:
        """Makes it durable, and removes the versions that it does not need."""
        self._write(CHOICE, choice)
        self._sweep({_name(choice.in_use), _name(choice.adopted)})

    def fetched(self, choice: Choice) -> WaJs | None:
        """What is used, where it was fetched; None for the pinned one. Raises FolderUnusable when it is not there, or is another one."""
        if choice.in_use == choice.pinned:
            return None
        file = self.path / _name(choice.in_use)
        found = self._read(file.name, WaJs)
        if found is None:
            raise FolderUnusable(f"{file} is missing: choose one again with messenger-hub update wa-js.")
        if found.version != choice.in_use:
            raise FolderUnusable(
                f"{file} holds wa-js {found.version}: choose one again with messenger-hub update wa-js."
            )
        return found

    def put(self, wa_js: WaJs) -> None:
        """Makes a version durable."""
        self._write(_name(wa_js.version), wa_js)

    def want(self, wanted: Wanted) -> None:
        """For the agent, now or when it starts; what was wanted before and not taken yet is forgotten."""
        self._write(WANTED, wanted)

    @property
    def waits(self) -> bool:
        """Something is wanted that the agent has not taken yet."""
        return any((self.path / name).exists() for name in (WANTED, TAKING))

    def wanted(self) -> Wanted | None:
        """What somebody wants, for the agent; the same again until `taken`."""
        if not (self.path / TAKING).exists():
            # Moved away first, so that what is wanted meanwhile is not lost.
            with suppress(FileNotFoundError):
                (self.path / WANTED).rename(self.path / TAKING)
        return self._read(TAKING, Wanted)

    def taken(self) -> None:
        """The agent has done what `wanted` said."""
        (self.path / TAKING).unlink(missing_ok=True)

    def _read(self, name: str, kind: type[T]) -> T | None:
        path = self.path / name
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FolderUnusable(f"{path} cannot be read: {error.strerror}.") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise FolderUnusable(f"{path} is damaged: delete it; the wa-js of this release is used then.") from error

    def _write(self, name: str, content: object) -> None:
        PrivateFolder(self.path).write_private(name, msgspec.json.encode(content))

    def _sweep(self, needed: Collection[str]) -> None:
        for path in self.path.glob("[0-9]*.json"):
            if path.name not in needed:
                with suppress(OSError):  # the next time
                    path.unlink()


def _name(version: str) -> str:
    return f"{version}.json"
