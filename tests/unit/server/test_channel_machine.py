"""Orders within the server's machine that no run of the whole shows for certain."""

from __future__ import annotations

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_server.delivery.channel import Channel, Commit, Load, Send, StreamId
from messenger_hub_server.model import AgentId, ChannelId, HighMark, JournalId, OperationId
from messenger_hub_server.store.base import Delivery, MarkRestored

AGENT, STREAM = AgentId(1), StreamId(1)


def test_a_journal_that_lacks_entries_is_refused_once_the_mark_is_durable() -> None:
    """Its next hello, with a new journal, would otherwise be that of a channel which nobody knows to be restored."""
    channel = Channel(ChannelId(1), lease_ids=lambda _: [], spare_ids=lambda _: [], first_id=OperationId(100))
    channel.configure(owner=AGENT, holding=False, now_ms=0)
    hello = pb.ChannelHello(journal_id="a" * 32, first_sequence=8, last_sequence=9)
    (load,) = channel.receive(STREAM, AGENT, pb.ConnectRequest(channel_id=1, channel_hello=hello), 0)
    assert isinstance(load, Load)
    (commit,) = channel.loaded(
        load.hello, Delivery(epoch=1, journal_id=JournalId("a" * 32), sequence=3, leased=[]), HighMark(), 0
    )
    assert isinstance(commit, Commit)
    (mark,) = commit.writes
    assert isinstance(mark, MarkRestored)
    (refusal,) = channel.committed(commit.then, [True], 0)
    assert isinstance(refusal, Send)
    assert refusal.frame.WhichOneof("frame") == "journal_refused"
