"""One channel's machine: frames, answers of the store and wishes of operators in, actions out. No I/O, no clock.

A hello, step by step (the phases of the stream that says it):

    LOADING   the hello came          → Load: what is stored of the channel and of this journal; an older copy is noticed here
    TAKING    the owner says it       → Commit: the next epoch; the database, the hello and the file outbid each other
    PAGES     the epoch is durable    → Recall, then every journal entry that is not stored yet
    TOLD      the last page came      → it is stored; what the journal gets from here on follows as entries
    SWEEPING  the last page is stored → Load again, then sweep the leases of older epochs; a restored channel is one no more
    WELCOMED  the sweep is durable    → Welcome; unstarted intents get "no"
    READY     the first credit came   → leases
    FACTS     an agent that does not own the channel: its facts are welcome, it gets no work

The edge performs actions in order and answers each Load and Commit once, in order. Whatever a stream that is gone has asked for
is still answered, and ignored here where it matters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import assert_never

from messenger_hub.agent.v1 import agent_service_pb2 as pb

from messenger_hub_server.delivery import evidence, restoration
from messenger_hub_server.delivery.actions import (
    HANDED,
    Action,
    Claimed,
    Commit,
    End,
    EntriesStored,
    EpochTaken,
    GivenBack,
    HelloId,
    Load,
    Offer,
    PageStored,
    Returned,
    RolledBack,
    Send,
    StreamId,
    Swept,
    Then,
)
from messenger_hub_server.model import (
    AgentId,
    ChannelId,
    HighMark,
    JournalId,
    LeaseId,
    NewOperation,
    OperationId,
    Restoration,
    WaId,
)
from messenger_hub_server.store.base import (
    AdvanceJournal,
    Claim,
    Delivery,
    EndRestored,
    Leased,
    MarkRestored,
    Outcome,
    TakeEpoch,
    Write,
)

MAX_CREDIT = 1024


class Phase(Enum):
    """Where a stream's hello stands; see the top of this file."""

    LOADING = auto()
    TAKING = auto()
    PAGES = auto()
    TOLD = auto()
    SWEEPING = auto()
    WELCOMED = auto()
    READY = auto()
    FACTS = auto()


@dataclass(slots=True)
class _Attachment:
    """A stream on this channel, since its last hello."""

    id: HelloId
    agent_id: AgentId
    hello: pb.ChannelHello
    phase: Phase = Phase.LOADING
    epoch: int = 0
    restored: Restoration | None = None
    sequence: int = 0  # the highest entry received on this stream, or stored before
    window: int = 0
    held: dict[LeaseId, WaId] = field(default_factory=dict)
    started: set[LeaseId] = field(default_factory=set)  # of those that are held: nobody can decide about them any more
    claiming: bool = False
    promised: int = 0  # of its credit, to what is being accepted

    @property
    def room(self) -> int:
        """How many leases more it may get."""
        return self.window - len(self.held) - self.promised

    @property
    def journal_id(self) -> JournalId:
        return JournalId(self.hello.journal_id)


class Channel:
    """The machine of one channel. `owner` and `holding` (paused, moving, a changed account, or a backlog) are set by `configure`."""

    def __init__(
        self,
        channel_id: ChannelId,
        *,
        lease_ids: Callable[[int], Sequence[LeaseId]],
        spare_ids: Callable[[int], Sequence[OperationId]],
        first_id: Callable[[], OperationId],
    ) -> None:
        """`first_id` is the first operation id that is given out since the database was opened: what has a smaller one may have been there then."""
        self.id = channel_id
        self.owner: AgentId | None = None
        self.holding = False
        self._lease_ids = lease_ids
        self._spare_ids = spare_ids
        self._first_id = first_id
        self._streams: dict[StreamId, _Attachment] = {}
        self._live: StreamId | None = None
        self._hellos = 0
        self._work = True  # something may be ready to be leased
        self._behind = True  # something is pending that was not ready: it may be when a lease ends

    # ---- what operators want, and what happens around -----------------------------------------------------------------------

    def configure(self, *, owner: AgentId | None, holding: bool, now_ms: int) -> Sequence[Action]:
        """The owner and whether work goes out at all. A stream that lost its ownership has to say hello again."""
        actions: list[Action] = []
        if owner != self.owner:
            self.owner = owner
            actions += [End(stream=stream, reason="the channel has another owner") for stream in list(self._streams)]
        if self.holding and not holding:
            self._work = True
        self.holding = holding
        return [*actions, *self._claim(now_ms)]

    def wake(self, now_ms: int) -> Sequence[Action]:
        """Something may be ready to be leased."""
        self._work = True
        return self._claim(now_ms)

    def lost(self, stream: StreamId, now_ms: int) -> Sequence[Action]:
        """A stream has ended. Under its unstarted leases nothing can start any more, so they wait again at once."""
        gone = self._streams.pop(stream, None)
        if gone is None:
            return []
        if self._live == stream:
            self._live = None
        held = [(wa_id, lease_id) for lease_id, wa_id in gone.held.items()]
        writes = evidence.given_back(held, "Back in the queue: the desktop app is away", now_ms)
        return [Commit(then=GivenBack(), writes=writes)] if writes else []

    # ---- frames -------------------------------------------------------------------------------------------------------------

    def receive(self, stream: StreamId, agent_id: AgentId, frame: pb.ConnectRequest, now_ms: int) -> Sequence[Action]:
        """A frame of this channel. Reports of pages and groups are not the protocol's business and do not come here."""
        kind = frame.WhichOneof("frame")
        if kind == "channel_hello":
            return self._hello(stream, agent_id, frame.channel_hello)
        attachment = self._streams.get(stream)
        if attachment is None:
            return [End(stream=stream, reason="a frame came before the channel's hello")]
        try:
            match kind:
                case "journal_page":
                    return self._page(stream, attachment, frame.journal_page, now_ms)
                case "credit":
                    return self._credit(stream, attachment, frame.credit, now_ms)
                case "journal_entries":
                    return self._entries(stream, attachment, frame.journal_entries, now_ms)
                case "returns":
                    return self._returns(stream, attachment, frame.returns, now_ms)
                case _:
                    return [End(stream=stream, reason=f"a frame of kind {kind} is out of place")]
        except ValueError as problem:
            return [End(stream=stream, reason=str(problem))]

    def _hello(self, stream: StreamId, agent_id: AgentId, hello: pb.ChannelHello) -> Sequence[Action]:
        others = [s for s, a in self._streams.items() if s != stream and a.agent_id == agent_id]
        if self._live == stream:
            self._live = None
        self._hellos += 1
        hello_id = HelloId(stream=stream, number=self._hellos)
        self._streams[stream] = _Attachment(id=hello_id, agent_id=agent_id, hello=hello)
        ends = [End(stream=other, replaced=True) for other in others]
        return [*ends, Load(hello=hello_id, journal_id=JournalId(hello.journal_id))]

    def _attached(self, hello: HelloId) -> _Attachment | None:
        """None when the stream is gone, or has said hello again."""
        attachment = self._streams.get(hello.stream)
        return attachment if attachment is not None and attachment.id == hello else None

    def loaded(self, hello: HelloId, stored: Delivery, file: HighMark, now_ms: int) -> Sequence[Action]:
        """The answer to Load."""
        attachment = self._attached(hello)
        match attachment:
            case _Attachment(phase=Phase.LOADING):
                return self._judge_journal(hello.stream, attachment, stored, file)
            case _Attachment(phase=Phase.SWEEPING):
                return self._sweep(attachment, stored, now_ms)
            case _:
                return []

    def _judge_journal(
        self, stream: StreamId, attachment: _Attachment, stored: Delivery, file: HighMark
    ) -> Sequence[Action]:
        hello = attachment.hello
        if hello.last_sequence < stored.sequence:
            return self._refuse(stream, "the journal is older than what the hub has seen of it")
        noticed = self._noticed(hello, stored, file)
        mark = [MarkRestored(restoration=noticed)] if noticed else []
        if noticed:
            self._live = None  # before the mark is durable: from here on nothing is leased, and nothing gets go
        if hello.first_sequence > stored.sequence + 1:
            # Told once the mark is durable: the hello that follows is then that of a restored channel.
            then = RolledBack(hello=attachment.id, refusal="the journal lacks entries that the hub has not seen")
            return [Commit(then=then, writes=mark)]
        attachment.sequence = stored.sequence
        attachment.restored = noticed or stored.restored
        if attachment.agent_id != self.owner:
            attachment.phase = Phase.FACTS
            if mark:
                return [Commit(then=RolledBack(hello=attachment.id), writes=mark)]
            return [self._recall(stream, attachment)]
        attachment.phase = Phase.TAKING
        attachment.epoch = max(stored.epoch, hello.epoch, file.epoch) + 1
        take = TakeEpoch(
            channel_id=self.id, epoch=attachment.epoch, journal_id=attachment.journal_id, stored=stored.epoch
        )
        return [Commit(then=EpochTaken(hello=attachment.id), writes=[*mark, take])]

    def _noticed(self, hello: pb.ChannelHello, stored: Delivery, file: HighMark) -> Restoration | None:
        """A journal was told that more of it is durable than is stored: this is an older copy, which nobody has said. Told it was of
        what it says, and of what it has forgotten since. What is forgotten raises a mark that is there already: the copy may be one
        of a channel that was restored before, and has accepted and sent since."""
        forgotten = hello.first_sequence - 1
        told = max(hello.acknowledged_sequence, forgotten)
        if told <= stored.sequence or (stored.restored is not None and forgotten <= stored.sequence):
            return None
        # Another journal than the one that notices may have taken its first epoch on this copy: then the copy's own epoch is not known.
        same = file.journal_id == hello.journal_id and forgotten <= stored.sequence
        journal_id = restoration.witness(stored.epoch, file) if same else JournalId("")
        return Restoration(channel_id=self.id, journal_id=journal_id, before=self._first_id())

    def _refuse(self, stream: StreamId, reason: str) -> Sequence[Action]:
        del self._streams[stream]
        if self._live == stream:
            self._live = None
        return [self._send(stream, journal_refused=pb.JournalRefused(reason=reason))]

    def _recall(self, stream: StreamId, attachment: _Attachment) -> Send:
        return self._send(stream, recall=pb.Recall(after_sequence=attachment.sequence))

    def _page(self, stream: StreamId, attachment: _Attachment, page: pb.JournalPage, now_ms: int) -> Sequence[Action]:
        if attachment.phase not in (Phase.PAGES, Phase.FACTS):
            raise ValueError("a journal page came without a recall")
        self._in_sequence(attachment, page.entries)
        if page.last and attachment.sequence < attachment.hello.last_sequence:
            # Its retention was over between hello and page: the next hello shows the gap.
            raise ValueError(f"the journal's pages end at {attachment.sequence}, and its hello said more")
        if page.last and attachment.phase is Phase.PAGES:
            attachment.phase = Phase.TOLD
        spare = iter(self._spare_ids(len(page.entries)))
        writes: list[Write] = []
        imports: list[int] = []
        for entry in page.entries:
            if entry.WhichOneof("fact") == "intent":
                imports.append(len(writes))
                adopts = attachment.restored is not None
                writes.append(
                    evidence.imported(
                        entry,
                        self.id,
                        attachment.journal_id,
                        next(spare),
                        now_ms,
                        adopts=adopts,
                        free_to=self._first_id(),
                    )
                )
            else:
                writes += evidence.outcome(entry, self.id, now_ms)
        then = PageStored(hello=attachment.id, sequence=attachment.sequence, last=page.last, imports=imports)
        return [Commit(then=then, writes=[*writes, self._advance(attachment)])]

    def _in_sequence(self, attachment: _Attachment, entries: Sequence[pb.JournalEntry]) -> None:
        for entry in entries:
            if entry.sequence != attachment.sequence + 1:
                raise ValueError(f"journal entry {entry.sequence} came after {attachment.sequence}")
            attachment.sequence = entry.sequence

    def _advance(self, attachment: _Attachment) -> AdvanceJournal:
        return AdvanceJournal(channel_id=self.id, journal_id=attachment.journal_id, sequence=attachment.sequence)

    def _sweep(self, attachment: _Attachment, stored: Delivery, now_ms: int) -> Sequence[Action]:
        open_leases = frozenset(attachment.hello.open_lease_ids)
        swept, silent = evidence.sweep(stored.leased, attachment.epoch, attachment.journal_id, open_leases, now_ms)
        writes = [*swept]
        unstarted = [
            o.lease.lease_id
            for o in stored.leased
            if o.lease and not o.lease.started and o.lease.lease_id in open_leases
        ]
        if stored.restored is not None and not silent:
            writes += [
                *restoration.doubts(stored.restored, attachment.journal_id, now_ms),
                EndRestored(channel_id=self.id),
            ]
        return [Commit(then=Swept(hello=attachment.id, silent=silent, not_started=unstarted), writes=writes)]

    def _credit(self, stream: StreamId, attachment: _Attachment, credit: pb.Credit, now_ms: int) -> Sequence[Action]:
        if not 0 <= credit.window <= MAX_CREDIT:
            raise ValueError(f"a credit of {credit.window} is not between 0 and {MAX_CREDIT}")
        if attachment.phase is Phase.WELCOMED:
            attachment.phase = Phase.READY
            self._work = True  # what a claim under an earlier epoch found, or did not find, says nothing
        if attachment.phase is not Phase.READY:
            return []
        attachment.window = credit.window
        return self._claim(now_ms)

    def _entries(
        self, stream: StreamId, attachment: _Attachment, frame: pb.JournalEntries, now_ms: int
    ) -> Sequence[Action]:
        if attachment.phase in (Phase.LOADING, Phase.TAKING, Phase.PAGES):
            raise ValueError("a journal entry came before the journal's pages")
        self._in_sequence(attachment, frame.entries)
        writes: list[Write] = []
        starts: list[tuple[int | None, str]] = []
        ended: list[LeaseId] = []
        void = False
        for entry in frame.entries:
            if entry.WhichOneof("fact") == "intent":
                starts.append(self._start(stream, attachment, entry, writes))
            else:
                lease_id = LeaseId(entry.lease_id)
                writes += evidence.outcome(entry, self.id, now_ms, started=lease_id in attachment.started)
                ended.append(lease_id)
                void = void or entry.outcome.kind == pb.Outcome.KIND_VOID
        then = EntriesStored(hello=attachment.id, sequence=attachment.sequence, starts=starts, ended=ended, void=void)
        return [Commit(then=then, writes=[*writes, self._advance(attachment)])]

    def _start(
        self, stream: StreamId, attachment: _Attachment, entry: pb.JournalEntry, writes: list[Write]
    ) -> tuple[int | None, str]:
        """An intent asks for go; only the live stream's can get it."""
        if stream != self._live or attachment.phase is not Phase.READY:
            return None, entry.lease_id
        writes.append(evidence.started(entry, self.id, attachment.epoch))
        return len(writes) - 1, entry.lease_id

    def _returns(self, stream: StreamId, attachment: _Attachment, frame: pb.Returns, now_ms: int) -> Sequence[Action]:
        known = [(back, attachment.held.get(LeaseId(back.lease_id))) for back in frame.returns]
        writes = [evidence.returned(wa_id, back, now_ms) for back, wa_id in known if wa_id is not None]
        ended = [LeaseId(back.lease_id) for back, _ in known]
        return [Commit(then=Returned(hello=attachment.id, ended=ended), writes=writes)] if writes else []

    # ---- answers of the store -----------------------------------------------------------------------------------------------

    def committed(self, then: Then, outcomes: Sequence[Outcome], now_ms: int) -> Sequence[Action]:
        """The answer to Commit. Some of it stands even when its stream is gone: it is in the database by now."""
        match then:
            case EpochTaken(hello=hello):
                return self._epoch_taken(hello, outcomes)
            case PageStored():
                self._work = True
                return [*self._page_stored(then, outcomes), *self._claim(now_ms)]
            case Swept():
                self._work = True
                return self._swept(then, now_ms)
            case Claimed():
                return self._claimed(then, outcomes, now_ms)
            case EntriesStored():
                return self._entries_stored(then, outcomes, now_ms)
            case Returned(hello=hello, ended=ended):
                return self._freed(hello, ended, now_ms, back=True)
            case GivenBack():
                return self.wake(now_ms)
            case RolledBack():
                return self._rolled_back(then)
            case _:
                assert_never(then)

    def _epoch_taken(self, hello: HelloId, outcomes: Sequence[Outcome]) -> Sequence[Action]:
        attachment, stream = self._attached(hello), hello.stream
        if attachment is None:
            return []
        if not outcomes[-1]:
            return [End(stream=stream, replaced=True)]
        self._live = stream
        attachment.phase = Phase.PAGES
        return [self._recall(stream, attachment)]

    def _rolled_back(self, then: RolledBack) -> Sequence[Action]:
        attachment, stream = self._attached(then.hello), then.hello.stream
        answers: Sequence[Action] = []
        if attachment is not None:
            answers = self._refuse(stream, then.refusal) if then.refusal else [self._recall(stream, attachment)]
        return [*self._owner_again("the hub's database was found to be an older copy"), *answers]

    def _owner_again(self, reason: str) -> Sequence[Action]:
        return [End(stream=s, reason=reason) for s, a in self._streams.items() if a.agent_id == self.owner]

    def _page_stored(self, then: PageStored, outcomes: Sequence[Outcome]) -> Sequence[Action]:
        attachment = self._attached(then.hello)
        if attachment is None:
            return []
        acknowledged = self._send(then.hello.stream, acknowledged=pb.Acknowledged(sequence=then.sequence))
        if attachment.phase is Phase.FACTS and any(outcomes[position] for position in then.imports):
            # Started by a desktop that owns the channel no more; only the sweep of the owner's next hello is about it.
            return [acknowledged, *self._owner_again("another desktop had started what the hub did not know")]
        if not then.last or attachment.phase is not Phase.TOLD:
            return [acknowledged]
        attachment.phase = Phase.SWEEPING
        return [acknowledged, Load(hello=then.hello, journal_id=attachment.journal_id)]

    def _swept(self, then: Swept, now_ms: int) -> Sequence[Action]:
        attachment = self._attached(then.hello)
        if attachment is None or self._live != then.hello.stream:
            return []
        if then.silent:
            return self._refuse(then.hello.stream, "the journal does not know a lease that it had started")
        attachment.phase = Phase.WELCOMED
        noes = [pb.Goes.Go(lease_id=lease_id, go=False) for lease_id in then.not_started]
        welcome = pb.Welcome(epoch=attachment.epoch)
        welcome.server_time.FromMilliseconds(now_ms)
        # The noes come first: an agent reconciles what is still open when the welcome comes.
        answers = [self._send(then.hello.stream, goes=pb.Goes(goes=noes))] if noes else []
        return [*answers, self._send(then.hello.stream, welcome=welcome)]

    def _ready(self) -> _Attachment | None:
        """The stream that gets work, if one does now."""
        attachment = self._streams.get(self._live) if self._live is not None else None
        return attachment if attachment and attachment.phase is Phase.READY and not self.holding else None

    def _claim(self, now_ms: int) -> Sequence[Action]:
        attachment = self._ready()
        if attachment is None or not self._work or attachment.claiming or attachment.room <= 0:
            return []
        free = attachment.room
        attachment.claiming = True
        self._work = False
        claim = Claim(
            channel_id=self.id,
            epoch=attachment.epoch,
            journal_id=attachment.journal_id,
            lease_ids=self._lease_ids(free),
            now_ms=now_ms,
            reason=HANDED,
        )
        return [Commit(then=Claimed(hello=attachment.id, asked=free), writes=[claim])]

    def _claimed(self, then: Claimed, outcomes: Sequence[Outcome], now_ms: int) -> Sequence[Action]:
        (leased,) = outcomes
        if not isinstance(leased, Leased):
            raise TypeError(f"a claim's outcome is {leased}")
        operations = leased.operations
        attachment = self._attached(then.hello)
        if attachment is None or self._live != then.hello.stream:
            self._work = True  # asked under an epoch that is over: an empty answer does not say that nothing waits
            held = [(o.wa_id, o.lease.lease_id) for o in operations if o.lease]
            writes = evidence.given_back(held, "Back in the queue: the desktop app is away", now_ms)
            return [Commit(then=GivenBack(), writes=writes)] if writes else self._claim(now_ms)
        attachment.claiming = False
        attachment.held |= {o.lease.lease_id: o.wa_id for o in operations if o.lease}
        self._work = self._work or len(operations) == then.asked
        self._behind = leased.waits
        if not operations:
            return self._claim(now_ms)
        leases = pb.Leases(
            leases=[evidence.lease_frame(o, o.lease.lease_id, o.lease.epoch) for o in operations if o.lease]
        )
        return [self._send(then.hello.stream, leases=leases), *self._claim(now_ms)]

    # ---- accepting straight into a lease ------------------------------------------------------------------------------------

    def offer(self, count: int) -> Offer | None:
        """Leases for at most `count` operations that are about to be accepted. None while anything else may be waiting: it goes
        first."""
        attachment = self._ready()
        if attachment is None or self._work or attachment.claiming or attachment.room <= 0:
            return None
        count = min(count, attachment.room)
        attachment.promised += count
        return Offer(
            hello=attachment.id,
            epoch=attachment.epoch,
            journal_id=attachment.journal_id,
            lease_ids=self._lease_ids(count),
        )

    def offered(self, offer: Offer, leased: Sequence[tuple[LeaseId, NewOperation]], now_ms: int) -> Sequence[Action]:
        """What was durably accepted under the leases of an offer; those that are left go back into the credit."""
        attachment = self._attached(offer.hello)
        if attachment is None or self._live != offer.hello.stream:
            held = [(new.wa_id, lease_id) for lease_id, new in leased]
            writes = evidence.given_back(held, "Back in the queue: the desktop app is away", now_ms)
            return [Commit(then=GivenBack(), writes=writes)] if writes else []
        attachment.promised -= len(offer.lease_ids)
        attachment.held |= {lease_id: new.wa_id for lease_id, new in leased}
        if not leased:
            return self._claim(now_ms)
        leases = pb.Leases(leases=[evidence.lease_frame(new, lease_id, offer.epoch) for lease_id, new in leased])
        return [self._send(offer.hello.stream, leases=leases), *self._claim(now_ms)]

    def unknown(self, offer: Offer) -> Sequence[Action]:
        """Whether the leases of an offer are stored cannot be known: the sweep of the next hello finds those that are."""
        if self._attached(offer.hello) is None:
            return []
        return [End(stream=offer.hello.stream, reason="the database did not say whether leases are stored")]

    # ---- what was asked of the desktop has come back ------------------------------------------------------------------------

    def _entries_stored(self, then: EntriesStored, outcomes: Sequence[Outcome], now_ms: int) -> Sequence[Action]:
        actions: list[Action] = []
        attachment = self._attached(then.hello)
        if attachment is None:
            return self.wake(now_ms)  # the journal may have another id by now, whose numbers mean something else
        if then.starts:
            goes = [
                pb.Goes.Go(lease_id=lease, go=position is not None and bool(outcomes[position]))
                for position, lease in then.starts
            ]
            attachment.started |= {LeaseId(go.lease_id) for go in goes if go.go} & attachment.held.keys()
            actions.append(self._send(then.hello.stream, goes=pb.Goes(goes=goes)))
        if then.ended or not then.starts:
            # Intents alone are not acknowledged: their end is, soon, and a frame costs as much as an operation's whole commit.
            actions.append(self._send(then.hello.stream, acknowledged=pb.Acknowledged(sequence=then.sequence)))
        return [*actions, *self._freed(then.hello, then.ended, now_ms, back=then.void)]

    def _freed(self, hello: HelloId, ended: Sequence[LeaseId], now_ms: int, *, back: bool) -> Sequence[Action]:
        """Leases have ended: their lanes and their credit are free again. `back`: some of it waits again."""
        attachment = self._attached(hello)
        if attachment is None:
            return self.wake(now_ms)
        if not ended:
            return []
        for lease_id in ended:
            attachment.held.pop(lease_id, None)
            attachment.started.discard(lease_id)
        # What another stream's words have ended is not known here.
        self._work = self._work or self._behind or back or self._live != hello.stream
        return self._claim(now_ms)

    def _send(self, stream: StreamId, **frame: object) -> Send:
        return Send(stream=stream, frame=pb.ConnectResponse(channel_id=self.id, **frame))  # type: ignore[arg-type]
