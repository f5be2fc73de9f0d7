"""Orders within the server's machine that no run of the whole shows for certain."""

from __future__ import annotations

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_server.delivery.channel import Action, Channel, Commit, Load, Send, StreamId
from messenger_hub_server.model import (
    AgentId,
    ChannelId,
    HighMark,
    JournalId,
    LeaseId,
    LeaseMark,
    Operation,
    OperationId,
    OperationKind,
    OperationState,
    Priority,
    SessionApiId,
    WaId,
)
from messenger_hub_server.store.base import Change, Delivery, MarkRestored

AGENT, STREAM = AgentId(1), StreamId(1)
JOURNAL = JournalId("a" * 32)


def test_a_journal_that_lacks_entries_is_refused_once_the_mark_is_durable() -> None:
    """Its next hello, with a new journal, would otherwise be that of a channel which nobody knows to be restored."""
    channel = Channel(ChannelId(1), lease_ids=lambda _: [], spare_ids=lambda _: [], first_id=OperationId(100))
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


def test_an_entry_that_follows_the_last_page_is_taken_before_the_pages_are_stored() -> None:
    """A desktop writes receipts at any time, and must not lose its stream for one that comes during its hello."""
    channel = Channel(ChannelId(1), lease_ids=lambda _: [], spare_ids=lambda _: [], first_id=OperationId(100))
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
        ChannelId(1), lease_ids=lambda n: [LeaseId("L1")][:n], spare_ids=lambda _: [], first_id=OperationId(100)
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
    channel.committed(claim.then, [[leased()]], 0)
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
    channel.committed(claim.then, [[]], 0)
    channel.lost(STREAM, 0)
    welcomed(channel, StreamId(2))
    (claim,) = said(channel, StreamId(2), credit=pb.Credit(window=1))
    assert isinstance(claim, Commit)
