"""How each failpoint is reached, and where a death may leave a doubt.

A doubt (`uncertain`) can only concern the one message that is under way between the commit of its start on the server and its end in
the agent's journal, and only when the agent dies, whose browser dies with it: the message may have been in the browser's hands alone.
So no failpoint of the server may leave one, and of the agent's only those in MAY_DOUBT.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Literal

from messenger_hub.runtime.failpoints import Failpoint

Program = Literal["server", "agent"]


class Provocation(Enum):
    """What makes a process pass a failpoint."""

    SENDING = auto()  # programs send while both run
    RETURNING = auto()  # as SENDING, with messages to a number that is not on WhatsApp
    SAVING = auto()  # as SENDING, with contacts to save
    STARTING = auto()  # the server starts anew
    HELLO = auto()  # the server starts anew while work is under way, and the agent says hello
    LEAVING = auto()  # the agent dies, and the server notices
    RENEWAL = auto()  # the agent starts with an older copy of its journal
    DOUBT = auto()  # the agent died in mid-send, and starts anew


_PROVOKED = {
    Provocation.STARTING: (Failpoint.SERVER_BEFORE_ID_LIMIT, Failpoint.SERVER_AFTER_ID_LIMIT),
    Provocation.HELLO: (
        Failpoint.SERVER_STREAM_OPEN,
        Failpoint.SERVER_BEFORE_LOAD,
        Failpoint.SERVER_AFTER_LOAD,
        Failpoint.SERVER_BEFORE_EPOCH_MARK,
        Failpoint.SERVER_AFTER_EPOCH_MARK,
        Failpoint.SERVER_BEFORE_EPOCH,
        Failpoint.SERVER_AFTER_EPOCH,
        Failpoint.SERVER_BEFORE_ASSIGNMENTS,
        Failpoint.SERVER_AFTER_ASSIGNMENTS,
        Failpoint.SERVER_BEFORE_RECALL,
        Failpoint.SERVER_AFTER_RECALL,
        Failpoint.SERVER_BEFORE_WELCOME,
        Failpoint.SERVER_AFTER_WELCOME,
        Failpoint.SERVER_GOT_HELLO,
        Failpoint.SERVER_GOT_PAGE,
        Failpoint.SERVER_GOT_CREDIT,
        Failpoint.AGENT_BEFORE_STREAM,
        Failpoint.AGENT_AFTER_STREAM,
        Failpoint.AGENT_BEFORE_HELLO,
        Failpoint.AGENT_AFTER_HELLO,
        Failpoint.AGENT_BEFORE_PAGE,
        Failpoint.AGENT_AFTER_PAGE,
        Failpoint.AGENT_BEFORE_CREDIT,
        Failpoint.AGENT_AFTER_CREDIT,
        Failpoint.AGENT_GOT_ASSIGNMENTS,
        Failpoint.AGENT_GOT_RECALL,
        Failpoint.AGENT_GOT_WELCOME,
        Failpoint.JOURNAL_BEFORE_READ,
        Failpoint.JOURNAL_AFTER_READ,
        Failpoint.JOURNAL_BEFORE_EPOCH,
        Failpoint.JOURNAL_AFTER_EPOCH,
    ),
    Provocation.LEAVING: (Failpoint.SERVER_STREAM_LOST,),
    Provocation.RENEWAL: (
        Failpoint.SERVER_BEFORE_REFUSAL,
        Failpoint.SERVER_AFTER_REFUSAL,
        Failpoint.AGENT_GOT_REFUSAL,
        Failpoint.JOURNAL_BEFORE_RENEWAL,
        Failpoint.JOURNAL_AFTER_RENEWAL,
    ),
    Provocation.DOUBT: (Failpoint.AGENT_BEFORE_LOOKUP, Failpoint.AGENT_AFTER_LOOKUP),
    Provocation.RETURNING: (
        Failpoint.SERVER_GOT_RETURNS,
        Failpoint.AGENT_BEFORE_RETURNS,
        Failpoint.AGENT_AFTER_RETURNS,
    ),
    Provocation.SAVING: (Failpoint.AGENT_BEFORE_SAVE, Failpoint.AGENT_AFTER_SAVE),
}
_PROVOCATION = {point: how for how, points in _PROVOKED.items() for point in points}

# The message's own steps, from the moment in which the server may have committed its start until its end is durable.
ITS_OWN = frozenset(
    {
        Failpoint.AGENT_AFTER_INTENT,
        Failpoint.AGENT_GOT_GOES,
        Failpoint.AGENT_BEFORE_ACT,
        Failpoint.AGENT_BEFORE_SEND,
        Failpoint.AGENT_AFTER_SEND,
        Failpoint.AGENT_AFTER_ACT,
        Failpoint.JOURNAL_BEFORE_END,
        Failpoint.AGENT_BEFORE_LOOKUP,
        Failpoint.AGENT_AFTER_LOOKUP,
    }
)
# Passed for other messages or for receipts while one may be under way; the journal's commits are of all kinds.
BESIDE = frozenset(
    {
        Failpoint.AGENT_GOT_LEASES,
        Failpoint.AGENT_GOT_ACK,
        Failpoint.JOURNAL_BEFORE_RECEIPT,
        Failpoint.JOURNAL_AFTER_RECEIPT,
        Failpoint.AGENT_BEFORE_RECEIPT,
        Failpoint.AGENT_AFTER_RECEIPT,
        Failpoint.DATABASE_BEFORE_COMMIT,
        Failpoint.DATABASE_AFTER_COMMIT,
    }
)
MAY_DOUBT = ITS_OWN | BESIDE


def provocation(point: Failpoint) -> Provocation:
    """How it is reached."""
    return _PROVOCATION.get(point, Provocation.SENDING)


def programs(point: Failpoint) -> tuple[Program, ...]:
    """Who dies there. Both have a database."""
    if point.name.startswith("DATABASE_"):
        return ("server", "agent")
    return ("server",) if point.name.startswith("SERVER_") else ("agent",)


def may_doubt(point: Failpoint, program: Program) -> bool:
    """Whether one message may be left for a person to decide."""
    return program == "agent" and point in MAY_DOUBT
