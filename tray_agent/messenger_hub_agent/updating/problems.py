"""Why no other wa-js is used, each as one sentence that says what to do, and that is true on the desktop as well as at the hub.

UpdateProblem
├── Unusable         what was asked for or given is not there, or is not it
├── NpmMissing       nothing to fetch it with
├── NotFetched       npm tried, and it did not work
├── RejectedBefore   the latest was rejected on this desktop, and nobody named it
├── NotStored        it cannot be written
└── Fault            ours
"""

from __future__ import annotations


class UpdateProblem(Exception):
    """The sentence is for a person, the code for programs; `reason` is what was seen, without advice, where there is more than one."""

    def __init__(self, sentence: str, code: str, reason: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code
        self.reason = reason


class Unusable(UpdateProblem):
    """What was asked for or given is not there, or is not it."""


class NpmMissing(UpdateProblem):
    """Nothing to fetch it with."""

    def __init__(self) -> None:
        super().__init__(
            "There is no npm on the desktop: install it there (on Debian: apt install npm), or give messenger-hub update wa-js there a "
            "package that another machine has fetched, with --file PACKAGE.tgz --integrity sha512-….",
            "npm_missing",
        )


class NotFetched(UpdateProblem):
    """npm tried, and it did not work."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(f"npm could not fetch wa-js on the desktop ({reason}): {advice}.", "npm", reason)


class RejectedBefore(UpdateProblem):
    """The latest was rejected on this desktop, and nobody named it: which one, and why."""

    def __init__(self, version: str, reason: str) -> None:
        super().__init__(
            f"wa-js {version} was rejected on the desktop ({reason}): try it again with --to {version}, or wait for a newer one.",
            "rejected",
            reason,
        )
        self.version = version


class NotStored(UpdateProblem):
    """It cannot be written."""

    def __init__(self) -> None:
        super().__init__(
            "The desktop cannot write to its disk (is it full?), and nothing was changed: make room there, then ask again.",
            "not_stored",
        )


class Fault(UpdateProblem):
    """Ours."""

    def __init__(self) -> None:
        super().__init__(
            "The desktop app failed at it, and nothing was changed: its log says why; update Messenger Hub there, then ask again.",
            "fault",
        )
