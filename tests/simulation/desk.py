"""A desktop: the agent's machine on its folder and its browser profile. What its process loses with a crash, this loses."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_agent.delivery import channel as machine
from messenger_hub_agent.delivery.existence import Doubts
from messenger_hub_agent.delivery.work import is_message
from messenger_hub_server.model import AgentId

from tests.simulation.oracle import need
from tests.simulation.whatsapp import body_of
from tests.simulation.wire import Wire

if TYPE_CHECKING:
    from tests.simulation.whatsapp import Profile
    from tests.simulation.world import World

DURABLE = (machine.Append, machine.SaveEpoch, machine.RenewJournal)
PAGE = 1  # journal entries a frame, so that a hello has many


@dataclass
class Disk:
    """The agent's folder, without the browser profile."""

    journal_id: str
    first: int = 1
    entries: list[pb.JournalEntry] = field(default_factory=list)
    epoch: int = 0
    acknowledged: int = 0

    @property
    def last(self) -> int:
        return self.first + len(self.entries) - 1

    def copied(self) -> Disk:
        return copy.deepcopy(self)

    def view(self) -> machine.JournalView:
        """As journal.py reads it."""
        view = machine.JournalView(
            journal_id=self.journal_id,
            first=self.first,
            last=self.last,
            epoch=self.epoch,
            acknowledged=self.acknowledged,
        )
        for entry in self.entries:
            if entry.WhichOneof("fact") == "intent":
                view.open[entry.lease_id] = entry.intent
                continue
            lease = view.open.pop(entry.lease_id, None)
            if entry.outcome.kind == pb.Outcome.KIND_VOID or (lease is not None and not is_message(lease)):
                continue
            rank = machine.RANKS.get(entry.outcome.kind, 0)
            view.known[entry.whatsapp_id] = max(rank, view.known.get(entry.whatsapp_id, 0))
        return view

    def append(self, entries: Sequence[pb.JournalEntry], acknowledged: int) -> None:
        for number, entry in enumerate(entries, self.last + 1):
            entry.sequence = number
        self.entries += entries
        self.acknowledged = max(self.acknowledged, acknowledged)

    def read(self, after: int, until: int) -> Sequence[pb.JournalEntry]:
        return [entry for entry in self.entries if after < entry.sequence <= until]

    def renew(self, journal_id: str) -> None:
        self.journal_id, self.first, self.acknowledged = journal_id, 1, 0
        kept = [copy.deepcopy(entry) for entry in self.entries]
        for number, entry in enumerate(kept, 1):
            entry.sequence = number
        self.entries = kept

    def forget(self, up_to: int) -> Sequence[pb.JournalEntry]:
        """The retention is over for what the hub has, never beyond an open intent; says what is gone."""
        opened = self.view().open
        keep = min([up_to + 1, *(e.sequence for e in self.entries if e.lease_id in opened)])
        gone = [entry for entry in self.entries if entry.sequence < keep]
        del self.entries[: len(gone)]
        self.first = max(self.first, keep)
        return gone


class Desk:
    """One agent process, or none. The order of things is that of the real channel: happenings wait in line, and the actions of one
    are performed in order, a durable write at a time."""

    def __init__(self, world: World, name: str, agent_id: AgentId, disk: Disk, profile: Profile) -> None:
        self.world = world
        self.name = name
        self.agent_id = agent_id
        self.disk = disk
        self.profile = profile
        self.wire: Wire | None = None
        self.running = False
        self.start()

    def start(self) -> None:
        """The process starts, or its channel does after a fault of the journal."""
        self.running = True
        self._sending: Wire | None = None
        self.inbox: deque[Callable[[], Sequence[machine.Action]]] = deque()
        self.todo: deque[machine.Action] = deque()
        self.asked: list[machine.Check | machine.Perform | machine.Reconcile] = []
        self.doubts = Doubts()
        self.shown: set[str] = set()  # leases of messages that the page showed before they were asked for
        self.machine = machine.Channel(1, self.disk.view(), window=3)
        self.machine.pace = pb.PACE_OFF
        self.judge()

    @property
    def now_ms(self) -> int:
        return self.world.now_ms

    @property
    def able(self) -> bool:
        return self.profile.up and self.world.hub.owner == self.agent_id and not self.world.hub.holding

    def judge(self) -> None:
        """Whether it can work, as the page and the assignment say."""
        able = self.able
        self.machine.owned = self.world.hub.owner == self.agent_id
        self.inbox.append(lambda: self.machine.set_able(able, "the page is away", self.now_ms))

    def open_leases(self) -> Mapping[str, pb.Lease]:
        """What is between its intent and its end, in this process or on its disk: an end may not be written yet."""
        return {**self.machine.journal.open, **self.disk.view().open}

    # ---- steps --------------------------------------------------------------------------------------------------------------

    def work(self) -> bool:
        """Takes the next happening in line, and performs actions up to the next durable write."""
        if not self.todo and not self.inbox:
            return False
        if not self.todo:
            self.todo.extend(self.inbox.popleft()())
        while self.todo:
            action = self.todo.popleft()
            self._perform(action)
            if isinstance(action, DURABLE):
                break
        return True

    def frame(self) -> bool:
        """A frame arrives."""
        if self.wire is None or not self.wire.down:
            return False
        frame = self.wire.down.popleft()
        self.inbox.append(lambda: self.machine.receive(frame, self.now_ms))
        return True

    def connect(self) -> bool:
        if self.wire is not None or not self.world.hub.running:
            return False
        wire = self.wire = self.world.hub.opened(self)
        self.inbox.append(lambda: self._opened(wire))
        self.judge()
        return True

    def notice(self) -> bool:
        """Its stream is gone; what had arrived by then may have been taken or not."""
        wire = self.wire
        if wire is None or not (wire.cut or not wire.hub_open):
            return False
        while wire.down and self.world.dice.random() < 0.7:
            self.frame()
        wire.close_desk()
        self.wire = None
        self.inbox.append(self._closed)
        return True

    def _opened(self, wire: Wire) -> Sequence[machine.Action]:
        self._sending = wire
        return self.machine.connected()

    def _closed(self) -> Sequence[machine.Action]:
        self._sending = None
        return self.machine.disconnected(self.now_ms)

    def _perform(self, action: machine.Action) -> None:
        match action:
            case machine.Send(frame=frame):
                if self._sending is not None:
                    self._sending.send_up(frame)
            case machine.Append():
                self._append(action)
            case machine.ReadJournal(after=after, until=until):
                entries = self.disk.read(after, until)
                for start in range(0, len(entries) + 1, PAGE):
                    part, last = entries[start : start + PAGE], start + PAGE > len(entries)
                    self.inbox.append(lambda part=part, last=last: self.machine.read(part, last=last))  # type: ignore[misc]
            case machine.SaveEpoch(epoch=epoch):
                self.disk.epoch = max(self.disk.epoch, epoch)
                self.inbox.append(lambda: self.machine.epoch_saved(epoch, self.now_ms))
            case machine.RenewJournal():
                self.disk.renew(self.world.fresh("j"))
                journal_id, last = self.disk.journal_id, self.disk.last
                self.inbox.append(lambda: self.machine.renewed(journal_id, last))
            case machine.Check() | machine.Perform() | machine.Reconcile():
                self.asked.append(action)
            case machine.Blank():
                raise AssertionError("nobody erases anything here")

    def _append(self, action: machine.Append) -> None:
        for entry in action.entries:
            ended = entry.WhichOneof("fact") == "outcome" and entry.lease_id in self.shown
            # It may lie in the page's outbox since a lease that an older copy has forgotten, and stay there.
            waits = entry.outcome.kind == pb.Outcome.KIND_UNCERTAIN and entry.outcome.problem.code == "no_answer"
            need(not ended or waits or entry.outcome.kind in machine.RANKS, "I5 what the page showed ended otherwise")
        if self.world.misfortune("journal fault"):
            # The commit failed, or nobody knows whether it did: the channel opens its journal afresh on the same stream.
            if self.world.dice.random() < 0.5:
                self.disk.append(action.entries, action.acknowledged)
            self.restart_channel()
            return
        self.disk.append(action.entries, action.acknowledged)
        self.inbox.append(lambda: self.machine.appended(action, self.now_ms))

    def restart_channel(self) -> None:
        """The channel's run ends and begins again; the process and its stream go on. A send in flight is out of its hands."""
        self._abandon()
        self.start()
        if (wire := self.wire) is not None:
            self.inbox.append(lambda: self._opened(wire))
        self.tell_receipts()

    def crash(self) -> None:
        """The process is gone."""
        self._abandon()
        self.running = False
        if self.wire is not None:
            self.wire.break_off(self.world.dice)
            self.wire.close_desk()
            self.wire = None
        self.inbox.clear()
        self.todo.clear()

    def _abandon(self) -> None:
        self.world.oracle.leave_open(self.open_leases(), "the desk went between intent and end")
        for action in self.asked:
            if isinstance(action, machine.Perform) and self.world.dice.random() < 0.5:
                self.world.act(self, action.lease)
        self.asked.clear()

    def forget(self) -> bool:
        """Old entries leave the journal."""
        if self.machine.journal.acknowledged < self.disk.first:
            return False
        opened = self.disk.view().open
        gone = self.disk.forget(self.machine.journal.acknowledged)
        self.world.oracle.forgotten |= {body_of(entry.intent) for entry in gone if entry.lease_id not in opened}
        if gone and self.world.restoring:
            self.world.oracle.unwitnessed(
                self.world.hub.store, "restored, and the journal's retention was over before the hello"
            )
        if self.wire is not None:
            self.wire.forgot = True
        self.machine.forgot(self.disk.first)
        return True

    # ---- the page -----------------------------------------------------------------------------------------------------------

    def page_answers(self) -> bool:
        if not self.asked:
            return False
        action = self.asked.pop(self.world.dice.randrange(len(self.asked)))
        lease = action.lease
        match action:
            case machine.Check():
                if self.profile.up and lease.whatsapp_id in self.profile.messages:
                    self.shown.add(lease.lease_id)
                broken = self.world.misfortune("no look-up")
                checked = self.profile.check(lease, self.doubts, self.now_ms, broken=broken)
                self.inbox.append(lambda: self.machine.checked(lease.lease_id, checked, self.now_ms))
            case machine.Perform():
                need(lease.lease_id not in self.shown, "I1 a message was made though the page showed it")
                performed = self.world.act(self, lease)
                self.inbox.append(lambda: self.machine.performed(lease.lease_id, performed, self.now_ms))
            case machine.Reconcile():
                found = self.world.look_up(self, lease)
                self.inbox.append(lambda: self.machine.reconciled(lease.lease_id, found, self.now_ms))
        return True

    def page_back(self) -> bool:
        """A browser that was lost is started again; it tells of the receipts of all it knows."""
        if self.profile.up or not self.running:
            return False
        self.profile.up = True
        self.judge()
        self.tell_receipts()
        self.inbox.append(lambda: self.machine.page_returned(self.now_ms))
        return True

    def synchronise(self) -> None:
        """A page that was away hears of what became of its messages meanwhile, as far as WhatsApp still knows."""
        for wa_id, message in self.profile.messages.items():
            acks = [desk.profile.messages[wa_id].ack for desk in self.world.desks if wa_id in desk.profile.messages]
            message.ack = max([message.ack, *acks])
        self.tell_receipts()

    def tell_receipts(self) -> None:
        """After every start the page is asked how far its messages have got."""
        for wa_id, message in self.profile.messages.items():
            if message.ack > self.machine.journal.known.get(wa_id, 0) or wa_id not in self.machine.journal.known:
                self.seen(wa_id, message.ack)

    def seen(self, wa_id: str, ack: int) -> None:
        if ack > 0 and self.running and self.profile.up:
            self.inbox.append(lambda: self.machine.seen(wa_id, ack, self.now_ms))
