"""Puts a back-up in the place of the database of a data folder."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from messenger_hub.runtime.clock import SystemClock
from messenger_hub_server import config

from messenger_hub_cli.backup import told
from messenger_hub_cli.channel import operations
from messenger_hub_cli.failures import Misused
from messenger_hub_cli.output import Json, Record, confirm
from messenger_hub_cli.passphrase import known_passphrase, passphrase_option
from messenger_hub_cli.progress import ProgressLine
from messenger_hub_cli.signals import interruptible
from messenger_hub_cli.verb import data_dir_option, verb, yes_option

if TYPE_CHECKING:
    from messenger_hub_server.backup.putting_back import Outcome

WITNESSED = (
    "What their journals tell is taken over first: what was sent since is known again, and the rest waits on; after a journal that "
    "took over later, what was open becomes uncertain."
)
UNWITNESSED = (
    "Nothing on this machine tells what was given out since, so no journal can vouch for all of it: what a desktop's journal tells is "
    "taken over, and what was open becomes uncertain, for you to resolve."
)


@verb("restore", example="messenger-hub restore /mnt/elsewhere/hub.backup")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@data_dir_option
@passphrase_option
@click.option(
    "--in-place",
    is_flag=True,
    help="Instead of FILE: take the database that is there for an older one, as after the loss of high-water.json.",
)
@yes_option
def restore(file: Path | None, data_dir: Path, passphrase_file: Path | None, in_place: bool, yes: bool) -> Record:
    """Put the back-up FILE in the place of the hub's database. The hub must be stopped.

    The database that is there is kept under another name. Afterwards every channel waits for its desktop, whose journal tells what was
    sent since the back-up was made; until then nothing goes out.
    """
    if (file is None) != in_place:
        raise Misused("Give either the FILE of a back-up or --in-place.")
    with told(), interruptible():
        if file is None:
            return _in_place(data_dir, yes=yes)
        return _from_file(file, data_dir, passphrase_file, yes=yes)


def _from_file(file: Path, data_dir: Path, passphrase_file: Path | None, *, yes: bool) -> Record:
    from messenger_hub_server.backup import putting_back  # noqa: PLC0415 help needs no server

    with putting_back.opened(data_dir, file) as restoring:
        passphrase = known_passphrase(passphrase_file)
        with ProgressLine() as sight:
            prepared = asyncio.run(restoring.prepare(passphrase, sight))
        made = _time(prepared.made_at_ms)
        replaced = f"replaces the database in {data_dir}" if prepared.replaces else f"makes a hub in {data_dir}"
        confirm(f"This {replaced} with the back-up of {made} ({_holds(prepared)}).", yes=yes)
        done = restoring.put_in_place(prepared, SystemClock().now_ms())
    kept = f" The one that was there is kept as {done.kept}; delete it when all is well." if done.kept else ""
    return Record(data=_data(done), sentence=f"Put back the database of {made}.{kept}\n{_next(done)}")


def _in_place(data_dir: Path, *, yes: bool) -> Record:
    from messenger_hub_server.backup import putting_back  # noqa: PLC0415

    address = config.load({"data_dir": data_dir}, os.environ).store
    place = address or data_dir
    with putting_back.held(data_dir) as folder:
        confirm(
            f"This takes the database in {place} for an older one: what is open in it becomes uncertain unless a desktop's journal "
            "tells more.",
            yes=yes,
        )
        done = asyncio.run(putting_back.in_place(folder, SystemClock().now_ms(), address))
    return Record(data=_data(done), sentence=f"The database in {place} counts as restored.\n{_next(done)}")


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _holds(outcome: Outcome) -> str:
    return f"{operations(outcome.operations_open)} open, {outcome.operations_uncertain} uncertain"


def _next(outcome: Outcome) -> str:
    waiting = len(outcome.waiting)
    if not waiting:
        return "Nothing ever went out on its channels, so none waits. Start the hub."
    channels = f"{waiting} channel{'s wait for their desktops' if waiting > 1 else ' waits for its desktop'}"
    evidence = UNWITNESSED if outcome.unwitnessed else WITNESSED
    return (
        f"{channels} ({', '.join(outcome.waiting)}); {_holds(outcome)}. {evidence}\nStart the hub, then the desktops; messenger-hub "
        "operation list --status uncertain shows what needs you. Erasures of persons and revocations of keys and desktops since the "
        "back-up have to be repeated."
    )


def _data(outcome: Outcome) -> Mapping[str, Json]:
    return {
        "made_at": datetime.fromtimestamp(outcome.made_at_ms / 1000, UTC).isoformat() if outcome.version else None,
        "kept": str(outcome.kept) if outcome.kept else None,
        "channels_waiting": list(outcome.waiting),
        "operations_open": outcome.operations_open,
        "operations_uncertain": outcome.operations_uncertain,
        "witnessed": not outcome.unwitnessed,
    }
