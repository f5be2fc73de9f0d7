"""What a restore, a wrong clock and a time excuse, and that they excuse nothing else; contacts and watchers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.torture.nemesis.checker import check
from tests.torture.nemesis.record import (
    REMOVE,
    SAVE,
    Arrival,
    Attempt,
    Cancelling,
    Change,
    Event,
    History,
    Look,
    Offset,
    Restore,
    Stream,
    Wish,
)
from tests.torture.nemesis.test_checker import (
    READ,
    accepted,
    answered,
    arrival,
    disturbed,
    history,
    kinds,
    look,
    wish,
    with_one,
)
from tests.torture.nemesis.times import ahead, machine

BEFORE, MEANWHILE, AFTER = 5.0, 9.0, 30.0
"""When a copy began to be made: the message 1 is asked for at 10 and answered at 10.5."""


def restore(copied: float = MEANWHILE, begun: float = 20.0) -> Restore:
    return Restore(how="restore file", copied_begun=copied, copied_ended=copied + 0.2, begun=begun, ended=begun + 1.0)


def told(wishes: Sequence[Wish], final: Sequence[Look], arrivals: Sequence[Arrival] = (), **more: object) -> History:
    restores = more.pop("restores", [restore()])
    return replace(history(wishes, final, arrivals, **more), restores=restores)  # type: ignore[arg-type]


def seen(number: int, *states: str, at: float) -> Look:
    return look(number, *states, at=at)


def missing(at: float) -> Look:
    return Look(begun=at, ended=at + 0.1, operation_id=1, found=False)


# ---- an operation that is gone ----------------------------------------------------------------------------------------------


def test_what_was_accepted_since_the_copy_and_never_left_may_be_gone() -> None:
    assert kinds(check(told([wish(1)], []))) == []
    assert kinds(check(told([wish(1)], [], looks=[seen(1, "pending", at=12.0), missing(22.0)]))) == []


@pytest.mark.parametrize("copied", [10.6, AFTER])
def test_what_the_copy_must_know_may_not_be_gone(copied: float) -> None:
    assert kinds(check(told([wish(1)], [], restores=[restore(copied, begun=40.0)]))) == ["accepted but unknown"]


def test_a_copy_of_a_database_that_lacked_it_lacks_it_too() -> None:
    """Taken by the first restore, brought back by the second, and taken by the third, whose copy was made between them."""
    back = [seen(1, "pending", at=27.0)]
    chain = [restore(BEFORE, begun=20.0), restore(15.0, begun=25.0), restore(22.0, begun=30.0)]
    assert kinds(check(told([wish(1)], [], looks=back, restores=chain))) == []
    whole = [*chain[:2], restore(27.5, begun=30.0)]
    assert kinds(check(told([wish(1)], [], looks=back, restores=whole))) == ["accepted but unknown"]


def test_what_was_accepted_after_the_restore_may_not_be_gone() -> None:
    assert kinds(check(told([wish(1)], [], restores=[restore(BEFORE, begun=8.0)]))) == ["accepted but unknown"]


def test_what_arrived_or_was_said_to_be_sent_may_not_be_gone() -> None:
    assert kinds(check(told([wish(1)], [], [arrival(1, 1)]))) == ["accepted but unknown"]
    assert kinds(check(told([wish(1)], [], looks=[seen(1, *READ[:3], at=15.0)]))) == ["accepted but unknown"]


def test_what_was_found_after_the_restore_may_not_be_gone_then() -> None:
    assert kinds(check(told([wish(1)], [], looks=[seen(1, "pending", at=22.0)]))) == ["accepted but unknown"]


def test_a_look_up_misses_it_only_after_the_restore_and_until_it_is_found_again() -> None:
    there = [look(1, *READ)], [arrival(1, 1)]
    assert kinds(check(told([wish(1)], *there, looks=[missing(22.0), seen(1, *READ, at=24.0)]))) == []
    assert kinds(check(told([wish(1)], *there, looks=[missing(15.0)]))) == ["accepted but unknown"]
    late = [seen(1, "pending", at=22.0), missing(24.0)]
    assert kinds(check(told([wish(1)], *there, looks=late))) == ["accepted but unknown"]


# ---- the same key again -----------------------------------------------------------------------------------------------------

ANEW = wish(1, accepted(1), accepted(1, operation_id=7, seconds=15.0))


def anew(*states: str, whatsapp_id: str = "3EB01") -> Look:
    return replace(look(7, *states, text="message 1"), whatsapp_id=whatsapp_id)


def test_a_key_whose_operation_is_gone_makes_it_anew() -> None:
    assert kinds(check(told([ANEW], [anew(*READ)], [arrival(1, 1)]))) == []


def test_an_operation_that_took_over_what_the_journal_told_stands_for_the_one_that_is_gone() -> None:
    sent = seen(1, *READ[:3], at=15.0)
    assert kinds(check(told([ANEW], [anew(*READ)], [arrival(1, 1)], looks=[sent]))) == []
    assert kinds(check(told([ANEW], [anew("pending")], looks=[sent]))) == ["accepted but unknown", "lost"]


def test_a_key_that_was_made_anew_and_sent_again_is_a_duplicate() -> None:
    twice = [arrival(1, 1), arrival(2, 1, whatsapp_id="3EB07")]
    found = kinds(check(told([ANEW], [anew(*READ, whatsapp_id="3EB07")], twice)))
    assert "duplicated" in found and "accepted but unknown" in found


def test_a_key_that_is_answered_anew_has_changed_where_its_operation_is_there_or_no_restore_came_between() -> None:
    both = told([ANEW], [look(1, *READ), anew("pending", "cancelled")], [arrival(1, 1)])
    assert {"changed answer", "duplicated"} <= set(kinds(check(both)))
    later = told([ANEW], [anew(*READ)], [arrival(1, 1)], restores=[restore(begun=40.0)])
    assert "changed answer" in kinds(check(later))
    other = wish(1, accepted(1), replace(accepted(1, operation_id=7, seconds=15.0), recipient="12025550112"))
    assert "changed answer" in kinds(check(told([other], [anew(*READ)], [arrival(1, 1)])))


def test_a_copy_that_was_made_before_another_restore_brings_back_what_that_one_took() -> None:
    back = wish(1, accepted(1), accepted(1, operation_id=7, seconds=15.0), accepted(1, seconds=30.0))
    taken, brought = restore(MEANWHILE, begun=20.0), restore(15.0, begun=35.0)
    one = told([back], [look(1, *READ)], [arrival(1, 1)], restores=[taken, brought])
    assert kinds(check(one)) == []
    assert "changed answer" in kinds(check(replace(one, restores=[taken])))


def test_a_journal_brings_back_what_a_restore_took_when_another_one_took_its_repeat() -> None:
    back = wish(1, accepted(1), accepted(1, operation_id=7, seconds=15.0), accepted(1, seconds=30.0))
    restores = [restore(MEANWHILE, begun=20.0), restore(21.0, begun=35.0)]
    sent = [look(1, *READ)], [arrival(1, 1)]
    assert kinds(check(told([back], *sent, restores=restores))) == []
    assert "changed answer" in kinds(check(told([back], *sent, restores=restores[:1])))


def test_a_number_is_never_given_out_twice() -> None:
    used_again = told([wish(1), wish(3, accepted(3, operation_id=1))], [look(1, *READ, text="message 3")])
    assert "changed answer" in kinds(check(used_again))


# ---- states, cancellations, doubts ------------------------------------------------------------------------------------------


def test_a_restore_takes_back_what_a_timeline_told_since_the_copy_and_nothing_older() -> None:
    states = ("pending", "processing", "pending", "processing")
    before = seen(1, *states, at=15.0)  # they came at 11, 12, 13 and 14
    after = replace(look(1, "pending", "processing", *READ[2:]), begun=1000.0)
    shorter = replace(after, timeline=[*before.timeline[:2], Change(status="sent", at=25.0, reason="")], status="sent")
    one = [shorter], [arrival(1, 1)]
    assert kinds(check(told([wish(1)], *one, looks=[before], restores=[restore(12.5)]))) == []
    assert kinds(check(told([wish(1)], *one, looks=[before], restores=[restore(15.5)]))) == ["went backwards"]
    assert kinds(check(told([wish(1)], *one, looks=[before], restores=[]))) == ["went backwards"]


def test_what_a_client_was_told_to_be_sent_is_sent_after_a_restore_too() -> None:
    sent = seen(1, *READ[:3], at=15.0)
    forgotten = told([wish(1)], [look(1, "pending", "failed")], looks=[sent], restores=[restore(10.6)])
    assert "lost" in kinds(check(forgotten))


def test_a_cancellation_is_lost_with_the_newer_database_only() -> None:
    def cancelled(at: float) -> History:
        done = [Cancelling(begun=at, ended=at + 0.5, operation_id=1, done=True)]
        return told([wish(1)], [look(1, *READ)], [arrival(1, 1)], cancellings=done, restores=[restore(13.0)])

    assert kinds(check(cancelled(14.0))) == []
    assert kinds(check(cancelled(12.0))) == ["sent all the same"]
    assert kinds(check(cancelled(22.0))) == ["sent all the same"]


def test_a_message_whose_cancellation_a_restore_took_back_is_overtaken() -> None:
    def overtaken(at: float) -> History:
        done = [Cancelling(begun=at, ended=at + 0.5, operation_id=1, done=True)]
        final = [look(1, *READ), look(2, *READ)]
        one = told([wish(1), wish(2)], final, [arrival(1, 2), arrival(2, 1)], cancellings=done)
        return replace(one, restores=[restore(13.0)])

    assert kinds(check(overtaken(14.0))) == []
    assert kinds(check(overtaken(12.0))) == ["sent all the same", "out of order"]
    assert "out of order" in kinds(check(replace(overtaken(14.0), cancellings=[])))


def test_a_doubt_after_a_restore_needs_its_evidence_since_the_copy() -> None:
    doubt = replace(look(1, "pending", "uncertain", code="not_found_afterwards"), timeline=[])
    doubt = replace(
        doubt, timeline=[Change(status="pending", at=11, reason=""), Change(status="uncertain", at=22, reason="")]
    )
    assert kinds(check(told([wish(1)], [doubt], disturbances=[disturbed(begun=15, ended=16)]))) == []
    assert kinds(check(told([wish(1)], [doubt], disturbances=[disturbed(begun=6, ended=7)]))) == [
        "unjustified uncertain"
    ]
    assert kinds(check(told([wish(1)], [doubt], disturbances=[disturbed(begun=15, ended=16)], restores=[]))) == [
        "unjustified uncertain"
    ]


def test_the_code_restored_needs_a_restore_and_another_journal() -> None:
    doubt = look(1, "pending", "processing", "uncertain", code="restored")
    copied = disturbed("copy agent", begun=9.5, ended=9.9)
    earlier = [restore(9.0, begun=12.5)]
    assert kinds(check(told([wish(1)], [doubt], disturbances=[copied], restores=earlier))) == []
    for disturbances, restores in (([copied], []), ([], earlier), ([copied], [restore(begun=40.0)])):
        found = check(told([wish(1)], [doubt], disturbances=disturbances, restores=restores))
        assert kinds(found) == ["unjustified uncertain"]


# ---- clocks and times -------------------------------------------------------------------------------------------------------

FORTH = [Offset(seconds=0.0, begun=0.0, ended=12.0), Offset(seconds=300.0, begun=12.0)]


def test_a_time_of_a_wrong_clock_is_one_of_this_machines() -> None:
    assert machine(11.0, FORTH) == (11.0, 11.0)
    assert machine(315.0, FORTH) == (15.0, 15.0)
    back = [Offset(seconds=300.0, begun=0.0, ended=12.0), Offset(seconds=0.0, begun=12.0)]
    assert machine(310.0, back) == (10.0, 310.0)
    assert (ahead(FORTH, 1.0, 2.0), ahead(FORTH, 1.0, 13.0), ahead([], 1.0, 2.0)) == (0.0, 300.0, 0.0)


def test_a_doubts_window_is_on_this_machines_clock() -> None:
    changes = [("pending", 11.0), ("processing", 313.0), ("uncertain", 314.0)]
    doubt = replace(
        look(1, "pending", "uncertain", code="not_found_afterwards"),
        timeline=[Change(status=status, at=at, reason="") for status, at in changes],
    )
    one = replace(with_one(doubt, disturbances=[disturbed(begun=13.5, ended=13.6)]), offsets=FORTH)
    assert kinds(check(one)) == []
    assert kinds(check(replace(one, disturbances=[disturbed(begun=313.5, ended=313.6)]))) == ["unjustified uncertain"]


def test_what_follows_a_time_that_may_be_after_the_copy_may_be_so_too() -> None:
    back = [Offset(seconds=300.0, begun=0.0, ended=12.0), Offset(seconds=0.0, begun=12.0)]
    changes = [Change(status=status, at=at, reason="") for status, at in [("pending", 310.5), ("processing", 12.5)]]
    before = replace(seen(1, "pending", "processing", at=15.0), timeline=changes)
    sent = replace(look(1, *READ[:3]), timeline=[*changes, Change(status="sent", at=25.0, reason="")])
    one = told([wish(1)], [sent], [arrival(1, 1)], looks=[before], restores=[restore(17.5)])
    assert kinds(check(replace(one, offsets=back))) == []


def timed(send_at: float = 0.0, expires_at: float = 0.0) -> Wish:
    return replace(wish(1), send_at=send_at, expires_at=expires_at)


def test_nothing_is_given_to_a_desktop_before_its_send_at_or_arrives_then() -> None:
    on_time = with_one(look(1, *READ), arrival(1, 1), asked=timed(send_at=12.0))  # given at 12, arrived at 13
    assert kinds(check(on_time)) == []
    assert kinds(check(with_one(look(1, *READ), arrival(1, 1), asked=timed(send_at=12.5)))) == ["untimely"]
    assert kinds(check(with_one(look(1, *READ), arrival(1, 1), asked=timed(send_at=14.0)))) == ["untimely"] * 2


def test_a_clock_that_is_ahead_makes_a_message_due_early_and_no_earlier() -> None:
    changes = [("pending", 11.0), ("processing", 312.5), ("sent", 313.0)]
    sent = replace(look(1, *READ[:3]), timeline=[Change(status=status, at=at, reason="") for status, at in changes])
    early = replace(with_one(sent, arrival(1, 1), asked=timed(send_at=312.5)), offsets=FORTH)
    assert kinds(check(early)) == []
    assert kinds(check(replace(early, offsets=[]))) == ["untimely"]


def test_what_a_journal_tells_again_on_a_clock_set_back_was_not_given_early() -> None:
    offsets = [Offset(seconds=300.0, begun=0.0, ended=20.0), Offset(seconds=0.0, begun=20.0)]
    changes = [
        ("pending", 22.0),
        ("processing", 22.0),
        ("sent", 22.0),
    ]  # it had arrived at 13, while that clock said 313
    again = replace(look(1, *READ[:3]), timeline=[Change(status=status, at=at, reason="") for status, at in changes])
    one = replace(told([timed(send_at=312.5)], [again], [arrival(1, 1)]), offsets=offsets)
    assert kinds(check(one)) == []
    assert kinds(check(replace(one, restores=[]))) == ["untimely"]


def test_what_has_expired_is_not_given_to_a_desktop_and_does_not_arrive() -> None:
    assert kinds(check(with_one(look(1, *READ), arrival(1, 1), asked=timed(expires_at=12.5)))) == []
    assert kinds(check(with_one(look(1, *READ), arrival(1, 1), asked=timed(expires_at=11.9)))) == ["untimely"]
    told_again = replace(arrival(1, 1), at=11.8)
    assert kinds(check(with_one(look(1, *READ), told_again, asked=timed(expires_at=11.9)))) == []
    late = replace(arrival(1, 1), at=28.0)
    assert kinds(check(with_one(look(1, *READ), late, asked=timed(expires_at=12.5)))) == ["untimely"]
    gone = look(1, "pending", "expired")  # at 12
    assert kinds(check(with_one(gone, asked=timed(expires_at=12.0)))) == []
    assert kinds(check(with_one(gone, arrival(1, 1), asked=timed(expires_at=12.0)))) == ["sent all the same"]
    assert kinds(check(with_one(gone, asked=timed(expires_at=13.0)))) == ["lost"]
    assert kinds(check(with_one(gone))) == ["lost"]


def test_a_time_that_is_over_on_the_servers_clock_may_be_refused() -> None:
    refused = answered(1, 422)  # at 9
    assert kinds(check(history([replace(wish(1, refused), expires_at=8.9)], [], []))) == []
    later = history([replace(wish(1, refused), expires_at=200.0)], [], [])
    assert kinds(check(later)) == ["undocumented answer"]
    assert kinds(check(replace(later, offsets=[Offset(seconds=300.0, begun=5.0)]))) == []


# ---- contacts ---------------------------------------------------------------------------------------------------------------


def contact(number: int, kind: str = SAVE) -> Wish:
    return replace(wish(number), kind=kind, chat="12025550150")


SAVED = look(1, "pending", "processing", "succeeded")


def on_phone(name: str, *changes: tuple[Wish, Look]) -> History:
    phone = {"shop": {"12025550150": name} if name else {}}
    return replace(history([one for one, _ in changes], [one for _, one in changes], []), contacts=phone)


def test_a_contact_is_what_the_last_change_has_made_of_it() -> None:
    second = (contact(2), look(2, "pending", "processing", "succeeded"))
    removed = (contact(2, REMOVE), look(2, "pending", "processing", "succeeded"))
    assert kinds(check(on_phone("message 1", (contact(1), SAVED)))) == []
    assert kinds(check(on_phone("message 2", (contact(1), SAVED), second))) == []
    assert kinds(check(on_phone("", (contact(1), SAVED), removed))) == []
    assert kinds(check(on_phone("", (contact(1), SAVED)))) == ["wrong contact"]
    assert kinds(check(on_phone("message 1", (contact(1), SAVED), second))) == ["wrong contact"]
    assert kinds(check(on_phone("message 1", (contact(1), SAVED), removed))) == ["wrong contact"]


def test_a_change_that_was_cancelled_made_nothing_and_an_uncertain_one_may_have() -> None:
    cancelled = (contact(2), look(2, "pending", "cancelled"))
    asked = [Cancelling(begun=21, ended=21.5, operation_id=2, done=True)]
    assert kinds(check(replace(on_phone("message 2", (contact(1), SAVED), cancelled), cancellings=asked))) == [
        "wrong contact"
    ]
    doubt = (contact(2), look(2, "pending", "processing", "uncertain", code="no_answer"))
    for name in ("message 1", "message 2"):
        one = on_phone(name, (contact(1), SAVED), doubt)
        assert kinds(check(replace(one, disturbances=[disturbed(begun=22, ended=24)]))) == []


def test_a_change_whose_cancellation_a_restore_took_back_may_be_made_after_later_ones() -> None:
    second = (contact(2), look(2, "pending", "processing", "succeeded"))
    late = replace(
        on_phone("message 1", (contact(1), SAVED), second),
        cancellings=[Cancelling(begun=24.0, ended=24.5, operation_id=1, done=True)],
    )
    assert kinds(check(replace(late, restores=[restore(23.0, begun=30.0)]))) == []
    assert "wrong contact" in kinds(check(replace(late, restores=[restore(26.0, begun=30.0)])))
    assert "wrong contact" in kinds(check(replace(late, restores=[restore(23.0, begun=30.0)], cancellings=[])))


def test_numbers_of_several_nodes_do_not_tell_which_change_of_a_contact_came_last() -> None:
    """The second change has the smaller number: another node had the block before."""
    first = (
        replace(contact(1), attempts=[accepted(1, operation_id=7)]),
        look(7, "pending", "succeeded", text="message 1"),
    )
    second = (
        replace(contact(2), attempts=[accepted(2, operation_id=3)]),
        look(3, "pending", "succeeded", text="message 2"),
    )
    for name, one_node, three_nodes in (("message 2", ["wrong contact"], []), ("message 1", [], ["wrong contact"])):
        there = on_phone(name, first, second)
        assert kinds(check(there)) == one_node
        assert kinds(check(replace(there, nodes=3))) == three_nodes
    unanswered = (replace(contact(1), attempts=[Attempt(begun=10.0, ended=15.0, status=0)]), first[1])
    for name in ("message 1", "message 2"):
        assert kinds(check(replace(on_phone(name, unanswered, second), nodes=3))) == [], "it may have come late"
    assert kinds(check(replace(on_phone("", unanswered, second), nodes=3))) == ["wrong contact"]


def test_a_contact_that_is_sent_or_a_message_that_succeeded_is_found() -> None:
    odd = replace(wish(1), kind=SAVE, chat="12025550150")
    assert "lost" in kinds(check(history([odd], [look(1, *READ[:3])], [])))
    assert "lost" in kinds(check(with_one(look(1, "pending", "succeeded"))))


# ---- watching ---------------------------------------------------------------------------------------------------------------


def watched(*states: str, last: bool = True, begun: float = 9.0) -> Stream:
    events = [Event(operation_id=1, status=state, at=11.0 + i, told=12.0 + i) for i, state in enumerate(states)]
    return Stream(channel="shop", begun=begun, events=events, last=last)


def with_stream(stream: Stream, **more: object) -> History:
    return replace(with_one(look(1, *READ), arrival(1, 1)), streams=[stream], **more)  # type: ignore[arg-type]


def test_a_watcher_that_is_told_everything_and_what_comes_later_is_right() -> None:
    assert kinds(check(with_stream(watched(*READ)))) == []
    longer = replace(with_one(look(1, *READ[:3]), arrival(1, 1)), streams=[watched(*READ)])
    assert kinds(check(longer)) == []


@pytest.mark.parametrize("states", [READ[:4], ("pending", "processing")])
def test_a_watcher_that_is_not_told_the_end_is_found(states: Sequence[str]) -> None:
    assert kinds(check(with_stream(watched(*states)))) == ["watched otherwise"]


def test_a_watcher_to_whom_a_change_is_not_told_or_told_twice_is_found() -> None:
    whole = watched(*READ).events
    for events in (whole[:1] + whole[2:], whole[:2] + whole[1:], whole[:3] + whole[4:]):
        found = kinds(check(with_stream(Stream(channel="shop", begun=9.0, events=events, last=True))))
        assert "watched otherwise" in found
    reversed_ = Stream(channel="shop", begun=9.0, events=whole[::-1], last=True)
    assert set(kinds(check(with_stream(reversed_)))) == {"went backwards"}
    assert "went backwards" in kinds(check(with_stream(watched(*READ[:4], "sent"))))


def test_a_watcher_that_was_never_told_of_what_was_asked_for_meanwhile_is_found() -> None:
    assert kinds(check(with_stream(watched()))) == ["watched otherwise"]
    assert kinds(check(with_stream(watched(begun=10.2)))) == []
    assert kinds(check(with_stream(watched(last=False)))) == []


def test_a_stream_that_a_restore_cut_is_judged_by_what_the_copy_knows() -> None:
    cut = watched("pending", "processing", "pending", last=False)  # told at 12, 13 and 14
    assert kinds(check(with_stream(cut, restores=[restore(13.5)]))) == []
    assert kinds(check(with_stream(cut, restores=[restore(14.5)]))) == ["watched otherwise"]


def test_a_watch_that_could_not_be_resumed_is_found() -> None:
    stream = replace(watched(*READ), refused="400 cursor_too_old")
    assert kinds(check(with_stream(stream))) == ["watch broken"]


def test_an_attempt_of_a_contact_has_no_arrival_to_show() -> None:
    told_once = Attempt(begun=10.0, ended=10.5, status=201, operation_id=1, recipient="12025550150@c.us")
    one = replace(wish(1, told_once), kind=SAVE, chat="12025550150")
    assert kinds(check(history([one], [SAVED], []))) == []
