"""The agent's settings, frozen, as its command line gives them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

WHATSAPP_WEB = "https://web.whatsapp.com/"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """What an agent needs to know before it starts.

    `server` is HOST:PORT of the hub's gRPC door. `enrol_token` is needed once; afterwards the credential lies in `data_dir`.
    `headless` shows neither icon nor window. `browser` overrides the search for a browser, which is started anew when it takes more
    than `browser_memory` MiB.
    """

    data_dir: Path
    server: str
    whatsapp_url: str = WHATSAPP_WEB
    enrol_token: str = field(default="", repr=False)
    headless: bool = False
    browser: Path | None = None
    browser_memory: int = 1536
    tls: bool = False
    ca: Path | None = None
    fingerprint: str = ""
    insecure: bool = False
