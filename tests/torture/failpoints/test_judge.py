"""The judge of a scene finds what must not be, each planted here, and where a doubt is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from messenger_hub.runtime.failpoints import Failpoint

from tests.torture.failpoints.judge import Verdict, judge
from tests.torture.failpoints.plan import BESIDE, ITS_OWN, may_doubt, programs
from tests.torture.failpoints.stage import Asked, Sent

LANE = ("12025550111", "normal")
FIRST, SECOND = Sent(text="first", lane=LANE, id=1), Sent(text="second", lane=LANE, id=2)
LOST_ANSWER = Sent(text="nobody knows", lane=LANE, kind="keyless", id=-1)
BOTH_SENT = {1: {"status": "sent"}, 2: {"status": "read"}}
DOUBT = {"status": "uncertain", "error": {"code": "not_found_afterwards"}}


def line(body: str, whatsapp_id: str = "") -> Mapping[str, Any]:
    return {"body": body, "id": whatsapp_id or f"id of {body}"}


def judged(
    arrived: Sequence[Mapping[str, Any]],
    states: Mapping[int, Mapping[str, Any]] = BOTH_SENT,
    *more: Sent,
    doubt: bool = False,
) -> Verdict:
    return judge(Asked([FIRST, SECOND, *more]), states, arrived, doubt=doubt)


def test_what_arrived_once_and_in_order_is_sound_and_the_same_id_again_is_no_second_message() -> None:
    assert judged([line("first"), line("first"), line("second")]).problems == []


def test_a_message_that_never_arrived_is_lost_whatever_it_is_called() -> None:
    assert judged([line("first")]).lost
    assert judged([line("first")], {1: {"status": "sent"}, 2: {"status": "failed", "reason": "?"}}).lost
    assert judged([line("first"), line("second")], {1: {"status": "sent"}}).lost, "the hub does not know it"


def test_two_ids_of_one_text_are_a_second_message() -> None:
    assert judged([line("first"), line("second"), line("second", "another")]).duplicated


def test_what_nobody_answered_may_have_arrived_once() -> None:
    for times in (0, 1):
        assert not judged(
            [line("first"), line("second"), *[line("nobody knows")] * times], BOTH_SENT, LOST_ANSWER
        ).problems
    twice = [line("nobody knows", "a"), line("nobody knows", "b")]
    assert judged([line("first"), line("second"), *twice], BOTH_SENT, LOST_ANSWER).duplicated


def test_two_of_one_chat_and_priority_arrive_in_their_order() -> None:
    assert judged([line("second"), line("first")]).disordered
    elsewhere = Sent(text="elsewhere", lane=("12025550112", "normal"), id=3)
    states = {**BOTH_SENT, 3: {"status": "sent"}}
    assert not judged([line("elsewhere"), line("first"), line("second")], states, elsewhere).problems


def test_two_callers_never_get_one_operation() -> None:
    again = Sent(text="third", lane=LANE, id=2)
    assert judged([line("first"), line("second"), line("third")], BOTH_SENT, again).lost


def test_a_doubt_is_allowed_where_one_may_be_and_only_one() -> None:
    one = {1: {"status": "sent"}, 2: DOUBT}
    assert judged([line("first")], one).unjustified
    assert not judged([line("first")], one, doubt=True).problems
    assert not judged([line("first"), line("second")], one, doubt=True).problems
    assert judged([], {1: DOUBT, 2: DOUBT}, doubt=True).unjustified


@pytest.mark.parametrize("code", ["evidence_lost", "journal_silent"])
def test_a_doubt_for_want_of_a_journal_is_never_justified(code: str) -> None:
    states = {1: {"status": "sent"}, 2: {"status": "uncertain", "error": {"code": code}}}
    assert judged([line("first")], states, doubt=True).unjustified


def test_a_contact_that_is_in_doubt_could_have_been_saved_again() -> None:
    contact = Sent(text="name", lane=("contact", "normal"), kind="contact", id=3)
    arrived = [line("first"), line("second")]
    assert judged(arrived, {**BOTH_SENT, 3: DOUBT}, contact, doubt=True).unjustified
    assert not judged(arrived, {**BOTH_SENT, 3: {"status": "succeeded"}}, contact).problems


def test_no_death_of_the_server_may_leave_a_doubt() -> None:
    assert not any(may_doubt(point, "server") for point in Failpoint)
    assert not ITS_OWN & BESIDE
    assert all("agent" in programs(point) for point in ITS_OWN | BESIDE)
