"""Why no wa-js was fetched, each as one sentence that says what to do.

UpdateProblem
├── Unusable         what was asked for or given is not there, or is not it
├── NpmMissing       nothing to fetch it with
├── NotFetched       npm tried, and it did not work
├── RejectedBefore   the latest was rejected here, and nobody named it
└── NotStored        it cannot be written
"""

from __future__ import annotations


class UpdateProblem(Exception):
    """The sentence is for a person, the code for programs."""

    def __init__(self, sentence: str, code: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code


class Unusable(UpdateProblem):
    """What was asked for or given is not there, or is not it."""


class NpmMissing(UpdateProblem):
    """Nothing to fetch it with."""


class NotFetched(UpdateProblem):
    """npm tried, and it did not work."""


class RejectedBefore(UpdateProblem):
    """The latest was rejected here, and nobody named it: which one, and why."""

    def __init__(self, version: str, reason: str) -> None:
        super().__init__(
            f"wa-js {version} was rejected here ({reason}): try it again with --to {version}, or wait for a newer one.",
            "rejected",
        )
        self.version = version
        self.reason = reason


class NotStored(UpdateProblem):
    """It cannot be written."""
