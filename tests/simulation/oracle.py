"""What must hold, and what excuses an uncertain operation. It knows what happened, not what the machines think."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_agent.delivery.channel import RANKS
from messenger_hub_server.delivery.actions import StreamId
from messenger_hub_server.delivery.states import NOT_SENT, SETTLED, TRANSITIONS
from messenger_hub_server.model import (
    ChannelId,
    Event,
    JournalId,
    NewOperation,
    OperationId,
    OperationState,
    Restoration,
    WaId,
)
from messenger_hub_server.store.memory.store import MemoryStore

from tests.simulation.whatsapp import NOT_ON_WHATSAPP, body_of

if TYPE_CHECKING:
    from tests.simulation.wire import Wire
    from tests.simulation.world import World

S = OperationState
CHANNEL = ChannelId(1)
ON_THE_NETWORK = (S.SENT, S.DELIVERED, S.READ)


class Violation(AssertionError):
    """An invariant does not hold."""


def need(holds: bool, what: str) -> None:
    if not holds:
        raise Violation(what)


class Oracle:
    """Bodies are what it knows operations by: every accepted request has a text of its own, repeats of one key the same."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.accepted: dict[str, NewOperation] = {}
        self.answered: dict[OperationId, str] = {}
        self.latest: dict[str, str] = {}  # the WhatsApp id of the last operation that a body became
        self.numbers_reused = False
        self.granted: set[str] = set()
        self.goes: list[str] = []  # the WhatsApp id of each, in order
        self.epochs: list[tuple[int, str]] = []
        self.relieved = False  # its high-water file may name a journal that another one has relieved since
        self.epochs_then = 0  # how many there were when an older copy was put back
        self.epoch_streams: dict[int, StreamId] = {}
        self.doubted: dict[str, str] = {}
        self.left_open: dict[str, str] = {}  # leases whose hands went away: what had go, or gets it, may be uncertain
        self.unordered: set[str] = set()
        self.decided: set[str] = set()
        self.blindly: set[str] = set()  # decided while nobody knew that the database is an older copy
        self.overlooked: set[str] = (
            set()
        )  # waited when their desktop told that it has begun them: nobody knew that the copy is older
        self.lost: set[str] = set()
        self.unguarded: set[str] = set()
        self.unprovable: set[str] = set()
        self.forgotten: set[str] = set()  # no journal has them any more, so a receipt finds nothing
        self.untold: set[str] = set()  # sent by a page that died of it, and no other browser was told
        self.stored: set[str] = set()  # also what nobody was told of
        self.queued: dict[str, int] = {}  # the event with which it came
        self.leased: dict[str, Event] = {}  # with which it was leased last
        self.made: set[str] = set()
        self.allowed: dict[str, str] = {}  # what got go: the WhatsApp id of each, and its body
        self.network_ids: set[str] = set()
        self.arrived: dict[str, str] = {}
        self.done: set[str] = set()
        self.states: dict[OperationId, OperationState] = {}
        self.seen_events = 0
        self.transitions: Counter[tuple[str, str]] = Counter()

    # ---- what happened ------------------------------------------------------------------------------------------------------

    def doubt(self, bodies: Iterable[str], why: str, *, lost: bool = False) -> None:
        """From now on these may end as uncertain, and what overtakes them is not out of order. `lost`: even if they were sent, as
        nobody is left who could tell."""
        for body in bodies:
            self.doubted.setdefault(body, why)
            if lost:
                self.unprovable.add(body)

    def leave_open(self, leases: Mapping[str, pb.Lease], why: str) -> None:
        """Whoever had these in hand is gone. Only what was allowed to act can be uncertain because of it; an older copy of the database
        cannot know what was."""
        self.left_open.update(dict.fromkeys(leases, why))
        told = self.granted if not self.world.restoring else leases.keys()
        self.doubt((body_of(lease) for lease_id, lease in leases.items() if lease_id in told), why)

    def accept(self, new: NewOperation) -> None:
        """A program was told that it is queued."""
        self.accepted.setdefault(new.body, new)
        self.answered[new.id] = new.body
        self.latest[new.body] = new.wa_id
        self.lost.discard(new.body)

    def make(self, wa_id: str, body: str) -> None:
        """A page made a message. Nobody has shown that WhatsApp drops the repeat of an id that is made anew."""
        need(wa_id not in self.made or body in self.unguarded, f"I1 made twice: {body}")
        self.made.add(wa_id)

    def arrive(self, wa_id: str, body: str) -> None:
        """A message reached the phone network."""
        need(body not in self.arrived or body in self.unguarded, f"I1 sent twice: {body}")
        for row in self.world.hub.store.operations_now():
            if row.wa_id == wa_id:
                refused = row.state in NOT_SENT and body not in self.decided and body not in self.blindly
                need(not refused or body in self.unguarded, f"I3 {row.state}, then sent: {body}")
        self._in_order(body)
        self.arrived.setdefault(body, wa_id)
        self.network_ids.add(wa_id)

    def _in_order(self, body: str) -> None:
        mine = self.accepted.get(body)
        if mine is None or body in self.doubted or body in self.unordered:
            return
        for other in self.arrived:
            theirs = self.accepted.get(other)
            same = theirs is not None and (theirs.lane, theirs.priority) == (mine.lane, mine.priority)
            if theirs is not None and same and other not in self.unordered:
                need(not self._overtook(theirs, mine), f"I10 {other} overtook {body}")

    def _overtook(self, theirs: NewOperation, mine: NewOperation) -> bool:
        """Mine was first, and could have been leased when theirs was. What has no time of its own keeps the order in which it came,
        whatever the hub's clock did."""
        if theirs.send_at_ms is None and mine.send_at_ms is None:
            was_first = mine.id < theirs.id
        else:
            was_first = (mine.place_ms, mine.id) < (theirs.place_ms, theirs.id)
        leased = self.leased.get(theirs.body)
        if leased is None:
            return was_first
        return was_first and self.queued.get(mine.body, 0) < leased.id and (mine.send_at_ms or 0) <= leased.at_ms

    def frame(self, wire: Wire, frame: pb.ConnectResponse) -> None:
        """I9: at most one stream is given work under an epoch. An answer to a hello is given once the hub knows what it betrays."""
        if frame.WhichOneof("frame") in ("recall", "journal_refused"):
            hello = wire.hello
            told = max(hello.acknowledged_sequence, hello.first_sequence - 1)
            if told > self.world.hub.store.delivery_now(CHANNEL, JournalId(hello.journal_id)).sequence:
                self.world.unbetrayed = False
        for lease in frame.leases.leases:
            holder = self.epoch_streams.setdefault(lease.epoch, wire.id)
            need(holder == wire.id, f"I9 two streams under epoch {lease.epoch}")

    # ---- an older copy ------------------------------------------------------------------------------------------------------

    def restored(self, store: MemoryStore, goes_then: int, *, witnessed: bool, relieved: bool) -> None:
        """An older copy was put back: what it lacks may be gone for good, what it calls open may be uncertain, unless a journal
        has seen everything since (`witnessed`). `relieved`: its file may trust one that has not. `goes_then`: how many goes had been
        said when the copy was made."""
        self.relieved = relieved
        self.epochs_then = len(self.epochs)
        rows = store.operations_now()
        held = {row.body for row in rows}
        # Decided in a time that was undone, and started in the one instead of it: nobody could know.
        started_since = set(self.goes[goes_then:])
        self.blindly |= {row.body for row in rows if row.state in NOT_SENT and row.wa_id in started_since}
        # What arrived is told by the journal; under an earlier operation of the same key it says nothing of this one.
        told = {body for body, wa_id in self.latest.items() if wa_id in self.network_ids} if witnessed else set()
        self.lost |= self.accepted.keys() - held - told
        self.unordered |= self.accepted.keys()
        self.states = {row.id: row.state for row in rows}
        self.seen_events = len(store.events_now())
        for desk in self.world.desks:
            left = (entry.intent for entry in desk.disk.entries if entry.intent.lease_id in self.left_open)
            self.doubt(map(body_of, left), "restored, and whoever had it in hand is gone")
        if not witnessed:
            self.unwitnessed(store, "restored, and the journal is another one")

    def unwitnessed(self, store: MemoryStore, why: str) -> None:
        """No journal tells any more what an older copy lacks."""
        rows = store.operations_now()
        missing = (self.accepted.keys() | self.stored) - {row.body for row in rows}
        self.lost |= missing
        known = {row.wa_id for row in rows}
        # A repeat with the same key is another operation.
        self.unguarded |= {body for wa_id, body in self.allowed.items() if wa_id not in known}
        self.doubt((row.body for row in rows if row.state not in SETTLED), why, lost=True)
        self.doubt(missing, why, lost=True)

    def marked(self, mark: Restoration) -> None:
        """The hub knows that the copy is older."""
        if mark.journal_id and self.relieved:
            self.unguarded |= self.arrived.keys()

    def told(self) -> None:
        """A hello has told what the copy lacks."""
        self.world.restoring = False
        opened = self.world.owner.disk.view().open.items()
        begun = {lease.whatsapp_id for lease_id, lease in opened if lease_id in self.granted}
        for row in self.world.open_rows():
            leased = row.lease is not None or row.wa_id in self.overlooked
            need(row.wa_id not in begun or leased, f"I12 {row.body} waits, and its desktop has begun it")

    # ---- invariants ---------------------------------------------------------------------------------------------------------

    def look(self, store: MemoryStore) -> None:
        """Everything that has changed since the last look."""
        events = store.events_now()
        for event in events[self.seen_events :]:
            before = self.states.get(event.operation_id)
            self.transitions[before.value if before else "", event.state.value] += 1
            if before is not None:
                need(event.state in TRANSITIONS[before], f"I7 {before} to {event.state}")
            self.states[event.operation_id] = event.state
            self._judge(store, event)
        self.seen_events = len(events)

    def _judge(self, store: MemoryStore, event: Event) -> None:
        number = event.operation_id
        row = store.operation_now(number)
        body = row.body
        self.stored.add(body)
        self.queued.setdefault(body, event.id)
        if event.state is S.LEASED:
            self.leased[body] = event
        same = self.numbers_reused or self.answered.get(number, body) == body
        need(same, f"I4 {number} names another operation now")
        match row.state:
            case S.SENT | S.DELIVERED | S.READ:
                need(body in self.arrived or body in self.decided, f"I2 {row.state} but not in WhatsApp: {body}")
            case S.SUCCEEDED:
                need(body in self.done or body in self.decided, f"I2 succeeded but never done: {body}")
            case S.CANCELLED | S.EXPIRED | S.FAILED:
                known = body not in self.arrived or body in self.decided or body in self.unguarded
                if self.world.unnoticed:
                    self.blindly.add(body)
                need(known or self.world.unnoticed, f"I3 {row.state} but sent: {body}")
                unproven = row.problem is not None and row.problem.code == "not_on_whatsapp"
                need(not unproven or row.target == NOT_ON_WHATSAPP, f"I3 failed without a proof: {body}")
            case S.UNCERTAIN:
                need(body in self.doubted, f"I6 uncertain without a reason: {body} ({row.problem})")
            case _:
                pass

    def at_rest(self, store: MemoryStore) -> None:
        """Everything has calmed down."""
        rows = {row.body: row for row in store.operations_now()}
        for body in self.accepted.keys() - self.lost:
            need(body in rows, f"I5 accepted and gone: {body}")
        last = {event.operation_id: event.state for event in store.events_now()}
        for body, row in rows.items():
            need(row.state in SETTLED, f"I5 at rest {row.state}: {body}")
            if body in self.arrived and body not in self.decided and body not in self.unguarded:
                excused = body in self.unprovable or body in self.forgotten or body in self.untold
                lost = excused and (row.state is S.UNCERTAIN or body in self.blindly)
                need(row.state in ON_THE_NETWORK or lost, f"I5 a fact was lost: {row.state} {body}")
            need(last[row.id] == row.state, f"I11 a state without its event: {body}")
        for desk in self.world.desks:
            self._believed(desk.disk.entries, store)

    def stored_to(self, journal_id: str, after: int, sequence: int, store: MemoryStore) -> None:
        """The hub has taken a journal up to an entry: from here on it knows what these say."""
        for desk in self.world.desks:
            if desk.disk.journal_id == journal_id:
                entries = desk.disk.read(after, sequence)
                self._believed(entries, store)
                if not self.world.hub.restored:
                    self._overlooked(entries)

    def _overlooked(self, entries: Iterable[pb.JournalEntry]) -> None:
        """The hub has taken from a journal that these have begun, and not leased them by it, as it would on a copy that it knows to be older:
        the look-up before the next send finds what came of them. A later copy holds that the journal was told so far."""
        begun = {entry.whatsapp_id for entry in entries if entry.lease_id in self.granted}
        self.overlooked |= {row.wa_id for row in self.world.open_rows() if row.wa_id in begun and row.lease is None}

    def _believed(self, entries: Iterable[pb.JournalEntry], store: MemoryStore) -> None:
        """A fact that a desktop has written stands, whatever was decided and whichever copy came back. Where a journal has two histories,
        in a copied folder or one that was rolled back, the hub takes an entry of the one for that of the other."""
        if self.world.forked or self.world.rolled_back:
            return
        rows = {row.wa_id: row for row in store.operations_now()}
        for entry in entries:
            row, rank = rows.get(WaId(entry.whatsapp_id)), RANKS.get(entry.outcome.kind, 0)
            if row is not None and rank:
                need(row.state in ON_THE_NETWORK[rank - 1 :], f"I5 a desktop knows better than {row.state}: {row.body}")
