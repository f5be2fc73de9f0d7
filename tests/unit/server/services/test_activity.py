"""The last day in hours: from what happened, back from how many wait now."""

from __future__ import annotations

from messenger_hub_server.model import OperationState as S
from messenger_hub_server.services.admin import activity
from messenger_hub_server.store.base import Passed

NOW = 1_000_000 * activity.HOUR_MS + 1_234


def passed(step: int, before: S | None, state: S, count: int = 1) -> Passed:
    return Passed(step=step, before=before, state=state, count=count)


def test_an_hour_counts_what_came_what_left_and_what_waited_at_its_end() -> None:
    happened = [
        passed(21, None, S.PENDING, 5),
        passed(22, S.PENDING, S.LEASED, 3),
        passed(22, S.LEASED, S.SENT, 2),
        passed(23, S.LEASED, S.UNCERTAIN),
        passed(23, S.SENT, S.DELIVERED, 2),
        passed(23, S.PENDING, S.EXPIRED),
    ]
    shown = activity.hours(happened, waiting=1, now_ms=NOW)
    assert len(shown) == 24
    assert (shown[0].begin_ms, shown[-1].begin_ms) == (NOW - 1_234 - 23 * 3_600_000, NOW - 1_234)
    assert [(h.accepted, h.sent, h.failed, h.uncertain, h.waiting) for h in shown[-4:]] == [
        (0, 0, 0, 0, 0),
        (5, 0, 0, 0, 5),
        (0, 2, 0, 0, 3),
        (0, 0, 1, 1, 1),
    ]


def test_a_message_that_is_delivered_is_not_sent_a_second_time() -> None:
    late = [passed(23, S.LEASED, S.SENT), passed(23, S.SENT, S.READ), passed(23, S.UNCERTAIN, S.DELIVERED)]
    assert activity.hours(late, waiting=0, now_ms=NOW)[-1].sent == 2


def test_what_is_given_back_to_the_queue_waits_all_the_time() -> None:
    back = [passed(23, S.LEASED, S.PENDING, 4), passed(23, S.PENDING, S.LEASED, 4)]
    assert [hour.waiting for hour in activity.hours(back, waiting=4, now_ms=NOW)] == [4] * 24
