"""Why an operation or a channel is where it is: one sentence, from what is stored, what the agent reports, and the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from messenger_hub_server.model import Agent, Channel, Operation, OperationKind, OperationState
from messenger_hub_server.reports import AgentPresence, ChannelPresence


class ChannelState(StrEnum):
    """The contract's names."""

    OFFLINE = "offline"
    STARTING = "starting"
    UNLINKED = "unlinked"
    PASSKEY_NEEDED = "passkey_needed"
    LINKED = "linked"
    RESTRICTED = "restricted"
    CHANGED_ACCOUNT = "changed_account"
    PAUSED = "paused"
    NEEDS_UPDATE = "needs_update"


BACKLOG = "More than 20 operations have waited for over six hours: decide what becomes of them"

_PAGE = {
    ChannelState.STARTING: "WhatsApp Web is starting on the desktop",
    ChannelState.UNLINKED: "Waiting for a person to link WhatsApp with messenger-hub channel link",
    ChannelState.PASSKEY_NEEDED: "WhatsApp asks for a passkey: confirm it on the phone",
    ChannelState.NEEDS_UPDATE: "WhatsApp Web refuses this version: update Messenger Hub or the browser",
    ChannelState.LINKED: "Messages go out",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """All that is known of a channel. `agent` is its owner; `paused_since_ms` is None when that is not known."""

    channel: Channel
    agent: Agent | None
    agent_presence: AgentPresence | None
    presence: ChannelPresence | None
    paused_since_ms: int | None
    now_ms: int
    restored: bool = False

    @property
    def connected(self) -> bool:
        """The owner's stream is open."""
        return self.agent_presence is not None and self.agent_presence.connected

    @property
    def last_seen_ms(self) -> int | None:
        """The owner's last frame."""
        if self.agent_presence is not None:
            return self.agent_presence.last_seen_ms
        return self.agent.last_seen_at_ms if self.agent is not None else None

    @property
    def current(self) -> ChannelPresence | None:
        """The report, if it is one of the agent's present stream."""
        if not self.connected or self.presence is None or self.agent_presence is None:
            return None
        return self.presence if self.presence.reported_at_ms >= self.agent_presence.since_ms else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelView:
    """A channel as programs see it. `next_send_seconds` is the pace, 0 for now."""

    state: ChannelState
    reason: str
    since_ms: int | None
    can_send: bool
    restricted_until_ms: int | None
    next_send_seconds: int


def channel_view(sight: Sight) -> ChannelView:
    """Where the channel stands. What a person must decide goes before what the desktop shows."""
    state = _state(sight)
    report = sight.current.report if sight.current else None
    return ChannelView(
        state=state,
        reason=_channel_reason(state, sight),
        since_ms=_since(state, sight),
        can_send=state is ChannelState.LINKED and sight.channel.moving_to is None and not sight.restored,
        restricted_until_ms=report.restricted_until_ms if report and state is ChannelState.RESTRICTED else None,
        next_send_seconds=_seconds_until(report.next_send_at_ms if report else None, sight.now_ms),
    )


def operation_reason(operation: Operation, sight: Sight | None, queued: int) -> str:
    """Why it stands there. `sight` is None when its channel was deleted; `queued` is how many wait on the channel."""
    if sight is None:
        return operation.reason
    view = channel_view(sight)
    match operation.state:
        case OperationState.PENDING:
            return _pending_reason(operation, view, sight.now_ms, queued)
        case OperationState.LEASED if operation.lease is not None and operation.lease.started:
            return _started_reason(operation, sight)
        case OperationState.LEASED:
            return view.reason if view.state is ChannelState.OFFLINE else _paced(view) or "The desktop app has taken it"
        case _:
            return operation.reason


def ago(at_ms: int, now_ms: int) -> str:
    """How long ago, in the words of a person."""
    seconds = max(0, now_ms - at_ms) // 1000
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"{_count(seconds // size, word)} ago"
    return f"{_count(seconds, 'second')} ago" if seconds >= 10 else "a moment ago"


def clock_time(at_ms: int) -> str:
    """A time for people: UTC, to the second."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _pending_reason(operation: Operation, view: ChannelView, now_ms: int, queued: int) -> str:
    if operation.send_at_ms is not None and operation.send_at_ms > now_ms:
        return f"Held until {clock_time(operation.send_at_ms)}"
    if view.state not in (ChannelState.LINKED, ChannelState.RESTRICTED):
        return view.reason
    if operation.not_before_ms is not None and operation.not_before_ms > now_ms:
        return f"{operation.reason.rstrip('.')}; tried again at {clock_time(operation.not_before_ms)}"
    if view.state is ChannelState.RESTRICTED:
        return view.reason
    ahead = max(0, queued - 1)
    return _paced(view) or (f"Queued with {_count(ahead, 'other')}" if ahead else "Next in line")


def _started_reason(operation: Operation, sight: Sight) -> str:
    if not sight.connected:
        return f"Started, then the desktop app went away, last seen {_seen(sight)}; checked when it is back"
    return "Being sent" if operation.kind is OperationKind.SEND_MESSAGE else "Being carried out"


def _paced(view: ChannelView) -> str:
    return f"The channel's pace: next message in {view.next_send_seconds} s" if view.next_send_seconds else ""


def _state(sight: Sight) -> ChannelState:
    if sight.channel.changed_account:
        return ChannelState.CHANGED_ACCOUNT
    if sight.channel.paused_reason is not None or sight.channel.backlog_oldest_ms is not None:
        return ChannelState.PAUSED
    if not sight.connected:
        return ChannelState.OFFLINE
    if sight.current and sight.current.report.paused:
        return ChannelState.PAUSED
    return ChannelState(sight.current.report.state.value) if sight.current else ChannelState.STARTING


def _channel_reason(state: ChannelState, sight: Sight) -> str:
    told = sight.current.report.reason if sight.current else ""
    match state:
        case ChannelState.CHANGED_ACCOUNT:
            return "Another WhatsApp account was linked: an operator confirms it with messenger-hub channel resume"
        case ChannelState.PAUSED:
            if sight.channel.paused_reason is None:
                return _paused_there(sight) if sight.channel.backlog_oldest_ms is None else BACKLOG
            return _joined("The channel is paused", sight.channel.paused_reason)
        case ChannelState.OFFLINE if sight.restored:
            return f"The hub's database was restored, and the desktop's journal has to tell what is missing. {_offline(sight)}"
        case ChannelState.OFFLINE:
            return _offline(sight)
        case ChannelState.RESTRICTED:
            return _restricted(sight)
        case ChannelState.LINKED if sight.channel.moving_to is not None:
            return "The channel is moving to another desktop app"
        case ChannelState.UNLINKED | ChannelState.NEEDS_UPDATE:
            return _joined(_PAGE[state], told)
        case _:
            return told or _PAGE[state]


def _paused_there(sight: Sight) -> str:
    until = sight.current.report.paused_until_ms if sight.current else None
    if until is not None:
        return f"The channel is paused on the desktop until {clock_time(until)}: resume it in the tray's menu"
    return "The channel is paused on the desktop: resume it in the tray's menu"


def _offline(sight: Sight) -> str:
    if sight.channel.agent_id is None:
        return "Waiting for a desktop app: none is enrolled for this channel, messenger-hub agent enrol does that"
    seen = _seen(sight)
    return f"Waiting for the desktop app, last seen {seen}" if seen else "Waiting for the desktop app, never seen yet"


def _seen(sight: Sight) -> str:
    return ago(sight.last_seen_ms, sight.now_ms) if sight.last_seen_ms is not None else ""


def _restricted(sight: Sight) -> str:
    until = sight.current.report.restricted_until_ms if sight.current else None
    when = f" until {clock_time(until)}" if until is not None else " for a while"
    return f"WhatsApp refuses messages to new chats{when}; existing chats go on"


def _since(state: ChannelState, sight: Sight) -> int | None:
    match state:
        case ChannelState.CHANGED_ACCOUNT | ChannelState.PAUSED if sight.paused_since_ms is not None:
            return sight.paused_since_ms
        case ChannelState.OFFLINE:
            return (
                sight.agent_presence.since_ms
                if sight.agent_presence
                else sight.last_seen_ms or sight.channel.created_at_ms
            )
        case _ if sight.current is not None:
            # The state may be older than this stream; the agent was away in between.
            return max(sight.current.since_ms, sight.agent_presence.since_ms if sight.agent_presence else 0)
        case _:
            return sight.agent_presence.since_ms if sight.agent_presence else None


def _seconds_until(at_ms: int | None, now_ms: int) -> int:
    return max(0, -(-(at_ms - now_ms) // 1000)) if at_ms is not None else 0


def _joined(sentence: str, detail: str) -> str:
    return f"{sentence}: {detail}" if detail else sentence


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
