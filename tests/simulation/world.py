"""A seeded simulator of the delivery protocol around the project's own two machines and the memory store: no I/O, no clock.

Clients, one server, one agent with its journal, a page with WhatsApp behind it, and the frames between them are actors. One step
is one durable write, one frame or one effect, so a fault can fall between any two. `Violation` names the invariant that broke.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from dataclasses import dataclass, field

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_agent.delivery import channel as agent
from messenger_hub_agent.delivery.work import Clear, Ended, Found, GiveBack, Impossible, Unclear
from messenger_hub_server.delivery import channel as server
from messenger_hub_server.delivery.states import SETTLED
from messenger_hub_server.model import (
    AgentId,
    ChannelId,
    HighMark,
    Idempotency,
    LeaseId,
    NewOperation,
    OperationId,
    OperationKind,
    OperationState,
    SessionApiId,
    WaId,
)
from messenger_hub_server.store.base import Accept, Accepted, Change, ExpireDue, Known
from messenger_hub_server.store.memory import MemoryStore

CHANNEL, AGENT = ChannelId(1), AgentId(1)
UNSTARTED = frozenset({OperationState.PENDING, OperationState.LEASED})
CHATS = ("1@c.us", "2@c.us", "3@c.us")
SENT = {OperationState.SENT, OperationState.DELIVERED, OperationState.READ}


class Violation(AssertionError):
    """An invariant does not hold."""


def need(holds: bool, what: str) -> None:
    if not holds:
        raise Violation(what)


@dataclass
class Message:
    """A message as the page holds it."""

    chat: str
    ack: int = 0
    error_code: int | None = None


@dataclass
class Disk:
    """The agent's folder: what survives its process."""

    journal_id: str
    entries: list[pb.JournalEntry] = field(default_factory=list)
    epoch: int = 0

    def view(self) -> agent.JournalView:
        view = agent.JournalView(journal_id=self.journal_id, last=len(self.entries), epoch=self.epoch)
        for entry in self.entries:
            if entry.WhichOneof("fact") == "intent":
                view.open[entry.lease_id] = entry.intent
                view.last_message_at_ms = entry.at.ToMilliseconds()
                continue
            view.open.pop(entry.lease_id, None)
            if entry.outcome.kind != pb.Outcome.KIND_VOID:
                rank = agent.RANKS.get(entry.outcome.kind, 0)
                view.known[entry.whatsapp_id] = max(rank, view.known.get(entry.whatsapp_id, 0))
        return view


class World:
    """Everything, with one step method per kind of event."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.calm = False
        self.now_ms = 1_000_000
        self.seen: Counter[str] = Counter()
        self.store = MemoryStore()
        self.number = 0
        self.operations: dict[str, NewOperation] = {}
        self.keys: dict[bytes, OperationId] = {}
        self.excused: set[str] = set()
        self.page: dict[str, Message] = {}
        self.page_up = True
        self.network: list[str] = []
        self.wire: list[str] = []
        self.disk = Disk(journal_id="j1")
        self.file = HighMark()
        self.up: deque[pb.ConnectRequest] = deque()
        self.down: deque[pb.ConnectResponse] = deque()
        self.stream: server.StreamId | None = None
        self.streams = 0
        self.wants: deque[server.Load | server.Commit] = deque()
        self.jobs: deque[agent.Action] = deque()
        self.asked: list[agent.Action] = []
        self.server = self._new_server()
        self.agent = self._new_agent()

    # ---- programs -----------------------------------------------------------------------------------------------------------

    def _new_server(self) -> server.Channel:
        channel = server.Channel(CHANNEL, lease_ids=self._lease_ids, spare_ids=self._spare_ids)
        channel.configure(owner=AGENT, holding=False, now_ms=self.now_ms)
        return channel

    def _new_agent(self) -> agent.Channel:
        channel = agent.Channel(CHANNEL, self.disk.view(), window=3)
        channel.pace = pb.PACE_OFF
        channel.set_able(self.page_up, "the page is away", self.now_ms)
        return channel

    def _next(self) -> int:
        self.number += 1
        return self.number

    def _lease_ids(self, count: int) -> list[LeaseId]:
        return [LeaseId(f"L{self._next()}") for _ in range(count)]

    def _spare_ids(self, count: int) -> list[OperationId]:
        return [OperationId(self._next()) for _ in range(count)]

    # ---- clients ------------------------------------------------------------------------------------------------------------

    def accept(self) -> bool:
        key = self.dice.randrange(6) if self.dice.random() < 0.4 else None
        chat = CHATS[key % 3] if key is not None else self.dice.choice(CHATS)
        idempotency = Idempotency(key_hash=b"k%d" % key, parameters_hash=b"p%d" % key) if key is not None else None
        number = OperationId(self._next())
        new = NewOperation(
            id=number,
            wa_id=WaId(f"3EB0{number:018X}"),
            channel_id=CHANNEL,
            session_api_id=SessionApiId(1),
            kind=OperationKind.SEND_MESSAGE,
            recipient=chat,
            target=chat,
            body="text",
            accepted_at_ms=self.now_ms,
            due_at_ms=self.now_ms,
            expires_at_ms=self.now_ms + self.dice.randrange(1, 40) if self.dice.random() < 0.1 else None,
            idempotency=idempotency,
        )
        (outcome,) = self.store.apply_now([Accept(operation=new)])
        if isinstance(outcome, Accepted):
            self.operations[new.wa_id] = new
            if idempotency:
                self.keys[idempotency.key_hash] = number
        elif isinstance(outcome, Known) and idempotency:
            need(self.keys[idempotency.key_hash] == outcome.operation_id, "I4 another operation for the same key")
        self._served(self.server.wake(self.now_ms))
        return True

    def cancel(self) -> bool:
        if not self.operations:
            return False
        wa_id = self.dice.choice(list(self.operations))
        change = Change(
            wa_id=WaId(wa_id),
            from_states=UNSTARTED,
            started=False,
            to=OperationState.CANCELLED,
            at_ms=self.now_ms,
            reason="Cancelled",
        )
        self.store.apply_now([change])
        return True

    def tick(self) -> bool:
        self.now_ms += self.dice.randrange(1, 5)
        self.store.apply_now([ExpireDue(now_ms=self.now_ms, reason="Expired")])
        self._served(self.server.wake(self.now_ms))
        self._wanted(self.agent.tick(self.now_ms))
        return True

    # ---- the server ---------------------------------------------------------------------------------------------------------

    def _served(self, actions: object) -> None:
        for action in actions:  # type: ignore[attr-defined]
            match action:
                case server.Send(stream=stream, frame=frame):
                    if stream == self.stream:
                        self.down.append(frame)
                case server.End(stream=stream):
                    if stream == self.stream:
                        self.cut()
                case _:
                    self.wants.append(action)

    def server_frame(self) -> bool:
        if not self.up or self.stream is None:
            return False
        self._served(self.server.receive(self.stream, AGENT, self.up.popleft(), self.now_ms))
        return True

    def server_store(self) -> bool:
        if not self.wants:
            return False
        action = self.wants.popleft()
        if isinstance(action, server.Load):
            stored = self.store.delivery_now(CHANNEL, action.journal_id)
            self._served(self.server.loaded(action.stream, stored, self.file, self.now_ms))
            return True
        outcomes = self.store.apply_now(action.writes)
        if not self.calm and self.dice.random() < 0.03:
            self.crash_server()  # between the commit and the answers
            return True
        self._served(self.server.committed(action.then, outcomes, self.now_ms))
        return True

    def crash_server(self) -> bool:
        self.wants.clear()
        self.server = self._new_server()
        self.up.clear()
        self._part(lose=self.dice.random() < 0.5)
        self.stream = None
        return True

    # ---- the network between ------------------------------------------------------------------------------------------------

    def cut(self) -> bool:
        """The stream ends; some frames are lost, each side notices by itself."""
        if self.stream is None:
            return False
        self.up = deque(list(self.up)[: self.dice.randrange(len(self.up) + 1)])
        while self.up and self.dice.random() < 0.8:
            self.server_frame()
        gone, self.stream = self.stream, None
        self.up.clear()
        self._served(self.server.lost(gone, self.now_ms)) if gone is not None else None
        self._part(lose=self.dice.random() < 0.5)
        return True

    def _part(self, *, lose: bool) -> None:
        if not lose:
            while self.down:
                self._wanted(self.agent.receive(self.down.popleft(), self.now_ms))
        self.down.clear()
        self._wanted(self.agent.disconnected(self.now_ms))

    def connect(self) -> bool:
        if self.stream is not None:
            return False
        self.streams += 1
        self.stream = server.StreamId(self.streams)
        self._wanted(self.agent.connected())
        return True

    # ---- the agent ----------------------------------------------------------------------------------------------------------

    def _wanted(self, actions: object) -> None:
        for action in actions:  # type: ignore[attr-defined]
            if isinstance(action, agent.Send):
                if self.stream is not None:
                    self.up.append(action.frame)
            elif isinstance(action, (agent.Check, agent.Perform, agent.Reconcile)):
                self.asked.append(action)
            else:
                self.jobs.append(action)

    def agent_frame(self) -> bool:
        if not self.down:
            return False
        self._wanted(self.agent.receive(self.down.popleft(), self.now_ms))
        return True

    def agent_disk(self) -> bool:
        if not self.jobs:
            return False
        match self.jobs.popleft():
            case agent.Append() as append:
                need(append.entries[0].sequence == len(self.disk.entries) + 1, "the journal has a gap")
                self.disk.entries += append.entries
                self._wanted(self.agent.appended(append, self.now_ms))
            case agent.ReadJournal(after=after, until=until):
                entries = self.disk.entries[after:until]
                for i in range(0, len(entries) + 1, 2):
                    last = i + 2 > len(entries)
                    self._wanted(self.agent.read(entries[i : i + 2], last=last))
            case agent.SaveEpoch(epoch=epoch):
                self.disk.epoch = max(self.disk.epoch, epoch)
                self._wanted(self.agent.epoch_saved(epoch, self.now_ms))
            case agent.RenewJournal():
                self.disk.journal_id = f"j{self._next()}"
                self._wanted(self.agent.renewed(self.disk.journal_id, len(self.disk.entries)))
        return True

    def crash_agent(self) -> bool:
        self.jobs.clear()
        self.asked.clear()
        self._excuse_open()
        if self.stream is not None:
            gone, self.stream = self.stream, None
            self.up.clear()
            self._served(self.server.lost(gone, self.now_ms))
        self.down.clear()
        self.agent = self._new_agent()
        return True

    def _excuse_open(self) -> None:
        """Whoever loses page or process between intent and end may end as uncertain."""
        self.excused |= {lease.whatsapp_id for lease in self.agent.journal.open.values()}

    # ---- the page and WhatsApp ----------------------------------------------------------------------------------------------

    def page_answers(self) -> bool:
        if not self.asked:
            return False
        action = self.asked.pop(self.dice.randrange(len(self.asked)))
        lease = action.lease  # type: ignore[union-attr]
        match action:
            case agent.Check():
                self._wanted(self.agent.checked(lease.lease_id, self._check(lease), self.now_ms))
            case agent.Perform():
                self._wanted(self.agent.performed(lease.lease_id, self._perform(lease), self.now_ms))
            case agent.Reconcile():
                self._wanted(self.agent.reconciled(lease.lease_id, self._reconcile(lease), self.now_ms))
        return True

    def _check(self, lease: pb.Lease) -> Clear | Found | GiveBack | Impossible:
        if not self.page_up:
            return GiveBack(reason="page away")
        if lease.whatsapp_id in self.page:
            return Found()
        luck = 1.0 if self.calm else self.dice.random()
        if luck < 0.05:
            return GiveBack(reason="in doubt", wait_ms=5)
        return Impossible(code="not_on_whatsapp", message="no") if luck < 0.08 else Clear()

    def _perform(self, lease: pb.Lease) -> Ended | Unclear:
        wa_id = lease.whatsapp_id
        row = next(o for o in self.store.operations_now() if o.wa_id == wa_id)
        need(lease.lease_id in self.agent.journal.open, "I8 a send without an intent")
        need(any(e.lease_id == lease.lease_id for e in self.disk.entries), "I8 a send without a durable intent")
        need(
            row.lease is not None and row.lease.lease_id == lease.lease_id and row.lease.started, "I8 a send without go"
        )
        need(wa_id not in self.network, "I1 sent twice")
        luck = 1.0 if self.calm else self.dice.random()
        if not self.page_up or luck < 0.05:
            self.excused.add(wa_id)
            return Unclear()
        if luck < 0.1:
            return Ended(kind=pb.Outcome.KIND_FAILED, code="chat_not_found", message="thrown before a message was made")
        message = self.page[wa_id] = Message(chat=lease.send_text.chat)
        if luck < 0.2:
            self.excused.add(wa_id)
            return Unclear()
        self._arrive(wa_id, message)
        if luck < 0.25:
            return Unclear()
        return Ended(kind=pb.Outcome.KIND_SENT)

    def _arrive(self, wa_id: str, message: Message) -> None:
        if wa_id in self.network:
            return
        row = next(o for o in self.store.operations_now() if o.wa_id == wa_id)
        need(row.state not in (OperationState.CANCELLED, OperationState.EXPIRED), f"I3 {row.state}, then sent")
        mine = self.operations[wa_id]
        for other in self.network:
            theirs = self.operations[other]
            overtaken = theirs.target == mine.target and theirs.id > mine.id
            need(not overtaken or wa_id in self.excused, "I10 overtaken in its chat")
        self.network.append(wa_id)
        message.ack = max(message.ack, 1)

    def _reconcile(self, lease: pb.Lease) -> Ended | Unclear:
        if not self.page_up:
            return Unclear()
        message = self.page.get(lease.whatsapp_id)
        if message is None:
            return Ended(kind=pb.Outcome.KIND_UNCERTAIN, code="not_found_afterwards", message="absent")
        if message.ack == 0:
            self.excused.add(lease.whatsapp_id)
            return Ended(kind=pb.Outcome.KIND_UNCERTAIN, code="no_answer", message="still pending")
        return Ended(kind=pb.Outcome.KIND_SENT)

    def network_step(self) -> bool:
        """A message with ack 0 gets through, or a receipt comes."""
        if not self.page or not self.page_up:
            return False
        wa_id = self.dice.choice(list(self.page))
        message = self.page[wa_id]
        if message.ack == 0:
            self._arrive(wa_id, message)
        elif message.ack < 3:
            message.ack += 1
        self._wanted(self.agent.seen(wa_id, message.ack, self.now_ms))
        return True

    def page_crash(self) -> bool:
        if not self.page_up:
            return False
        self._excuse_open()
        self.page_up = False
        for wa_id, message in list(self.page.items()):
            if message.ack == 0 and self.dice.random() < 0.5:
                # The outbox was not written yet, and its bytes are on their way: the page has forgotten it.
                del self.page[wa_id]
                self.wire.append(wa_id)
                self.excused.add(wa_id)
        self._wanted(self.agent.set_able(False, "the page is away", self.now_ms))
        return True

    def wire_step(self) -> bool:
        """Bytes that outlived their page arrive, or never do."""
        if not self.wire:
            return False
        wa_id = self.wire.pop()
        if self.dice.random() < 0.6:
            need(wa_id not in self.network, "I1 sent twice")
            message = self.page.setdefault(wa_id, Message(chat=self.operations[wa_id].target))
            self._arrive(wa_id, message)
            self._wanted(self.agent.seen(wa_id, message.ack, self.now_ms))
        return True

    def page_back(self) -> bool:
        if self.page_up:
            return False
        self.page_up = True
        self._wanted(self.agent.set_able(True, "", self.now_ms))
        for wa_id, message in self.page.items():
            if message.ack > 0:
                self._wanted(self.agent.seen(wa_id, message.ack, self.now_ms))
        return True

    # ---- invariants ---------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        need(len(set(self.network)) == len(self.network), "I1 sent twice")
        for row in self.store.operations_now():
            if row.state in SENT:
                need(row.wa_id in self.network, f"I2 {row.state} but not in WhatsApp")
            if row.state in (OperationState.CANCELLED, OperationState.EXPIRED, OperationState.FAILED):
                need(row.wa_id not in self.network, f"I3 {row.state} but sent")
            if row.state is OperationState.UNCERTAIN:
                need(row.wa_id in self.excused, "I6 uncertain without a fault")
            self.seen[row.state] += 1

    def at_rest(self) -> None:
        need(len(self.store.operations_now()) == len(self.operations), "I5 accepted and gone")
        for row in self.store.operations_now():
            need(row.state in SETTLED, f"I5 at rest {row.state}")
            if row.wa_id in self.network:
                need(row.state in SENT, f"I5 a fact was lost: {row.state}")
        last = {event.operation_id: event.state for event in self.store.events_now()}
        for row in self.store.operations_now():
            need(last[row.id] == row.state, "I11 a state without its event")


STEPS = {
    "accept": 3,
    "cancel": 1,
    "tick": 2,
    "server_frame": 20,
    "server_store": 20,
    "connect": 5,
    "agent_frame": 20,
    "agent_disk": 20,
    "page_answers": 15,
    "network_step": 5,
    "page_back": 3,
    "wire_step": 0.5,
}
FAULTS = {"cut": 1.0, "crash_server": 0.5, "crash_agent": 0.5, "page_crash": 0.5}


def play(seed: int, length: int = 600) -> World:
    """One run: faults anywhere, then calm until everything is settled. Raises Violation."""
    world = World(seed)
    weights = STEPS | {fault: weight * world.dice.choice((0, 1, 1, 4)) for fault, weight in FAULTS.items()}
    for name in world.dice.choices(list(weights), list(weights.values()), k=length):
        getattr(world, name)()
        world.check()
    world.calm = True
    for _ in range(4_000):
        progress = [getattr(world, name)() for name in STEPS if name not in ("accept", "cancel")]
        world.check()
        if all(row.state in SETTLED for row in world.store.operations_now()) and not any(progress[1:7]):
            break
    world.at_rest()
    return world
