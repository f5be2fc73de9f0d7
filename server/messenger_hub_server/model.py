"""The values that the server thinks in. Times are UTC milliseconds since 1970 (`…_at_ms`), numbers are as in the contract.

What every request makes is a Struct: a dataclass of so many fields takes ten times as long to make. None of them can be part of a cycle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NewType

from msgspec import Struct

ChannelId = NewType("ChannelId", int)
SessionApiId = NewType("SessionApiId", int)
AgentId = NewType("AgentId", int)
OperationId = NewType("OperationId", int)
WaId = NewType("WaId", str)
LeaseId = NewType("LeaseId", str)
JournalId = NewType("JournalId", str)

LATEST_MS = 253_402_300_799_000
"""The end of the year 9999: the last time that a Timestamp holds."""

JOURNAL_DAYS = 8
"""After so long no desktop's journal holds an entry any more that the hub has: it keeps 7 days."""


class OperationState(StrEnum):
    """Where an operation stands; delivery/states.py has the table of transitions."""

    PENDING = "pending"
    LEASED = "leased"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    UNCERTAIN = "uncertain"


class OperationKind(StrEnum):
    """What was asked."""

    SEND_MESSAGE = "send_message"
    SAVE_CONTACT = "save_contact"
    REMOVE_CONTACT = "remove_contact"


class Priority(IntEnum):
    """Order among what waits; smaller goes first. Values are the contract's."""

    HIGH = 1
    NORMAL = 2
    LOW = 3


class Pace(StrEnum):
    """Gaps between a channel's messages; the agent knows the seconds."""

    OFF = "off"
    NORMAL = "normal"
    CAREFUL = "careful"


class LinkState(StrEnum):
    """What an agent reports of a channel's page."""

    STARTING = "starting"
    UNLINKED = "unlinked"
    PASSKEY_NEEDED = "passkey_needed"
    LINKED = "linked"
    RESTRICTED = "restricted"
    NEEDS_UPDATE = "needs_update"


class Problem(Struct, frozen=True, kw_only=True, gc=False):
    """Why an operation failed or is uncertain: a stable lower-snake code and one sentence."""

    code: str
    message: str


class Idempotency(Struct, frozen=True, kw_only=True, gc=False):
    """SHA-256 of the key, scoped by session API and RPC, and SHA-256 of the normalised parameters."""

    key_hash: bytes
    parameters_hash: bytes


class NewOperation(Struct, frozen=True, kw_only=True, gc=False):
    """An operation that is about to be accepted.

    `target` is the chat or contact id on WhatsApp, `recipient` what callers are shown. `body` is the text of a message or the
    name of a contact ("" when a contact is removed). `lane` is what must stay in order: a chat, or a contact. `place_ms` is
    where it stands there: at a send_at that is to come, else at the time of acceptance, and never before what was accepted earlier.
    """

    id: OperationId
    wa_id: WaId
    channel_id: ChannelId
    session_api_id: SessionApiId
    kind: OperationKind
    recipient: str
    target: str
    body: str
    priority: Priority = Priority.NORMAL
    accepted_at_ms: int
    place_ms: int
    send_at_ms: int | None = None
    expires_at_ms: int | None = None
    reference: str = ""
    reason: str = "Accepted"
    idempotency: Idempotency | None = None

    @property
    def late(self) -> bool:
        """Whether it could only expire."""
        return self.expires_at_ms is not None and self.expires_at_ms <= self.accepted_at_ms

    @property
    def due(self) -> bool:
        """Whether it may go at once: its send_at is not to come."""
        return self.send_at_ms is None or self.send_at_ms <= self.accepted_at_ms

    @property
    def lane(self) -> str:
        """What must stay in order."""
        return lane_of(self.kind, self.target)


def lane_of(kind: OperationKind, target: str) -> str:
    """The chat for messages, the contact for changes to it: the two do not hold each other up."""
    return f"chat:{target}" if kind is OperationKind.SEND_MESSAGE else f"contact:{target}"


class LeaseMark(Struct, frozen=True, kw_only=True, gc=False):
    """Who holds an operation: the epoch, the lease and the journal under which it was leased."""

    epoch: int
    lease_id: LeaseId
    journal_id: JournalId
    started: bool = False


class Operation(Struct, frozen=True, kw_only=True, gc=False):
    """A stored operation. `lease` is the last one given and stays after it ended: late facts are matched against it."""

    id: OperationId
    wa_id: WaId
    channel_id: ChannelId
    session_api_id: SessionApiId
    kind: OperationKind
    recipient: str
    target: str
    body: str
    priority: Priority
    state: OperationState
    reason: str
    reference: str
    accepted_at_ms: int
    place_ms: int
    send_at_ms: int | None
    expires_at_ms: int | None
    not_before_ms: int | None
    changed_at_ms: int
    attempts: int
    lease: LeaseMark | None
    problem: Problem | None
    successor: OperationId | None
    idempotency: Idempotency | None = None

    @property
    def lane(self) -> str:
        """What must stay in order."""
        return lane_of(self.kind, self.target)


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """One transition. `id` grows with time and is the resume token of watchers."""

    id: int
    operation_id: OperationId
    state: OperationState
    at_ms: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """A channel whose rows are older than what has happened: nothing of it is leased, cancelled, expired or deleted until a hello
    has told what is missing.

    `journal_id` is the journal that has seen everything since the copy was made, "" when none has. `before` is an operation
    id that was given out after the copy was put in place: what has a smaller one may be the copy's.
    """

    channel_id: ChannelId
    journal_id: JournalId
    before: OperationId


@dataclass(frozen=True, slots=True, kw_only=True)
class HighMark:
    """What the high-water file holds of a channel: its highest epoch, the journal of that epoch, and the epoch at which that journal
    took over."""

    epoch: int = 0
    journal_id: JournalId = JournalId("")
    taken_over_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel as operators configure it. `account` is the number it was last linked to ("" when never). `backlog_oldest_ms` is set
    while it holds a backlog: when the oldest of it was accepted; what was placed before `backlog_sent_ms` belongs to none any more.
    `worked_at_ms`: when it was last seen fit to send, to the minute."""

    id: ChannelId
    name: str
    pace: Pace = Pace.NORMAL
    agent_id: AgentId | None = None
    paused_reason: str | None = None
    account: str = ""
    changed_account: str = ""
    moving_to: AgentId | None = None
    backlog_oldest_ms: int | None = None
    backlog_sent_ms: int = 0
    worked_at_ms: int = 0
    created_at_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionApi:
    """One API key (or two, during a rotation) linked to one channel. `scopes` are numbers of messenger_hub.v1.Scope."""

    id: SessionApiId
    name: str
    channel_id: ChannelId
    active: bool = True
    scopes: frozenset[int] = frozenset()
    created_at_ms: int = 0
    last_used_at_ms: int | None = None
    default_country: str = ""
    default_lifetime_seconds: int = 0
    rate_per_minute: int | None = None
    quota_per_day: int | None = None
    cors_origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key's record: its public id and the HMAC of its secret. Imported keys have an id derived from their hash."""

    key_id: str
    session_api_id: SessionApiId
    digest: bytes = field(repr=False)
    created_at_ms: int = 0
    expires_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An enrolled desktop. `channel_ids` are those it may serve; a channel names its one owner itself."""

    id: AgentId
    name: str
    credential_digest: bytes = field(repr=False)
    channel_ids: frozenset[ChannelId] = frozenset()
    active: bool = True
    enrolled_at_ms: int = 0
    last_seen_at_ms: int | None = None
    version: str = ""
    wa_js_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A one-time token, stored as its digest."""

    token_digest: bytes = field(repr=False)
    name: str
    channel_id: ChannelId
    expires_at_ms: int
    used: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group of a channel's account, as its agent reported it."""

    group_id: str
    name: str
    participants: int
