"""Places at which a process can be told to die, so that a test can end it between any two of its steps.

Nothing happens unless the process was started with MESSENGER_HUB_FAILPOINT=FILE in its environment; then each place that is passed
looks into that file. It holds one line, `NAME:ACTION[:NTH]`, or is empty or missing, which asks for nothing:

    agent_before_send:kill        dies the first time that it is about to hand a message to the page
    server_after_accept:stop:3    stops (SIGSTOP) at the third commit that accepts something

NTH counts from when the line was written. Neither a request nor a frame nor a setting can switch it on, or name a file.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto
from pathlib import Path

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime.log import logger
from messenger_hub.runtime.system import here

VARIABLE = "MESSENGER_HUB_FAILPOINT"

log = logger(__name__)


class Failpoint(StrEnum):
    """Every place. BEFORE and AFTER are the two sides of one await; GOT is a frame that has arrived and was not looked at yet."""

    # On the threads of a database, the server's or a journal's.
    DATABASE_BEFORE_COMMIT = auto()  # everything is written into the open transaction
    DATABASE_AFTER_COMMIT = auto()  # it is durable, and nobody has been told

    # The server accepts.
    SERVER_ACCEPT_ASKED = auto()
    SERVER_BEFORE_ID_LIMIT = auto()  # the high-water file
    SERVER_AFTER_ID_LIMIT = auto()
    SERVER_ACCEPT_NUMBERED = auto()
    SERVER_ACCEPT_KNOWN = auto()  # committed; the caller is answered next

    # The server commits a batch; what the batch holds names the place.
    SERVER_BEFORE_EPOCH_MARK = auto()  # the high-water file
    SERVER_AFTER_EPOCH_MARK = auto()
    SERVER_BEFORE_ACCEPT = auto()
    SERVER_AFTER_ACCEPT = auto()
    SERVER_BEFORE_CLAIM = auto()
    SERVER_AFTER_CLAIM = auto()
    SERVER_BEFORE_START = auto()
    SERVER_AFTER_START = auto()
    SERVER_BEFORE_CHANGE = auto()  # outcomes, and what is given back
    SERVER_AFTER_CHANGE = auto()
    SERVER_BEFORE_EPOCH = auto()
    SERVER_AFTER_EPOCH = auto()
    SERVER_BEFORE_JOURNAL = auto()  # how far a journal is known
    SERVER_AFTER_JOURNAL = auto()

    # The server and a stream.
    SERVER_STREAM_OPEN = auto()
    SERVER_STREAM_LOST = auto()  # its leases are given back next
    SERVER_BEFORE_LOAD = auto()
    SERVER_AFTER_LOAD = auto()
    SERVER_BEFORE_LINE = auto()  # a channel's commits leave for the queue
    SERVER_AFTER_LINE = auto()
    SERVER_BEFORE_ASSIGNMENTS = auto()
    SERVER_AFTER_ASSIGNMENTS = auto()
    SERVER_BEFORE_RECALL = auto()
    SERVER_AFTER_RECALL = auto()
    SERVER_BEFORE_REFUSAL = auto()  # of a journal
    SERVER_AFTER_REFUSAL = auto()
    SERVER_BEFORE_WELCOME = auto()
    SERVER_AFTER_WELCOME = auto()
    SERVER_BEFORE_LEASES = auto()
    SERVER_AFTER_LEASES = auto()
    SERVER_BEFORE_GOES = auto()
    SERVER_AFTER_GOES = auto()
    SERVER_BEFORE_ACK = auto()
    SERVER_AFTER_ACK = auto()
    SERVER_GOT_HELLO = auto()  # of a channel
    SERVER_GOT_PAGE = auto()
    SERVER_GOT_CREDIT = auto()
    SERVER_GOT_INTENT = auto()
    SERVER_GOT_END = auto()
    SERVER_GOT_RECEIPT = auto()
    SERVER_GOT_RETURNS = auto()

    # The agent and its stream.
    AGENT_BEFORE_STREAM = auto()
    AGENT_AFTER_STREAM = auto()  # its own hello is out
    AGENT_BEFORE_HELLO = auto()  # of a channel
    AGENT_AFTER_HELLO = auto()
    AGENT_BEFORE_PAGE = auto()  # of the journal
    AGENT_AFTER_PAGE = auto()
    AGENT_BEFORE_CREDIT = auto()
    AGENT_AFTER_CREDIT = auto()
    AGENT_BEFORE_INTENT = auto()
    AGENT_AFTER_INTENT = auto()
    AGENT_BEFORE_END = auto()
    AGENT_AFTER_END = auto()
    AGENT_BEFORE_RECEIPT = auto()
    AGENT_AFTER_RECEIPT = auto()
    AGENT_BEFORE_RETURNS = auto()
    AGENT_AFTER_RETURNS = auto()
    AGENT_GOT_ASSIGNMENTS = auto()
    AGENT_GOT_RECALL = auto()
    AGENT_GOT_REFUSAL = auto()
    AGENT_GOT_WELCOME = auto()
    AGENT_GOT_LEASES = auto()
    AGENT_GOT_GOES = auto()
    AGENT_GOT_ACK = auto()

    # The agent's journal.
    JOURNAL_BEFORE_INTENT = auto()
    JOURNAL_AFTER_INTENT = auto()
    JOURNAL_BEFORE_END = auto()
    JOURNAL_AFTER_END = auto()
    JOURNAL_BEFORE_RECEIPT = auto()
    JOURNAL_AFTER_RECEIPT = auto()
    JOURNAL_BEFORE_READ = auto()
    JOURNAL_AFTER_READ = auto()
    JOURNAL_BEFORE_EPOCH = auto()
    JOURNAL_AFTER_EPOCH = auto()
    JOURNAL_BEFORE_RENEWAL = auto()
    JOURNAL_AFTER_RENEWAL = auto()

    # The agent and the page.
    AGENT_BEFORE_CHECK = auto()
    AGENT_AFTER_CHECK = auto()
    AGENT_BEFORE_ACT = auto()  # go has come
    AGENT_AFTER_ACT = auto()
    AGENT_BEFORE_SEND = auto()
    AGENT_AFTER_SEND = auto()
    AGENT_BEFORE_SAVE = auto()  # of a contact
    AGENT_AFTER_SAVE = auto()
    AGENT_BEFORE_LOOKUP = auto()  # what became of a message
    AGENT_AFTER_LOOKUP = auto()


class Action(StrEnum):
    """What happens there, to the whole process."""

    KILL = auto()
    STOP = auto()


class BadFailpoint(ValueError):
    """A line asks for what does not exist; the message says what it must look like."""


@dataclass(frozen=True, slots=True)
class Order:
    """One line of the file."""

    point: Failpoint
    action: Action
    nth: int = 1

    @classmethod
    def read(cls, line: str) -> Order:
        """Raises BadFailpoint."""
        name, _, rest = line.partition(":")
        action, _, nth = rest.partition(":")
        try:
            order = cls(Failpoint(name), Action(action), int(nth or 1))
        except ValueError as error:
            raise BadFailpoint(f"{line!r} must be NAME:ACTION[:NTH], as in {_EXAMPLE}: {error}.") from error
        if order.nth < 1:
            raise BadFailpoint(f"{line!r}: NTH counts from 1.")
        return order

    def __str__(self) -> str:
        return f"{self.point}:{self.action}:{self.nth}"


_EXAMPLE = Order(Failpoint.AGENT_BEFORE_SEND, Action.KILL)
_CARRY_OUT = {Action.KILL: here.kill_this_process, Action.STOP: here.stop_this_process}


class _Switch:
    """The file, and how often the place that it names was passed since it was written. For any thread."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._line = ""
        self._order: Order | None = None
        self._passed = 0
        self.look()

    def look(self) -> None:
        """Reads what the file asks for now. Raises BadFailpoint, once for each line."""
        try:
            line = self._file.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            line = ""
        if line != self._line:
            self._line, self._order, self._passed = line, None, 0
            self._order = Order.read(line) if line else None

    def passed(self, point: Failpoint) -> None:
        with self._lock:
            try:
                self.look()
            except BadFailpoint as problem:
                log.error("failpoint not understood", code=str(problem))  # noqa: TRY400 it says all
            order = self._order
            if order is None or order.point is not point:
                return
            self._passed += 1
            if self._passed != order.nth:
                return
        log.warning("failpoint reached", code=str(order))
        _CARRY_OUT[order.action]()


class _Here:
    """This process."""

    switch: _Switch | None = None


def switch_on(environment: Mapping[str, str]) -> bool:
    """Whether the environment asks for failpoints, which are on from now on. Once, at the start. Raises BadFailpoint."""
    file = environment.get(VARIABLE, "")
    if not file:
        return False
    _Here.switch = _Switch(Path(file))
    log.warning("FAILPOINTS ARE ON: this process ends when a file says so; never run it like this with real messages")
    return True


def passing(point: Failpoint) -> None:
    """The place itself."""
    if _Here.switch is not None:
        _Here.switch.passed(point)


def passing_types(points: Mapping[type, Failpoint], things: Iterable[object]) -> None:
    """The places that the types of these things have, once each."""
    if _Here.switch is not None:
        found = {type(thing) for thing in things}
        for kind, point in points.items():
            if kind in found:
                _Here.switch.passed(point)


def passing_frame(points: Mapping[str, Failpoint], frame: pb.ConnectRequest | pb.ConnectResponse) -> None:
    """The place of this kind of frame, if it has one: the name of the frame's field; for journal entries as `passing_entries`."""
    if _Here.switch is not None:
        if isinstance(frame, pb.ConnectRequest) and frame.WhichOneof("frame") == "journal_entries":
            passing_entries(points, frame.journal_entries.entries)
        elif (point := points.get(frame.WhichOneof("frame") or "")) is not None:
            _Here.switch.passed(point)


def passing_entries(points: Mapping[str, Failpoint], entries: Sequence[pb.JournalEntry]) -> None:
    """The place of the first of these journal entries: "intent", "end" or "receipt"."""
    if _Here.switch is not None and entries:
        first = entries[0]
        kind = "intent" if first.WhichOneof("fact") == "intent" else "end" if first.lease_id else "receipt"
        if (point := points.get(kind)) is not None:
            _Here.switch.passed(point)
