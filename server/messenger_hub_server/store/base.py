"""What a store can do: take compare-and-set writes in one transaction and say which applied, and read.

A store knows how to write, never when: every rule lives in delivery/. Writes of one call are applied in order, as if one after
the other, in one durable transaction: all of them, or (with an error) none. A write whose condition does not hold is not an
error; its outcome says so. Ids and times come from the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from messenger_hub_server.model import (
    Agent,
    ApiKey,
    Channel,
    ChannelId,
    Enrolment,
    Event,
    Group,
    JournalId,
    LeaseId,
    LeaseMark,
    NewOperation,
    Operation,
    OperationId,
    OperationKind,
    OperationState,
    Problem,
    Restoration,
    SessionApi,
    SessionApiId,
    WaId,
)

# ---- writes -----------------------------------------------------------------------------------------------------------------


class Accept(Struct, frozen=True, kw_only=True, gc=False):
    """Inserts a pending operation and its first event, unless its idempotency key is known, or its expires_at is not after its
    acceptance. Outcome: Accepted, Known or, for one that is too late, Late; where several nodes share the database, Gone once one of
    them has removed the channel.

    With `lease` it is leased under it in the same step, for `lease_reason`, if it could go now and nothing stands before it: the
    channel's epoch is the lease's, the channel is not marked as restored, send_at is not after the acceptance, and nothing of its
    lane is pending or leased, of the same writes neither. Its `attempts` is then 1, and it has both events.
    """

    operation: NewOperation
    lease: LeaseMark | None = None
    lease_reason: str = ""


class Claim(Struct, frozen=True, kw_only=True, gc=False):
    """Leases at most `len(lease_ids)` operations of a channel. Outcome: Leased.

    Eligible is what is pending, with send_at and not_before reached at `now_ms` and expires_at not reached, whose lane has nothing
    leased and no earlier pending operation of the same priority whose send_at is reached; at most one per lane. Earlier means a
    smaller (place, id). Order: priority, place, id. The channel's epoch must be `epoch` and it must not be marked as restored, else
    nothing is leased. `attempts` grows by one.
    """

    channel_id: ChannelId
    epoch: int
    journal_id: JournalId
    lease_ids: Sequence[LeaseId]
    now_ms: int
    reason: str


NOBODY = SessionApiId(0)
"""What belongs to no session API: operators see it, programs do not."""


class Start(Struct, frozen=True, kw_only=True, gc=False):
    """Marks a leased operation of the channel as started, if the lease still stands under that epoch and the channel has taken no
    other one since. Outcome: True when it stands."""

    channel_id: ChannelId
    lease_id: LeaseId
    epoch: int


class Change(Struct, frozen=True, kw_only=True, gc=False):
    """One transition, if every condition holds. Outcome: True when it applied.

    Exactly one of `operation_id` and `wa_id` names the operation. Conditions: its state is one of `from_states`; and where they are
    given, its channel and its session API (a stranger's operation is left alone), its lease and whether it has started. A transition
    to pending keeps the lease's mark for late facts but counts as unleased.
    """

    operation_id: OperationId | None = None
    wa_id: WaId | None = None
    from_states: frozenset[OperationState]
    to: OperationState
    at_ms: int
    reason: str
    lease_id: LeaseId | None = None
    channel_id: ChannelId | None = None
    session_api_id: SessionApiId | None = None
    started: bool | None = None
    problem: Problem | None = None
    not_before_ms: int | None = None


class Replace(Struct, frozen=True, kw_only=True, gc=False):
    """A person sends an uncertain operation again: it fails with `problem`, and its successor is accepted. Outcome: True when the
    operation was uncertain (and, where given, belongs to the session API), and its channel is not Gone."""

    operation_id: OperationId
    session_api_id: SessionApiId | None = None
    at_ms: int
    reason: str
    problem: Problem
    successor: NewOperation


class Import(Struct, frozen=True, kw_only=True, gc=False):
    """Inserts an operation that a journal knows and this database does not (by its wa_id). Outcome: True when it was inserted.

    It is inserted as pending and leased in one go, started, under `lease`. When its number is taken it gets `spare_id`. With
    `adopts`, an operation of this wa_id that is pending or leased and not started is leased in the same way; without, a known wa_id
    is left alone. When its idempotency key is held by a pending operation (with `adopts` also by one that is leased and not started),
    or by one that is cancelled, expired or failed, with the same parameters, that operation takes over the wa_id and the lease
    instead; held by any other, the key is left with its holder.
    Its place is not before that of anything in its lane that waits and was accepted earlier: they may stand at times of a clock that
    was ahead.
    Nothing of another channel is touched: its operations are left alone, and under its session API nothing appears (0, nobody's, instead).
    """

    operation: NewOperation
    spare_id: OperationId
    lease: LeaseMark
    at_ms: int
    reason: str
    adopts: bool = False


class MarkRestored(Struct, frozen=True, kw_only=True, gc=False):
    """Remembers that a channel's rows are older than what has happened; a mark that is there already is replaced. Outcome: True."""

    restoration: Restoration


class EndRestored(Struct, frozen=True, kw_only=True, gc=False):
    """A hello has told what was missing. Outcome: True when the channel was marked."""

    channel_id: ChannelId


class TakeEpoch(Struct, frozen=True, kw_only=True, gc=False):
    """Sets a channel's epoch and current journal, if the epoch is higher than the stored one. Outcome: True when it was.

    `stored`: the epoch that the database was seen to have, for the high-water file; 0 when nobody looked."""

    channel_id: ChannelId
    epoch: int
    journal_id: JournalId
    stored: int = 0


class AdvanceJournal(Struct, frozen=True, kw_only=True, gc=False):
    """Raises the highest stored sequence of a journal; never lowers it. Outcome: True."""

    channel_id: ChannelId
    journal_id: JournalId
    sequence: int


class ChangeQueue(Struct, frozen=True, kw_only=True, gc=False):
    """One transition of everything on a channel (and, where given, of one session API, reference or target, or with a smaller id)
    that is pending, or leased and not started when `leased_too`. Outcome: the ids that changed."""

    channel_id: ChannelId
    session_api_id: SessionApiId | None = None
    reference: str | None = None
    target: str | None = None
    before: OperationId | None = None
    leased_too: bool
    to: OperationState
    at_ms: int
    reason: str
    problem: Problem | None = None


class ExpireDue(Struct, frozen=True, kw_only=True, gc=False):
    """Expires every pending operation whose expires_at is not after `now_ms`, on channels that are not marked as restored. Outcome:
    the ids that changed."""

    now_ms: int
    reason: str


class Put(Struct, frozen=True, kw_only=True, gc=False):
    """Inserts or replaces a record of the registry by its id. Outcome: True."""

    record: Channel | SessionApi | ApiKey | Agent | Enrolment


class Redeem(Struct, frozen=True, kw_only=True, gc=False):
    """Uses an enrolment once: marks it used, and puts the agent and, where given, the channel that it owns from then on. Outcome: True
    when it was unused and not expired at `now_ms`."""

    token_digest: bytes
    now_ms: int
    agent: Agent
    channel: Channel | None = None


class Remove(Struct, frozen=True, kw_only=True, gc=False):
    """Deletes records of the registry: a channel takes its session APIs and their keys along; operations stay. Outcome: True when
    it was there."""

    channel_id: ChannelId | None = None
    key_id: str | None = None


class PutGroups(Struct, frozen=True, kw_only=True, gc=False):
    """Replaces the groups of a channel. Outcome: True."""

    channel_id: ChannelId
    groups: Sequence[Group]
    as_of_ms: int


class Erase(Struct, frozen=True, kw_only=True, gc=False):
    """Blanks what settled operations say of a person: recipient, target, body and reference, and all that was written as a reason.
    What stops a duplicate stays: numbers, hashes, states and times. Outcome: how many were blanked; others are left alone."""

    operation_ids: Sequence[OperationId]
    at_ms: int


class Purge(Struct, frozen=True, kw_only=True, gc=False):
    """Deletes settled operations of channels that are not marked as restored, with their events and idempotency records. Outcome: how
    many; others are left alone."""

    operation_ids: Sequence[OperationId]


Write = (
    Accept | Claim | Start | Change | Replace | Import | TakeEpoch | AdvanceJournal | ChangeQueue | ExpireDue | Put | Redeem | Remove
    | PutGroups | Erase | Purge | MarkRestored | EndRestored
)  # fmt: skip

# ---- outcomes ---------------------------------------------------------------------------------------------------------------


class Accepted(Struct, frozen=True, kw_only=True, gc=False):
    """The operation is stored; `leased`: under the lease that it came with."""

    operation_id: OperationId
    leased: bool = False


class Leased(Struct, frozen=True, kw_only=True):
    """What a claim leased, in the order in which it should start. `waits`: something of the channel is still pending, whether it
    could go now or not."""

    operations: Sequence[Operation]
    waits: bool


class Known(Struct, frozen=True, kw_only=True, gc=False):
    """The idempotency key is known: whose it is, and with which parameters."""

    operation_id: OperationId
    recipient: str
    target: str
    parameters_hash: bytes


class Late(Struct, frozen=True, kw_only=True, gc=False):
    """The key is new, and the operation could only expire: nothing was inserted."""


class Gone(Struct, frozen=True, kw_only=True, gc=False):
    """The channel was removed: nothing was inserted."""


Outcome = bool | int | Accepted | Leased | Known | Late | Gone | Sequence[OperationId]


# ---- errors -----------------------------------------------------------------------------------------------------------------


class StoreError(Exception):
    """A commit or a read failed."""


class NothingWritten(StoreError):
    """Disk full, database locked or away: nothing of the transaction will ever be there."""


class WriteUnknown(StoreError):
    """Whether the transaction is there cannot be known until the store has been reopened. A store that raises this has closed all
    its connections and reopens by itself; until it has, every call raises NothingWritten."""


# ---- reads ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a hello needs of a channel: epoch and journal as stored (0 and "" when none), the stored sequence of the journal that
    says hello, every leased operation, and the mark of a restored channel."""

    epoch: int
    journal_id: JournalId
    sequence: int
    leased: Sequence[Operation]
    restored: Restoration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which operations to list; unset fields do not filter. `before` is the id after which the page starts, newest first;
    `recipient` a part of what the caller gave, for which every row is looked at: for rare use."""

    channel_id: ChannelId | None = None
    session_api_id: SessionApiId | None = None
    state: OperationState | None = None
    kind: OperationKind | None = None
    reference: str | None = None
    recipient: str | None = None
    placed_before_ms: int | None = None
    before: OperationId | None = None
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """What decides how much longer an operation is kept. `erased`: its texts are blank already."""

    id: OperationId
    state: OperationState
    changed_at_ms: int
    erased: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDepth:
    """How many operations of a channel are pending, and when the oldest of them was accepted."""

    pending: int
    oldest_accepted_at_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """How many operations went from one state (None: they were accepted) to another within one step of time."""

    step: int
    before: OperationState | None
    state: OperationState
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Every record of the registry."""

    channels: Sequence[Channel]
    session_apis: Sequence[SessionApi]
    keys: Sequence[ApiKey]
    agents: Sequence[Agent]
    enrolments: Sequence[Enrolment]


@dataclass(frozen=True, slots=True, kw_only=True)
class HighMarks:
    """What the high-water file is compared with at start: the largest operation id, and each channel's epoch."""

    operation_id: int
    epochs: dict[ChannelId, int]


class Store(Protocol):
    """Memory, SQLite and PostgreSQL. One conformance suite holds for all."""

    async def apply(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        """One durable transaction; one outcome per write. Raises NothingWritten or WriteUnknown."""
        ...

    async def delivery(self, channel_id: ChannelId, journal_id: JournalId) -> Delivery:
        """What a hello needs of a channel."""
        ...

    async def known_wa_ids(self, wa_ids: Sequence[WaId]) -> frozenset[WaId]:
        """Those of the given ids that an operation has."""
        ...

    async def operation(self, operation_id: OperationId) -> Operation | None:
        """One operation; None when there is none."""
        ...

    async def events(self, operation_id: OperationId) -> Sequence[Event]:
        """The events of one operation, oldest first."""
        ...

    async def operations(self, wanted: Filter) -> Sequence[Operation]:
        """A page of operations, newest first."""
        ...

    async def operations_of(self, target: str, after: OperationId, limit: int) -> Sequence[Operation]:
        """Operations of one chat or contact with a larger id, oldest first. Looks at every row: for rare use."""
        ...

    async def ages(self, after: OperationId, accepted_before_ms: int, limit: int) -> Sequence[Age]:
        """The next `limit` operations by id, up to the first that was accepted at `accepted_before_ms` or later."""
        ...

    async def erased(self, channel_id: ChannelId, changed_since_ms: int) -> Sequence[WaId]:
        """Of a channel's operations that changed since then, those that are erased."""
        ...

    async def events_after(
        self, event_id: int, session_api_id: SessionApiId | None, limit: int
    ) -> Sequence[tuple[Event, Operation]]:
        """Events with a larger id, ascending. The operation is as it is now, with state and reason of the event."""
        ...

    async def event_range(self) -> tuple[int, int]:
        """The smallest and largest event id kept; (0, 0) when none is."""
        ...

    async def queue_depths(self) -> dict[ChannelId, QueueDepth]:
        """Every channel that has something pending."""
        ...

    async def queue_depth(self, channel_id: ChannelId) -> QueueDepth:
        """What is pending on one channel."""
        ...

    async def uncertain_counts(self) -> dict[ChannelId, int]:
        """How many operations are uncertain, for every channel that has one."""
        ...

    async def waiting_since(self, now_ms: int) -> dict[ChannelId, int]:
        """Of every channel on which something could go at `now_ms` or is under way: the first place of it. What is held for a send_at
        or to be tried again later could not go."""
        ...

    async def overdue(self, channel_id: ChannelId, from_ms: int, before_ms: int, limit: int) -> tuple[int, int]:
        """How many operations of a channel are pending whose place is not before `from_ms` and before `before_ms`, `limit` at most; and
        the first such place (0: there is none). What may only be sent later has its place then."""
        ...

    async def passed(self, since_ms: int, step_ms: int) -> Sequence[Passed]:
        """What happened since then, in steps of that length; in no order. Events from before the clock was set back may be left out."""
        ...

    async def counts(self) -> dict[OperationState, int]:
        """Live states only: pending, leased, uncertain."""
        ...

    async def next_wake_at_ms(self, now_ms: int) -> int | None:
        """When the next pending operation that was held comes due, or any may be tried again, after `now_ms`, or when one expires,
        also before: what is given back after its time has to expire at once. Restored channels expire nothing."""
        ...

    async def latest_place_ms(self) -> int:
        """The last place of what is pending or leased and does not stand at its send_at; 0 when there is none."""
        ...

    async def groups(self, channel_id: ChannelId) -> tuple[Sequence[Group], int | None]:
        """The groups of a channel, by name, and when they were reported."""
        ...

    async def registry(self) -> Registry:
        """Every record of the registry."""
        ...

    async def restored(self) -> Sequence[Restoration]:
        """The channels that are marked as restored."""
        ...

    async def high_marks(self) -> HighMarks:
        """What the high-water file is compared with."""
        ...

    async def scrub(self) -> None:
        """Overwrites what deleted and erased rows have left in files. Raises StoreError when it has to be tried again."""
        ...

    async def check_writable(self) -> None:
        """Raises StoreError when a commit would fail."""
        ...

    async def close(self) -> None:
        """Ends all connections and threads."""
        ...
