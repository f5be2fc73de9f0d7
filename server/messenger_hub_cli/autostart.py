"""Starts the hub and the desktop app when the user logs in."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from messenger_hub.runtime.system import here

from messenger_hub_cli.failures import Refused
from messenger_hub_cli.login_items import login_item
from messenger_hub_cli.output import Record
from messenger_hub_cli.remembered import remembered
from messenger_hub_cli.verb import data_dir_option, verb


@click.group()
def autostart() -> None:
    """Start Messenger Hub at login."""


@verb("on", group=autostart, example="messenger-hub autostart on")
@data_dir_option
@click.option("--lan", is_flag=True, help="As up --lan does.")
def on(data_dir: Path, lan: bool) -> Record:
    """Run `messenger-hub up` whenever you log in; on a desktop that has joined another hub, the desktop app."""
    with _told():
        login_item().put(_command(data_dir, *(["--lan"] if lan else [])))
    return Record(data={"on": True}, sentence="Messenger Hub starts when you log in.")


@verb("off", group=autostart, example="messenger-hub autostart off")
def off() -> Record:
    """Do not start at login any more."""
    with _told():
        login_item().remove()
    return Record(data={"on": False}, sentence="Messenger Hub does not start at login.")


@verb("status", group=autostart, example="messenger-hub autostart status")
def status() -> Record:
    """Say whether it starts at login."""
    command = login_item().command()
    sentence = f"Starts at login: {command}" if command else "Does not start at login: messenger-hub autostart on."
    return Record(data={"on": bool(command), "command": command}, sentence=sentence)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refused(f"The list of what starts at login cannot be written: {error.strerror}.") from error


def at_login(data_dir: Path) -> bool:
    """Starts it at login from now on; False when that cannot be written."""
    try:
        login_item().put(_command(data_dir))
    except OSError:
        return False
    return True


def _command(data_dir: Path, *options: str) -> Sequence[str]:
    # By the interpreter that has it: no PATH and no activated environment is there at login.
    program = [here.without_window(sys.executable), "-m", "messenger_hub_cli"]
    verb = ["up", *options] if remembered(data_dir) is None else ["agent"]
    return [*program, *verb, "--data-dir", str(data_dir.absolute())]
