"""A seeded simulator of the delivery protocol around the project's own two machines and the memory store: no I/O, no clock.

Programs, operators, one hub, two desktops (and a copy of one), browser profiles with their outbox, WhatsApp, and the streams between
them are actors. One step is one durable write, one frame or one effect, so a fault can fall between any two. `Violation` names the
invariant that broke.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_agent.delivery.work import Ended, Performed, Unclear
from messenger_hub_server.delivery import acceptance, ids
from messenger_hub_server.delivery.acceptance import Draft
from messenger_hub_server.model import (
    AgentId,
    Idempotency,
    NewOperation,
    Operation,
    OperationKind,
    OperationState,
    Priority,
    Problem,
    SessionApiId,
)
from messenger_hub_server.store.base import Accepted, Change, ChangeQueue, Known, Outcome, Replace
from messenger_hub_server.store.memory.store import MemoryStore
from msgspec.structs import replace

from tests.simulation.desk import Desk, Disk
from tests.simulation.hub import CHANNEL, CommitFailed, Crashed, File, Hub
from tests.simulation.oracle import Oracle, need
from tests.simulation.whatsapp import NOT_ON_WHATSAPP, Message, Network, Profile, body_of

CHATS = ("1@c.us", "2@c.us", "3@c.us")
FIRST, SECOND = AgentId(1), AgentId(2)
UNSTARTED = frozenset({OperationState.PENDING, OperationState.LEASED})
KEPT_COPIES = 3
AT_ONCE = (1, 1, 1, 2, 3)  # operations in one request

# What can go wrong within another step: how often, unless the run's weights say otherwise.
MISFORTUNES = {"commit fails": 0.01, "journal fault": 0.01, "server crash": 0.02, "no answer": 0.1, "no look-up": 0.06}
KEYS = 4  # that programs ask with again; then they take new ones


@dataclass(eq=False)
class Copy:
    """A copy of the hub's database, with what the high-water file said then, and which journals were at work."""

    store: MemoryStore
    file: File
    epochs: int
    goes: int  # that had been said by then


class World:
    """Everything, with one method a step. A step that cannot happen now returns False."""

    def __init__(self, *, luck: Mapping[str, float], ways: Sequence[str], keyed: float, timed: float) -> None:
        """`luck`: how often each misfortune happens; `ways` in which older copies come back; the others are shares of what programs
        ask for. The dice are cast anew before each step."""
        self.dice = random.Random(0)
        self.story: list[str] = []
        self.calm = False
        self.now_ms = 1_000_000
        self.steps = 0
        self.numbers = 0
        self.texts = 0
        self.keys = 0
        self.luck = luck
        self.keyed = keyed
        self.timed = timed
        self.faults: Counter[str] = Counter()
        self.faults_in: Counter[tuple[str, str]] = Counter()
        self.restoring = False  # an older copy is there, and no hello has told yet what it lacks
        self.forked = False  # a copy of a folder has run
        self.rolled_back = False
        self.unbetrayed = False  # the high-water file does not show that the copy is older
        self.file_trusted = True
        self.ways = ways
        self.folders: dict[str, tuple[Disk, Profile]] = {}
        self.oracle = Oracle(self)
        self.network = Network()
        self.desks: list[Desk] = []
        self.copies: list[Copy] = []
        self.hub = Hub(self, owner=FIRST)
        self.hub.start()
        self.desks.append(Desk(self, "first", FIRST, Disk(self.fresh("j")), Profile(self.network, self.dice)))
        self.desks.append(Desk(self, "second", SECOND, Disk(self.fresh("j")), Profile(self.network, self.dice)))

    # ---- chance -------------------------------------------------------------------------------------------------------------

    def fresh(self, prefix: str) -> str:
        """A name that was never given before."""
        self.numbers += 1
        return f"{prefix}{self.numbers:06d}"

    def random_bytes(self, count: int) -> bytes:
        return self.dice.randbytes(count)

    def misfortune(self, kind: str) -> bool:
        """Whether it happens now."""
        if self.calm or self.dice.random() >= self.luck.get(kind, 0.0):
            return False
        self.fault(kind)
        return True

    def fault(self, kind: str) -> None:
        """It happens: in which states it finds operations is part of what was covered."""
        self.faults[kind] += 1
        self.story.append(kind)
        for row in self.hub.store.operations_now():
            self.faults_in[kind, row.state.value] += 1

    def desk(self) -> Desk | None:
        running = [desk for desk in self.desks if desk.running]
        return self.dice.choice(running) if running else None

    @property
    def owner(self) -> Desk:
        return next(desk for desk in self.desks if desk.agent_id == self.hub.owner)

    def started(self, lease_id: str) -> None:
        """The hub has said go."""
        self.oracle.granted.add(lease_id)
        rows = self.hub.store.operations_now()
        leased = [row for row in rows if row.lease is not None and row.lease.lease_id == lease_id]
        mine = [row.body for row in leased]
        self.oracle.allowed |= {row.wa_id: row.body for row in leased}
        self.oracle.goes += (row.wa_id for row in leased)
        if lease_id in self.oracle.left_open:
            self.oracle.doubt(mine, self.oracle.left_open[lease_id])
        if self.unnoticed:
            self.oracle.unguarded.update(mine)
        if len(self.desks) > 2:
            self.oracle.doubt(mine, "started while a copy of the folder runs", lost=True)

    @property
    def unnoticed(self) -> bool:
        """An older copy is there, and the hub does not know it yet, nor could it."""
        return self.restoring and self.unbetrayed and not self.hub.restored

    @property
    def tense(self) -> bool:
        """Something is between its intent and its end: where a fault hurts most."""
        return any(desk.machine.journal.open for desk in self.desks)

    def open_rows(self) -> list[Operation]:
        return list(self.hub.store.live_now())

    # ---- programs -----------------------------------------------------------------------------------------------------------

    def accept(self) -> bool:
        """A program asks for something, with or without a key; one that was not answered asks again with its key."""
        if not self.hub.running:
            return False
        news = [self._asked_for() for _ in range(self.dice.choice(AT_ONCE))]
        try:
            outcomes = self.hub.accept(news)
        except CommitFailed:
            self.oracle.lost.update(
                new.body for new in news if new.body not in self.oracle.accepted and new.idempotency is None
            )
            return True
        except Crashed:
            return True
        for new, outcome in zip(news, outcomes, strict=True):
            self._answered(new, outcome)
        return True

    def _answered(self, new: NewOperation, outcome: Outcome) -> None:
        match outcome:
            case Accepted(operation_id=number):
                need(number == new.id, "accepted under another number")
                self.oracle.accept(new)
            case Known(operation_id=number, parameters_hash=parameters):
                need(
                    new.idempotency is not None and parameters == new.idempotency.parameters_hash, "I4 another request"
                )
                held = self.oracle.answered.setdefault(number, new.body)
                need(self.oracle.numbers_reused or held == new.body, f"I4 the key of {new.body} names {held}")
                row = self.hub.store.operation_now(number)
                # Of the first request, which was not answered.
                place = replace(new, id=number, place_ms=row.place_ms, send_at_ms=row.send_at_ms)
                self.oracle.accepted.setdefault(new.body, place)
            case _:
                pass

    def _asked_for(self) -> NewOperation:
        key = self._key() if self.dice.random() < self.keyed else None
        self.texts += key is None
        body = f"text {self.texts}" if key is None else f"key {key}"
        chat = CHATS[key % 3] if key is not None else self.dice.choice(CHATS)
        if key is None and self.dice.random() < 0.04:
            chat = NOT_ON_WHATSAPP
        contact = key % 8 == 7 if key is not None else self.dice.random() < 0.1
        draft = Draft(
            channel_id=CHANNEL,
            session_api_id=SessionApiId(1),
            kind=OperationKind.SAVE_CONTACT if contact else OperationKind.SEND_MESSAGE,
            recipient=chat,
            target=chat,
            body=body,
            priority=Priority(self.dice.choice((1, 2, 2, 2))) if key is None else Priority.NORMAL,
            send_at_ms=self.now_ms + self.dice.randrange(1, 30) if self.dice.random() < self.timed else None,
            expires_at_ms=self.now_ms + self.dice.randrange(1, 60) if self.dice.random() < self.timed else None,
            idempotency=Idempotency(key_hash=b"k%d" % key, parameters_hash=b"p%d" % key) if key is not None else None,
        )
        return acceptance.operation(
            draft, self.hub.next_id(), ids.wa_id(self.random_bytes), self.hub.places, self.now_ms
        )

    def _key(self) -> int:
        """One of the latest, or the next."""
        key = self.keys - self.dice.randrange(KEYS)
        self.keys += key == self.keys
        return max(key, 0)

    def cancel(self) -> bool:
        row = self._chosen(UNSTARTED)
        if row is None:
            return False
        change = Change(
            operation_id=row.id,
            from_states=UNSTARTED,
            started=False,
            to=OperationState.CANCELLED,
            at_ms=self.now_ms,
            reason="Cancelled",
        )
        return self._decide([change])

    def clear_queue(self) -> bool:
        """A session API is deleted: what waits fails."""
        problem = Problem(code="deleted", message="The session API was deleted")
        fail = ChangeQueue(
            channel_id=CHANNEL,
            leased_too=True,
            to=self.dice.choice((OperationState.FAILED, OperationState.CANCELLED)),
            at_ms=self.now_ms,
            reason=problem.message,
            problem=problem,
        )
        return self._decide([fail])

    def resolve(self) -> bool:
        """A person decides on an uncertain operation."""
        row = self._chosen(frozenset({OperationState.UNCERTAIN}))
        if row is None:
            return False
        way = self.dice.choice(("sent", "not sent", "again"))
        if way == "again":
            return self._send_again(row)
        done = OperationState.SENT if row.kind is OperationKind.SEND_MESSAGE else OperationState.SUCCEEDED
        self.oracle.decided.add(row.body)
        change = Change(
            operation_id=row.id,
            from_states=frozenset({OperationState.UNCERTAIN}),
            to=done if way == "sent" else OperationState.FAILED,
            at_ms=self.now_ms,
            reason="A person says so",
        )
        return self._decide([change])

    def _send_again(self, row: Operation) -> bool:
        self.texts += 1
        body = f"text {self.texts}"
        draft = Draft(
            channel_id=CHANNEL, session_api_id=SessionApiId(1), kind=row.kind, recipient=row.recipient,
            target=row.target, body=body,
        )  # fmt: skip
        new = acceptance.operation(
            draft, self.hub.next_id(), ids.wa_id(self.random_bytes), self.hub.places, self.now_ms
        )
        problem = Problem(code="resent", message="sent again")
        self.oracle.decided.add(row.body)
        again = Replace(operation_id=row.id, at_ms=self.now_ms, reason="again", problem=problem, successor=new)
        if self._decide([again]) and any(o.id == new.id for o in self.hub.store.operations_now()):
            self.oracle.accept(new)
        return True

    def _chosen(self, states: frozenset[OperationState]) -> Operation | None:
        rows = [row for row in self.hub.store.operations_now() if row.state in states]
        return self.dice.choice(rows) if rows and self.hub.running else None

    def _decide(self, writes: list[Change | ChangeQueue | Replace]) -> bool:
        """As queue.py: nothing is decided on a restored channel."""
        if not self.hub.running or self.hub.restored:
            return False
        try:
            self.hub.commit(writes)
        except CommitFailed:
            self.hub.wake()
            return True
        self.hub.wake()
        return True

    def tick(self) -> bool:
        self.now_ms += self.dice.randrange(1, 5)
        self.hub.upkeep()
        for desk in self.desks:
            if desk.running and desk.machine.wake_at_ms() is not None:
                desk.inbox.append(lambda desk=desk: desk.machine.tick(self.now_ms))  # type: ignore[misc]
        return True

    # ---- steps of the actors ------------------------------------------------------------------------------------------------

    def hub_start(self) -> bool:
        return self.hub.start()

    def hub_frame(self) -> bool:
        return self.hub.frame()

    def hub_store(self) -> bool:
        return self.hub.step()

    def hub_close(self) -> bool:
        return self.hub.close()

    def desk_start(self) -> bool:
        stopped = [desk for desk in self.desks if not desk.running]
        for desk in stopped[:1]:
            desk.start()
        return bool(stopped)

    def desk_work(self) -> bool:
        return (desk := self.desk()) is not None and desk.work()

    def desk_frame(self) -> bool:
        return (desk := self.desk()) is not None and desk.frame()

    def desk_connect(self) -> bool:
        return (desk := self.desk()) is not None and desk.connect()

    def desk_notice(self) -> bool:
        return (desk := self.desk()) is not None and desk.notice()

    def desk_page(self) -> bool:
        return (desk := self.desk()) is not None and desk.page_answers()

    def desk_page_back(self) -> bool:
        return (desk := self.desk()) is not None and desk.page_back()

    def desk_forgets(self) -> bool:
        return (desk := self.desk()) is not None and desk.forget()

    def finish_move(self) -> bool:
        return self.hub.finish_move()

    # ---- WhatsApp -----------------------------------------------------------------------------------------------------------

    def act(self, desk: Desk, lease: pb.Lease) -> Performed:
        """The page carries an operation out; whatever it answers may be lost on the way."""
        body = body_of(lease)
        need(any(e.lease_id == lease.lease_id and e.WhichOneof("fact") == "intent" for e in desk.disk.entries),
             f"I8 {body} without a durable intent")  # fmt: skip
        need(lease.lease_id in self.oracle.granted, f"I8 {body} without a durable go")
        before = desk.profile.messages.get(lease.whatsapp_id)
        done = desk.profile.perform(lease, self.now_ms, unanswered=self.misfortune("no answer"), calm=self.calm)
        if lease.WhichOneof("action") != "send_text":
            self._contact_done(lease)
        elif desk.profile.messages.get(lease.whatsapp_id) is not before:
            self._made(desk, lease.whatsapp_id)
        message = desk.profile.messages.get(lease.whatsapp_id)
        if isinstance(done, Ended) and done.kind == pb.Outcome.KIND_SENT and message is not None:
            self._through(message, lease.whatsapp_id)
        if message is None or message.ack == 0:
            # One that is through will be found; and what answered at once needs no look-up, unless something dies.
            why = "it may have stayed in the outbox" if message else "the page gave no answer"
            self.oracle.doubt([body] if isinstance(done, Unclear) else [], why)
        return done

    def _contact_done(self, lease: pb.Lease) -> None:
        if self.network.contacts.get(lease.save_contact.contact) == lease.save_contact.name:
            self.oracle.done.add(lease.save_contact.name)

    def _made(self, desk: Desk, wa_id: str) -> None:
        message = desk.profile.messages[wa_id]
        self.oracle.make(wa_id, message.body)
        if self.network.up and self.dice.random() < 0.6:
            self._through(message, wa_id)

    def _through(self, message: Message, wa_id: str) -> None:
        """The phone network takes it; a page's own repeat of an id is dropped."""
        message.ack = max(message.ack, 1)
        if wa_id in self.network.ids:
            return
        self.network.ids.add(wa_id)
        self.network.chats.add(message.chat)
        self.network.arrivals.append((wa_id, message))
        self.oracle.arrive(wa_id, message.body)

    def look_up(self, desk: Desk, lease: pb.Lease) -> Performed:
        found = desk.profile.reconcile(lease)
        need(set(self.network.changes) <= self.oracle.granted, f"I8 {body_of(lease)} without a durable go")
        if lease.WhichOneof("action") != "send_text":
            self._contact_done(lease)
        return found

    def network_step(self) -> bool:
        """A message in an outbox gets through, or a receipt comes."""
        desk = self.desk()
        if desk is None or not desk.profile.up or not desk.profile.messages or not self.network.up:
            return False
        wa_id = self.dice.choice(list(desk.profile.messages))
        message = desk.profile.messages[wa_id]
        if message.ack == 0:
            self._through(message, wa_id)
        elif message.ack < 3:
            message.ack += 1
        elif desk.machine.journal.known.get(wa_id, 3) == 3:
            return False
        desk.seen(wa_id, message.ack)
        return True

    def wire_step(self) -> bool:
        """Bytes that outlived their page arrive, or never do. The account's other browsers may hear of it."""
        if not self.network.wire or not self.network.up:
            return False
        wa_id, message = self.network.wire.pop()
        if self.dice.random() < 0.6:
            self._through(message, wa_id)
            told = [desk for desk in self.desks if self.dice.random() < 0.7]
            for desk in told:
                known = desk.profile.messages.setdefault(wa_id, message)
                known.ack = max(known.ack, 1)
                desk.seen(wa_id, known.ack)
            if not any(entry.whatsapp_id == wa_id for desk in told for entry in desk.disk.entries):
                # No browser that could say so to a journal which knows the message ever hears of it.
                self.oracle.untold.add(message.body)
        return True
