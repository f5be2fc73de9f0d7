"""Channels: the linked WhatsApp accounts."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click
from messenger_hub.admin.v1 import channel_admin_service_pb2 as pb
from messenger_hub.agent.v1 import agent_service_pb2

from messenger_hub_cli.failures import Refused
from messenger_hub_cli.linking import link_channel
from messenger_hub_cli.messages import choices, plain
from messenger_hub_cli.output import Listing, Record, confirm
from messenger_hub_cli.running_hub import RunningHub
from messenger_hub_cli.verb import operator_verb, yes_option

HOUR_MS = 3_600_000
PACES = choices(agent_service_pb2.DESCRIPTOR.enum_types_by_name["Pace"])
COLUMNS = {
    "name": "Channel",
    "status.channel": "State",
    "status.queue_depth": "Waiting",
    "pace": "Pace",
    "agent_name": "Agent",
    "status.reason": "Why",
}

name_argument = click.argument("name")


@click.group()
def channel() -> None:
    """Channels: the linked WhatsApp accounts. NAME is a channel's name or its id."""


@operator_verb("create", group=channel, example="messenger-hub channel create sales --pace normal")
@name_argument
@click.option(
    "--pace", type=click.Choice([*PACES]), default="normal", show_default=True, help="The gap between messages."
)
async def create(hub: RunningHub, name: str, pace: str) -> Record:
    """Make a channel.

    The pace "normal" leaves 1 to 3 seconds between messages and 5 to 15 before the first one to a new chat, "careful" 3 to 8
    and 30 to 90, "off" none.
    """
    answer = await hub.channels.CreateChannel(
        pb.CreateChannelRequest(name=name, pace=agent_service_pb2.Pace.ValueType(PACES[pace]))
    )
    sentence = f"Channel {answer.channel.name} made. Link it with: messenger-hub channel link {answer.channel.name}"
    return Record(data=plain(answer.channel), sentence=sentence)


@operator_verb("list", group=channel, example="messenger-hub channel list --json")
async def list_channels(hub: RunningHub) -> Listing:
    """List all channels."""
    answer = await hub.channels.ListChannels(pb.ListChannelsRequest())
    empty = "No channel yet. Make one with: messenger-hub channel create NAME"
    return Listing(name="channels", rows=[plain(one) for one in answer.channels], columns=COLUMNS, empty=empty)


@operator_verb("show", group=channel, example="messenger-hub channel show sales")
@name_argument
async def show(hub: RunningHub, name: str) -> Record:
    """Show one channel: whether messages go out, and if not, why."""
    answer = await hub.channels.GetChannel(pb.GetChannelRequest(channel=name))
    return Record(data=plain(answer.channel), sentence=described(answer.channel))


@operator_verb("pace", group=channel, example="messenger-hub channel pace sales careful")
@name_argument
@click.argument("pace", type=click.Choice([*PACES]))
async def set_pace(hub: RunningHub, name: str, pace: str) -> Record:
    """Change the gap between messages. What waits keeps its place."""
    answer = await hub.channels.UpdateChannel(
        pb.UpdateChannelRequest(channel=name, pace=agent_service_pb2.Pace.ValueType(PACES[pace]))
    )
    return Record(data=plain(answer.channel), sentence=f"Channel {answer.channel.name} now goes at the pace {pace}.")


@operator_verb(
    "link",
    group=channel,
    example="messenger-hub channel link sales\nmessenger-hub channel link sales --phone 5511987654321",
)
@name_argument
@click.option(
    "--phone", default="", metavar="NUMBER", help="Link with a code to type on this phone instead of a QR code."
)
async def link(hub: RunningHub, name: str, phone: str) -> Record:
    """Link a WhatsApp account.

    Shows the QR code here, and in the agent's window where it has one: on the phone open WhatsApp, Settings, Linked devices,
    Link a device.
    """
    linked = await link_channel(hub, name, phone=phone)
    return Record(data=plain(linked), sentence=f"Channel {linked.name} is linked as {linked.status.number}.")


@operator_verb("pause", group=channel, example='messenger-hub channel pause sales --reason "Back on Monday"')
@name_argument
@click.option("--reason", default="", help="Shown in the channel's status.")
async def pause(hub: RunningHub, name: str, reason: str) -> Record:
    """Start nothing more on a channel. What is queued waits."""
    answer = await hub.channels.PauseChannel(pb.PauseChannelRequest(channel=name, reason=reason))
    sentence = f"Channel {answer.channel.name} is paused; {waiting(answer.channel)}."
    return Record(data=plain(answer.channel), sentence=sentence)


@operator_verb("resume", group=channel, example="messenger-hub channel resume sales")
@name_argument
async def resume(hub: RunningHub, name: str) -> Record:
    """End a pause, also the one after another WhatsApp account was linked, which this confirms."""
    answer = await hub.channels.ResumeChannel(pb.ResumeChannelRequest(channel=name))
    return Record(
        data=plain(answer.channel), sentence=f"Channel {answer.channel.name} goes on; {waiting(answer.channel)}."
    )


@operator_verb(
    "backlog",
    group=channel,
    example="messenger-hub channel backlog sales\nmessenger-hub channel backlog sales --cancel-older-than 24 --yes",
)
@name_argument
@click.option(
    "--cancel-older-than",
    "hours",
    type=click.IntRange(1, 8760),
    metavar="HOURS",
    help="Cancel what was accepted before.",
)
@yes_option
async def backlog(hub: RunningHub, name: str, hours: int | None, yes: bool) -> Record:
    """Send what has waited for long, for which the channel holds everything: all of it, or without the oldest."""
    now = (await hub.channels.GetChannel(pb.GetChannelRequest(channel=name))).channel
    if not now.HasField("backlog_oldest"):
        return Record(data={"cancelled": 0}, sentence=f"Channel {now.name} holds no backlog; {waiting(now)}.")
    wanted = pb.DecideBacklogRequest(channel=name, validate_only=True)
    if hours is not None:
        wanted.cancel_accepted_before.FromMilliseconds(round(time.time() * 1000) - hours * HOUR_MS)
    counted = await hub.channels.DecideBacklog(wanted)
    if counted.cancelled:
        many = "more than " if counted.more else ""
        confirm(f"This cancels {many}{operations(counted.cancelled)} on channel {name} and sends the rest.", yes=yes)
    wanted.validate_only = False
    answer = await hub.channels.DecideBacklog(wanted)
    sentence = f"Cancelled {operations(answer.cancelled)}; channel {answer.channel.name} goes on."
    return Record(data=plain(answer), sentence=sentence)


@operator_verb("picture", group=channel, example="messenger-hub channel picture sales page.jpg")
@name_argument
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
async def picture(hub: RunningHub, name: str, file: Path) -> Record:
    """Write a picture of WhatsApp Web as the desktop shows it now. It shows chats: delete it when it is of no more use."""
    answer = await hub.channels.GetPagePicture(pb.GetPagePictureRequest(channel=name))
    _keep(file, answer.jpeg)
    return Record(data={"file": str(file), "bytes": len(answer.jpeg)}, sentence=f"{file} shows channel {name}.")


@operator_verb("clear-queue", group=channel, example="messenger-hub channel clear-queue sales --yes")
@name_argument
@yes_option
async def clear_queue(hub: RunningHub, name: str, yes: bool) -> Record:
    """Cancel everything that waits on a channel and has not started."""
    request = pb.ClearQueueRequest(channel=name, validate_only=True)
    counted = await hub.channels.ClearQueue(request)
    confirm(f"This cancels {operations(counted.cancelled)} on channel {name}.", yes=yes)
    answer = await hub.channels.ClearQueue(pb.ClearQueueRequest(channel=name))
    return Record(data=plain(answer), sentence=f"Cancelled {operations(answer.cancelled)}.")


@operator_verb("unlink", group=channel, example="messenger-hub channel unlink sales --yes")
@name_argument
@yes_option
async def unlink(hub: RunningHub, name: str, yes: bool) -> Record:
    """Log the WhatsApp account out of the desktop. What is queued waits."""
    now = (await hub.channels.GetChannel(pb.GetChannelRequest(channel=name))).channel
    confirm(f"This logs channel {now.name} out of WhatsApp; {waiting(now)} until it is linked again.", yes=yes)
    answer = await hub.channels.UnlinkChannel(pb.UnlinkChannelRequest(channel=name))
    return Record(data=plain(answer.channel), sentence=f"Channel {answer.channel.name} is logged out.")


@operator_verb("move", group=channel, example="messenger-hub channel move sales --to office-pc")
@name_argument
@click.option("--to", "agent", required=True, metavar="AGENT", help="Name or id of the agent that takes over.")
@click.option("--force", is_flag=True, help="The old agent is gone for good: what it had started becomes uncertain.")
@yes_option
async def move(hub: RunningHub, name: str, agent: str, force: bool, yes: bool) -> Record:
    """Give a channel to another agent. The old one finishes what it has started first."""
    if force:
        confirm(f"What the old agent of channel {name} had started becomes uncertain.", yes=yes)
    answer = await hub.channels.MoveChannel(pb.MoveChannelRequest(channel=name, agent=agent, force=force))
    return Record(
        data=plain(answer.channel),
        sentence=f"Channel {answer.channel.name} belongs to agent {answer.channel.agent_name}.",
    )


@operator_verb("delete", group=channel, example="messenger-hub channel delete sales --yes")
@name_argument
@yes_option
async def delete(hub: RunningHub, name: str, yes: bool) -> Record:
    """Delete a channel with its session APIs. What waits fails."""
    counted = await hub.channels.DeleteChannel(pb.DeleteChannelRequest(channel=name, validate_only=True))
    lost = f"{session_apis(counted.session_apis)}; {operations(counted.failed)} that wait{'s' if counted.failed == 1 else ''} would fail"
    confirm(f"This deletes channel {name} with {lost}.", yes=yes)
    answer = await hub.channels.DeleteChannel(pb.DeleteChannelRequest(channel=name))
    sentence = (
        f"Channel {name} is deleted with {session_apis(answer.session_apis)}; {operations(answer.failed)} failed."
    )
    return Record(data=plain(answer), sentence=sentence)


def _keep(file: Path, content: bytes) -> None:
    """For its owner alone. Raises Refused."""
    try:
        with open(file, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as written:
            file.chmod(0o600)
            written.write(content)
    except OSError as error:
        raise Refused(f"{file} cannot be written: {error.strerror}.") from error


def described(one: pb.Channel) -> str:
    """A channel in a few lines."""
    status = plain(one.status)
    lines = {
        "Channel": f"{one.name} (id {one.id})",
        "State": f"{status['channel']}{f' as {one.status.number}' if one.status.number else ''}",
        "Why": one.status.reason,
        "Waiting": str(one.status.queue_depth),
        "Agent": f"{one.agent_name}{'' if one.status.agent_connected else ' (not connected)'}"
        if one.agent_name
        else "none",
        "Pace": str(plain(one)["pace"]),
    }
    return "\n".join(f"{heading:<8} {value}" for heading, value in lines.items() if value)


def waiting(one: pb.Channel) -> str:
    """How much waits, for the middle of a sentence."""
    count = one.status.queue_depth
    return "nothing waits" if not count else f"{operations(count)} wait{'s' if count == 1 else ''}"


def operations(count: int) -> str:
    """1 operation, 2 operations."""
    return f"{count} operation{'' if count == 1 else 's'}"


def session_apis(count: int) -> str:
    """1 session API, 2 session APIs."""
    return f"{count} session API{'' if count == 1 else 's'}"
