"""Backs up the hub of a data folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import click
from messenger_hub.runtime.clock import SystemClock

from messenger_hub_cli.channel import operations
from messenger_hub_cli.failures import Conflict, Misused, Refused
from messenger_hub_cli.output import Json, Record
from messenger_hub_cli.passphrase import new_passphrase, passphrase_option
from messenger_hub_cli.progress import ProgressLine
from messenger_hub_cli.signals import interruptible
from messenger_hub_cli.verb import data_dir_option, verb


@verb("backup", example="messenger-hub backup /mnt/elsewhere/hub.backup")
@click.argument("file", type=click.Path(path_type=Path))
@data_dir_option
@passphrase_option
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
def backup(file: Path, data_dir: Path, passphrase_file: Path | None, force: bool) -> Record:
    """Write an encrypted back-up to FILE, whether or not the hub runs.

    It holds the database and the secrets and settings beside it. It does not hold the desktops' journals, which must never be
    replaced by older ones, nor their browser profiles.
    """
    from messenger_hub_server.backup.making import back_up  # noqa: PLC0415 help needs no server

    passphrase = new_passphrase(passphrase_file)
    with told(), interruptible(), ProgressLine() as sight:
        made = back_up(
            data_dir,
            file,
            passphrase,
            replace=force,
            now_ms=SystemClock().now_ms(),
            version=version("messenger-hub"),
            sight=sight,
        )
    data: Mapping[str, Json] = {
        "file": str(made.path),
        "bytes": made.size,
        "operations": made.operations,
        "files": list(made.files),
    }
    return Record(
        data=data,
        sentence=(
            f"Wrote {made.path} ({made.size / 1e6:.1f} MB): the database with {operations(made.operations)}, and the secrets beside "
            "it.\nIt does not hold the desktops' journals and browser profiles: putting back older ones would take away the evidence "
            "of what was sent.\nKeep the passphrase somewhere else: without it nobody can open the back-up."
        ),
    )


@contextmanager
def told() -> Iterator[None]:
    """A problem of a back-up or a restore as a sentence with its exit code."""
    from messenger_hub_server.backup.problems import BackupProblem, Clash, Unusable  # noqa: PLC0415
    from messenger_hub_server.startup import StartupProblem  # noqa: PLC0415

    try:
        yield
    except Unusable as problem:
        raise Misused(problem.sentence, code=problem.code) from problem
    except Clash as problem:
        raise Conflict(problem.sentence, code=problem.code) from problem
    except BackupProblem as problem:
        raise Refused(problem.sentence, code=problem.code) from problem
    except StartupProblem as problem:  # of the settings, or of a database elsewhere
        raise Refused(problem.sentence) from problem
