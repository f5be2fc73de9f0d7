"""One channel's machine on the agent: frames, the journal's and the page's answers in, actions out. No I/O, no clock.

    OFFLINE   no stream
    HELLO     ChannelHello is out
    PAGING    the server recalls journal entries
    SAVING    the welcome's epoch is being made durable
    ONLINE    credit is out; leases come

Nothing is started without a live stream, and a message only after the server's go. When the stream goes, every lease below its
intent is dropped; an intent without an answer is void. What is open in the journal is looked up in WhatsApp and ended, after the
server has had its say about it (its noes come before its welcome).

Times: `now_ms` is a clock that counts suspend; the server's time is derived from the welcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import assert_never

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.v1 import operation_pb2

from messenger_hub_agent.delivery.pace import gap_ms
from messenger_hub_agent.delivery.work import (
    RETURNABLE,
    Checked,
    Clear,
    Ended,
    Found,
    GiveBack,
    Happening,
    Impossible,
    Leaving,
    Performed,
    Stage,
    Unclear,
    Work,
    is_message,
    lane_of,
)

PAGE = 500  # journal entries a frame, as the contract says
RANKS = {pb.Outcome.KIND_SENT: 1, pb.Outcome.KIND_DELIVERED: 2, pb.Outcome.KIND_READ: 3}
RECEIPTS = {rank: kind for kind, rank in RANKS.items()}


class Phase(Enum):
    """Where the stream's hello stands; see the top of this file."""

    OFFLINE = auto()
    HELLO = auto()
    PAGING = auto()
    SAVING = auto()
    ONLINE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send a frame."""

    frame: pb.ConnectRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Number the entries after the journal's last one and make them durable, with the highest sequence that the server has
    acknowledged; then call `appended` with this action."""

    entries: Sequence[pb.JournalEntry]
    acknowledged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadJournal:
    """Read entries above `after` up to and including `until`; answer with `read`, in pages of at most PAGE, one at least."""

    after: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveEpoch:
    """Make the epoch durable, then call `epoch_saved`."""

    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewJournal:
    """Give the journal a new id, number its entries from 1, then call `renewed`."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Look whether the operation may start; answer with `checked`."""

    lease: pb.Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Perform:
    """Carry the operation out, within 30 s; answer with `performed`."""

    lease: pb.Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconcile:
    """Look up what became of the operation; answer with `reconciled`."""

    lease: pb.Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Blank:
    """Blank what the journal says of people in entries of these WhatsApp ids, as far as they have ended."""

    whatsapp_ids: Sequence[str]


Action = Send | Append | ReadJournal | SaveEpoch | RenewJournal | Check | Perform | Reconcile | Blank


@dataclass(slots=True, kw_only=True)
class JournalView:
    """What the machine knows of the journal: as loaded at start, kept up to date by the machine, `last` aside.

    `open` holds intents without an end, by lease id. `known` holds, per WhatsApp id of a message that ended within the last
    seven days, the rank that the journal says (0: not sent, uncertain; 1 sent, 2 delivered, 3 read).
    """

    journal_id: str
    first: int = 1
    last: int = 0
    acknowledged: int = 0
    epoch: int = 0
    open: dict[str, pb.Lease] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)
    last_message_at_ms: int = 0  # server's clock


class Channel:
    """The machine of one channel."""

    def __init__(self, channel_id: int, journal: JournalView, *, window: int = 8) -> None:
        self.id = channel_id
        self.journal = journal
        self.phase = Phase.OFFLINE
        self.work: Work | None = None
        self.pace: pb.Pace.ValueType = pb.PACE_NORMAL
        self.owned = True
        self._window = window
        self._durable = journal.last
        self._renewing = False
        self._able = False
        self._why_unable = "WhatsApp Web is starting"
        self._epoch = 0
        self._offset_ms = 0
        self._waiting: dict[str, pb.Lease] = {}
        self._unsent: list[pb.JournalEntry] = []
        self._early: dict[str, int] = {}
        self._found: set[str] = set()
        self._reconciling: str | None = None

    # ---- what the edge may ask ----------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Nothing is in flight: stopping now leaves nothing open that could have been ended."""
        return self.work is None

    @property
    def held(self) -> int:
        """How many leases the agent holds."""
        return len(self._waiting) + (self.work is not None)

    def next_send_at_ms(self) -> int | None:
        """When the pace lets the next message out, on the server's clock; None when it is not holding anything back."""
        return self.work.start_at_ms if self.work and self.work.stage is Stage.PACING else None

    def wake_at_ms(self) -> int | None:
        """When `tick` wants to be called, on the clock of `now_ms`."""
        at = self.next_send_at_ms()
        return None if at is None else at - self._offset_ms

    def server_ms(self, now_ms: int) -> int:
        """The server's clock."""
        return now_ms + self._offset_ms

    # ---- the stream ---------------------------------------------------------------------------------------------------------

    def connected(self) -> Sequence[Action]:
        """A stream is open and lists this channel. While the journal gets another id, the hello waits for that: an answer to the
        former one would be taken for an answer to the new one."""
        self.phase = Phase.HELLO
        if self._renewing:
            return []
        journal = self.journal
        hello = pb.ChannelHello(
            journal_id=journal.journal_id,
            first_sequence=journal.first,
            last_sequence=self._durable,
            epoch=journal.epoch,
            open_lease_ids=list(journal.open),
            acknowledged_sequence=journal.acknowledged,
        )
        return [self._send(channel_hello=hello)]

    def disconnected(self, now_ms: int) -> Sequence[Action]:
        """The stream is gone: whatever is below its intent is dropped, and an intent without an answer is void."""
        self.phase = Phase.OFFLINE
        self._epoch = 0
        self._waiting.clear()
        self._unsent.clear()
        return self._happen(Happening.STREAM_LOST, now_ms)

    def receive(self, frame: pb.ConnectResponse, now_ms: int) -> Sequence[Action]:
        """A frame of this channel."""
        match frame.WhichOneof("frame"):
            case "recall":
                return self._recalled(frame.recall)
            case "journal_refused":
                self._renewing = True
                # From here on, not from `renewed`: entries are forgotten and appended meanwhile, and it is about the former id.
                self.journal.acknowledged = 0
                return [RenewJournal(reason=frame.journal_refused.reason)]
            case "welcome":
                self._offset_ms = frame.welcome.server_time.ToMilliseconds() - now_ms
                self._epoch = frame.welcome.epoch
                self.phase = Phase.SAVING
                return [SaveEpoch(epoch=frame.welcome.epoch)]
            case "leases":
                return self._leased(frame.leases, now_ms)
            case "acknowledged":
                self._acknowledge(frame.acknowledged.sequence)
                return []
            case "erase":
                return [Blank(whatsapp_ids=frame.erase.whatsapp_ids)]
            case "goes":
                return [action for go in frame.goes.goes for action in self._answered(go, now_ms)]
            case _:
                return []

    def _acknowledge(self, sequence: int) -> None:
        # Before the recall it may be about the journal's former id, whose numbers say nothing about this one.
        if self.phase not in (Phase.HELLO, Phase.OFFLINE):
            self.journal.acknowledged = max(sequence, self.journal.acknowledged)

    def _recalled(self, recall: pb.Recall) -> Sequence[Action]:
        self.phase = Phase.PAGING
        return [ReadJournal(after=recall.after_sequence, until=self._durable)]

    def read(self, entries: Sequence[pb.JournalEntry], *, last: bool) -> Sequence[Action]:
        """A page of what ReadJournal asked for."""
        if self.phase is not Phase.PAGING:
            return []
        actions: list[Action] = [self._send(journal_page=pb.JournalPage(entries=entries, last=last))]
        if last:
            self.phase = Phase.SAVING
            actions += self._push(self._take_unsent())
            # An agent that does not own the channel gets no welcome, but what it had started it can still look up.
            actions += [] if self.owned else self._reconcile_next()
        return actions

    def _take_unsent(self) -> list[pb.JournalEntry]:
        unsent, self._unsent = self._unsent, []
        return unsent

    def renewed(self, journal_id: str, last: int) -> Sequence[Action]:
        """The journal has a new id; the hello starts again."""
        self.journal.journal_id, self.journal.first = journal_id, 1
        self.journal.acknowledged = 0
        self._durable = last
        self._renewing = False
        return self.connected() if self.phase is not Phase.OFFLINE else []

    def forgot(self, first: int) -> None:
        """Entries before `first` are gone: the server has them, and their retention is over."""
        self.journal.first = first

    def epoch_saved(self, epoch: int, now_ms: int) -> Sequence[Action]:
        """The epoch is durable: from here on leases are welcome."""
        self.journal.epoch = max(self.journal.epoch, epoch)
        if self.phase is not Phase.SAVING or epoch != self._epoch:
            return []
        self.phase = Phase.ONLINE
        return [self._credit(), *self._next(now_ms)]

    def _credit(self) -> Send:
        return self._send(credit=pb.Credit(window=self._window if self._able else 0))

    # ---- wishes and the page ------------------------------------------------------------------------------------------------

    def set_able(self, able: bool, why_not: str, now_ms: int) -> Sequence[Action]:
        """Whether work can be done: the page is MAIN, NORMAL and synchronised, and nobody has paused or stopped the channel.

        When not, every lease below its intent is given back with the reason.
        """
        self._why_unable = why_not
        if able == self._able:
            return []
        self._able = able
        if self.phase is not Phase.ONLINE:
            return []
        if able:
            return [self._credit(), *self._next(now_ms)]
        leases = list(self._waiting.values())
        self._waiting.clear()
        if self.work and self.work.stage in RETURNABLE:
            leases.append(self.work.lease)
            self.work = None
        returns = [self._released(lease.lease_id, why_not, None) for lease in leases]
        frames = [self._send(returns=pb.Returns(returns=returns[i : i + PAGE])) for i in range(0, len(returns), PAGE)]
        return [self._credit(), *frames]

    @staticmethod
    def _released(lease_id: str, reason: str, not_before_ms: int | None) -> pb.Return:
        back = pb.Return(lease_id=lease_id, release=pb.Release(reason=reason))
        if not_before_ms is not None:
            back.release.not_before.FromMilliseconds(not_before_ms)
        return back

    def tick(self, now_ms: int) -> Sequence[Action]:
        """`wake_at_ms` has come."""
        return self._start_if_due(now_ms)

    def seen(self, whatsapp_id: str, ack: int, now_ms: int) -> Sequence[Action]:
        """WhatsApp says how far a message of ours has got (ack 1 sent, 2 delivered, 3 or more read)."""
        rank = min(ack, 3)
        if any(lease.whatsapp_id == whatsapp_id for lease in self.journal.open.values()):
            # Its end is not durable yet; the receipt follows it.
            self._early[whatsapp_id] = max(rank, self._early.get(whatsapp_id, 0))
            return []
        if whatsapp_id not in self.journal.known or rank <= self.journal.known[whatsapp_id]:
            return []
        self.journal.known[whatsapp_id] = rank
        return [self._append(whatsapp_id, "", now_ms, outcome=pb.Outcome(kind=RECEIPTS[rank]))]

    # ---- leases -------------------------------------------------------------------------------------------------------------

    def _leased(self, frame: pb.Leases, now_ms: int) -> Sequence[Action]:
        if self.phase is not Phase.ONLINE:
            return []
        mine = [lease for lease in frame.leases if lease.epoch == self._epoch]
        if not self._able:
            backs = [self._released(lease.lease_id, self._why_unable, None) for lease in mine]
            return [self._send(returns=pb.Returns(returns=backs))] if backs else []
        self._waiting |= {lease.lease_id: lease for lease in mine}
        return self._next(now_ms)

    def _next(self, now_ms: int) -> Sequence[Action]:
        """Starts what is next, if nothing is in flight: first what is open in the journal, also while nothing new may start, then
        what waits."""
        if self.phase is not Phase.ONLINE and (self.owned or self.phase is not Phase.SAVING):
            return []
        actions = [*self._reconcile_next()]
        if self.phase is not Phase.ONLINE or not self._able or self.work is not None:
            return actions
        busy = {lane_of(lease) for lease in self.journal.open.values()}
        ready = [lease for lease in self._waiting.values() if lane_of(lease) not in busy]
        if not ready:
            return actions
        lease = min(ready, key=lambda one: one.priority or operation_pb2.PRIORITY_NORMAL)
        del self._waiting[lease.lease_id]
        if self._expired(lease, now_ms):
            back = pb.Return(lease_id=lease.lease_id, expired=pb.Expired())
            return [*actions, self._send(returns=pb.Returns(returns=[back])), *self._next(now_ms)]
        self.work = Work(lease)
        return [*actions, Check(lease=lease)]

    def _expired(self, lease: pb.Lease, now_ms: int) -> bool:
        return lease.HasField("expires_at") and lease.expires_at.ToMilliseconds() <= self.server_ms(now_ms)

    def checked(self, lease_id: str, result: Checked, now_ms: int) -> Sequence[Action]:
        """The answer to Check."""
        work = self.work
        if work is None or work.lease.lease_id != lease_id or work.stage is not Stage.CHECKING:
            return []
        match result:
            case Clear(new_chat=new_chat):
                work.happen(Happening.CLEAR)
                gap = gap_ms(self.pace, work.lease.whatsapp_id, new_chat=new_chat) if is_message(work.lease) else 0
                last = self.journal.last_message_at_ms
                work.start_at_ms = last + gap if gap and last else self.server_ms(now_ms)
                return self._start_if_due(now_ms)
            case Found():
                work.happen(Happening.FOUND)
                self._found.add(lease_id)
                return [self._append_intent(work.lease, now_ms)]
            case GiveBack(reason=reason, wait_ms=wait_ms):
                until = self.server_ms(now_ms) + wait_ms if wait_ms else None
                return self._give_back(self._released(lease_id, reason, until), now_ms)
            case Impossible(code=code, message=message):
                failed = operation_pb2.Problem(code=code, message=message)
                return self._give_back(pb.Return(lease_id=lease_id, failed=failed), now_ms)
            case _:
                assert_never(result)

    def _give_back(self, back: pb.Return, now_ms: int) -> Sequence[Action]:
        self.work = None
        return [self._send(returns=pb.Returns(returns=[back])), *self._next(now_ms)]

    def _start_if_due(self, now_ms: int) -> Sequence[Action]:
        work = self.work
        if work is None or work.stage is not Stage.PACING or self.server_ms(now_ms) < work.start_at_ms:
            return []
        if self._expired(work.lease, now_ms):
            return self._give_back(pb.Return(lease_id=work.lease.lease_id, expired=pb.Expired()), now_ms)
        work.happen(Happening.PACE_OVER)
        if is_message(work.lease):
            self.journal.last_message_at_ms = self.server_ms(now_ms)
        return [self._append_intent(work.lease, now_ms)]

    def _answered(self, go: pb.Goes.Go, now_ms: int) -> Sequence[Action]:
        work = self.work
        if work is not None and work.lease.lease_id == go.lease_id:
            if work.stage is not Stage.ASKING:
                return []
            self._acknowledge(work.intent)  # the server answers once it is durable there
            return self._happen(Happening.GO if go.go else Happening.NO, now_ms)
        lease = self.journal.open.get(go.lease_id)
        if lease is None or go.go or go.lease_id in self._found:
            return []  # what was found is in WhatsApp, whatever the server thinks of the lease: the look-up ends it
        return [self._append_end(lease, Ended(kind=pb.Outcome.KIND_VOID), now_ms)]

    def performed(self, lease_id: str, result: Performed, now_ms: int) -> Sequence[Action]:
        """The answer to Perform."""
        work = self.work
        if work is None or work.lease.lease_id != lease_id or work.stage is not Stage.ACTING:
            return []
        if isinstance(result, Unclear):
            return self._happen(Happening.UNCLEAR, now_ms)
        work.happen(Happening.ENDED)
        return [self._append_end(work.lease, result, now_ms)]

    def _happen(self, happening: Happening, now_ms: int) -> Sequence[Action]:
        """Something happened to the operation in flight."""
        work = self.work
        if work is None:
            return []
        following = work.happen(happening)
        if following is Stage.ACTING and happening is Happening.GO:
            return [Perform(lease=work.lease)]
        if following is Stage.ASKING or not isinstance(following, Leaving):
            return []
        self.work = None
        if following is Leaving.VOID:
            return [self._append_end(work.lease, Ended(kind=pb.Outcome.KIND_VOID), now_ms), *self._next(now_ms)]
        return self._next(now_ms)

    # ---- looking up what is open --------------------------------------------------------------------------------------------

    def _reconcile_next(self) -> Sequence[Action]:
        if self._reconciling is not None:
            return []
        mine = self.work.lease.lease_id if self.work else None
        # A contact is judged by what stands there now, which another desktop may have changed since.
        rest = (lease for lease_id, lease in self.journal.open.items() if lease_id != mine)
        lease = next((lease for lease in rest if self.owned or is_message(lease)), None)
        if lease is None:
            return []
        self._reconciling = lease.lease_id
        return [Reconcile(lease=lease)]

    def reconciled(self, lease_id: str, result: Performed, now_ms: int) -> Sequence[Action]:
        """The answer to Reconcile. Unclear: the page went meanwhile; it is looked up again when the page is back."""
        if self._reconciling == lease_id:
            self._reconciling = None
        lease = self.journal.open.get(lease_id)
        if lease is None or isinstance(result, Unclear):
            return []
        return [self._append_end(lease, result, now_ms), *self._next(now_ms)]

    def page_returned(self, now_ms: int) -> Sequence[Action]:
        """The page answers again after it had gone: what is open can be looked up."""
        return self._next(now_ms)

    # ---- the journal --------------------------------------------------------------------------------------------------------

    def _append_intent(self, lease: pb.Lease, now_ms: int) -> Append:
        return self._append(lease.whatsapp_id, lease.lease_id, now_ms, intent=lease)

    def _append_end(self, lease: pb.Lease, ended: Ended, now_ms: int) -> Append:
        self.journal.open.pop(lease.lease_id, None)
        self._found.discard(lease.lease_id)
        rank = RANKS.get(ended.kind, 0)
        if is_message(lease) and ended.kind != pb.Outcome.KIND_VOID:
            self.journal.known[lease.whatsapp_id] = rank
        end = self._append(lease.whatsapp_id, lease.lease_id, now_ms, outcome=ended.outcome())
        early = self._early.pop(lease.whatsapp_id, 0)
        if early <= rank or lease.whatsapp_id not in self.journal.known:
            return end
        self.journal.known[lease.whatsapp_id] = early
        receipt = self._append(lease.whatsapp_id, "", now_ms, outcome=pb.Outcome(kind=RECEIPTS[early]))
        return Append(entries=[*end.entries, *receipt.entries], acknowledged=self.journal.acknowledged)

    def _append(
        self,
        whatsapp_id: str,
        lease_id: str,
        now_ms: int,
        *,
        intent: pb.Lease | None = None,
        outcome: pb.Outcome | None = None,
    ) -> Append:
        entry = pb.JournalEntry(whatsapp_id=whatsapp_id, lease_id=lease_id, intent=intent, outcome=outcome)
        entry.at.FromMilliseconds(self.server_ms(now_ms))
        if intent is not None:
            self.journal.open[lease_id] = intent
        return Append(entries=[entry], acknowledged=self.journal.acknowledged)

    def appended(self, done: Append, now_ms: int) -> Sequence[Action]:
        """Entries are durable: they go to the server, and what waited for them goes on."""
        self._durable = done.entries[-1].sequence
        actions = [*self._push(done.entries)]
        work = self.work
        if work is not None and any(entry.lease_id == work.lease.lease_id for entry in done.entries):
            work.intent = work.intent or done.entries[-1].sequence
            actions += self._happen(Happening.WRITTEN, now_ms)
        else:
            actions += self._next(now_ms)
        return actions

    def _push(self, entries: Sequence[pb.JournalEntry]) -> Sequence[Action]:
        match self.phase:
            case Phase.SAVING | Phase.ONLINE:
                return [self._send(journal_entries=pb.JournalEntries(entries=entries))] if entries else []
            case Phase.PAGING:
                self._unsent += entries
                return []
            case Phase.HELLO | Phase.OFFLINE:
                return []  # the next recall asks for them
            case phase:
                assert_never(phase)

    def _send(self, **frame: object) -> Send:
        return Send(frame=pb.ConnectRequest(channel_id=self.id, **frame))  # type: ignore[arg-type]
