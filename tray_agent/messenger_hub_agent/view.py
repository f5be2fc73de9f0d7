"""What the tray shows of the agent, from what its channels see and the hub wants. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.v1 import channel_service_pb2 as v1

from messenger_hub_agent.channel import Channel
from messenger_hub_agent.tray.menu import ChannelState, ChannelView

STATES = {
    v1.CHANNEL_STATE_STARTING: ChannelState.STARTING,
    v1.CHANNEL_STATE_UNLINKED: ChannelState.UNLINKED,
    v1.CHANNEL_STATE_PASSKEY_NEEDED: ChannelState.PASSKEY_NEEDED,
    v1.CHANNEL_STATE_LINKED: ChannelState.LINKED,
    v1.CHANNEL_STATE_RESTRICTED: ChannelState.RESTRICTED,
    v1.CHANNEL_STATE_NEEDS_UPDATE: ChannelState.NEEDS_UPDATE,
}


def channel_views(
    assignments: Sequence[pb.Assignments.Assignment], channels: Mapping[int, Channel]
) -> tuple[ChannelView, ...]:
    """One for each channel of the agent; `channels` holds those that run."""
    return tuple(_view(one, channels.get(one.channel_id)) for one in assignments)


def _view(assignment: pb.Assignments.Assignment, channel: Channel | None) -> ChannelView:
    state, reason, until, paused_until = ChannelState.STARTING, "", None, None
    if channel is not None:
        sight = channel.sight
        state, reason = STATES[sight.state], _sentence(sight.reason)
        if sight.restricted_until is not None:
            until = datetime.fromtimestamp(sight.restricted_until, UTC).astimezone()
        if channel.paused_here:
            state, reason = ChannelState.PAUSED, "Paused on this desktop"
            if channel.paused_until_ms is not None:
                paused_until = datetime.fromtimestamp(channel.paused_until_ms / 1000, UTC).astimezone()
    if assignment.paused:
        state, reason, paused_until = ChannelState.PAUSED, assignment.pause_reason, None
    return ChannelView(
        id=str(assignment.channel_id),
        name=assignment.name,
        state=state,
        reason=reason,
        restricted_until=until,
        paused_until=paused_until,
        queue_depth=assignment.queue_depth + (channel.held if channel is not None else 0),
        uncertain=assignment.uncertain,
        has_backlog=assignment.HasField("backlog_oldest"),
    )


def _sentence(text: str) -> str:
    """As a menu or a notice shows it."""
    return text[:1].upper() + text[1:].removesuffix(".") + "." if text else ""
