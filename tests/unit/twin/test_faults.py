"""What can be made to go wrong, and for which message."""

from __future__ import annotations

import pytest
from messenger_hub_twin.faults import REACHOUT_TIMELOCK, Codes, Fate, Faults, Receipts, Verdict

NOW = 1_000.0


@pytest.mark.parametrize(
    ("switches", "chat_exists", "repeat", "fate", "code"),
    [
        ({}, True, False, Fate.DELIVER, None),
        ({}, False, False, Fate.DELIVER, None),
        ({}, True, True, Fate.DELIVER, None),  # a repeat is logged unless WhatsApp is to drop it
        ({"drop_repeats": True}, True, True, Fate.DROP_REPEAT, None),
        ({"drop_repeats": True}, True, False, Fate.DELIVER, None),
        ({"drop_repeats": True, "fail": 1}, True, True, Fate.DROP_REPEAT, None),
        ({"fail": 1, "fail_code": 479}, True, False, Fate.REFUSE, 479),
        ({"fail": 1}, True, False, Fate.REFUSE, None),
        ({"fail": 1, "fail_received": True, "fail_code": 500}, True, False, Fate.DELIVER_AND_REFUSE, 500),
        ({"fail": 1, "swallow": 1}, True, False, Fate.REFUSE, None),
        ({"restricted_until": NOW + 1}, False, False, Fate.REFUSE, REACHOUT_TIMELOCK),
        ({"restricted_until": NOW + 1}, True, False, Fate.DELIVER, None),
        ({"restricted_until": NOW}, False, False, Fate.DELIVER, None),  # over
        ({"restricted_until": NOW + 1, "swallow": 1}, False, False, Fate.REFUSE, REACHOUT_TIMELOCK),
        ({"swallow": 1}, True, False, Fate.SWALLOW, None),
    ],
)
def test_a_message_meets_its_fate(
    switches: dict[str, object], chat_exists: bool, repeat: bool, fate: Fate, code: int | None
) -> None:
    faults = Faults(**switches)  # type: ignore[arg-type]
    assert faults.judge(now=NOW, chat_exists=chat_exists, repeat=repeat) == Verdict(fate=fate, code=code)


def test_counted_faults_are_used_up() -> None:
    faults = Faults(fail=2, swallow=1)
    fates = [faults.judge(now=NOW, chat_exists=True, repeat=False).fate for _ in range(4)]
    assert fates == [Fate.REFUSE, Fate.REFUSE, Fate.SWALLOW, Fate.DELIVER]


def test_a_dropped_repeat_and_a_refused_new_chat_use_up_nothing() -> None:
    faults = Faults(drop_repeats=True, fail=1, swallow=1, restricted_until=NOW + 1)
    faults.judge(now=NOW, chat_exists=True, repeat=True)
    assert (faults.fail, faults.swallow) == (1, 1)
    faults.fail = 0
    faults.judge(now=NOW, chat_exists=False, repeat=False)
    assert faults.swallow == 1


def test_a_page_shows_the_first_of_its_six_codes_for_a_minute_and_stops_after_160_seconds() -> None:
    codes = Faults().codes
    assert [codes.shown_seconds(left) for left in range(codes.count, 0, -1)] == [60, 20, 20, 20, 20, 20]
    assert Codes(count=1, seconds=0.5).shown_seconds(1) == 1.5


def test_look_ups_fail_so_often_or_for_so_long() -> None:
    assert [Faults(lookup_fail=2).lookup_fails(NOW)] == [True]
    counted = Faults(lookup_fail=2)
    assert [counted.lookup_fails(NOW) for _ in range(3)] == [True, True, False]
    timed = Faults(lookup_fail=1, lookup_fail_until=NOW + 1)
    assert timed.lookup_fails(NOW)
    assert timed.lookup_fail == 1  # the time does not use up the count
    assert timed.lookup_fails(NOW + 1)
    assert not timed.lookup_fails(NOW + 1)


def test_reset_switches_everything_off_but_never_sends_a_page_back_to_an_older_build() -> None:
    faults = Faults(
        mute=True,
        swallow=3,
        delay_seconds=1.0,
        fail=2,
        fail_code=1,
        fail_received=True,
        restricted_until=NOW,
        lookup_fail=1,
        lookup_fail_until=NOW,
        drop_repeats=True,
        passkey=True,
        contacts_stored=False,
        contacts_seconds=1.0,
        history_seconds=1.0,
        needs_update_below=7,
        receipts=Receipts(automatic=False),
    )
    faults.reset()
    assert faults == Faults(needs_update_below=7)
