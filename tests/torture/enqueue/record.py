"""What a world is judged by: what programs asked and were told, and what is there after the last kill.

All times are Unix seconds of this machine's one clock; a life is one run of the server, counted from 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.torture.answers import ACCEPTED, NO_ANSWER

UNKNOWN = "outcome_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One call. `status` is HTTP's, also for gRPC; NO_ANSWER when the connection broke. `replayed`: the answer said that it was an
    earlier one's; None where the door does not say."""

    life: int
    begun: float
    ended: float
    status: int
    code: str = ""
    number: int = 0
    replayed: bool | None = None

    @property
    def accepted(self) -> bool:
        """The hub said that it has the message."""
        return self.status == ACCEPTED

    @property
    def refused(self) -> bool:
        """The hub said that nothing was queued."""
        return self.status not in (NO_ANSWER, ACCEPTED) and self.code != UNKNOWN


@dataclass(slots=True, kw_only=True)
class Wish:
    """One message that a program wants sent. `reference` is unlike any other's; `key` is empty without an idempotency key."""

    reference: str
    text: str
    door: str
    key: str = ""
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def accepted(self) -> Sequence[Attempt]:
        """The answers that said so, in the order in which they came."""
        return [one for one in self.attempts if one.accepted]

    @property
    def in_doubt(self) -> bool:
        """Nobody has told its program what came of it."""
        return not self.accepted and not all(one.refused for one in self.attempts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One operation of the database."""

    number: int
    reference: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """One world. `rows` are the database's, `listed` number and reference of what the API lists, `findings` what `messenger-hub check`
    says is wrong, `own_ends` lives that ended, or did not begin, without having been killed."""

    wishes: Sequence[Wish]
    rows: Sequence[Row]
    listed: Sequence[tuple[int, str]]
    findings: Sequence[str] = ()
    own_ends: Mapping[int, str] = field(default_factory=dict)

    def told(self) -> Mapping[str, Any]:
        """As JSON, for whoever looks for a violation's cause."""
        return asdict(self)
