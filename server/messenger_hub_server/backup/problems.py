"""Why a back-up or a restore does not happen. Each message is one sentence that says what to do.

BackupProblem
├── Unusable         what was given is no back-up, is damaged, or its passphrase is wrong
├── Clash            something is there already, or belongs to another hub
└── Hindered         this machine does not let us: no room, no permission, in use, a newer version
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class BackupProblem(Exception):
    """Nothing was changed, unless the message says so."""

    def __init__(self, sentence: str, code: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code


class Unusable(BackupProblem):
    """What was given cannot be used."""


class Clash(BackupProblem):
    """Something is in the way."""


class Hindered(BackupProblem):
    """This machine does not let us."""


def no_room(place: Path) -> Hindered:
    """The disk of a folder is full."""
    return Hindered(f"The disk of {place} is full: free some space, then try again; nothing was changed.", "disk_full")


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Tells an operating system's error about a folder that is written to. Raises Hindered."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise no_room(place) from error
        raise Hindered(
            f"{place} cannot be written: {error.strerror or error}; nothing was changed.", "not_writable"
        ) from error
