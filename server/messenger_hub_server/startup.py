"""Why the hub does not start: one sentence that says what to do, and the exit code of the process."""

from __future__ import annotations

CONFIGURATION = 2
"""A setting, or a file that a setting names, cannot be used."""
REFUSED = 6
"""This machine does not let us: port in use, data folder locked, not writable or of a newer version."""


class StartupProblem(Exception):
    """The hub cannot start as asked."""

    def __init__(self, sentence: str, exit_code: int = CONFIGURATION) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.exit_code = exit_code
