"""What the tray shows for a state of the agent: icon, title and menu, as values; nothing here knows a desktop.

The tray holds no state of its own: the agent hands a `TrayView` over at each change, `face` turns it into all there is to
see, and a click is a `Command` value for the agent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from importlib.metadata import version

APP_NAME = "Messenger Hub"
MAX_TITLE_CHARACTERS = 127
"""Windows keeps 128 UTF-16 units for a tooltip, the last of them a NUL."""
MAX_LABEL_CHARACTERS = 72
"""Longer lines make a menu wider than a small screen."""
HOUR_SECONDS = 3600
DAY_HOURS = 24


class ChannelState(Enum):
    """A channel's state, with the name that the API gives it."""

    OFFLINE = "offline"
    STARTING = "starting"
    UNLINKED = "unlinked"
    PASSKEY_NEEDED = "passkey_needed"
    LINKED = "linked"
    RESTRICTED = "restricted"
    CHANGED_ACCOUNT = "changed_account"
    PAUSED = "paused"
    NEEDS_UPDATE = "needs_update"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelView:
    """One channel as the tray shows it. Never holds a phone number or a message's text."""

    id: str
    name: str
    state: ChannelState
    reason: str = ""
    """One sentence: why nothing goes out, or what is going on; empty when there is nothing to say."""
    restricted_until: datetime | None = None
    """Only with `RESTRICTED`; shown as it is, so hand it over in the desktop's time zone."""
    paused_until: datetime | None = None
    """Only with `PAUSED`: when it goes on by itself; shown as it is."""
    queue_depth: int | None = None
    """How many operations wait, at the hub or on this desktop; None when the server has not said."""
    uncertain: int = 0
    """On how many a person has to decide, because they may or may not have been sent."""
    has_backlog: bool = False
    """Whether everything is held until a person decides on operations that have waited for very long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrayView:
    """All that the tray needs to know of the agent, at one moment."""

    channels: tuple[ChannelView, ...]
    api_address: str
    """The address of the HTTP API, for programs; empty when it is not known (yet)."""
    connected: bool
    """Whether the agent's stream to the server is open."""
    disconnected_seconds: int = 0
    """For how long it has not been; 0 while `connected`. Show a view again after a minute, for the notice."""
    at_login: bool | None = None
    """Whether the app starts at login; None when that is not known (yet). The icon finds out by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Stop sending on a channel: for so many seconds, or until it is resumed."""

    channel_id: str
    seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Send on a channel again."""

    channel_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SendBacklog:
    """Send what has waited for very long: all of it, or what was accepted in the last so many hours, and cancel the rest."""

    channel_id: str
    hours: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Open the window (or whatever else) in which a person links the channel's WhatsApp account."""

    channel_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyAddress:
    """The API's address goes to the clipboard. The tray does that itself; the command tells that it was asked for."""

    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenConsole:
    """The hub's console is shown in a browser. The tray does that itself; the command tells that it was asked for."""

    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAtLogin:
    """From now on, or no more. The tray does that itself."""

    wanted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Quit:
    """End the agent; the agent ends the tray when it is done."""


Command = Pause | Resume | SendBacklog | Link | CopyAddress | OpenConsole | StartAtLogin | Quit


class IconName(Enum):
    """The pictures that there are; `artwork` draws them. Each has a sign of its own: colour alone is not enough."""

    LINKED = "linked"
    STARTING = "starting"
    PAUSED = "paused"
    OFFLINE = "offline"
    UNLINKED = "unlinked"
    ATTENTION = "attention"
    UPDATE = "update"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Text that cannot be clicked."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An item to click. With `checked` it carries a check mark, set or not."""

    text: str
    command: Command
    enabled: bool = True
    checked: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submenu:
    """An item that opens others."""

    text: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Separator:
    """A thin line between groups of items."""


Entry = Line | Action | Submenu | Separator


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """All there is to see of the tray. Equal faces look the same, so an icon is redrawn only when they differ."""

    icon: IconName
    title: str
    entries: tuple[Entry, ...]


ABOUT = (
    f"{APP_NAME} {version('messenger-hub')}",
    "Free software: Apache License 2.0",
    "Not made or endorsed by WhatsApp",
)
"""What it is, which one, and whose it is not."""

_WORDS = {
    ChannelState.OFFLINE: "offline",
    ChannelState.STARTING: "starting…",
    ChannelState.UNLINKED: "not linked",
    ChannelState.PASSKEY_NEEDED: "passkey needed",
    ChannelState.LINKED: "linked",
    ChannelState.RESTRICTED: "restricted",
    ChannelState.CHANGED_ACCOUNT: "another account was linked",
    ChannelState.PAUSED: "paused",
    ChannelState.NEEDS_UPDATE: "needs an update",
}

_ICONS = {
    ChannelState.OFFLINE: IconName.OFFLINE,
    ChannelState.STARTING: IconName.STARTING,
    ChannelState.UNLINKED: IconName.UNLINKED,
    ChannelState.PASSKEY_NEEDED: IconName.ATTENTION,
    ChannelState.LINKED: IconName.LINKED,
    ChannelState.RESTRICTED: IconName.ATTENTION,
    ChannelState.CHANGED_ACCOUNT: IconName.ATTENTION,
    ChannelState.PAUSED: IconName.PAUSED,
    ChannelState.NEEDS_UPDATE: IconName.UPDATE,
}

_URGENCY = tuple(IconName)
"""The enumeration stands in order of urgency: of several channels, the icon shows the one that needs a person most."""

_NOTHING_TO_LINK = frozenset({ChannelState.LINKED, ChannelState.RESTRICTED, ChannelState.NEEDS_UPDATE})


def face(view: TrayView) -> Face:
    """What the tray looks like for this view."""
    return Face(icon=_icon(view), title=_title(view), entries=_entries(view))


def one_line(text: str, limit: int) -> str:
    """The text on one line of at most `limit` characters, with an ellipsis where something was left out."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def state_words(channel: ChannelView) -> str:
    """The channel's state in a person's words, with the time at which a restriction or a pause ends."""
    match channel:
        case ChannelView(state=ChannelState.RESTRICTED, restricted_until=datetime() as until):
            return f"restricted until {moment(until)}"
        case ChannelView(state=ChannelState.PAUSED, paused_until=datetime() as until):
            return f"paused until {moment(until)}"
        case _:
            return _WORDS[channel.state]


def moment(when: datetime) -> str:
    """A date and time as people write it, in the zone that it came in: `24 Nov 14:30`."""
    return f"{when.day} {when:%b %H:%M}"


def _icon(view: TrayView) -> IconName:
    if not view.connected or not view.channels:
        return IconName.OFFLINE
    icons = [_ICONS[channel.state] for channel in view.channels]
    if any(channel.uncertain or channel.has_backlog for channel in view.channels):
        icons.append(IconName.ATTENTION)  # a person has to decide
    return max(icons, key=_URGENCY.index)


def _title(view: TrayView) -> str:
    return one_line(f"{APP_NAME}: {'; '.join(_title_parts(view))}", MAX_TITLE_CHARACTERS)


def _title_parts(view: TrayView) -> list[str]:
    if not view.connected:
        return ["no connection to the hub"]
    if not view.channels:
        return ["no channel yet"]
    return [f"{channel.name} {_summary(channel)}" for channel in view.channels]


def _summary(channel: ChannelView) -> str:
    waiting = f", {channel.queue_depth} waiting" if channel.queue_depth else ""
    uncertain = f", {channel.uncertain} uncertain" if channel.uncertain else ""
    return state_words(channel) + waiting + uncertain


def _entries(view: TrayView) -> tuple[Entry, ...]:
    address = view.api_address
    return (
        *_connection_lines(view),
        *_channel_entries(view),
        Separator(),
        Action(text="Open the console", command=OpenConsole(address=address), enabled=bool(address)),
        Action(text="Copy API address", command=CopyAddress(address=address), enabled=bool(address)),
        Separator(),
        Action(
            text="Start at login",
            command=StartAtLogin(wanted=not view.at_login),
            enabled=view.at_login is not None,
            checked=bool(view.at_login),
        ),
        Submenu(text="About", entries=tuple(_line(line) for line in ABOUT)),
        Action(text="Quit", command=Quit()),
    )


def _connection_lines(view: TrayView) -> list[Entry]:
    if view.connected:
        return []
    return [_line("No connection to the hub; trying again"), *([Separator()] if view.channels else [])]


def _channel_entries(view: TrayView) -> Sequence[Entry]:
    match view.channels:
        case ():
            return [_line("No channel yet: messenger-hub channel create NAME")]
        case (channel,):
            state = _line(f"{channel.name}: {state_words(channel)}")
            return [state, *_details(channel), Separator(), *_channel_actions(channel, view)]
        case channels:
            return [_submenu(channel, view) for channel in channels]


def _submenu(channel: ChannelView, view: TrayView) -> Submenu:
    details = _details(channel)
    return Submenu(
        text=one_line(f"{channel.name}: {_summary(channel)}", MAX_LABEL_CHARACTERS),
        entries=(*details, *([Separator()] if details else []), *_channel_actions(channel, view)),
    )


def _details(channel: ChannelView) -> list[Entry]:
    lines: list[Entry] = [_line(channel.reason)] if channel.reason.strip() else []
    if channel.queue_depth is not None:
        lines.append(_line(_waiting(channel.queue_depth)))
    if channel.uncertain:
        lines.append(_line(f"{uncertain_words(channel.uncertain)}: look into the chat, then decide"))
    return lines


def uncertain_words(count: int) -> str:
    """How many are uncertain, for people."""
    return "1 operation is uncertain" if count == 1 else f"{count} operations are uncertain"


def _waiting(depth: int) -> str:
    match depth:
        case 0:
            return "Nothing is waiting"
        case 1:
            return "1 operation is waiting"
        case _:
            return f"{depth} operations are waiting"


def _backlog(channel: ChannelView, view: TrayView) -> list[Entry]:
    if not channel.has_backlog:
        return []
    address = view.api_address
    return [
        Action(text="Send all that waits", command=SendBacklog(channel_id=channel.id), enabled=view.connected),
        Action(
            text="Send the last day's, cancel what is older",
            command=SendBacklog(channel_id=channel.id, hours=DAY_HOURS),
            enabled=view.connected,
        ),
        Action(text="Look through it in the console", command=OpenConsole(address=address), enabled=bool(address)),
        Separator(),
    ]


def _channel_actions(channel: ChannelView, view: TrayView) -> list[Entry]:
    paused, connected = channel.state is ChannelState.PAUSED, view.connected
    toggle = Resume(channel_id=channel.id) if paused else Pause(channel_id=channel.id)
    return [
        *_backlog(channel, view),
        # Pausing is the server's doing; without it nothing is sent anyway.
        Action(text="Pause sending", command=toggle, enabled=connected and not channel.has_backlog, checked=paused),
        Action(
            text="Pause for an hour",
            command=Pause(channel_id=channel.id, seconds=HOUR_SECONDS),
            enabled=connected and not paused,
        ),
        Action(
            text="Link WhatsApp…",
            command=Link(channel_id=channel.id),
            enabled=channel.state not in _NOTHING_TO_LINK,
        ),
    ]


def _line(text: str) -> Line:
    return Line(text=one_line(text, MAX_LABEL_CHARACTERS))
