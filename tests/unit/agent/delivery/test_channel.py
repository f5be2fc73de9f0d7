"""Orders within the agent's machine that no run of the whole shows for certain."""

from __future__ import annotations

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_agent.delivery.channel import Append, Channel, JournalView, RenewJournal, SaveEpoch, Send
from messenger_hub_agent.delivery.work import Clear, Found

CHECKED = pb.Lease(lease_id="L1", whatsapp_id="3EB0", epoch=1, send_text=pb.SendText(chat="1@c.us", text="hello"))


def received(channel: Channel, **frame: object) -> list[object]:
    return [*channel.receive(pb.ConnectResponse(channel_id=1, **frame), 0)]  # type: ignore[arg-type]


def online() -> Channel:
    channel = Channel(1, JournalView(journal_id="a" * 32, first=1, last=0, epoch=0))
    channel.owned, channel.pace = True, pb.PACE_OFF
    channel.set_able(True, "", 0)
    channel.connected()
    received(channel, recall=pb.Recall())
    channel.read([], last=True)
    (save,) = received(channel, welcome=pb.Welcome(epoch=1))
    assert isinstance(save, SaveEpoch)
    channel.epoch_saved(1, 0)
    return channel


def test_the_answer_to_an_intent_says_that_the_hub_has_it() -> None:
    """A hub that loses it later, with its disk, shows at the next hello that it is an older one."""
    channel = online()
    received(channel, leases=pb.Leases(leases=[CHECKED]))
    (intent,) = channel.checked("L1", Clear(), 0)
    assert isinstance(intent, Append)
    intent.entries[0].sequence = 1
    channel.appended(intent, 0)
    assert channel.journal.acknowledged == 0
    received(channel, goes=pb.Goes(goes=[pb.Goes.Go(lease_id="L1", go=True)]))
    assert channel.journal.acknowledged == 1


def test_the_hello_of_the_next_stream_waits_until_a_refused_journal_is_renewed() -> None:
    """Its answer would be taken for the one to the renewed journal's hello."""
    channel = online()
    (renew,) = received(channel, journal_refused=pb.JournalRefused(reason="older"))
    assert isinstance(renew, RenewJournal)
    channel.disconnected(0)
    assert channel.connected() == []
    (hello,) = channel.renewed("b" * 32, 0)
    assert isinstance(hello, Send)
    assert hello.frame.channel_hello.journal_id == "b" * 32


def test_a_no_leaves_alone_what_was_found_in_whatsapp_before_it_was_asked_for() -> None:
    """The hub takes it for never started; the look-up that follows says what is there."""
    channel = online()
    received(channel, leases=pb.Leases(leases=[CHECKED]))
    (intent,) = channel.checked("L1", Found(), 0)
    assert isinstance(intent, Append)
    channel.disconnected(0)
    intent.entries[0].sequence = 1
    channel.appended(intent, 0)
    channel.connected()
    received(channel, recall=pb.Recall())
    channel.read([], last=True)
    assert received(channel, goes=pb.Goes(goes=[pb.Goes.Go(lease_id="L1", go=False)])) == []
    assert list(channel.journal.open) == ["L1"]
