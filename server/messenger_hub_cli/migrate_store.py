"""Moves a hub's database from SQLite to PostgreSQL."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from messenger_hub_server import config

from messenger_hub_cli.failures import Conflict, Misused, Refused
from messenger_hub_cli.output import Record
from messenger_hub_cli.progress import ProgressLine
from messenger_hub_cli.signals import interruptible
from messenger_hub_cli.verb import DATA_DIR_VARIABLE, HUB_FOLDER, verb

if TYPE_CHECKING:
    from messenger_hub_server.moving.move import Moved
    from messenger_hub_server.store.address import StoreAddress

CLASHES = frozenset({"another_hub", "differs", "moved", "interrupted"})


@verb("migrate-store", example="messenger-hub migrate-store --to postgresql://hub@localhost/hub")
@click.option(
    "--from",
    "data_dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=HUB_FOLDER,
    envvar=DATA_DIR_VARIABLE,
    show_default="the user's data folder",
    help="The data folder of the hub, which must be stopped.",
)
@click.option(
    "--to",
    "url",
    help=f"An empty PostgreSQL database; one with a password is given in {config.PREFIX}STORE instead.",
)
def migrate_store(data_dir: Path, url: str | None) -> Record:
    """Copy a hub's SQLite database to PostgreSQL, check the copy, and have the hub go on there. The hub must be stopped.

    It can be interrupted at any time: the same command goes on where it was. The SQLite file is kept under another name.
    """
    with _told(), interruptible():
        from messenger_hub_server.moving.move import move  # noqa: PLC0415 help needs no server

        address = _address(data_dir, url)
        with ProgressLine() as sight:
            moved = asyncio.run(move(data_dir, address, sight))
    return Record(
        data={
            "store": moved.place,
            "kept": str(moved.kept),
            "tables": [
                {"name": name, "rows": content.count, "sha256": content.digest}
                for name, content in moved.tables.items()
            ],
        },
        sentence=_sentence(moved),
    )


def _address(data_dir: Path, url: str | None) -> StoreAddress:
    if url is not None:
        return _given(url)
    address = config.load({"data_dir": data_dir}, os.environ).store
    if address is None:
        raise Misused(f"Give the database with --to postgresql://USER@HOST/DATABASE or in {config.PREFIX}STORE.")
    return address


def _given(url: str) -> StoreAddress:
    from messenger_hub_server.store.address import StoreAddress  # noqa: PLC0415

    try:
        address = StoreAddress(url)
    except ValueError:
        raise Misused("--to is not understood: write postgresql://USER@HOST/DATABASE.") from None
    config.refuse_secret(address, "--to")
    return address


def _sentence(moved: Moved) -> str:
    counts = ", ".join(f"{content.count} {name}" for name, content in moved.tables.items() if content.count)
    return (
        f"The hub is in {moved.place} now: {counts or 'nothing yet'}, the same as before, row by row.\n"
        f'Next: put its address into config.toml (store = "postgresql://…") or {config.PREFIX}STORE, and start the hub.\n'
        f"The SQLite file is kept as {moved.kept}; delete it when all is well."
    )


@contextmanager
def _told() -> Iterator[None]:
    from messenger_hub.runtime.database import DatabaseError  # noqa: PLC0415
    from messenger_hub_server.moving.move import MoveProblem  # noqa: PLC0415
    from messenger_hub_server.startup import CONFIGURATION, StartupProblem  # noqa: PLC0415

    try:
        yield
    except MoveProblem as problem:
        if problem.code == "no_hub":
            raise Misused(problem.sentence, code=problem.code) from problem
        if problem.code in CLASHES:
            raise Conflict(problem.sentence, code=problem.code) from problem
        raise Refused(problem.sentence, code=problem.code) from problem
    except StartupProblem as problem:
        if problem.exit_code == CONFIGURATION:
            raise Misused(problem.sentence) from problem
        raise Refused(problem.sentence) from problem
    except DatabaseError as problem:
        raise Refused(f"{problem} Nothing is lost: repeat the command to go on.", code="database") from problem
