"""The judge finds each fault that is planted into sound records, and nothing in the sound ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.torture.enqueue.judge import RULES, Case, Rule, judge
from tests.torture.enqueue.record import Attempt, Records, Row, Wish


def attempt(status: int = 201, number: int = 0, *, replayed: bool | None = False, code: str = "") -> Attempt:
    told = replayed if status == 201 else None
    return Attempt(life=1, begun=1.0, ended=1.1, status=status, number=number, replayed=told, code=code)


NOTHING, REFUSED = attempt(0), attempt(503, code="unavailable")
UNKNOWN = attempt(503, code="outcome_unknown")


def wish(number: int, *attempts: Attempt, key: bool = True) -> Wish:
    name = f"message {number}"
    told = [*(attempts or (attempt(number=number),))]
    return Wish(reference=name, text=f"text {number}", door="rest", key=f"key {number}" if key else "", attempts=told)


def row(number: int, message: int = 0) -> Row:
    return Row(number=number, reference=f"message {message or number}", text=f"text {message or number}")


def records(wishes: Sequence[Wish], rows: Sequence[Row]) -> Records:
    return Records(wishes=wishes, rows=rows, listed=[(one.number, one.reference) for one in reversed(rows)])


SOUND = records(
    [
        wish(1),
        wish(2, NOTHING, attempt(number=2, replayed=True)),
        wish(3, NOTHING, attempt(number=3)),
        wish(4, NOTHING, NOTHING),
        wish(5, NOTHING),
        wish(6, NOTHING, attempt(number=7), key=False),
        wish(8, REFUSED),
        wish(9, attempt(number=9), attempt(number=9, replayed=True), attempt(number=9, replayed=None)),
    ],
    [row(1), row(2), row(3), row(4), row(6), row(7, 6), row(9)],
)


def kinds(told: Records) -> list[str]:
    return [one.kind for one in judge(told)]


def test_sound_records_have_no_violation() -> None:
    assert judge(SOUND) == []


def test_an_accepted_message_that_is_gone_is_lost() -> None:
    assert kinds(records([wish(1)], [])) == ["lost"]


def test_an_accepted_number_that_is_another_message_now_is_lost() -> None:
    assert kinds(records([wish(1), wish(2, NOTHING)], [row(1, 2)])) == ["lost"]


@pytest.mark.parametrize("unanswered", [NOTHING, UNKNOWN])
def test_a_key_makes_one_message_however_often_it_was_asked(unanswered: Attempt) -> None:
    asked = wish(1, unanswered, unanswered, attempt(number=2))
    assert kinds(records([asked], [row(1), row(2, 1)])) == ["twice"]


def test_without_a_key_a_message_is_there_as_often_as_it_was_asked_and_not_refused() -> None:
    twice = [row(1), row(2, 1)]
    assert kinds(records([wish(1, NOTHING, attempt(number=2), key=False)], twice)) == []
    assert kinds(records([wish(1, attempt(number=2), key=False)], twice)) == ["twice"]
    assert kinds(records([wish(1, REFUSED, attempt(number=2), key=False)], twice)) == ["twice"]


def test_what_every_answer_refused_must_not_be_there_and_an_unknown_outcome_may() -> None:
    assert kinds(records([wish(1, REFUSED)], [row(1)])) == ["refused but queued"]
    assert kinds(records([wish(1, UNKNOWN)], [row(1)])) == []
    assert kinds(records([wish(1, REFUSED, NOTHING)], [row(1)])) == []


def test_a_key_that_is_answered_with_another_number_has_changed() -> None:
    asked = wish(1, attempt(number=1), attempt(number=2, replayed=True))
    assert "changed answer" in kinds(records([asked], [row(1)]))


def test_a_repeat_that_is_told_to_be_new_has_changed() -> None:
    asked = wish(1, attempt(number=1), attempt(number=1))
    assert kinds(records([asked], [row(1)])) == ["changed answer"]


@pytest.mark.parametrize("key", [True, False])
def test_a_first_call_that_is_told_to_be_a_repeat_has_changed(key: bool) -> None:
    asked = wish(1, attempt(number=1, replayed=True), key=key)
    assert kinds(records([asked], [row(1)])) == ["changed answer"]


def test_a_number_that_two_messages_were_given_was_used_again() -> None:
    both = [wish(1), wish(2, attempt(number=1))]
    assert "number used again" in kinds(records(both, [row(1)]))
    repeated = wish(1, attempt(number=1), attempt(number=1), key=False)
    assert kinds(records([repeated], [row(1)])) == ["number used again"]


def test_what_nobody_asked_for_or_has_another_text_is_found() -> None:
    assert kinds(records([], [row(1)])) == ["unasked"]
    assert kinds(records([wish(1)], [replace(row(1), text="text")])) == ["unasked"]


def test_an_api_that_lists_less_more_or_one_twice_is_found() -> None:
    listed = [*SOUND.listed]
    for wrong in (listed[1:], [*listed, (99, "message 99")], [*listed, listed[0]]):
        assert kinds(replace(SOUND, listed=wrong)) == ["listed wrongly"]


@pytest.mark.parametrize("status", [500, 502, 409, 422, 429, 401])
def test_an_answer_that_is_not_documented_is_found(status: int) -> None:
    assert kinds(records([wish(1, attempt(status))], [])) == ["undocumented answer"]


def test_damage_and_a_life_that_ended_by_itself_are_found() -> None:
    assert kinds(replace(SOUND, findings=["a page is torn"], own_ends={3: "it ended with 1"})) == [
        "damaged",
        "ended by itself",
    ]


PLANTED = {
    "_lost": records([wish(1)], []),
    "_twice": records([wish(1)], [row(1), row(2, 1)]),
    "_refused": records([wish(1, REFUSED)], [row(1)]),
    "_changed": records([wish(1, attempt(number=1), attempt(number=2))], []),
    "_reused": records([wish(1), wish(2, attempt(number=1))], []),
    "_unasked": records([], [row(1)]),
    "_listed": replace(SOUND, listed=[]),
    "_undocumented": records([wish(1, attempt(500))], []),
    "_damaged": replace(SOUND, findings=["a page is torn"]),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_rule_finds_what_is_planted_for_it_by_itself(rule: Rule) -> None:
    assert list(rule(Case.of(PLANTED[rule.__name__])))
    assert not list(rule(Case.of(SOUND)))
