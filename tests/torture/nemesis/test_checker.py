"""The checker finds each fault that is planted into a sound history, and nothing in the sound one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.torture.nemesis.checker import RULES, Rule, Verdict, check
from tests.torture.nemesis.record import (
    SAVE,
    Arrival,
    Attempt,
    Cancelling,
    Change,
    Disturbance,
    History,
    KeyChange,
    KeyUse,
    Look,
    Restore,
    Stream,
    Wish,
)
from tests.torture.nemesis.rules.case import Case
from tests.torture.nemesis.rules.doubts import EVIDENCE
from tests.torture.nemesis.story import story

ANA, BEN, US = "12025550111@c.us", "12025550112@c.us", "12015550100@c.us"


def wish(number: int, *attempts: Attempt, key: bool = True, chat: str = ANA, priority: str = "normal") -> Wish:
    """The message NUMBER, asked for at second 10 × NUMBER and answered half a second later."""
    told = attempts or (accepted(number),)
    key_ = f"key {number}" if key else ""
    return Wish(
        text=f"message {number}",
        channel="shop",
        chat=chat,
        door="rest",
        key=key_,
        priority=priority,
        attempts=[*told],
    )


def accepted(number: int, *, operation_id: int = 0, seconds: float = 0.0) -> Attempt:
    begun = 10.0 * number + seconds
    return Attempt(
        begun=begun, ended=begun + 0.5, status=201, operation_id=operation_id or number, recipient="12025550111"
    )


def answered(number: int, status: int, code: str = "") -> Attempt:
    return Attempt(begun=10.0 * number - 2, ended=10.0 * number - 1, status=status, code=code)


def look(number: int, *states: str, at: float = 1_000.0, code: str = "", text: str = "") -> Look:
    """The last look: the states came a second apart, from the acceptance on."""
    timeline = [Change(status=state, at=10.0 * number + 1 + i, reason="because") for i, state in enumerate(states)]
    known = states[-1] in ("sent", "delivered", "read", "uncertain")
    return Look(
        begun=at,
        ended=at + 0.1,
        operation_id=number,
        status=states[-1],
        timeline=timeline,
        whatsapp_id=f"3EB0{number}" if known else "",
        code=code,
        reference=text or f"message {number}",
    )


READ = ("pending", "processing", "sent", "delivered", "read")


def arrival(line: int, number: int, *, whatsapp_id: str = "", sender: str = US, chat: str = ANA) -> Arrival:
    return Arrival(
        line=line,
        at=10.0 * number + 3,
        whatsapp_id=whatsapp_id or f"3EB0{number}",
        sender=sender,
        chat=chat,
        body=f"message {number}",
    )


def history(
    wishes: Sequence[Wish],
    final: Sequence[Look],
    arrivals: Sequence[Arrival],
    *,
    looks: Sequence[Look] = (),
    cancellings: Sequence[Cancelling] = (),
    disturbances: Sequence[Disturbance] = (),
) -> History:
    return History(
        wishes=wishes,
        looks=looks,
        cancellings=cancellings,
        disturbances=disturbances,
        arrivals=arrivals,
        final={one.operation_id: one for one in final},
        senders={"shop": US},
    )


SOUND = history(
    wishes=[wish(1), wish(2), wish(3, chat=BEN)],
    final=[look(1, *READ), look(2, *READ), look(3, *READ)],
    arrivals=[arrival(1, 1), arrival(2, 2), arrival(3, 3, chat=BEN)],
)


def kinds(found: Verdict) -> list[str]:
    return [one.kind for one in found.violations]


def with_one(final: Look, *arrivals: Arrival, asked: Wish | None = None, **more: object) -> History:
    return history([asked or wish(1)], [final], arrivals, **more)  # type: ignore[arg-type]


def test_a_sound_history_has_no_violation() -> None:
    verdict = check(SOUND)
    assert verdict.violations == []
    assert (verdict.counts["accepted"], verdict.counts["arrivals"], verdict.counts["ended read"]) == (3, 3, 3)


@pytest.mark.parametrize("state", ["pending", "processing"])
def test_what_still_waits_after_the_drain_is_lost(state: str) -> None:
    assert kinds(
        check(with_one(look(1, *["pending", "processing"][: ["pending", "processing"].index(state) + 1])))
    ) == ["lost"]


@pytest.mark.parametrize("states", [READ[:3], READ[:4], READ])
def test_what_is_said_to_be_sent_and_never_arrived_is_lost(states: Sequence[str]) -> None:
    assert kinds(check(with_one(look(1, *states)))) == ["lost"]


@pytest.mark.parametrize("state", ["failed", "expired", "cancelled"])
def test_what_was_not_sent_though_nobody_asked_for_that_is_lost(state: str) -> None:
    assert kinds(check(with_one(look(1, "pending", state)))) == ["lost"]


@pytest.mark.parametrize(("done", "found"), [(True, []), (None, []), (False, ["lost"])])
def test_a_cancelled_message_is_not_lost_when_its_client_may_have_cancelled_it(
    done: bool | None, found: list[str]
) -> None:
    asked = Cancelling(begun=11, ended=11.5, operation_id=1, done=done)
    assert kinds(check(with_one(look(1, "pending", "cancelled"), cancellings=[asked]))) == found


def test_an_accepted_id_that_a_later_look_does_not_find_is_unknown() -> None:
    missing = Look(begun=20, ended=20.1, operation_id=1, found=False)
    assert kinds(check(with_one(look(1, *READ), arrival(1, 1), looks=[missing]))) == ["accepted but unknown"]


def test_an_accepted_id_that_is_gone_at_the_end_is_unknown() -> None:
    assert kinds(check(history([wish(1)], [], [arrival(1, 1)]))) == ["accepted but unknown"]


def test_two_ids_of_one_message_are_a_duplicate_and_a_repeat_of_one_id_is_counted_only() -> None:
    twice = with_one(look(1, *READ), arrival(1, 1), arrival(2, 1, whatsapp_id="3EB0F"))
    assert kinds(check(twice)) == ["duplicated"]
    repeated = check(with_one(look(1, *READ), arrival(1, 1), arrival(2, 1)))
    assert kinds(repeated) == []
    assert repeated.counts["repeated ids"] == 1


def test_one_call_that_made_two_operations_is_a_duplicate() -> None:
    two = history(
        [wish(1)],
        [look(1, *READ), look(2, "pending", "cancelled", text="message 1")],
        [arrival(1, 1)],
    )
    assert kinds(check(two)) == ["duplicated"]


def test_what_no_answer_refused_may_be_sent_once_and_not_twice() -> None:
    unknown = wish(1, answered(1, 0), key=False)
    assert kinds(check(history([unknown], [look(1, *READ)], [arrival(1, 1)]))) == []
    assert kinds(check(history([unknown], [], []))) == []
    twice = [arrival(1, 1), arrival(2, 1, whatsapp_id="3EB0F")]
    assert kinds(check(history([unknown], [look(1, *READ)], twice))) == ["duplicated"]


@pytest.mark.parametrize("code", ["unavailable", ""])
def test_a_refusal_of_what_is_queued_or_sent_all_the_same_is_found(code: str) -> None:
    refused = wish(1, answered(1, 503, code), key=False)
    assert kinds(check(history([refused], [look(1, *READ)], [arrival(1, 1)]))) == ["refused but queued"]
    assert kinds(check(history([refused], [look(1, "pending")], []))) == ["refused but queued"]
    assert kinds(check(history([refused], [], []))) == []


def test_an_outcome_that_was_said_to_be_unknown_is_no_refusal() -> None:
    unknown = wish(1, answered(1, 503, "outcome_unknown"), key=False)
    assert kinds(check(history([unknown], [look(1, *READ)], [arrival(1, 1)]))) == []


@pytest.mark.parametrize("status", [500, 502, 409, 422, 429, 401])
def test_an_answer_that_is_not_documented_is_found(status: int) -> None:
    assert kinds(check(history([wish(1, answered(1, status))], [], []))) == ["undocumented answer"]


@pytest.mark.parametrize("state", ["failed", "expired"])
def test_what_is_said_not_to_be_sent_and_arrived_is_found(state: str) -> None:
    assert kinds(check(with_one(look(1, "pending", state), arrival(1, 1)))) == ["lost", "sent all the same"]


def test_what_a_client_was_told_to_be_cancelled_must_not_arrive_nor_go_on() -> None:
    done = [Cancelling(begun=11, ended=11.5, operation_id=1, done=True)]
    sent = with_one(look(1, "pending", "cancelled"), arrival(1, 1), cancellings=done)
    assert kinds(check(sent)) == ["sent all the same", "sent all the same"]
    went_on = with_one(look(1, *READ), arrival(1, 1), cancellings=done)
    assert kinds(check(went_on)) == ["sent all the same"]


def test_what_arrives_later_than_what_was_asked_for_after_it_is_out_of_order() -> None:
    swapped = replace(SOUND, arrivals=[arrival(1, 2), arrival(2, 1), arrival(3, 3, chat=BEN)])
    found = check(swapped)
    assert kinds(found) == ["out of order"]
    assert found.violations[0].text == "message 1"


def test_order_is_judged_within_a_chat_and_priority_and_where_clients_can_know_it() -> None:
    late, early = arrival(2, 1), arrival(1, 2)
    final = [look(1, *READ), look(2, *READ)]
    other_chat = history([wish(1), wish(2, chat=BEN)], final, [replace(early, chat=BEN), late])
    other_priority = history([wish(1), wish(2, priority="high")], final, [early, late])
    at_once = history([wish(1), wish(2, accepted(2, seconds=-10.0))], final, [early, late])
    assert [kinds(check(one)) for one in (other_chat, other_priority, at_once)] == [[], [], []]


def test_what_was_uncertain_holds_nothing_up() -> None:
    states = ("pending", "processing", "uncertain", "sent")
    lost = Disturbance(fault="kill browser", target="desktop", channels=frozenset({"shop"}), begun=12.5, ended=13)
    overtaken = history([wish(1), wish(2)], [look(1, *states), look(2, *READ)], [arrival(1, 2), arrival(2, 1)])
    assert kinds(check(replace(overtaken, disturbances=[lost]))) == []


UNCERTAIN = look(1, "pending", "processing", "uncertain", code="not_found_afterwards")


def disturbed(
    fault: str = "kill agent", begun: float = 12.5, ended: float | None = 12.7, channel: str = "shop"
) -> Disturbance:
    return Disturbance(fault=fault, target="desktop", channels=frozenset({channel}), begun=begun, ended=ended)


def restored(copied: float = 9.0, begun: float = 12.2, ended: float = 12.4) -> Restore:
    return Restore(how="restore file", copied_begun=copied, copied_ended=copied + 0.1, begun=begun, ended=ended)


def test_a_doubt_in_whose_window_the_evidence_went_is_justified_and_told() -> None:
    verdict = check(with_one(UNCERTAIN, disturbances=[disturbed()]))
    assert kinds(verdict) == []
    [doubt] = verdict.doubts
    assert (doubt.code, doubt.faults, doubt.arrived) == ("not_found_afterwards", ["kill agent"], False)


def test_whatsapp_that_goes_away_while_it_is_asked_for_a_chat_leaves_a_doubt() -> None:
    verdict = check(with_one(UNCERTAIN, disturbances=[disturbed("kill twin")]))
    assert (kinds(verdict), verdict.doubts[0].faults) == ([], ["kill twin"])


@pytest.mark.parametrize(
    "disturbance",
    [
        disturbed("kill server"),
        disturbed("cut"),
        disturbed(channel="office"),
        disturbed(begun=10.0, ended=11.0),
        disturbed(begun=13.5, ended=None),
    ],
    ids=[
        "a server knows nothing of it",
        "nor does the network",
        "another channel",
        "before it was leased",
        "afterwards",
    ],
)
def test_a_doubt_whose_evidence_nothing_can_have_taken_is_unjustified(disturbance: Disturbance) -> None:
    assert kinds(check(with_one(UNCERTAIN, disturbances=[disturbance]))) == ["unjustified uncertain"]


@pytest.mark.parametrize("code", ["", "whatsapp_error", "something_new"])
def test_a_doubt_that_names_no_evidence_of_a_known_kind_is_unjustified(code: str) -> None:
    doubt = replace(UNCERTAIN, code=code)
    assert kinds(check(with_one(doubt, disturbances=[disturbed()]))) == ["unjustified uncertain"]


@pytest.mark.parametrize("code", EVIDENCE)
def test_each_code_needs_a_fault_that_explains_it(code: str) -> None:
    doubt, restores = replace(UNCERTAIN, code=code), [restored()] if code == "restored" else []
    explained = with_one(doubt, disturbances=[disturbed(sorted(EVIDENCE[code])[0])])
    assert kinds(check(replace(explained, restores=restores))) == []
    assert kinds(check(with_one(doubt, disturbances=[disturbed("second start")]))) == ["unjustified uncertain"]


def test_a_doubt_that_a_fact_has_settled_is_judged_too() -> None:
    settled = look(1, "pending", "processing", "uncertain", "sent")
    assert kinds(check(with_one(settled, arrival(1, 1)))) == ["unjustified uncertain"]
    assert kinds(check(with_one(settled, arrival(1, 1), disturbances=[disturbed()]))) == []


def test_a_key_that_is_answered_with_another_operation_has_changed() -> None:
    two = wish(1, accepted(1), accepted(1, operation_id=7))
    found = check(history([two], [look(1, *READ), look(7, "pending", "processing")], [arrival(1, 1)]))
    assert "changed answer" in kinds(found)


def test_an_id_that_was_given_out_twice_has_changed() -> None:
    both = history([wish(1), wish(2, accepted(2, operation_id=1))], [look(1, *READ)], [arrival(1, 1), arrival(2, 2)])
    assert set(kinds(check(both))) >= {"changed answer"}


@pytest.mark.parametrize(
    "states",
    [
        ("pending", "processing", "sent", "pending"),
        ("pending", "processing", "sent", "read", "delivered"),
        ("pending", "processing", "uncertain", "processing"),
        ("pending", "delivered"),
    ],
)
def test_a_timeline_that_goes_where_the_table_does_not_lead_went_backwards(states: Sequence[str]) -> None:
    found = check(with_one(look(1, *states), arrival(1, 1), disturbances=[disturbed(ended=20)]))
    assert "went backwards" in kinds(found)


def test_a_state_that_a_client_saw_and_that_is_gone_went_backwards() -> None:
    seen = look(1, *READ, at=100.0)
    before = replace(look(1, *READ[:4], at=200.0), timeline=seen.timeline)
    assert kinds(check(with_one(look(1, *READ), arrival(1, 1), looks=[seen, before]))) == ["went backwards"]
    at_once = replace(before, begun=100.05)
    assert kinds(check(with_one(look(1, *READ), arrival(1, 1), looks=[seen, at_once]))) == []


def test_a_timeline_that_has_lost_an_entry_went_backwards() -> None:
    seen = look(1, "pending", "processing", "pending", "processing", at=100.0)
    assert kinds(check(with_one(look(1, *READ), arrival(1, 1), looks=[seen]))) == ["went backwards"]


def test_what_nobody_wanted_or_went_elsewhere_is_astray() -> None:
    assert kinds(check(replace(SOUND, arrivals=[*SOUND.arrivals, arrival(4, 9)]))) == ["astray"]
    assert kinds(check(with_one(look(1, *READ), arrival(1, 1, chat=BEN)))) == ["astray"]
    assert kinds(check(with_one(look(1, *READ), arrival(1, 1, sender=BEN)))) == ["astray"]
    assert kinds(check(with_one(look(1, *READ), arrival(1, 1, whatsapp_id="3EB0F")))) == ["astray"]


def test_a_violations_story_tells_all_of_it_in_order_with_the_faults_meanwhile() -> None:
    told = with_one(
        look(1, *READ[:3]),
        looks=[look(1, "pending", at=12.0)],
        cancellings=[Cancelling(begun=12, ended=12.4, operation_id=1, done=False)],
        disturbances=[disturbed(), disturbed("cut", begun=2_000, ended=2_001)],
    )
    [violation] = check(told).violations
    lines = [what for _, what in story(told, violation)]
    assert lines[0] == "client asks by rest, with a key"
    assert lines[-1] == "at the end: sent 3EB01"
    assert [line for line in lines if line.startswith("FAULT")] == [
        "FAULT kill agent: desktop",
        "FAULT over, kill agent: desktop",
    ]
    assert "client cancels: refused" in lines


MADE = KeyChange(name="key 1", alive=True, begun=1.0, ended=1.2)
OFF = KeyChange(name="key 1", alive=False, begun=3.0, ended=3.2)
ON = KeyChange(name="key 1", alive=True, begun=6.0, ended=6.2)

PLANTED = {
    "unknown": history([wish(1)], [], []),
    "lost": with_one(look(1, "pending")),
    "untimely": with_one(look(1, *READ), arrival(1, 1), asked=replace(wish(1), send_at=14.0)),
    "contacts": replace(
        history([replace(wish(1), kind=SAVE, chat="1")], [look(1, "pending", "succeeded")], []), contacts={"shop": {}}
    ),
    "duplicated": with_one(look(1, *READ), arrival(1, 1), arrival(2, 1, whatsapp_id="3EB0F")),
    "sent_all_the_same": with_one(look(1, "pending", "failed"), arrival(1, 1)),
    "cancelled": with_one(
        look(1, *READ), arrival(1, 1), cancellings=[Cancelling(begun=11, ended=12, operation_id=1, done=True)]
    ),
    "astray": with_one(look(1, *READ), arrival(1, 1, chat=BEN)),
    "out_of_order": replace(SOUND, arrivals=[arrival(1, 2), arrival(2, 1)]),
    "unjustified": with_one(UNCERTAIN),
    "changed": history([wish(1, accepted(1), accepted(1, operation_id=7))], [], []),
    "backwards": with_one(look(1, "pending", "read")),
    "watched": replace(SOUND, streams=[Stream(channel="shop", begun=0.0, refused="400 cursor_too_old")]),
    "keys": replace(
        SOUND,
        key_changes=[MADE, OFF],
        key_uses=[KeyUse(name="key 1", begun=4.3, ended=4.4, status=200)],
    ),
    "unanswered": history([wish(1, answered(1, 500))], [], []),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_rule_finds_what_is_planted_for_it_by_itself(rule: Rule) -> None:
    assert list(rule(Case.of(PLANTED[rule.__name__])))
    assert not list(rule(Case.of(SOUND)))


@pytest.mark.parametrize(
    ("begun", "ended", "status", "holds"),
    [
        (1.3, 1.4, 200, True),
        (1.3, 1.4, 401, False),
        (3.1, 3.3, 200, True),
        (3.1, 3.3, 401, True),
        (4.1, 4.3, 200, True),
        (4.3, 4.4, 200, False),
        (4.3, 4.4, 401, True),
        (4.3, 4.4, 503, True),
        (4.3, 4.4, 0, True),
        (5.9, 6.1, 200, True),
        (5.9, 6.1, 401, True),
        (6.3, 6.4, 401, False),
    ],
)
def test_a_key_is_let_in_at_once_and_nowhere_a_second_after_it_was_switched_off(
    begun: float, ended: float, status: int, holds: bool
) -> None:
    use = KeyUse(name="key 1", begun=begun, ended=ended, status=status)
    other = KeyChange(name="key 2", alive=False, begun=0.5, ended=0.6)
    told = replace(history([], [], []), key_changes=[MADE, other, OFF, ON], key_uses=[use])
    assert kinds(check(told)) == ([] if holds else ["key"])
