"""Orders within the server's machine that no run of the whole shows for certain."""

from __future__ import annotations

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_server.delivery.actions import Action, Commit, End, Load, Offer, Send, StreamId
from messenger_hub_server.delivery.channel import Channel
from messenger_hub_server.model import (
    AgentId,
    ChannelId,
    HighMark,
    JournalId,
    LeaseId,
    LeaseMark,
    NewOperation,
    Operation,
    OperationId,
    OperationKind,
    OperationState,
    Priority,
    SessionApiId,
    WaId,
)
from messenger_hub_server.store.base import Change, Claim, Delivery, Leased, MarkRestored

AGENT, STREAM = AgentId(1), StreamId(1)
JOURNAL = JournalId("a" * 32)
NOTHING = Leased(operations=[], waits=False)


def test_a_journal_that_lacks_entries_is_refused_once_the_mark_is_durable() -> None:
    """Its next hello, with a new journal, would otherwise be that of a channel which nobody knows to be restored."""
    channel = Channel(ChannelId(1), lease_ids=lambda _: [], spare_ids=lambda _: [], first_id=lambda: OperationId(100))
    channel.configure(owner=AGENT, holding=False, now_ms=0)
    hello = pb.ChannelHello(journal_id=JOURNAL, first_sequence=8, last_sequence=9)
    (load,) = channel.receive(STREAM, AGENT, pb.ConnectRequest(channel_id=1, channel_hello=hello), 0)
    assert isinstance(load, Load)
    (commit,) = channel.loaded(load.hello, Delivery(epoch=1, journal_id=JOURNAL, sequence=3, leased=[]), HighMark(), 0)
    assert isinstance(commit, Commit)
    (mark,) = commit.writes
    assert isinstance(mark, MarkRestored)
    (refusal,) = channel.committed(commit.then, [True], 0)
    assert isinstance(refusal, Send)
    assert refusal.frame.WhichOneof("frame") == "journal_refused"


def test_what_was_accepted_before_a_failover_counts_as_of_the_copy_also_if_this_process_has_accepted_it() -> None:
    """The desktop that started it may be another one than the one that says hello."""
    first = [OperationId(100)]
    channel = Channel(ChannelId(1), lease_ids=lambda _: [], spare_ids=lambda _: [], first_id=lambda: first[0])
    channel.configure(owner=AGENT, holding=False, now_ms=0)
    first[0] = OperationId(1_000_200)  # the database is on another server from here on
    hello = pb.ChannelHello(journal_id=JOURNAL, first_sequence=1, last_sequence=9, acknowledged_sequence=9)
    (load,) = channel.receive(STREAM, AGENT, pb.ConnectRequest(channel_id=1, channel_hello=hello), 0)
    assert isinstance(load, Load)
    (commit,) = channel.loaded(load.hello, Delivery(epoch=1, journal_id=JOURNAL, sequence=3, leased=[]), HighMark(), 0)
    assert isinstance(commit, Commit)
    assert [write.restoration.before for write in commit.writes if isinstance(write, MarkRestored)] == [1_000_200]


def test_an_entry_that_follows_the_last_page_is_taken_before_the_pages_are_stored() -> None:
    """A desktop writes receipts at any time, and must not lose its stream for one that comes during its hello."""
    channel = Channel(ChannelId(1), lease_ids=lambda _: [], spare_ids=lambda _: [], first_id=lambda: OperationId(100))
    channel.configure(owner=AGENT, holding=False, now_ms=0)
    hello = pb.ChannelHello(journal_id=JOURNAL)
    (load,) = channel.receive(STREAM, AGENT, pb.ConnectRequest(channel_id=1, channel_hello=hello), 0)
    assert isinstance(load, Load)
    (take,) = channel.loaded(load.hello, Delivery(epoch=0, journal_id=JOURNAL, sequence=0, leased=[]), HighMark(), 0)
    assert isinstance(take, Commit)
    channel.committed(take.then, [True], 0)
    channel.receive(STREAM, AGENT, pb.ConnectRequest(channel_id=1, journal_page=pb.JournalPage(last=True)), 0)
    receipt = pb.JournalEntry(sequence=1, whatsapp_id="3EB0", outcome=pb.Outcome(kind=pb.Outcome.KIND_READ))
    entries = pb.JournalEntries(entries=[receipt])
    (commit,) = channel.receive(STREAM, AGENT, pb.ConnectRequest(channel_id=1, journal_entries=entries), 0)
    assert isinstance(commit, Commit)


def ready() -> Channel:
    """A channel whose stream has its welcome."""
    channel = Channel(
        ChannelId(1),
        lease_ids=lambda n: [LeaseId(f"L{i}") for i in range(1, n + 1)],
        spare_ids=lambda _: [],
        first_id=lambda: OperationId(100),
    )
    channel.configure(owner=AGENT, holding=False, now_ms=0)
    welcomed(channel, STREAM)
    return channel


def welcomed(channel: Channel, stream: StreamId) -> None:
    """The stream's hello, up to its welcome."""
    stored = Delivery(epoch=0, journal_id=JOURNAL, sequence=0, leased=[])
    actions = said(channel, stream, channel_hello=pb.ChannelHello(journal_id=JOURNAL))
    while actions:
        (action, *rest) = actions
        match action:
            case Load(hello=hello):
                actions = [*rest, *channel.loaded(hello, stored, HighMark(), 0)]
            case Commit(then=then, writes=writes):
                actions = [*rest, *channel.committed(then, [True for _ in writes], 0)]
            case Send(frame=frame) if frame.HasField("recall"):
                actions = [*rest, *said(channel, stream, journal_page=pb.JournalPage(last=True))]
            case _:
                actions = rest


def leased() -> Operation:
    mark = LeaseMark(epoch=1, lease_id=LeaseId("L1"), journal_id=JOURNAL, started=False)
    return Operation(
        id=OperationId(1), wa_id=WaId("3EB0"), channel_id=ChannelId(1), session_api_id=SessionApiId(1),
        kind=OperationKind.SEND_MESSAGE, recipient="1", target="1@c.us", body="hello", priority=Priority.NORMAL,
        state=OperationState.LEASED, reason="", reference="", accepted_at_ms=1, place_ms=1, send_at_ms=None, expires_at_ms=None,
        not_before_ms=None, changed_at_ms=1, attempts=1, lease=mark, problem=None, successor=None,
    )  # fmt: skip


def said(channel: Channel, stream: StreamId = STREAM, **frame: object) -> list[Action]:
    return [*channel.receive(stream, AGENT, pb.ConnectRequest(channel_id=1, **frame), 0)]  # type: ignore[arg-type]


def test_a_fact_about_what_was_cancelled_before_it_started_is_a_correction() -> None:
    """The desktop has found it in WhatsApp already, so it says sent although it got no go."""
    channel = ready()
    (claim,) = said(channel, credit=pb.Credit(window=1))
    assert isinstance(claim, Commit)
    channel.committed(claim.then, [Leased(operations=[leased()], waits=False)], 0)
    intent = pb.JournalEntry(sequence=1, whatsapp_id="3EB0", lease_id="L1", intent=pb.Lease(lease_id="L1"))
    (start,) = said(channel, journal_entries=pb.JournalEntries(entries=[intent]))
    assert isinstance(start, Commit)
    channel.committed(start.then, [False, 1], 0)
    sent = pb.JournalEntry(sequence=2, whatsapp_id="3EB0", lease_id="L1", outcome=pb.Outcome(kind=pb.Outcome.KIND_SENT))
    (end,) = said(channel, journal_entries=pb.JournalEntries(entries=[sent]))
    assert isinstance(end, Commit)
    corrections = [
        write for write in end.writes if isinstance(write, Change) and OperationState.CANCELLED in write.from_states
    ]
    assert [write.to for write in corrections] == [OperationState.SENT]


def test_a_stream_that_becomes_ready_looks_for_work_whatever_a_claim_before_found() -> None:
    """The claim before may have been of an epoch that another stream, gone since, had just ended."""
    channel = ready()
    (claim,) = said(channel, credit=pb.Credit(window=1))
    assert isinstance(claim, Commit)
    channel.committed(claim.then, [NOTHING], 0)
    channel.lost(STREAM, 0)
    welcomed(channel, StreamId(2))
    (claim,) = said(channel, StreamId(2), credit=pb.Credit(window=1))
    assert isinstance(claim, Commit)


def idle(channel: Channel, window: int = 2) -> None:
    """The stream has credit, and nothing waits."""
    (claim,) = said(channel, credit=pb.Credit(window=window))
    assert isinstance(claim, Commit)
    assert channel.committed(claim.then, [NOTHING], 0) == []


def offered(channel: Channel, count: int) -> Offer:
    offer = channel.offer(count)
    assert offer is not None
    return offer


def accepted(number: int) -> NewOperation:
    return NewOperation(
        id=OperationId(number), wa_id=WaId(f"3EB0{number}"), channel_id=ChannelId(1), session_api_id=SessionApiId(1),
        kind=OperationKind.SEND_MESSAGE, recipient="1", target=f"{number}@c.us", body="hello", accepted_at_ms=1, place_ms=1,
    )  # fmt: skip


def test_leases_are_offered_as_far_as_the_credit_goes_and_what_is_left_of_them_comes_back() -> None:
    channel = ready()
    idle(channel)
    offer = offered(channel, 5)
    assert len(offer.lease_ids) == 2
    assert channel.offer(1) is None
    (send,) = channel.offered(offer, [(LeaseId("L1"), accepted(1))], 0)
    assert isinstance(send, Send)
    assert [lease.whatsapp_id for lease in send.frame.leases.leases] == ["3EB01"]
    assert len(offered(channel, 5).lease_ids) == 1


def test_no_lease_is_offered_while_anything_may_wait() -> None:
    """It was accepted earlier, and goes first."""
    channel = ready()
    assert channel.offer(1) is None  # no credit yet
    (claim,) = said(channel, credit=pb.Credit(window=2))
    assert isinstance(claim, Commit)
    assert channel.offer(1) is None  # a claim is under way
    channel.committed(claim.then, [NOTHING], 0)
    channel.configure(owner=AGENT, holding=True, now_ms=0)
    channel.wake(0)
    assert channel.offer(1) is None  # paused
    channel.configure(owner=AGENT, holding=False, now_ms=0)
    assert channel.offer(1) is None  # woken


def test_what_was_leased_for_a_stream_that_is_gone_goes_back_to_the_queue() -> None:
    channel = ready()
    idle(channel)
    offer = offered(channel, 1)
    channel.lost(STREAM, 0)
    (back,) = channel.offered(offer, [(LeaseId("L1"), accepted(1))], 0)
    assert isinstance(back, Commit)
    (change,) = back.writes
    assert isinstance(change, Change)
    assert (change.wa_id, change.lease_id, change.to) == ("3EB01", "L1", OperationState.PENDING)


def test_a_stream_whose_offer_is_in_doubt_has_to_say_hello_again() -> None:
    channel = ready()
    idle(channel)
    (end,) = channel.unknown(offered(channel, 1))
    assert isinstance(end, End)
    assert end.stream == STREAM


def test_an_end_looks_for_work_only_when_some_may_wait_behind_it() -> None:
    """Every claim costs a commit, and an empty one stands in the way of what is accepted meanwhile."""
    for waits in (True, False):
        channel = ready()
        (claim,) = said(channel, credit=pb.Credit(window=2))
        assert isinstance(claim, Commit)
        channel.committed(claim.then, [Leased(operations=[leased()], waits=waits)], 0)
        sent = pb.JournalEntry(
            sequence=1, whatsapp_id="3EB0", lease_id="L1", outcome=pb.Outcome(kind=pb.Outcome.KIND_SENT)
        )
        (end,) = said(channel, journal_entries=pb.JournalEntries(entries=[sent]))
        assert isinstance(end, Commit)
        claims = [a for a in channel.committed(end.then, [True, 1], 0) if isinstance(a, Commit)]
        assert [isinstance(write, Claim) for commit in claims for write in commit.writes] == [True] * waits


def test_what_a_desktop_that_lost_the_channel_has_ended_is_looked_behind_also_when_its_stream_is_gone() -> None:
    """Its facts may free a chat, or bring something back to the queue, of which the owner's stream knows nothing."""
    other, facts = AgentId(2), StreamId(2)
    channel = ready()
    idle(channel)
    frame = pb.ConnectRequest(channel_id=1, channel_hello=pb.ChannelHello(journal_id="b" * 32))
    (load,) = channel.receive(facts, other, frame, 0)
    assert isinstance(load, Load)
    stored = Delivery(epoch=1, journal_id=JOURNAL, sequence=0, leased=[])
    channel.loaded(load.hello, stored, HighMark(), 0)
    sent = pb.JournalEntry(sequence=1, whatsapp_id="3EB0", lease_id="L9", outcome=pb.Outcome(kind=pb.Outcome.KIND_SENT))
    page = pb.JournalPage(entries=[sent], last=True)
    (stored_page,) = channel.receive(facts, other, pb.ConnectRequest(channel_id=1, journal_page=page), 0)
    assert isinstance(stored_page, Commit)
    channel.lost(facts, 0)
    (claim,) = channel.committed(stored_page.then, [True for _ in stored_page.writes], 0)
    assert isinstance(claim, Commit)
    assert [type(write) for write in claim.writes] == [Claim]
