"""A desktop joins a hub on another machine with one link, and remembers where that hub is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
import msgspec
from messenger_hub.runtime.folder import FolderError, PrivateFolder
from messenger_hub.runtime.join_link import JoinLink, NoLink

from messenger_hub_cli.agent import READY, run_agent
from messenger_hub_cli.autostart import at_login
from messenger_hub_cli.failures import Misused, Refused
from messenger_hub_cli.output import confirm, print_json
from messenger_hub_cli.remembered import AGENT, FILE_NAME, Hub, is_enrolled, remembered
from messenger_hub_cli.signals import with_parent_option
from messenger_hub_cli.verb import data_dir_option, verb, wants_json, yes_option


@verb("join", example="messenger-hub join 'messenger-hub://192.168.1.20:8653/join?token=…&fingerprint=…'")
@click.argument("link")
@data_dir_option
@click.option("--headless", is_flag=True, help="Show neither icon nor window.")
@click.option("--autostart/--no-autostart", default=True, show_default=True, help="Start the desktop app at login too.")
@click.option("--whatsapp-url", metavar="URL", default=None, help="Another address than WhatsApp Web's, for trying.")
@click.option(
    "--browser", type=click.Path(path_type=Path), help="Chrome, Chromium or Edge, where it is not found by itself."
)
@yes_option
@with_parent_option
def join(
    link: str,
    data_dir: Path,
    headless: bool,
    autostart: bool,
    whatsapp_url: str | None,
    browser: Path | None,
    yes: bool,
    with_parent: bool,
) -> None:
    """Make this desktop an agent of a hub on another machine, and run the desktop app.

    LINK comes from the hub: messenger-hub agent enrol NAME, or Agents in its console. It works once, for ten minutes. From then on
    messenger-hub agent is enough.
    """
    try:
        asked = JoinLink.read(link)
    except NoLink as problem:
        raise Misused(str(problem)) from problem
    hub = Hub(server=asked.address, fingerprint=asked.fingerprint)
    _refuse_another(data_dir, hub)
    # A web page may have brought the link here: whose hub it is, a person has to say.
    confirm(
        f"This desktop then works for the hub at {hub.server}, which sends from the account that you link.", yes=yes
    )
    _remember(data_dir, hub)
    joined = _Joined(data_dir, hub, autostart=autostart and not headless, as_json=wants_json())
    given = {"headless": headless, "whatsapp_url": whatsapp_url, "browser": browser, "enrol_token": asked.token}
    run_agent(data_dir, {**given, **hub.options()}, with_parent=with_parent, on_ready=joined.tell)


def _refuse_another(data_dir: Path, hub: Hub) -> None:
    """A desktop works for one hub: its channels' links to WhatsApp and what it noted of them belong to that one."""
    if not is_enrolled(data_dir):
        return
    known = remembered(data_dir)
    if known is None:
        where = "the hub on this machine"
    elif known.server == hub.server or (known.fingerprint and known.fingerprint == hub.fingerprint):
        return  # the same one, perhaps at another address
    else:
        where = f"the hub at {known.server}"
    raise Refused(f"This desktop works for {where} already: for another one give another folder with --data-dir.")


def _remember(data_dir: Path, hub: Hub) -> None:
    """Before the desktop is enrolled: with a credential and no address it would not find its hub again."""
    try:
        PrivateFolder(data_dir / AGENT).write_private(FILE_NAME, msgspec.json.encode(hub))
    except (FolderError, OSError) as error:
        raise Refused(f"The hub's address cannot be kept in {data_dir / AGENT}: {error}.") from error


@dataclass(frozen=True, slots=True)
class _Joined:
    """What is said once the hub has let this desktop in, on whatever thread the desktop app works."""

    data_dir: Path
    hub: Hub
    autostart: bool
    as_json: bool

    def tell(self, name: str) -> None:
        """Starts at login from now on, and says so."""
        starts = self.autostart and at_login(self.data_dir)
        if self.as_json:
            print_json({"agent": name, "server": self.hub.server, "autostart": starts})
            return
        at = " and starts at login" if starts else ""
        click.echo(f"This desktop is {name} of the hub at {self.hub.server}{at}. {READY}")
