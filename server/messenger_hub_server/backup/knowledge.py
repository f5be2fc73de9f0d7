"""What a folder and a back-up know of what was given out, put together. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from messenger_hub.runtime.folder import FolderUnusable

from messenger_hub_server import highwater


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """The content of the high-water file to go on with. `lost`: nothing is known of the time since the back-up was made."""

    content: bytes
    lost: bool


def high_water(own: bytes | None, backup: bytes | None) -> Knowledge:
    """The larger of the two. Only a file of the folder's own that is not older than the back-up's has seen the time since; a damaged
    one counts as missing. Raises FolderUnusable when the back-up's is damaged."""
    theirs = highwater.parse(backup)
    try:
        mine = highwater.parse(own)
    except FolderUnusable:
        mine, own = highwater.Content(), None
    lost = own is None or not mine.covers(theirs)
    return Knowledge(content=msgspec.json.encode(highwater.larger(mine, theirs)), lost=lost)


def registry_ids(own: bytes | None, backup: bytes | None) -> bytes:
    """The larger number of each kind; a damaged file counts as missing."""
    mine, theirs = _numbers(own), _numbers(backup)
    return msgspec.json.encode({kind: max(mine.get(kind, 0), theirs.get(kind, 0)) for kind in sorted(mine | theirs)})


def _numbers(stored: bytes | None) -> dict[str, int]:
    try:
        return msgspec.json.decode(stored or b"{}", type=dict[str, int])
    except msgspec.DecodeError:
        return {}
