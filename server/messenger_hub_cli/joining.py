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
from messenger_hub_cli.output import print_json
from messenger_hub_cli.remembered import AGENT, FILE_NAME, Hub, remembered
from messenger_hub_cli.signals import with_parent_option
from messenger_hub_cli.verb import data_dir_option, verb, wants_json

CREDENTIAL = "credential.json"


@verb("join", example="messenger-hub join 'messenger-hub://192.168.1.20:8653/join?token=…&fingerprint=…'")
@click.argument("link")
@data_dir_option
@click.option("--headless", is_flag=True, help="Show neither icon nor window.")
@click.option("--autostart/--no-autostart", default=True, show_default=True, help="Start the desktop app at login too.")
@click.option("--whatsapp-url", metavar="URL", default=None, help="Another address than WhatsApp Web's, for trying.")
@click.option(
    "--browser", type=click.Path(path_type=Path), help="Chrome, Chromium or Edge, where it is not found by itself."
)
@with_parent_option
def join(
    link: str,
    data_dir: Path,
    headless: bool,
    autostart: bool,
    whatsapp_url: str | None,
    browser: Path | None,
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
    joined = _Joined(data_dir, hub, autostart=autostart and not headless)
    given = {"headless": headless, "whatsapp_url": whatsapp_url, "browser": browser, "enrol_token": asked.token}
    run_agent(data_dir, {**given, **hub.options()}, with_parent=with_parent, on_ready=joined.tell)


def _refuse_another(data_dir: Path, hub: Hub) -> None:
    """A desktop works for one hub: its channels' links to WhatsApp and what it noted of them belong to that one."""
    known = remembered(data_dir)
    is_enrolled = (data_dir / AGENT / CREDENTIAL).exists()
    if is_enrolled and (known is None or known.server != hub.server):
        where = f"the hub at {known.server}" if known else "the hub on this machine"
        raise Refused(
            f"This desktop works for {where} already: give another folder with --data-dir, or move {data_dir / AGENT} away."
        )


@dataclass(frozen=True, slots=True, kw_only=False)
class _Joined:
    """What is done once the hub has let this desktop in."""

    data_dir: Path
    hub: Hub
    autostart: bool

    def tell(self, name: str) -> None:
        """Remembers the hub, and says so."""
        try:
            PrivateFolder(self.data_dir / AGENT).write_private(FILE_NAME, msgspec.json.encode(self.hub))
        except (FolderError, OSError) as error:
            click.echo(
                f"The hub's address could not be kept ({error}): next time give --server {self.hub.server}.", err=True
            )
        starts = self.autostart and at_login(self.data_dir)
        if wants_json():
            print_json({"agent": name, "server": self.hub.server, "autostart": starts})
            return
        at = " and starts at login" if starts else ""
        click.echo(f"This desktop is {name} of the hub at {self.hub.server}{at}. {READY}")
