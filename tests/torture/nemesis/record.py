"""What a round is judged by: what clients wanted and were told, what was disturbed, and what arrived at the phone network.

All times are Unix seconds of this machine's one clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.torture.answers import ACCEPTED, NO_ANSWER

UNKNOWN = "outcome_unknown"
MESSAGE, SAVE, REMOVE = "message", "save contact", "remove contact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One call that asks for a message. `status` is HTTP's, also for gRPC; NO_ANSWER after a time-out or a lost connection."""

    begun: float
    ended: float
    status: int
    code: str = ""
    operation_id: int = 0
    recipient: str = ""

    @property
    def refused(self) -> bool:
        """The hub said that nothing was queued."""
        return self.status not in (NO_ANSWER, ACCEPTED) and self.code != UNKNOWN


@dataclass(slots=True, kw_only=True)
class Wish:
    """One message that a client wants sent, or one change to a contact. `text` is unlike any other's, its reference, and a saved
    contact's name; `chat` as the log writes it, or the contact's number. `send_at` and `expires_at` are 0 when they are not given."""

    text: str
    channel: str
    chat: str
    door: str
    key: str = ""
    priority: str = "normal"
    kind: str = MESSAGE
    send_at: float = 0.0
    expires_at: float = 0.0
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def accepted(self) -> Attempt | None:
        """The first answer that said so."""
        return next((one for one in self.attempts if one.status == ACCEPTED), None)

    @property
    def operation_id(self) -> int:
        """0 when no answer named one."""
        return self.accepted.operation_id if self.accepted else 0

    @property
    def numbers(self) -> Sequence[int]:
        """All that answers named, in their order, each once. More than one after a restore at most."""
        return list(dict.fromkeys(one.operation_id for one in self.attempts if one.status == ACCEPTED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One entry of an operation's timeline."""

    status: str
    at: float
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look-up told. `found` is False for a 404; everything else that is no answer is not recorded."""

    begun: float
    ended: float
    operation_id: int
    found: bool = True
    status: str = ""
    timeline: Sequence[Change] = ()
    whatsapp_id: str = ""
    code: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelling:
    """A client's call to cancel. `done` is None when it was not answered: it may have happened."""

    begun: float
    ended: float
    operation_id: int
    done: bool | None


@dataclass(slots=True, kw_only=True)
class Disturbance:
    """A fault that happened, e.g. "kill agent" of "desktop". `channels` are those that it can reach; `ended`: all was back."""

    fault: str
    target: str
    channels: frozenset[str]
    begun: float
    ended: float | None = None


@dataclass(slots=True, kw_only=True)
class Restore:
    """An older copy of the database was put in the place of the newer one. The copy shows a moment between `copied_begun` and
    `copied_ended`; the server was killed after `begun`, and answers again at `ended`."""

    how: str
    copied_begun: float
    copied_ended: float
    begun: float
    ended: float = float("inf")


@dataclass(slots=True, kw_only=True)
class Offset:
    """A run of the server whose clock was ahead of this machine's by so many seconds, or behind."""

    seconds: float
    begun: float
    ended: float = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a watcher was told: a change of an operation's state, with the time on the server's clock."""

    operation_id: int
    status: str
    at: float
    told: float


@dataclass(slots=True, kw_only=True)
class Stream:
    """All that one watcher was told in a row, through as many connections as it took; a restore begins another stream.
    `begun`: it was established. `refused`: why it could not be resumed, or "". `last`: it lasted until the end of the round."""

    channel: str
    begun: float
    events: list[Event] = field(default_factory=list)
    refused: str = ""
    last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """A key was made, switched off or on again, and the operator was told so. Times are this process' intervals."""

    name: str
    alive: bool
    begun: float
    ended: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """A program called with a key: the HTTP status, 0 without an answer."""

    name: str
    begun: float
    ended: float
    status: int

    @property
    def let_in(self) -> bool | None:
        """None: nobody has said."""
        return {200: True, 401: False}.get(self.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A line of the phone network's log."""

    line: int
    at: float
    whatsapp_id: str
    sender: str
    chat: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One round. `senders` names each channel's account as the log does, `states` what each channel says of itself after the drain;
    `final` holds the last look at each operation that exists, `contacts` each channel's numbers and names on its phone at the end.
    `nodes`: how many servers gave numbers to operations."""

    wishes: Sequence[Wish]
    looks: Sequence[Look]
    cancellings: Sequence[Cancelling]
    disturbances: Sequence[Disturbance]
    arrivals: Sequence[Arrival]
    final: Mapping[int, Look]
    senders: Mapping[str, str]
    states: Mapping[str, str] = field(default_factory=dict)
    restores: Sequence[Restore] = ()
    offsets: Sequence[Offset] = ()
    streams: Sequence[Stream] = ()
    contacts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    nodes: int = 1
    key_changes: Sequence[KeyChange] = ()
    key_uses: Sequence[KeyUse] = ()
