"""One operation in the agent's hands, as a table: checks → pace → intent → go → act → end.

Below WRITING_INTENT nothing has happened: the lease can be dropped or given back. From there on only the journal ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.v1 import operation_pb2


class Stage(Enum):
    """What the operation waits for."""

    CHECKING = auto()
    PACING = auto()
    WRITING_INTENT = auto()
    ASKING = auto()
    ACTING = auto()
    WRITING_END = auto()
    # The intent is written but the stream went meanwhile, or the message was found already: never asks for go.
    WRITING_DOOMED_INTENT = auto()
    WRITING_FOUND_INTENT = auto()


class Happening(Enum):
    """What can happen to it."""

    CLEAR = auto()
    FOUND = auto()
    PACE_OVER = auto()
    WRITTEN = auto()
    GO = auto()
    NO = auto()
    STREAM_LOST = auto()
    ENDED = auto()
    UNCLEAR = auto()


class Leaving(Enum):
    """How it leaves the hands: nothing to do, void it in the journal, or look it up."""

    DROP = auto()
    VOID = auto()
    RECONCILE = auto()


TABLE: Mapping[tuple[Stage, Happening], Stage | Leaving] = {
    (Stage.CHECKING, Happening.CLEAR): Stage.PACING,
    (Stage.CHECKING, Happening.FOUND): Stage.WRITING_FOUND_INTENT,
    (Stage.CHECKING, Happening.STREAM_LOST): Leaving.DROP,
    (Stage.PACING, Happening.PACE_OVER): Stage.WRITING_INTENT,
    (Stage.PACING, Happening.STREAM_LOST): Leaving.DROP,
    (Stage.WRITING_INTENT, Happening.WRITTEN): Stage.ASKING,
    (Stage.WRITING_INTENT, Happening.STREAM_LOST): Stage.WRITING_DOOMED_INTENT,
    (Stage.WRITING_DOOMED_INTENT, Happening.WRITTEN): Leaving.VOID,
    (Stage.WRITING_DOOMED_INTENT, Happening.STREAM_LOST): Stage.WRITING_DOOMED_INTENT,
    (Stage.WRITING_FOUND_INTENT, Happening.WRITTEN): Leaving.RECONCILE,
    (Stage.WRITING_FOUND_INTENT, Happening.STREAM_LOST): Stage.WRITING_FOUND_INTENT,
    (Stage.ASKING, Happening.GO): Stage.ACTING,
    (Stage.ASKING, Happening.NO): Leaving.VOID,
    (Stage.ASKING, Happening.STREAM_LOST): Leaving.VOID,
    (Stage.ACTING, Happening.ENDED): Stage.WRITING_END,
    (Stage.ACTING, Happening.UNCLEAR): Leaving.RECONCILE,
    (Stage.ACTING, Happening.STREAM_LOST): Stage.ACTING,
    (Stage.WRITING_END, Happening.WRITTEN): Leaving.DROP,
    (Stage.WRITING_END, Happening.STREAM_LOST): Stage.WRITING_END,
}

RETURNABLE = frozenset({Stage.CHECKING, Stage.PACING})


@dataclass(slots=True)
class Work:
    """The one operation in flight."""

    lease: pb.Lease
    stage: Stage = Stage.CHECKING
    start_at_ms: int = 0  # server's clock; set when PACING begins
    intent: int = 0  # its sequence in the journal, once it is durable there

    def happen(self, happening: Happening) -> Stage | Leaving:
        """Moves on; raises KeyError for a pair that cannot happen."""
        following = TABLE[self.stage, happening]
        if isinstance(following, Stage):
            self.stage = following
        return following


@dataclass(frozen=True, slots=True, kw_only=True)
class Clear:
    """The checks found nothing against it."""

    new_chat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A message with this id is there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveBack:
    """Not now: back to the queue, not leased again for `wait_ms`."""

    reason: str
    wait_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Impossible:
    """Proof that it cannot happen."""

    code: str
    message: str


Checked = Clear | Found | GiveBack | Impossible


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How it ended. `code` and `message` for FAILED and UNCERTAIN."""

    kind: pb.Outcome.Kind.ValueType
    code: str = ""
    message: str = ""

    def outcome(self) -> pb.Outcome:
        """As the journal keeps it."""
        if not self.code:
            return pb.Outcome(kind=self.kind)
        return pb.Outcome(kind=self.kind, problem=operation_pb2.Problem(code=self.code, message=self.message))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """The page went, or gave no answer in time: it has to be looked up."""


Performed = Ended | Unclear


def lane_of(lease: pb.Lease) -> str:
    """What must stay in order: the chat for messages, the contact for changes to it."""
    match lease.WhichOneof("action"):
        case "send_text":
            return f"chat:{lease.send_text.chat}"
        case "save_contact":
            return f"contact:{lease.save_contact.contact}"
        case _:
            return f"contact:{lease.remove_contact.contact}"


def is_message(lease: pb.Lease) -> bool:
    """Whether it is a message; contacts have no pace."""
    return lease.WhichOneof("action") == "send_text"
