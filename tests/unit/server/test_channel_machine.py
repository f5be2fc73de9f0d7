"""Orders within the server's machine that no run of the whole shows for certain."""

from __future__ import annotations

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_server.delivery.channel import Channel, Commit, Load, Send, StreamId
from messenger_hub_server.model import AgentId, ChannelId, HighMark, JournalId, OperationId
from messenger_hub_server.store.base import Delivery, MarkRestored

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
