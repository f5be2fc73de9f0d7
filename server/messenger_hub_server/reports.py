"""What agents say of themselves and of their channels' pages, as values."""

from __future__ import annotations

from dataclasses import dataclass, field

from messenger_hub.agent.v1.agent_service_pb2 import WaJsStanding

from messenger_hub_server.model import LinkState


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkReport:
    """One ChannelReport of an agent. QR text and pairing code link an account: they are never printed."""

    state: LinkState
    reason: str = ""
    account: str = ""
    qr_text: str = field(default="", repr=False)
    pairing_code: str = field(default="", repr=False)
    restricted_until_ms: int | None = None
    next_send_at_ms: int | None = None
    paused: bool = False
    paused_until_ms: int | None = None
    browser_bytes: int = 0
    browser_restarts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPresence:
    """The newest report, when it came, and since when its state has been the same."""

    report: LinkReport
    since_ms: int
    reported_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPresence:
    """An agent that was connected since the hub started. `since_ms` is when it connected, or when it went. `wa_js_standing` is None for
    one that cannot be asked for another wa-js, `examines` False for one that cannot be asked what it sees of itself. `node`: the other
    node to which it is connected, or was; empty for this one."""

    connected: bool
    since_ms: int
    last_seen_ms: int
    version: str = ""
    wa_js_version: str = ""
    platform: str = ""
    wa_js_standing: WaJsStanding | None = None
    examines: bool = False
    node: str = ""
