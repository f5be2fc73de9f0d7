"""What a verb can fail with: one sentence for people, a code for programs, an exit code for scripts.

CliError
├── Failed               1  it was tried and did not work
├── Misused              2  the command line, or what was given to it, is wrong
├── HubUnreachable       3  no hub answers
├── NotFound             4  no channel, session API, agent or operation of that name
├── Conflict             5  taken, too late, or something must happen first
├── Refused              6  this machine does not let us: port in use, folder locked, no browser
└── Unauthorised         7  the hub does not accept the key, token or credential
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

INTERRUPTED = 130

EXIT_CODES: Mapping[int, str] = {
    0: "done",
    1: "tried, and it did not work",
    2: "the command line, or what was given to it, is wrong",
    3: "no hub answers",
    4: "no channel, session API, agent or operation of that name",
    5: "the name is taken, it is too late, or something else must happen first",
    6: "this machine does not let us: port in use, data folder locked or of a newer version, no browser",
    7: "the hub does not accept the key, the token or the credential",
    INTERRUPTED: "ended with Ctrl-C",
}


class CliError(Exception):
    """Its message is the one sentence that a person reads, and it says what to do next."""

    exit_code: ClassVar[int] = 1
    default_code: ClassVar[str] = "failed"

    def __init__(self, sentence: str, *, code: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code or self.default_code


class Failed(CliError):
    """It was tried and did not work."""


class Misused(CliError):
    """The command line, or what was given to it, is wrong."""

    exit_code = 2
    default_code = "usage"


class HubUnreachable(CliError):
    """No hub answers."""

    exit_code = 3
    default_code = "hub_unreachable"


class NotFound(CliError):
    """Nothing of that name."""

    exit_code = 4
    default_code = "not_found"


class Conflict(CliError):
    """Taken, too late, or something must happen first."""

    exit_code = 5
    default_code = "conflict"


class Refused(CliError):
    """This machine does not let us."""

    exit_code = 6
    default_code = "refused"


class Unauthorised(CliError):
    """A key, token or credential is not accepted."""

    exit_code = 7
    default_code = "unauthorised"
