"""Agents: desktops that carry operations out in WhatsApp Web."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import click
from messenger_hub.admin.v1 import agent_admin_service_pb2 as pb

from messenger_hub_cli.failures import Refused
from messenger_hub_cli.messages import plain
from messenger_hub_cli.output import Listing, Record, confirm, print_json
from messenger_hub_cli.remembered import AGENT, forget, remembered
from messenger_hub_cli.running_hub import RunningHub
from messenger_hub_cli.signals import watch_parent, with_parent_option
from messenger_hub_cli.verb import DATA_DIR_VARIABLE, data_dir_option, operator_verb, yes_option

TOKEN_VARIABLE = "MESSENGER_HUB_ENROL"  # noqa: S105 a name
HERE = "127.0.0.1:8643"
READY = "The desktop app works. Ctrl-C ends it; what waits stays in the queue."
COLUMNS = {
    "name": "Agent",
    "connected": "Connected",
    "last_seen_at": "Last seen",
    "version": "Version",
    "channels": "Channels",
    "active": "Active",
}


@click.group(
    invoke_without_command=True,
    epilog="Example:\n\n\b\nmessenger-hub agent --server hub.example.org:8643 --tls --enrol TOKEN",
)
@data_dir_option
@click.option(
    "--server",
    metavar="HOST:PORT",
    default=None,
    show_default="the hub that it has joined, else 127.0.0.1:8643",
    help="The hub's gRPC address.",
)
@click.option(
    "--enrol",
    "enrol_token",
    metavar="TOKEN",
    default="",
    envvar=TOKEN_VARIABLE,
    help="One-time token of the operator; only the first time.",
)
@click.option("--headless", is_flag=True, help="Show neither icon nor window.")
@click.option("--whatsapp-url", metavar="URL", default=None, help="Another address than WhatsApp Web's, for trying.")
@click.option(
    "--browser", type=click.Path(path_type=Path), help="Chrome, Chromium or Edge, where it is not found by itself."
)
@click.option(
    "--browser-memory",
    type=click.IntRange(256, 65_536),
    metavar="MIB",
    default=None,
    show_default="1536",
    help="A channel's browser that takes more is started anew, between two sends.",
)
@click.option("--tls", is_flag=True, help="Use TLS with the system's authorities.")
@click.option("--ca", type=click.Path(path_type=Path), help="Use TLS, and trust this authority (PEM).")
@click.option(
    "--fingerprint", default="", metavar="SHA256", help="Use TLS, and trust the one certificate with this fingerprint."
)
@click.option("--insecure", is_flag=True, help="Allow a hub on another machine without TLS.")
@with_parent_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--debug", is_flag=True, help="Show where an error came from.")
@click.pass_context
def agent(
    context: click.Context, /, data_dir: Path, with_parent: bool, as_json: bool, debug: bool, **given: object
) -> None:
    """Run the desktop app, which carries operations out in WhatsApp Web; or enrol, list and revoke such desktops.

    NAME is an agent's name or its id.
    """
    del debug  # the error boundary reads it from the command line
    if context.invoked_subcommand is None:
        run_agent(
            data_dir,
            with_hub(data_dir, given),
            with_parent=with_parent,
            on_ready=lambda name: print_json({"agent": name}) if as_json else click.echo(READY),
        )


def with_hub(data_dir: Path, given: Mapping[str, object]) -> Mapping[str, object]:
    """The options with the hub that this desktop has joined, where they name none; what they say of it counts."""
    if given["server"] is not None:
        if given["enrol_token"]:
            forget(data_dir)
        return given
    hub = remembered(data_dir)
    if hub is None:
        return {**given, "server": HERE}
    told = any(given[name] for name in ("tls", "ca", "fingerprint"))
    return {**given, **({"server": hub.server} if told else hub.options())}


def run_agent(
    data_dir: Path, given: Mapping[str, object], *, with_parent: bool, on_ready: Callable[[str], None]
) -> None:
    """Until a signal, or until the person quits. `on_ready` gets the agent's name once the hub has let it in."""
    try:
        from messenger_hub_agent import desktop  # noqa: PLC0415 the server's machine needs no browser library
        from messenger_hub_agent.config import AgentSettings  # noqa: PLC0415
        from messenger_hub_agent.enrolment import AgentProblem  # noqa: PLC0415
    except ImportError as error:
        raise Refused(
            f"The desktop app's packages are not installed ({error.name}): pip install 'messenger-hub[agent,tray]'."
        ) from error
    os.environ[DATA_DIR_VARIABLE] = str(data_dir.absolute())  # for the verbs that the icon's menu runs
    options = {name: value for name, value in given.items() if value is not None}
    settings = AgentSettings(data_dir=data_dir / AGENT, **options)  # type: ignore[arg-type]
    if with_parent:
        watch_parent(lambda: signal.raise_signal(signal.SIGTERM))
    try:
        desktop.run(
            settings,
            say=lambda sentence: click.echo(sentence, err=True),
            on_ready=on_ready,
        )
    except AgentProblem as problem:
        raise Refused(problem.sentence, code="agent") from problem


@operator_verb("enrol", group=agent, example="messenger-hub agent enrol office-pc --channel sales")
@click.argument("name")
@click.option("--channel", required=True, metavar="NAME", help="Name or id of the channel that it serves.")
async def enrol(hub: RunningHub, name: str, channel: str) -> Record:
    """Make a one-time token with which a desktop becomes an agent of a channel. It works once, for 10 minutes."""
    answer = await hub.agents.CreateEnrolment(pb.CreateEnrolmentRequest(name=name, channel=channel))
    if answer.link:
        sentence = f"On that desktop, within 10 minutes:\n\nmessenger-hub join '{answer.link}'"
    else:
        sentence = f"Start the agent on the desktop within 10 minutes with --enrol and this token:\n\n{answer.token}"
    return Record(data=plain(answer), sentence=sentence)


@operator_verb("list", group=agent, example="messenger-hub agent list")
async def list_agents(hub: RunningHub) -> Listing:
    """List all agents."""
    answer = await hub.agents.ListAgents(pb.ListAgentsRequest())
    columns = {**COLUMNS, "node": "Node"} if any(one.node for one in answer.agents) else COLUMNS
    empty = "No agent yet. Enrol one with: messenger-hub agent enrol NAME --channel NAME"
    return Listing(name="agents", rows=[plain(one) for one in answer.agents], columns=columns, empty=empty)


@operator_verb("revoke", group=agent, example="messenger-hub agent revoke office-pc --yes")
@click.argument("name")
@yes_option
async def revoke(hub: RunningHub, name: str, yes: bool) -> Record:
    """End an agent's credential and its stream at once."""
    confirm(f"Agent {name} can no longer connect; its channels wait for another one.", yes=yes)
    answer = await hub.agents.RevokeAgent(pb.RevokeAgentRequest(agent=name))
    return Record(data=plain(answer.agent), sentence=f"Agent {answer.agent.name} is revoked.")
