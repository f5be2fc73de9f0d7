"""Agents: desktops that carry operations out in WhatsApp Web."""

from __future__ import annotations

import click
from messenger_hub.admin.v1 import agent_admin_service_pb2 as pb

from messenger_hub_cli.messages import plain
from messenger_hub_cli.output import Listing, Record, confirm
from messenger_hub_cli.running_hub import RunningHub
from messenger_hub_cli.verb import operator_verb, yes_option

COLUMNS = {
    "name": "Agent",
    "connected": "Connected",
    "last_seen_at": "Last seen",
    "version": "Version",
    "channels": "Channels",
    "active": "Active",
}


@click.group()
def agent() -> None:
    """Agents: desktops that carry operations out in WhatsApp Web. NAME is an agent's name or its id."""


@operator_verb("enrol", group=agent, example="messenger-hub agent enrol office-pc --channel sales")
@click.argument("name")
@click.option("--channel", required=True, metavar="NAME", help="Name or id of the channel that it serves.")
async def enrol(hub: RunningHub, name: str, channel: str) -> Record:
    """Make a one-time token with which a desktop becomes an agent of a channel. It works once, for 10 minutes."""
    answer = await hub.agents.CreateEnrolment(pb.CreateEnrolmentRequest(name=name, channel=channel))
    sentence = f"Start the agent on the desktop within 10 minutes with --enrol and this token:\n\n{answer.token}"
    return Record(data=plain(answer), sentence=sentence)


@operator_verb("list", group=agent, example="messenger-hub agent list")
async def list_agents(hub: RunningHub) -> Listing:
    """List all agents."""
    answer = await hub.agents.ListAgents(pb.ListAgentsRequest())
    empty = "No agent yet. Enrol one with: messenger-hub agent enrol NAME --channel NAME"
    return Listing(name="agents", rows=[plain(one) for one in answer.agents], columns=COLUMNS, empty=empty)


@operator_verb("revoke", group=agent, example="messenger-hub agent revoke office-pc --yes")
@click.argument("name")
@yes_option
async def revoke(hub: RunningHub, name: str, yes: bool) -> Record:
    """End an agent's credential and its stream at once."""
    confirm(f"Agent {name} can no longer connect; its channels wait for another one.", yes=yes)
    answer = await hub.agents.RevokeAgent(pb.RevokeAgentRequest(agent=name))
    return Record(data=plain(answer.agent), sentence=f"Agent {answer.agent.name} is revoked.")
