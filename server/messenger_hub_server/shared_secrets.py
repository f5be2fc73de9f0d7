"""The secrets that all nodes of one hub have in common, as a file: made or exported once, then taken into each node's data folder."""

from __future__ import annotations

import os
import re
import secrets
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from messenger_hub.runtime.system import here

from messenger_hub_server.startup import CONFIGURATION, REFUSED, StartupProblem

_HEAD = """\
# The secrets of one Messenger Hub, the same on each of its nodes. Whoever can read them governs the hub: keep this file to yourself,
# and delete it where it is not needed any more.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedSecrets:
    """`pepper`: what every key is judged with. `admin_token`: what operators call with. 64 hexadecimal digits each; never shown."""

    pepper: str = field(repr=False)
    admin_token: str = field(repr=False)

    @property
    def text(self) -> str:
        """The file."""
        return f'{_HEAD}pepper = "{self.pepper}"\nadmin_token = "{self.admin_token}"\n'


def is_secret(text: str) -> bool:
    """Whether it has a secret's form."""
    return re.fullmatch("[0-9a-f]{64}", text) is not None


def made() -> SharedSecrets:
    """For a hub that does not exist yet."""
    return SharedSecrets(pepper=secrets.token_hex(32), admin_token=secrets.token_hex(32))


def write(file: Path, of_hub: SharedSecrets) -> None:
    """Makes the file, for its owner alone. Raises StartupProblem when there is one already or it cannot be written."""
    try:
        with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as opened:
            here.keep_private(file)
            opened.write(of_hub.text)
    except FileExistsError as error:
        raise StartupProblem(
            f"{file} is there already: name another file, or delete that one first.", REFUSED
        ) from error
    except OSError as error:
        raise StartupProblem(f"{file} cannot be written: {error.strerror}; name another file.", REFUSED) from error


def read(file: Path) -> SharedSecrets:
    """Raises StartupProblem, which quotes nothing of the file."""
    try:
        found = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise StartupProblem(
            f"The secrets in {file} cannot be read: {error.strerror}; name the file that messenger-hub secrets make or export wrote.",
            CONFIGURATION,
        ) from error
    except ValueError:  # whose sentence quotes the line
        found = {}
    values = [str(found.get(name, "")) for name in ("pepper", "admin_token")]
    if len(found) != len(values) or not all(map(is_secret, values)):
        raise StartupProblem(
            f"{file} is no file of secrets, or a damaged one: write it with messenger-hub secrets make or secrets export.",
            CONFIGURATION,
        )
    return SharedSecrets(pepper=values[0], admin_token=values[1])
