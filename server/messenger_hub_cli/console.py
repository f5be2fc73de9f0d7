"""Opens the console of a running hub, signed in."""

from __future__ import annotations

import webbrowser

import click
from messenger_hub.admin.v1 import hub_admin_service_pb2
from messenger_hub_agent.tray.availability import has_screen

from messenger_hub_cli.messages import plain
from messenger_hub_cli.output import Record
from messenger_hub_cli.running_hub import RunningHub
from messenger_hub_cli.verb import operator_verb, wants_json


async def _console(hub: RunningHub, only_print: bool) -> Record:
    """Open the hub's console in a browser, signed in.

    Without a screen, with --print and with --json the link is printed instead: it works once, for ten minutes.
    """
    made = await hub.hub.CreateConsoleLink(hub_admin_service_pb2.CreateConsoleLinkRequest())
    shown = not (only_print or wants_json()) and opened(made.url)
    return Record(data=plain(made), sentence="The console is open in your browser." if shown else made.url)


async def link_of(hub: RunningHub) -> str:
    """A link that signs a browser in, once."""
    return str((await hub.hub.CreateConsoleLink(hub_admin_service_pb2.CreateConsoleLinkRequest())).url)


def opened(url: str) -> bool:
    """Shows a page to the person at this machine; False where nobody can see it."""
    return has_screen() and webbrowser.open(url)


print_option = click.option("--print", "only_print", is_flag=True, help="Print the link instead of opening it.")
console = operator_verb("console", example="messenger-hub console")(print_option(_console))
