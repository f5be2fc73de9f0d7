"""For root alone: whom the browser of a profile runs as."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import sys
from collections.abc import Sequence
from pathlib import Path

assert sys.platform != "win32"  # noqa: S101 for mypy, which then skips this file when it checks Windows


def owner_of(folder: Path, profiles: Path, user_ids: Sequence[int]) -> int:
    """The user of that profile, who is given one of these ids where it is root's still."""
    # Also where an earlier start got no further than making it.
    if folder.stat().st_uid == 0:
        user_id = _free_user_id(profiles, user_ids)
        os.chown(folder, user_id, user_id)
    return folder.stat().st_uid


def _free_user_id(profiles: Path, user_ids: Sequence[int]) -> int:
    """One that no account, no running process and no other profile has."""
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    for path in (*profiles.iterdir(), *Path("/proc").iterdir()):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            taken.add(path.stat().st_uid)
    return random.choice([number for number in user_ids if number not in taken])  # noqa: S311 # not a secret
