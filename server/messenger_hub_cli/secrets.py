"""The secrets that all nodes of a hub have in common: makes them, writes those of a data folder to a file, puts them into another one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from messenger_hub_cli.failures import Misused, Refused
from messenger_hub_cli.output import Record
from messenger_hub_cli.verb import data_dir_option, verb

NEXT = (
    "Whoever can read it governs the hub. Give it to each node: --secrets FILE (MESSENGER_HUB_SECRETS), or messenger-hub secrets import "
    "FILE."
)
file_argument = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


@click.group("secrets")
def secrets() -> None:
    """Secrets: what all nodes of a hub on PostgreSQL have in common."""


@verb("make", example="messenger-hub secrets make hub-secrets.toml", group=secrets)
@file_argument
def make(file: Path) -> Record:
    """Write new secrets to FILE, for a hub that does not exist yet."""
    from messenger_hub_server import shared_secrets  # noqa: PLC0415 help needs no server

    with _told():
        shared_secrets.write(file, shared_secrets.made())
    return Record(data={"file": str(file)}, sentence=f"Wrote the secrets of a new hub to {file}.\n{NEXT}")


@verb("export", example="messenger-hub secrets export hub-secrets.toml", group=secrets)
@file_argument
@data_dir_option
def export(file: Path, data_dir: Path) -> Record:
    """Write the secrets of a hub's data folder to FILE, whether or not it runs, for its other nodes."""
    from messenger_hub.runtime.folder import PrivateFolder  # noqa: PLC0415
    from messenger_hub_server import shared_secrets  # noqa: PLC0415
    from messenger_hub_server.data_folder import secrets_of  # noqa: PLC0415

    with _told():
        if not data_dir.is_dir():
            raise Misused(f"There is no data folder {data_dir}: give the one of a hub with --data-dir.", code="no_hub")
        shared_secrets.write(file, secrets_of(PrivateFolder(data_dir)))
    return Record(data={"file": str(file)}, sentence=f"Wrote the secrets of {data_dir} to {file}.\n{NEXT}")


@verb("import", example="messenger-hub secrets import hub-secrets.toml", group=secrets)
@file_argument
@data_dir_option
def import_(file: Path, data_dir: Path) -> Record:
    """Put the secrets in FILE into a node's data folder, which is made if need be. The node must be stopped."""
    from messenger_hub_server import shared_secrets  # noqa: PLC0415
    from messenger_hub_server.data_folder import DataFolder  # noqa: PLC0415

    with _told():
        DataFolder(data_dir, shared_secrets.read(file)).close()
    return Record(
        data={"data_dir": str(data_dir)},
        sentence=f"The node in {data_dir} has the secrets of {file} now.\nNext: start it with --store, and delete {file} where no other "
        "node needs it.",
    )


@contextmanager
def _told() -> Iterator[None]:
    from messenger_hub.runtime.folder import FolderError  # noqa: PLC0415
    from messenger_hub_server.startup import CONFIGURATION, StartupProblem  # noqa: PLC0415

    try:
        yield
    except StartupProblem as problem:
        if problem.exit_code == CONFIGURATION:
            raise Misused(problem.sentence) from problem
        raise Refused(problem.sentence) from problem
    except FolderError as problem:
        raise Refused(str(problem)) from problem
