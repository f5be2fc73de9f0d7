"""The server: its machine, the memory store, the high-water file, and the operators' wishes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from messenger_hub_server.delivery import acceptance, actions, batch, handover, ids, restoration
from messenger_hub_server.delivery import channel as machine
from messenger_hub_server.model import (
    AgentId,
    ChannelId,
    HighMark,
    LeaseId,
    NewOperation,
    Operation,
    OperationId,
    OperationState,
    Restoration,
)
from messenger_hub_server.store.base import (
    Accept,
    Accepted,
    AdvanceJournal,
    ChangeQueue,
    Claim,
    EndRestored,
    ExpireDue,
    Leased,
    MarkRestored,
    Outcome,
    Start,
    TakeEpoch,
    Write,
)
from messenger_hub_server.store.memory.store import MemoryStore

from tests.simulation.oracle import need
from tests.simulation.wire import Wire

if TYPE_CHECKING:
    from tests.simulation.desk import Desk
    from tests.simulation.world import World

CHANNEL = ChannelId(1)
MEANWHILE = 0.3  # how often something happens while a request is being written
SHARED = 0.3  # how often it is written together with what the line has
UNTOLD = 0.2  # how often a request begins before the line has heard of its transaction


def _writes(commits: Sequence[actions.Commit]) -> Sequence[Write]:
    return [write for commit in commits for write in commit.writes]


class CommitFailed(Exception):
    """A commit failed: nothing was written, or (`unknown`) nobody knows."""

    def __init__(self, *, unknown: bool) -> None:
        super().__init__()
        self.unknown = unknown


class Crashed(Exception):
    """The server died after a commit, before anybody heard of it."""


@dataclass
class File:
    """The high-water file."""

    limit: int = 0
    mark: HighMark = field(default_factory=HighMark)
    stored: int = 0

    def take(self, taken: TakeEpoch) -> None:
        """As highwater.py does, before the commit."""
        before = self.mark
        if taken.epoch <= before.epoch:
            return
        since = before.taken_over_at if before.journal_id == taken.journal_id else taken.epoch
        self.mark = HighMark(epoch=taken.epoch, journal_id=taken.journal_id, taken_over_at=since)
        self.stored = max(self.stored, taken.stored)

    def is_behind(self, store: MemoryStore) -> bool:
        """As highwater.py says it, of a database."""
        largest = max((row.id for row in store.operations_now()), default=0)
        return largest > self.limit or store.delivery_now(CHANNEL, self.mark.journal_id).epoch > self.mark.epoch

    def copied(self) -> File:
        return File(self.limit, self.mark, self.stored)


class Hub:
    """One server process, or none, on a store and a file that survive it."""

    def __init__(self, world: World, owner: AgentId) -> None:
        self.world = world
        self.store = MemoryStore()
        self.file = File()
        self.owner = owner
        self.moving_to: AgentId | None = None
        self.wires: list[Wire] = []
        self.streams = 0
        self.restores = 0
        self.looked_at_ms = 0
        self.running = False
        self.untold: Callable[[], None] | None = None
        self.undecided = ""  # why the sweep of a restored channel takes more for the copy's than the copy held

    @property
    def holding(self) -> bool:
        return self.moving_to is not None

    @property
    def now_ms(self) -> int:
        return self.world.now_ms

    # ---- life ---------------------------------------------------------------------------------------------------------------

    def start(self) -> bool:
        if self.running:
            return False
        self.running = True
        self.wants: deque[actions.Load | actions.Commit] = deque()
        self._notice_older_copy()
        self.numbers = ids.Reserved()
        self.places = acceptance.Places(self.store.latest_place_now())
        self.first_id = OperationId(self.file.limit + 1)
        if self.world.unnoticed:
            # What was accepted since the copy came back cannot be told from what the copy held.
            self.world.oracle.doubt((row.body for row in self.world.open_rows()), "restored, unnoticed, then restarted")
        self._new_machine()
        return True

    def _notice_older_copy(self) -> None:
        epoch = self.store.delivery_now(CHANNEL, self.file.mark.journal_id).epoch
        if epoch < self.file.stored:
            self.mark_restored(file_lost=False)

    def mark_restored(self, *, file_lost: bool) -> None:
        """As restoring.py does."""
        rows = self.store.operations_now()
        largest = max((row.id for row in rows), default=0)
        self.restores += 1
        later_ms = self.restores * 10**9  # people take their time between two of them
        self.file.limit = restoration.next_limit(self.file.limit, largest, later_ms, file_lost=file_lost)
        epoch = self.store.delivery_now(CHANNEL, self.file.mark.journal_id).epoch
        mark = HighMark() if file_lost else self.file.mark
        if mark.epoch or file_lost:
            writes = restoration.marks({CHANNEL: epoch}, {CHANNEL: mark}, OperationId(self.file.limit + 1))
            self._apply(writes)

    def crash(self) -> None:
        self.running = False
        self.untold = None
        self.wants.clear()
        for wire in self.wires:
            wire.break_off(self.world.dice)
            wire.close_hub()
        self.wires.clear()

    def _new_machine(self) -> None:
        self.machine = machine.Channel(
            CHANNEL, lease_ids=self._lease_ids, spare_ids=self._spare_ids, first_id=lambda: self.first_id
        )
        self.machine.configure(owner=self.owner, holding=self.holding, now_ms=self.now_ms)

    def _lease_ids(self, count: int) -> Sequence[LeaseId]:
        return [LeaseId(self.world.fresh("L")) for _ in range(count)]

    def _spare_ids(self, count: int) -> Sequence[OperationId]:
        return [self.next_id() for _ in range(count)]

    def next_id(self) -> OperationId:
        """From a block that the file holds before it is used."""
        if missing := self.numbers.short_of(1):
            first, self.file.limit = self.file.limit + 1, self.file.limit + missing
            self.numbers.add(range(first, self.file.limit + 1))
        return self.numbers.take()

    # ---- commits ------------------------------------------------------------------------------------------------------------

    def commit(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        """One transaction. Raises CommitFailed."""
        for write in writes:
            if isinstance(write, TakeEpoch):
                self.file.take(write)
        if self.world.misfortune("commit fails"):
            written = self.world.dice.random() < 0.5
            if written:
                self._apply(writes)  # the error came, and the rows came back
            raise CommitFailed(unknown=written or self.world.dice.random() < 0.5)
        return self._apply(writes)

    def _apply(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        marked = self.restored
        journals = {write.journal_id for write in writes if isinstance(write, AdvanceJournal)}
        known = {one: self.store.delivery_now(CHANNEL, one).sequence for one in journals}
        if self.undecided and any(
            isinstance(one, ChangeQueue) and one.to is OperationState.UNCERTAIN for one in writes
        ):
            self.world.oracle.doubt((row.body for row in self.world.open_rows()), self.undecided)
        outcomes = self.store.apply_now(writes)
        for write, outcome in zip(writes, outcomes, strict=True):
            if isinstance(write, MarkRestored):
                self._marked(write.restoration, again=marked)
            elif outcome:
                self._written(write, outcome, marked=marked)
            if isinstance(write, AdvanceJournal):
                self.world.oracle.stored_to(write.journal_id, known[write.journal_id], write.sequence, self.store)
        self.world.oracle.look(self.store)
        return outcomes

    @property
    def restored(self) -> bool:
        """Whether the hub knows that the database is an older copy."""
        return self.store.restored_now(CHANNEL) is not None

    def _written(self, write: Write, outcome: Outcome, *, marked: bool) -> None:
        match write:
            case Accept(operation=new) if isinstance(outcome, Accepted) and outcome.leased:
                self._leased([new], new.accepted_at_ms, marked=marked)
            case Claim(now_ms=now_ms) if isinstance(outcome, Leased):
                self._leased(outcome.operations, now_ms, marked=marked)
            case Start(lease_id=lease_id):
                need(not marked, "I12 something starts on a restored channel")
                self.world.started(lease_id)
            case TakeEpoch(epoch=epoch, journal_id=journal_id):
                self.world.oracle.epochs.append((epoch, journal_id))
            case EndRestored():
                self.undecided = ""
                self.world.oracle.told()
            case _:
                pass

    def _leased(self, operations: Sequence[Operation | NewOperation], now_ms: int, *, marked: bool) -> None:
        need(not (operations and marked), "I12 something is leased on a restored channel")
        for operation in operations:
            need((operation.send_at_ms or 0) <= now_ms, f"{operation.body} is leased before its send_at")

    def _marked(self, mark: Restoration, *, again: bool) -> None:
        """The hub has noticed. Where it cannot tell what was accepted since the copy came back, that is doubted too."""
        oracle = self.world.oracle
        oracle.marked(mark)
        why = ""
        if again and self.running:
            why = "a desktop has forgotten what the copy lacks"
        elif self.world.faults["database_restored"] and not self.world.restoring:
            why = "the owner's hello has ended the mark, and a desktop that the copy lacks entries of says its own"
        elif not mark.journal_id and self.world.restoring and len(oracle.epochs) > oracle.epochs_then:
            why = "an owner took an epoch before a desktop noticed: which was the copy's own is not known"
        if why:
            self.undecided = why
            oracle.doubt((row.body for row in self.world.open_rows()), why)

    def accept(self, news: Sequence[NewOperation]) -> Sequence[Outcome]:
        """A request's transaction, as queue.py does it: now and then with what the line has, and with leases as far as the machine
        offers some before it hears of the transaction before. Raises CommitFailed or Crashed."""
        commits = self._take_commits() if self.untold is None and self.world.dice.random() < SHARED else []
        callers: list[Sequence[Write]] = [
            [Accept(operation=new) for new in news],
            *([_writes(commits)] if commits else []),
        ]
        order, plain = batch.mixed(callers)
        writes, offers = handover.with_leases(plain, lambda _, count: self.machine.offer(count))
        self.tell()
        self._meanwhile()
        try:
            outcomes = self.commit(writes)
        except CommitFailed as failure:
            self._accepting_failed(offers.values(), unknown=failure.unknown, line_too=bool(commits))
            raise
        if self.world.misfortune("server crash"):
            self.crash()
            raise Crashed
        mine, *line = batch.shares(callers, order, outcomes)
        if batch.left_waiting(writes, outcomes):
            self.wake()
        taken = handover.taken(writes, outcomes)
        for channel_id, offer in offers.items():
            self.perform(self.machine.offered(offer, taken.get(channel_id, ()), self.now_ms))
        if line:
            self._committed(commits, line[0])
        return mine

    def _accepting_failed(self, offers: Collection[actions.Offer], *, unknown: bool, line_too: bool) -> None:
        for offer in offers:
            self.perform(self.machine.unknown(offer) if unknown else self.machine.offered(offer, (), self.now_ms))
        if unknown:
            self.wake()
        if line_too:
            self._restart_channel()

    def _meanwhile(self) -> None:
        """What comes from desktops and operators while a request is being written."""
        while self.world.dice.random() < MEANWHILE:
            self.world.dice.choice((self.frame, self.close, self.wake, self._load))()

    def _take_commits(self) -> Sequence[actions.Commit]:
        """All commits of the line up to its next load."""
        commits: list[actions.Commit] = []
        while self.wants and isinstance(commit := self.wants[0], actions.Commit):
            commits.append(commit)
            self.wants.popleft()
        return commits

    def _committed(self, commits: Sequence[actions.Commit], outcomes: Sequence[Outcome]) -> None:
        position = 0
        for commit in commits:
            mine = outcomes[position : position + len(commit.writes)]
            position += len(commit.writes)
            self.perform(self.machine.committed(commit.then, mine, self.now_ms))

    def _load(self) -> bool:
        if not self.wants or not isinstance(load := self.wants[0], actions.Load):
            return False
        self.wants.popleft()
        stored = self.store.delivery_now(CHANNEL, load.journal_id)
        self.perform(self.machine.loaded(load.hello, stored, self.file.mark, self.now_ms))
        return True

    def step(self) -> bool:
        """Performs the next load, or all commits up to it in one transaction."""
        if not self.running or not self.wants:
            return False
        if self._load():
            return True
        commits = self._take_commits()
        try:
            outcomes = self.commit(_writes(commits))
        except CommitFailed:
            self.untold = self._restart_channel
        else:
            if self.world.misfortune("server crash"):
                self.crash()  # between the commit and the answers
                return True
            self.untold = lambda: self._committed(commits, outcomes)
        if not self.world.calm and self.world.dice.random() < UNTOLD:
            self.world.accept()  # its transaction begins before the line has heard of this one
        self.tell()
        return True

    def tell(self) -> None:
        """The line hears of its last transaction."""
        untold, self.untold = self.untold, None
        if untold is not None:
            untold()

    def _restart_channel(self) -> None:
        self.wants.clear()
        for wire in self.wires:
            wire.ending = True
        self._new_machine()

    def perform(self, wanted: Sequence[actions.Action]) -> None:
        for action in wanted:
            match action:
                case actions.Send(stream=stream, frame=frame):
                    if wire := self._wire(stream):
                        self.world.oracle.frame(wire, frame)
                        wire.send_down(frame)
                case actions.End(stream=stream, reason=reason):
                    if wire := self._wire(stream):
                        gap = "journal entry" in reason and wire.hellos == 1 and not wire.forgot
                        # It has forgotten nothing since its hello, and no answer to one before can have been taken for one to this.
                        need(not gap or self.world.forked, f"I5 a desktop left something out: {reason}")
                        wire.ending = True
                case actions.Load() | actions.Commit():
                    self.wants.append(action)

    def _wire(self, stream: actions.StreamId) -> Wire | None:
        return next((wire for wire in self.wires if wire.id == stream), None)

    # ---- streams ------------------------------------------------------------------------------------------------------------

    def opened(self, desk: Desk) -> Wire:
        """A desk connects: an older stream of the same agent ends."""
        for wire in self.wires:
            wire.ending = wire.ending or wire.desk.agent_id == desk.agent_id
        self.streams += 1
        wire = Wire(actions.StreamId(self.streams), desk)
        self.wires.append(wire)
        return wire

    def frame(self) -> bool:
        """A frame of any stream arrives, also of one that is about to end."""
        waiting = [wire for wire in self.wires if wire.up]
        if not self.running or not waiting:
            return False
        wire = self.world.dice.choice(waiting)
        frame = wire.up.popleft()
        if frame.HasField("channel_hello"):
            wire.hello = frame.channel_hello
            wire.hellos += 1
        self.perform(self.machine.receive(wire.id, wire.desk.agent_id, frame, self.now_ms))
        return True

    def close(self) -> bool:
        """Notices that a stream is gone, or ends one."""
        over = [wire for wire in self.wires if wire.ending or (wire.cut and not wire.up) or not wire.desk_open]
        if not self.running or not over:
            return False
        wire = self.world.dice.choice(over)
        self.wires.remove(wire)
        wire.close_hub()
        self.perform(self.machine.lost(wire.id, self.now_ms))
        return True

    # ---- what time and operators bring --------------------------------------------------------------------------------------

    def wake(self) -> None:
        if self.running:
            self.perform(self.machine.wake(self.now_ms))

    def upkeep(self) -> None:
        """What is too late expires; what has come due is looked for."""
        if not self.running:
            return
        try:
            (expired,) = self.commit([ExpireDue(now_ms=self.now_ms, reason="Expired")])
        except CommitFailed:
            return
        looked_at_ms, self.looked_at_ms = self.looked_at_ms, self.now_ms
        pending = [o for o in self.store.live_now() if o.state is OperationState.PENDING]
        times = (time for o in pending for time in (o.send_at_ms, o.not_before_ms) if time is not None)
        if expired or any(looked_at_ms < time <= self.now_ms for time in times):
            self.wake()

    def configure(self) -> None:
        """The registry has changed."""
        if self.running:
            self.perform(self.machine.configure(owner=self.owner, holding=self.holding, now_ms=self.now_ms))
        for desk in self.world.desks:
            desk.judge()

    def finish_move(self) -> bool:
        """A gentle move ends when nothing is leased any more."""
        if self.moving_to is None or any(o.state is OperationState.LEASED for o in self.store.live_now()):
            return False
        self.hand_over(self.moving_to)
        return True

    def hand_over(self, owner: AgentId) -> None:
        """The channel has another owner."""
        self.owner, self.moving_to = owner, None
        if self.world.restoring:
            self.world.oracle.unwitnessed(self.store, "restored, and moved before the hello")
        self.configure()
