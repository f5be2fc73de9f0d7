"""Where the passphrase of a back-up comes from: a file, the environment, or whoever sits at the terminal; never the command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from messenger_hub_cli.failures import Misused

VARIABLE = "MESSENGER_HUB_BACKUP_PASSPHRASE"
LEAST = 8

passphrase_option = click.option(
    "--passphrase-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"Read the passphrase from the first line of this file; {VARIABLE} does the same.",
)


def new_passphrase(file: Path | None) -> str:
    """For a new back-up; a person types it twice. Raises Misused when it is too short or nobody can be asked."""
    given = _given(file)
    if given is None:
        given = str(click.prompt("Passphrase for the back-up", hide_input=True, confirmation_prompt=True, err=True))
    if len(given) < LEAST:
        raise Misused(f"The passphrase has fewer than {LEAST} characters: choose a longer one.", code="weak_passphrase")
    return given


def known_passphrase(file: Path | None) -> str:
    """Of a back-up that is there. Raises Misused when nobody can be asked."""
    given = _given(file)
    return str(click.prompt("Passphrase of the back-up", hide_input=True, err=True)) if given is None else given


def _given(file: Path | None) -> str | None:
    if file is not None:
        return _first_line(file)
    if named := os.environ.get(VARIABLE):
        return named
    if not sys.stdin.isatty():
        raise Misused(
            f"Nobody can be asked for the passphrase here: give --passphrase-file FILE, or set {VARIABLE}.",
            code="passphrase_needed",
        )
    return None


def _first_line(file: Path) -> str:
    try:
        line = file.read_text("utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise Misused(
            f"The passphrase file {file} cannot be read: {reason}; give another.", code="passphrase_file"
        ) from error
    if not line:
        raise Misused(f"The first line of {file} is empty: write the passphrase there.", code="passphrase_file")
    return line
