"""Why the hub does not start: one sentence that says what to do, and the exit code of the process (those of sysexits.h)."""

from __future__ import annotations

UNAVAILABLE = 69
"""A port is in use, or an address does not exist."""
CANNOT_CREATE = 73
"""The data folder cannot be written."""
BUSY = 75
"""Another process holds the data folder."""
CONFIGURATION = 78
"""A setting, a certificate or a data folder that this version cannot use."""


class StartupProblem(Exception):
    """The hub cannot start as asked."""

    def __init__(self, sentence: str, exit_code: int = CONFIGURATION) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.exit_code = exit_code
