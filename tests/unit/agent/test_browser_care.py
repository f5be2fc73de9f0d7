"""When a browser is trimmed, and when it is started anew."""

from __future__ import annotations

from messenger_hub_agent.browser_care import AGAIN_SECONDS, IDLE_SECONDS, BrowserCare, Wish


def test_a_page_that_is_left_alone_is_trimmed_once_and_again_after_it_has_worked() -> None:
    care = BrowserCare(most_bytes=100, worked_at=0.0)
    assert care.wish(50, IDLE_SECONDS - 1) is Wish.NOTHING
    assert [care.wish(50, IDLE_SECONDS + later) for later in (0, 60)] == [Wish.TRIM, Wish.NOTHING]
    care.works(2_000.0)
    assert care.wish(50, 2_000.0 + IDLE_SECONDS) is Wish.TRIM


def test_a_browser_beyond_its_limit_is_started_anew_but_not_again_and_again() -> None:
    care = BrowserCare(most_bytes=100, worked_at=0.0)
    assert care.wish(100, 1.0) is Wish.NOTHING
    assert care.wish(101, 1.5) is care.wish(101, 2.0) is Wish.RENEW
    care.renewed(2.0)
    assert care.wish(101, 2.0 + AGAIN_SECONDS - 1) is not Wish.RENEW
    assert care.wish(101, 2.0 + AGAIN_SECONDS) is Wish.RENEW
