"""What a channel's machine asks of the edge, what each commit was for, and what it offers the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NewType

from messenger_hub.agent.v1 import agent_service_pb2 as pb

from messenger_hub_server.model import JournalId, LeaseId
from messenger_hub_server.store.base import Write

StreamId = NewType("StreamId", int)

HANDED = "Handed to the desktop app"
"""Why an operation is leased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HelloId:
    """One hello of a stream. A stream may say hello again while answers of the store to its hello before are on their way."""

    stream: StreamId
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send a frame on a stream."""

    stream: StreamId
    frame: pb.ConnectResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Read `store.delivery` for a journal and what the high-water file holds of the channel; answer with `loaded`."""

    hello: HelloId
    journal_id: JournalId


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """Commit writes; answer with `committed`. `then` says what they were for."""

    then: Then
    writes: Sequence[Write]


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """End a stream: broken protocol, or another one took over."""

    stream: StreamId
    replaced: bool = False
    reason: str = ""


Action = Send | Load | Commit | End


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Leases for what is about to be accepted (rule 12). Answer with `offered`, or with `unknown`."""

    hello: HelloId
    epoch: int
    journal_id: JournalId
    lease_ids: Sequence[LeaseId]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochTaken:
    """Then: ask for the journal."""

    hello: HelloId


@dataclass(frozen=True, slots=True, kw_only=True)
class PageStored:
    """Then: acknowledge; after the last page, sweep. `imports` are the positions of Imports in the writes."""

    hello: HelloId
    sequence: int
    last: bool
    imports: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """Then: welcome, or refuse the journal."""

    hello: HelloId
    silent: bool
    not_started: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """Then: hand out what was leased."""

    hello: HelloId
    asked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntriesStored:
    """Then: answer intents (position of the Start in the writes, lease) and acknowledge."""

    hello: HelloId
    sequence: int
    starts: Sequence[tuple[int | None, str]]
    ended: Sequence[LeaseId]
    void: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """Then: lease again."""

    hello: HelloId
    ended: Sequence[LeaseId]


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack:
    """Then: look for work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """Then: the owner says hello again, and the journal that noticed is asked for, or refused (`refusal`: why) and begun anew."""

    hello: HelloId
    refusal: str = ""


Then = EpochTaken | PageStored | Swept | Claimed | EntriesStored | Returned | GivenBack | RolledBack
