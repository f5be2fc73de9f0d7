"""What can be made to go wrong, and for which message. No input or output here; times are Unix seconds and given.

All switches are off at the start of the twin (a restart resets them) and after ``reset``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import Enum

REACHOUT_TIMELOCK = 463
FOREVER = float("inf")
QR_CODES = 6
"""WhatsApp gives a page so many codes at a time; then it stops until somebody asks for more."""
QR_SECONDS = 20.0
"""WhatsApp shows a code so long."""
FIRST_QR_TIMES = 3
"""The first of them is shown so many times as long: with the two above, a page stops after 160 s."""


class Fate(Enum):
    """What the network does with a message."""

    DELIVER = "deliver"  # log it, deliver it, acknowledge it
    SWALLOW = "swallow"  # log it, deliver it, never answer
    REFUSE = "refuse"  # answer with an error; nobody gets it
    DELIVER_AND_REFUSE = "deliver_and_refuse"  # log it, deliver it, and answer with an error all the same
    DROP_REPEAT = "drop_repeat"  # acknowledge a repeat of an id without logging it


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A message's fate, and for a refusal the error code (None: an error without a code)."""

    fate: Fate
    code: int | None = None


@dataclass(slots=True, kw_only=True)
class Receipts:
    """When receipts come: after these many seconds, counted from the acknowledgement, or only by hand."""

    automatic: bool = True
    delivered_seconds: float = 0.5
    read_seconds: float = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """How many codes a page is given at a time (0: none, it stops at once), and how long each but the first is shown."""

    count: int = QR_CODES
    seconds: float = QR_SECONDS

    def shown_seconds(self, left: int) -> float:
        """How long a code is shown when so many are left, itself included."""
        return self.seconds * (FIRST_QR_TIMES if left == self.count else 1)


@dataclass(slots=True, kw_only=True)
class Faults:
    """The switches. ``judge``, ``lookup_fails`` and ``lookup_swallowed`` use up the counted ones."""

    mute: bool = False
    swallow: int = 0
    delay_seconds: float = 0.0
    fail: int = 0
    fail_code: int | None = None
    fail_received: bool = False
    restricted_until: float = 0.0
    lookup_fail: int = 0
    lookup_fail_until: float = 0.0
    lookup_swallow: int = 0
    drop_repeats: bool = False
    passkey: bool = False
    contacts_stored: bool = True
    contacts_seconds: float = 0.0
    history_seconds: float = 0.0
    needs_update_below: int = 0
    receipts: Receipts = field(default_factory=Receipts)
    codes: Codes = field(default_factory=Codes)

    def reset(self) -> None:
        """Switch everything off. The page's required build stays: a page is never told to go back to an older one."""
        fresh = Faults(needs_update_below=self.needs_update_below)
        for each in fields(self):
            setattr(self, each.name, getattr(fresh, each.name))

    def restricted(self, now: float) -> bool:
        """Whether accounts may not write to chats that do not exist yet (WhatsApp's reach-out time-lock)."""
        return now < self.restricted_until

    def lookup_fails(self, now: float) -> bool:
        """Whether this question for a number fails like a broken network; counts it."""
        if now < self.lookup_fail_until:
            return True
        if self.lookup_fail > 0:
            self.lookup_fail -= 1
            return True
        return False

    def lookup_swallowed(self) -> bool:
        """Whether this question for a number is never answered; counts it."""
        if self.lookup_swallow > 0:
            self.lookup_swallow -= 1
            return True
        return False

    def judge(self, *, now: float, chat_exists: bool, repeat: bool) -> Verdict:
        """The fate of a message that has just arrived; uses up one of what is counted."""
        if repeat and self.drop_repeats:
            return Verdict(fate=Fate.DROP_REPEAT)
        if self.fail > 0:
            self.fail -= 1
            fate = Fate.DELIVER_AND_REFUSE if self.fail_received else Fate.REFUSE
            return Verdict(fate=fate, code=self.fail_code)
        if self.restricted(now) and not chat_exists:
            return Verdict(fate=Fate.REFUSE, code=REACHOUT_TIMELOCK)
        if self.swallow > 0:
            self.swallow -= 1
            return Verdict(fate=Fate.SWALLOW)
        return Verdict(fate=Fate.DELIVER)
