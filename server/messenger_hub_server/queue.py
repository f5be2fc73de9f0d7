"""The durable queue: the await around delivery/ and the store. Many callers share one commit, and none is answered before it.

The event loop owns the batching: what arrives while a batch is being written waits and goes with the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from messenger_hub.runtime.clock import Clock
from messenger_hub.runtime.failpoints import Failpoint, passing, passing_types
from messenger_hub.runtime.log import logger

from messenger_hub_server.delivery import acceptance, handover, ids
from messenger_hub_server.delivery.acceptance import Draft, Receipt
from messenger_hub_server.delivery.actions import Offer
from messenger_hub_server.delivery.batch import left_waiting, mixed, shares
from messenger_hub_server.delivery.handover import Taken
from messenger_hub_server.delivery.states import SETTLED
from messenger_hub_server.errors import (
    HubError,
    Internal,
    InvalidApiKey,
    NotFound,
    NotUncertain,
    OutcomeUnknown,
    Stopping,
    StoreUnavailable,
    TooLateToCancel,
)
from messenger_hub_server.highwater import HighWater
from messenger_hub_server.model import (
    ChannelId,
    Event,
    LeaseId,
    NewOperation,
    Operation,
    OperationId,
    OperationKind,
    OperationState,
    Problem,
    Restoration,
    SessionApiId,
)
from messenger_hub_server.operation_ids import OperationIds
from messenger_hub_server.randomness import Randomness
from messenger_hub_server.restored import RestoredChannels
from messenger_hub_server.store import base
from messenger_hub_server.store.base import (
    Accept,
    Accepted,
    Change,
    ChangeQueue,
    Filter,
    Known,
    Outcome,
    Replace,
    Write,
)
from messenger_hub_server.watch import News

log = logger(__name__)

MOST_WAITING = 10_000  # callers; more are told to come back

FREEING = frozenset({Change, ChangeQueue, Replace, base.ExpireDue})  # after these something else may go
ANSWERS = (Accepted, Known, base.Late)
GONE = base.Gone()
BEFORE_COMMIT: Mapping[type, Failpoint] = {
    Accept: Failpoint.SERVER_BEFORE_ACCEPT,
    base.Claim: Failpoint.SERVER_BEFORE_CLAIM,
    base.Start: Failpoint.SERVER_BEFORE_START,
    Change: Failpoint.SERVER_BEFORE_CHANGE,
    base.TakeEpoch: Failpoint.SERVER_BEFORE_EPOCH,
    base.AdvanceJournal: Failpoint.SERVER_BEFORE_JOURNAL,
}
AFTER_COMMIT: Mapping[type, Failpoint] = {
    Accept: Failpoint.SERVER_AFTER_ACCEPT,
    base.Claim: Failpoint.SERVER_AFTER_CLAIM,
    base.Start: Failpoint.SERVER_AFTER_START,
    Change: Failpoint.SERVER_AFTER_CHANGE,
    base.TakeEpoch: Failpoint.SERVER_AFTER_EPOCH,
    base.AdvanceJournal: Failpoint.SERVER_AFTER_JOURNAL,
}
UNSTARTED = frozenset({OperationState.PENDING, OperationState.LEASED})


class Lines(Protocol):
    """Whom the queue tells that a channel has work, and asks for leases of what it accepts: see lines.Lines."""

    def wake(self, channel_id: ChannelId) -> None:
        """The channel may have something to lease."""
        ...

    def wake_all(self) -> None:
        """Any channel may have something to lease."""
        ...

    def offer(self, channel_id: ChannelId, count: int) -> Offer | None:
        """Leases for what the channel is about to accept. Answer with `offered` or `unknown`."""
        ...

    def offered(self, channel_id: ChannelId, offer: Offer, taken: Taken) -> None:
        """What is durably leased under an offer."""
        ...

    def unknown(self, channel_id: ChannelId, offer: Offer) -> None:
        """Whether the leases of an offer are stored cannot be known."""
        ...


class Decision(StrEnum):
    """A person's answer to an uncertain operation."""

    SENT = "sent"
    NOT_SENT = "not_sent"
    SEND_AGAIN = "send_again"


@dataclass(slots=True, eq=False)
class _Waiting:
    """One caller's writes, and the channels on which they may let something waiting go; None is any."""

    writes: Sequence[Write]
    frees: Collection[ChannelId] | None
    done: asyncio.Future[Sequence[Outcome]]


class Queue:
    """`run` writes the batches; everything else may be called from any task of the loop."""

    def __init__(
        self,
        store: base.Store,
        highwater: HighWater,
        lines: Lines,
        news: News,
        clock: Clock,
        *,
        observe: Callable[[float, Sequence[Write], Sequence[Outcome]], None] = lambda _seconds, _writes, _outcomes: (
            None
        ),
    ) -> None:
        self.store = store
        self._observe = observe
        self._highwater = highwater
        self._lines = lines
        self._news = news
        self._clock = clock
        self.operation_ids = OperationIds(highwater)
        self.restored = RestoredChannels(store)
        self._places = acceptance.Places()
        self._randomness = Randomness()
        self._waiting: list[_Waiting] = []
        self._filled = asyncio.Event()
        self._stopping = False
        self._hurrying = False
        self._deleted: set[ChannelId] = set()

    def load(self, restored: Sequence[Restoration], latest_place_ms: int) -> None:
        """When the hub starts: the channels that are marked as restored, and the last place of what waits."""
        self.restored.load(restored)
        self._places = acceptance.Places(latest_place_ms)

    # ---- accepting ----------------------------------------------------------------------------------------------------------

    async def accept(self, drafts: Sequence[Draft]) -> Sequence[Receipt | HubError]:
        """One commit, an answer each, in order. Raises StoreUnavailable, OutcomeUnknown or Stopping, and InvalidApiKey once the channel was
        deleted: whoever asks for one that is not there has no key either."""
        passing(Failpoint.SERVER_ACCEPT_ASKED)
        if not self.operation_ids.are_at_hand(len(drafts)):  # nearly never: a coroutine less for each request
            await self.operation_ids.prepare(len(drafts))
        passing(Failpoint.SERVER_ACCEPT_NUMBERED)
        now_ms = self._clock.now_ms()
        new = [
            acceptance.operation(draft, self.operation_ids.take(), ids.wa_id(self._randomness), self._places, now_ms)
            for draft in drafts
        ]
        try:
            outcomes = await self.commit([Accept(operation=operation) for operation in new])
        except OutcomeUnknown:
            outcomes = await self._found(new)
        passing(Failpoint.SERVER_ACCEPT_KNOWN)
        if GONE in outcomes:
            raise InvalidApiKey
        return [
            acceptance.answer(draft, outcome)
            for draft, outcome in zip(drafts, outcomes, strict=True)
            if isinstance(outcome, ANSWERS)
        ]

    async def _found(self, new: Sequence[NewOperation]) -> Sequence[Outcome]:
        """After an unknown commit: what is there after the store was reopened was accepted, all of it or nothing."""
        try:
            known = await self.store.known_wa_ids([operation.wa_id for operation in new])
        except base.StoreError as error:
            raise OutcomeUnknown from error
        if len(known) != len(new):
            raise OutcomeUnknown
        return [Accepted(operation_id=operation.id) for operation in new]

    def lease_ids(self, count: int) -> Sequence[LeaseId]:
        """Random lease ids."""
        return ids.LeaseIds(self._randomness, count)

    # ---- committing ---------------------------------------------------------------------------------------------------------

    async def commit(self, writes: Sequence[Write], *, frees: Collection[ChannelId] | None = None) -> Sequence[Outcome]:
        """Makes writes durable together with whatever else waits. Raises StoreUnavailable, OutcomeUnknown or Stopping.

        `frees`: the channels to wake after a change, as something behind it may go now; None is all of them. An accepted
        operation that waits wakes its channel in any case.
        """
        if self._stopping:
            raise Stopping
        if len(self._waiting) >= MOST_WAITING:
            raise StoreUnavailable("The hub is behind with its work: nothing was queued, try again later.")
        waiting = _Waiting(writes, frees, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._filled.set()
        return await waiting.done

    async def run(self) -> None:
        """Writes batches until `close`."""
        while not (self._stopping and not self._waiting):
            await self._filled.wait()
            self._filled.clear()
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._write(batch)

    @property
    def callers(self) -> int:
        """How many wait for a commit that has not begun."""
        return len(self._waiting)

    def hurry(self) -> None:
        """Whoever waits in `settled` is answered now: the hub stops."""
        self._hurrying = True
        self._news.tell()

    def close(self) -> None:
        """Takes no more work; `run` ends when what waits is written."""
        self._stopping = True
        self._filled.set()

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        if self._deleted and not (batch := self._standing(batch)):
            return
        callers = [waiting.writes for waiting in batch]
        order, plain = mixed(callers)
        writes, offers = handover.with_leases(plain, self._lines.offer)
        try:
            outcomes = await self._apply(writes)
        except base.WriteUnknown:
            _fail(batch, OutcomeUnknown())
            for channel_id, offer in offers.items():
                self._lines.unknown(channel_id, offer)
            self._lines.wake_all()  # some of it may be there, and nobody will tell of it
        except (base.NothingWritten, OSError):
            _fail(batch, StoreUnavailable())
            self._answer(offers, {})
        except base.StoreError:
            self._answer(offers, {})
            await self._one_by_one(batch)
        else:
            self.restored.follow(writes)
            self._note_deleted(writes)
            _share(batch, shares(callers, order, outcomes))
            self._tell(batch, left_waiting(writes, outcomes))
            self._answer(offers, handover.taken(writes, outcomes))

    def _standing(self, batch: Sequence[_Waiting]) -> Sequence[_Waiting]:
        """Without those that accept on a channel whose deletion was committed while they waited."""
        late: list[_Waiting] = []
        standing: list[_Waiting] = []
        for waiting in batch:
            accepted = (write.operation.channel_id for write in waiting.writes if type(write) is Accept)
            (standing if self._deleted.isdisjoint(accepted) else late).append(waiting)
        _fail(late, InvalidApiKey())
        return standing

    def _note_deleted(self, writes: Sequence[Write]) -> None:
        if base.Remove in map(type, writes):
            removed = [write.channel_id for write in writes if isinstance(write, base.Remove)]
            self._deleted.update(channel_id for channel_id in removed if channel_id is not None)

    async def _apply(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        await self._raise_epochs(writes)
        since = self._clock.monotonic()
        passing_types(BEFORE_COMMIT, writes)
        outcomes = await self.store.apply(writes)
        passing_types(AFTER_COMMIT, writes)
        self._observe(self._clock.monotonic() - since, writes, outcomes)
        return outcomes

    def _answer(self, offers: Mapping[ChannelId, Offer], taken: Mapping[ChannelId, handover.Taken]) -> None:
        for channel_id, offer in offers.items():
            self._lines.offered(channel_id, offer, taken.get(channel_id, ()))

    async def _raise_epochs(self, writes: Sequence[Write]) -> None:
        if base.TakeEpoch in map(type, writes):
            taken = [write for write in writes if isinstance(write, base.TakeEpoch)]
            passing(Failpoint.SERVER_BEFORE_EPOCH_MARK)
            await asyncio.get_running_loop().run_in_executor(None, self._highwater.take, taken)
            passing(Failpoint.SERVER_AFTER_EPOCH_MARK)

    async def _one_by_one(self, batch: Sequence[_Waiting]) -> None:
        """One caller's writes were refused by a constraint: a fault of ours that must not touch the others."""
        if len(batch) == 1:
            log.error("writes refused", kinds=[type(write).__name__ for write in batch[0].writes])
            _fail(batch, Internal())
            return
        for waiting in batch:
            await self._write([waiting])

    def _tell(self, batch: Sequence[_Waiting], waits: Collection[ChannelId]) -> None:
        self._news.tell()
        woken = {*waits}
        for waiting in batch:
            if waiting.frees == () or FREEING.isdisjoint(map(type, waiting.writes)):
                continue
            if waiting.frees is None:
                self._lines.wake_all()
                return
            woken.update(waiting.frees)
        for channel_id in woken:
            self._lines.wake(channel_id)

    # ---- looking up ---------------------------------------------------------------------------------------------------------

    async def find(self, operation_id: OperationId, session_api_id: SessionApiId | None) -> Operation:
        """One operation, for its session API or for an operator (None). Raises NotFound."""
        operation = await self.store.operation(operation_id)
        if operation is None and session_api_id is None:
            raise NotFound(f"There is no operation {operation_id}. It may be older than what the hub keeps.")
        if operation is None or session_api_id not in (None, operation.session_api_id):
            raise NotFound
        return operation

    async def timeline(self, operation_id: OperationId) -> Sequence[Event]:
        """Its events, oldest first."""
        return await self.store.events(operation_id)

    async def list(self, wanted: Filter) -> Sequence[Operation]:
        """A page of operations, newest first."""
        return await self.store.operations(wanted)

    async def settled(self, operation_id: OperationId, timeout_seconds: float) -> Operation:
        """As it is when it is settled, or when the time is over."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while True:
                    seen = self._news.count
                    operation = await self.find(operation_id, None)
                    if operation.state in SETTLED or self._hurrying:
                        return operation
                    await self._news.news(seen)
        except TimeoutError:
            return await self.find(operation_id, None)

    # ---- deciding -----------------------------------------------------------------------------------------------------------

    async def cancel(self, operation_id: OperationId, session_api_id: SessionApiId | None, reason: str) -> Operation:
        """Cancels what has not started. Raises NotFound, TooLateToCancel or Restored."""
        operation = await self.find(operation_id, session_api_id)
        await self.restored.require_told(operation.channel_id)
        change = Change(
            operation_id=operation_id,
            session_api_id=session_api_id,
            from_states=UNSTARTED,
            started=False,
            to=OperationState.CANCELLED,
            at_ms=self._clock.now_ms(),
            reason=reason,
        )
        (cancelled,) = await self.commit([change], frees=(operation.channel_id,))
        if not cancelled:
            raise TooLateToCancel
        return await self.find(operation_id, session_api_id)

    async def cancel_all(
        self,
        channel_id: ChannelId,
        *,
        session_api_id: SessionApiId | None = None,
        reference: str | None = None,
        reason: str,
    ) -> int:
        """Cancels everything of a channel (of one session API, with one reference) that has not started; says how many.

        Raises Restored.
        """
        await self.restored.require_told(channel_id)
        change = ChangeQueue(
            channel_id=channel_id,
            session_api_id=session_api_id,
            reference=reference,
            leased_too=True,
            to=OperationState.CANCELLED,
            at_ms=self._clock.now_ms(),
            reason=reason,
        )
        (changed,) = await self.commit([change], frees=(channel_id,))
        return len(changed) if isinstance(changed, Sequence) else 0

    async def resolve(
        self, operation_id: OperationId, session_api_id: SessionApiId | None, decision: Decision, who: str, reason: str
    ) -> Operation:
        """A person's decision: one compare-and-set. Returns the operation, for SEND_AGAIN the new one. `who` begins the sentence
        that the timeline keeps.

        Raises NotFound, NotUncertain or Restored.
        """
        operation = await self.find(operation_id, session_api_id)
        await self.restored.require_told(operation.channel_id)
        now_ms = self._clock.now_ms()
        words = f": {reason}" if reason else ""
        if decision is Decision.SEND_AGAIN:
            return await self._send_again(operation, now_ms, who, words)
        done = OperationState.SENT if operation.kind is OperationKind.SEND_MESSAGE else OperationState.SUCCEEDED
        problem = Problem(code="not_sent", message=f"{who} saw that it did not happen{words}")
        sent = decision is Decision.SENT
        change = Change(
            operation_id=operation_id,
            session_api_id=session_api_id,
            from_states=frozenset({OperationState.UNCERTAIN}),
            to=done if sent else OperationState.FAILED,
            at_ms=now_ms,
            reason=f"{who} saw that it happened{words}" if sent else problem.message,
            problem=None if sent else problem,
        )
        (resolved,) = await self.commit([change], frees=(operation.channel_id,))
        if not resolved:
            raise NotUncertain
        return await self.find(operation_id, session_api_id)

    async def _send_again(self, operation: Operation, now_ms: int, who: str, words: str) -> Operation:
        if not operation.target:
            raise NotUncertain("Its number and text were erased: there is nothing left to send again.")
        await self.operation_ids.prepare(1)
        draft = Draft(
            channel_id=operation.channel_id,
            session_api_id=operation.session_api_id,
            kind=operation.kind,
            recipient=operation.recipient,
            target=operation.target,
            body=operation.body,
            priority=operation.priority,
            reference=operation.reference,
        )
        successor = acceptance.operation(
            draft, self.operation_ids.take(), ids.wa_id(self._randomness), self._places, now_ms
        )
        problem = Problem(code="resent", message=f"{who} sent it again as operation {successor.id}{words}")
        replace = Replace(
            operation_id=operation.id, at_ms=now_ms, reason=problem.message, problem=problem, successor=successor
        )
        (replaced,) = await self.commit([replace], frees=(operation.channel_id,))
        if not replaced:
            raise NotUncertain
        return await self.find(successor.id, None)


def _fail(batch: Sequence[_Waiting], error: HubError) -> None:
    for waiting in batch:
        if not waiting.done.done():
            waiting.done.set_exception(error)


def _share(batch: Sequence[_Waiting], given: Sequence[Sequence[Outcome]]) -> None:
    for waiting, share in zip(batch, given, strict=True):
        if not waiting.done.done():
            waiting.done.set_result(share)
