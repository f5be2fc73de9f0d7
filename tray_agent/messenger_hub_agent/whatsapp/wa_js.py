"""wa-js and our bridge, as they are put into the page.

wa-js is a pinned npm dependency (package.json and its lock beside this file) that the build fetches into assets/; it is never committed.
A desktop may use another version that it has fetched itself (`updating`).
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from messenger_hub.runtime.version import VERSION

from messenger_hub_agent.whatsapp.errors import AssetMissing

_PACKAGE = "messenger_hub_agent.whatsapp"
BINDING = "__messengerHubEmit"
"""The function through which the bridge hands batches of events out of the page."""

# By default wa-js beacons to an analytics host, may send the addresses in messages to preview servers of third parties, and renames the
# linked device. It reads this object once, when it is evaluated.
CONFIGURATION = {"disableGoogleAnalytics": True, "linkPreviewApiServers": [], "deviceName": False}


class WaJs(msgspec.Struct, frozen=True):
    """One version of wa-js, with its source."""

    version: Annotated[str, msgspec.Meta(pattern=VERSION)]
    source: str

    def __repr__(self) -> str:
        return f"WaJs({self.version})"


@cache
def pinned() -> WaJs:
    """The one that this release ships. Raises AssetMissing."""
    asset = files(_PACKAGE) / "assets" / "wppconnect-wa.js"
    try:
        return WaJs(version(), asset.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise AssetMissing(
            "This installation lacks wa-js (whatsapp/assets/wppconnect-wa.js): install the wheel, or run the build again with npm reachable "
            "(pip install --force-reinstall --no-deps .)."
        ) from None


@cache
def bridge() -> str:
    """Our script, the only caller of wa-js."""
    return (files(_PACKAGE) / "bridge.js").read_text(encoding="utf-8")


@cache
def version() -> str:
    """The version of wa-js that this release pins."""
    pinned = json.loads((files(_PACKAGE) / "package.json").read_text(encoding="utf-8"))
    return str(pinned["dependencies"]["@wppconnect/wa-js"])


def injection(address: str, source: str) -> str:
    """The script that runs before the page's own: wa-js's source and our bridge, in the top frame of that address's origin and nowhere
    else."""
    parts = urlsplit(address)
    origin = f"{parts.scheme}://{parts.netloc}"
    return (
        f"if (self === self.top && location.origin === {json.dumps(origin)}) {{\n"
        f"self.WPPConfig = {json.dumps(CONFIGURATION)};\n{source};\n"
        f"({bridge()})({json.dumps(BINDING)});\n}}"
    )
