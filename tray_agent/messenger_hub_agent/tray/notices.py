"""Which notices a person gets when the agent's state changes: a pure function of the view before and the view now."""

from __future__ import annotations

from dataclasses import dataclass

from messenger_hub_agent.tray.menu import (
    APP_NAME,
    ChannelState,
    ChannelView,
    TrayView,
    one_line,
    state_words,
    uncertain_words,
)

UNREACHABLE_NOTICE_SECONDS = 60
"""Shorter gaps heal by themselves (a router, a restart of the server) and nobody wants to read of them."""
MAX_TITLE_CHARACTERS = 63
MAX_MESSAGE_CHARACTERS = 255
"""Windows keeps 64 and 256 UTF-16 units for the two, the last of each a NUL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A short-lived message on the desktop."""

    title: str
    message: str


_NOT_UP = frozenset({ChannelState.OFFLINE, ChannelState.STARTING})
_BEING_LINKED = frozenset({ChannelState.UNLINKED, ChannelState.PASSKEY_NEEDED, ChannelState.CHANGED_ACCOUNT})

_NEEDS_A_PERSON = {
    ChannelState.PASSKEY_NEEDED: "Confirm the passkey in the linking window.",
    ChannelState.RESTRICTED: "WhatsApp refuses messages to new chats for now; existing chats go on.",
    ChannelState.CHANGED_ACCOUNT: "Nothing goes out until you confirm that this is the account you want.",
    ChannelState.NEEDS_UPDATE: "WhatsApp Web refuses this version: update Messenger Hub or the browser.",
}
"""States that call for a person, each with what is said where the agent gives no reason."""


def notices(before: TrayView | None, now: TrayView) -> tuple[Notice, ...]:
    """The notices for this change, in the order of the channels; none for the first view of a run."""
    if before is None:
        return ()
    known = {channel.id: channel for channel in before.channels}
    changes = [(known[channel.id], channel) for channel in now.channels if channel.id in known]
    found = [_of_connection(before, now)]
    for old, new in changes:
        found += [_of_channel(old, new), _of_uncertain(old, new)]
    # Also of a channel that was not there before: the first one of a morning.
    found += [_of_backlog(new) for new in now.channels if new.has_backlog and not _had_backlog(known.get(new.id))]
    return tuple(notice for notice in found if notice is not None)


def merged(several: tuple[Notice, ...]) -> Notice | None:
    """All of them as one, because desktops show only the last notice of an icon; None for none."""
    match several:
        case ():
            return None
        case (notice,):
            return notice
        case _:
            text = "\n".join(f"{notice.title}. {notice.message}" for notice in several)
            return Notice(title=APP_NAME, message=text[:MAX_MESSAGE_CHARACTERS])


def _of_connection(before: TrayView, now: TrayView) -> Notice | None:
    was, is_now = before.disconnected_seconds, now.disconnected_seconds
    if not now.connected and was < UNREACHABLE_NOTICE_SECONDS <= is_now:
        return _notice("No connection to the hub", "Nothing is lost: what waits is sent once the hub answers again.")
    if now.connected and was >= UNREACHABLE_NOTICE_SECONDS:
        return _notice("Connected to the hub again", "Sending goes on.")
    return None


def _had_backlog(before: ChannelView | None) -> bool:
    return before is not None and before.has_backlog


def _of_backlog(now: ChannelView) -> Notice:
    return _notice(
        f"{now.name}: old operations wait for you",
        "Many have waited for over six hours. Choose in the icon's menu or in the console what becomes of them.",
    )


def _of_uncertain(before: ChannelView, now: ChannelView) -> Notice | None:
    """More than before: a person should look while the chat is fresh in mind."""
    if now.uncertain <= before.uncertain:
        return None
    return _notice(
        f"{now.name}: {uncertain_words(now.uncertain)}",
        "It may or may not have been sent. Look into the chat on the phone, then decide: messenger-hub operation list --status uncertain",
    )


def _of_channel(before: ChannelView, now: ChannelView) -> Notice | None:
    if before.state is now.state and before.restricted_until == now.restricted_until:
        return None
    if now.state is ChannelState.LINKED and before.state in _BEING_LINKED:
        return _notice(f"{now.name}: linked", now.reason or "Messages go out from now on.")
    if now.state is ChannelState.UNLINKED and before.state not in _BEING_LINKED:
        return _unlinked(before, now)
    if now.state in _NEEDS_A_PERSON:
        return _notice(f"{now.name}: {state_words(now)}", now.reason or _NEEDS_A_PERSON[now.state])
    return None


def _unlinked(before: ChannelView, now: ChannelView) -> Notice:
    what_to_do = "Choose “Link WhatsApp…” in the icon's menu."
    if before.state in _NOT_UP:
        return _notice(f"{now.name}: not linked", f"{now.reason} {what_to_do}")
    return _notice(f"{now.name}: logged out", f"{now.reason or 'WhatsApp ended the link.'} {what_to_do}")


def _notice(title: str, message: str) -> Notice:
    return Notice(title=one_line(title, MAX_TITLE_CHARACTERS), message=one_line(message, MAX_MESSAGE_CHARACTERS))
