"""One channel's browser profile: where it lies, which user it belongs to, and that only one process works with it.

Root's Chromium refuses its sandbox, so root starts it under a user id of its own, one for each profile. That user cannot reach a
data folder that is closed to others, so the profile then lies under PROFILES and the channel's folder holds a pointer to it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from messenger_hub.runtime.system import here

from messenger_hub_agent.whatsapp.errors import ProfileLocked, ProfileUnusable

if sys.platform != "win32":
    from messenger_hub_agent.whatsapp import user_ids

PROFILES = Path("/var/lib/messenger-hub/profiles")
USER_IDS = range(20_000, 60_000)
"""Within what a container maps (mostly 0 to 65535), above what systems give to people and services."""
NOBODY_CHANGES = -1
"""The user id that means: the browser runs as we do."""

REMOVE_ATTEMPTS, REMOVE_PAUSE_SECONDS = 100, 0.05

_PRIVATE, _PASSABLE = 0o700, 0o711


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A profile that is ours until `release`. `user_id` is NOBODY_CHANGES, or whom the browser runs as."""

    folder: Path
    user_id: int
    lock: FileLock

    def release(self) -> None:
        """Lets others have it."""
        self.lock.release()


def take_profile(channel_folder: Path, profiles: Path = PROFILES) -> Profile:
    """The profile of the channel whose folder that is; made where there is none.

    Raises ProfileLocked when another process works with it, ProfileUnusable when it cannot be made.
    """
    try:
        folder = _shared_folder(channel_folder, profiles) if here.is_root() else channel_folder / "profile"
        # The lock lies outside the profile, so that what the browser's user may write decides nothing.
        lock = FileLock(folder.with_name(folder.name + ".lock"), mode=0o600, thread_local=False)
        folder.parent.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise ProfileLocked(
            f"Another messenger-hub agent works with the browser profile {folder}: end that one first."
        ) from None
    except OSError as error:
        raise ProfileUnusable(f"The browser profile cannot be made ({error}): check the folder's owner.") from error
    try:
        return Profile(folder=folder, user_id=_prepare(folder, profiles), lock=lock)
    except OSError as error:
        lock.release()
        raise ProfileUnusable(f"The browser profile {folder} cannot be used ({error}).") from error


def where_profiles_lie(folder: Path, profiles: Path = PROFILES) -> Path:
    """Under which folder the profiles of the channels lie whose folders are in `folder`; it may not be there yet."""
    return profiles if here.is_root() else folder


def discard_profile(channel_folder: Path) -> None:
    """Removes the profile of a channel that will not be used again, wherever it lies. Raises ProfileLocked when it is in use."""
    pointer = channel_folder / "profile"
    if not pointer.exists():
        return
    profile = take_profile(channel_folder)
    try:
        _remove(profile.folder)
        if pointer.is_file():
            pointer.unlink()
    finally:
        profile.release()
        Path(profile.lock.lock_file).unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    """Removes it. A browser's helpers that were killed with it may still write for a moment, so it is emptied until it stays so."""
    for attempts_left in reversed(range(REMOVE_ATTEMPTS)):
        try:
            shutil.rmtree(folder)
        except OSError as error:
            if not here.is_in_use(error) or not attempts_left:
                raise
            time.sleep(REMOVE_PAUSE_SECONDS)
        else:
            return


def _shared_folder(channel_folder: Path, profiles: Path) -> Path:
    pointer = channel_folder / "profile"
    if not pointer.exists():
        descriptor = os.open(pointer, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(str(profiles / secrets.token_hex(8)))
    for parent in (profiles.parent, profiles):
        parent.mkdir(mode=_PASSABLE, parents=True, exist_ok=True)
        parent.chmod(_PASSABLE)
    return Path(pointer.read_text(encoding="utf-8"))


def _prepare(folder: Path, profiles: Path) -> int:
    """Makes the folder private to whom the browser will run as, and clears what a dead browser left."""
    folder.mkdir(mode=_PRIVATE, exist_ok=True)
    folder.chmod(_PRIVATE)
    # Our lock has decided that no agent works here, and a browser that outlived its agent is ended before another one starts.
    # Left by a container with another host name, this one stops the browser.
    (folder / "SingletonLock").unlink(missing_ok=True)
    if sys.platform != "win32" and here.is_root():
        return user_ids.owner_of(folder, profiles, USER_IDS)
    return NOBODY_CHANGES
