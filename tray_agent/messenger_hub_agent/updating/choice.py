"""Which wa-js a desktop uses, as a table: pinned → candidate → proving → adopted, or rejected. Pure.

PINNED      the one that this release ships
CANDIDATE   a fetched one is put into the pages; nothing is sent with it before a page has checked it
PROVING     it has everything that sending needs; its first message decides
ADOPTED     its first message has reached WhatsApp's server
REJECTED    the one before is used again: the one that was adopted last, or else the pinned one
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Annotated, assert_never

import msgspec
from messenger_hub.runtime.version import VERSION

MOST_REJECTIONS = 20

Version = Annotated[str, msgspec.Meta(pattern=rf"{VERSION}|^\Z")]
"""Three numbers, or empty where there is none."""


class Stage(Enum):
    """See the top of this file."""

    PINNED = "pinned"
    CANDIDATE = "candidate"
    PROVING = "proving"
    ADOPTED = "adopted"
    REJECTED = "rejected"


class Happening(Enum):
    """What can happen to it."""

    WANTED = auto()
    FITS = auto()
    SENT = auto()
    FAILED = auto()
    BACK = auto()


TABLE: Mapping[tuple[Stage, Happening], Stage] = {
    **{(stage, Happening.WANTED): Stage.CANDIDATE for stage in Stage},
    **{(stage, Happening.BACK): Stage.PINNED for stage in Stage},
    (Stage.CANDIDATE, Happening.FITS): Stage.PROVING,
    (Stage.CANDIDATE, Happening.FAILED): Stage.REJECTED,
    # By a page that has kept it from an earlier trial.
    (Stage.CANDIDATE, Happening.SENT): Stage.ADOPTED,
    # By the page of another channel, or one that was opened again.
    (Stage.PROVING, Happening.FITS): Stage.PROVING,
    (Stage.PROVING, Happening.FAILED): Stage.REJECTED,
    (Stage.PROVING, Happening.SENT): Stage.ADOPTED,
}

TRIAL = frozenset({Stage.CANDIDATE, Stage.PROVING})


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """Why a version was given up, and when (Unix milliseconds)."""

    version: Version
    reason: str
    at_ms: int


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What a desktop remembers. A method raises KeyError for what cannot happen in this stage."""

    pinned: Version
    """What the release shipped that wrote this."""
    stage: Stage = Stage.PINNED
    candidate: Version = ""
    """The version on trial, or else the one of the last trial."""
    adopted: Version = ""
    """The version that is used outside of a trial; empty: the pinned one."""
    rejections: tuple[Rejection, ...] = ()
    """The last ones, oldest first."""

    @property
    def in_use(self) -> str:
        """The version that is put into pages."""
        return self.candidate if self.stage in TRIAL else self.adopted or self.pinned

    def on_trial(self, version: str) -> bool:
        """Whether that version has yet to prove itself."""
        return self.stage in TRIAL and version == self.candidate

    def rejection(self, version: str) -> Rejection | None:
        """Why that version was given up last; None when it never was."""
        return next((one for one in reversed(self.rejections) if one.version == version), None)

    def shipped_with(self, pinned: str) -> Choice:
        """As a release goes on that pins this version: one that pins a newer one than is used goes back to what it ships."""
        if pinned == self.pinned:
            return self
        choice = msgspec.structs.replace(self, pinned=pinned)
        return choice.back() if is_newer(pinned, self.in_use) else choice

    def wanted(self, version: str) -> Choice:
        """Somebody wants that version to be tried."""
        return self._moved(Happening.WANTED, candidate=version)

    def fits(self) -> Choice:
        """A page has everything that sending needs."""
        return self._moved(Happening.FITS)

    def sent(self) -> Choice:
        """A message has reached WhatsApp's server."""
        return self._moved(Happening.SENT, adopted=self.candidate)

    def failed(self, reason: str, at_ms: int) -> Choice:
        """It does not do."""
        rejection = Rejection(version=self.candidate, reason=reason, at_ms=at_ms)
        return self._moved(Happening.FAILED, rejections=(*self.rejections, rejection)[-MOST_REJECTIONS:])

    def back(self) -> Choice:
        """To the pinned one."""
        return self._moved(Happening.BACK, candidate="", adopted="")

    def _moved(self, happening: Happening, **changes: object) -> Choice:
        return msgspec.structs.replace(self, stage=TABLE[self.stage, happening], **changes)


def described(choice: Choice) -> str:
    """What is used here, as a sentence for a person."""
    match choice.stage:
        case Stage.PINNED:
            return f"wa-js {choice.pinned} is used, which the desktop app ships."
        case Stage.CANDIDATE:
            return f"wa-js {choice.candidate} is on trial: WhatsApp Web is opened with it as soon as nothing is being sent."
        case Stage.PROVING:
            return (
                f"wa-js {choice.candidate} fits WhatsApp Web and is used; its first message decides whether it stays."
            )
        case Stage.ADOPTED:
            return f"wa-js {choice.adopted} is used; the desktop app ships {choice.pinned}."
        case Stage.REJECTED:
            rejection = choice.rejection(choice.candidate)
            why = f" ({rejection.reason})" if rejection is not None else ""
            return f"wa-js {choice.in_use} is used; {choice.candidate} was tried and rejected{why}."
        case stage:
            assert_never(stage)


def is_newer(version: str, than: str) -> bool:
    """Both of three numbers."""
    return _numbers(version) > _numbers(than)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))
