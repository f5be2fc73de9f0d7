"""When a browser is trimmed, and when it is started anew."""

from __future__ import annotations

from messenger_hub_agent.browser_care import AGAIN_SECONDS, IDLE_SECONDS, BrowserCare, Need


def test_a_page_that_is_left_alone_is_trimmed_once_and_again_after_it_has_worked() -> None:
    care = BrowserCare(most_bytes=100, worked_at=0.0)
    assert care.need(50, IDLE_SECONDS - 1) is Need.NOTHING
    assert [care.need(50, IDLE_SECONDS + later) for later in (0, 60)] == [Need.TRIM, Need.NOTHING]
    care.works(2_000.0)
    assert care.need(50, 2_000.0 + IDLE_SECONDS) is Need.TRIM


def test_a_browser_beyond_its_limit_is_started_anew_but_not_again_and_again() -> None:
    care = BrowserCare(most_bytes=100, worked_at=0.0)
    assert care.need(100, 1.0) is Need.NOTHING
    assert care.need(101, 1.5) is care.need(101, 2.0) is Need.RESTART
    care.restarted(2.0)
    assert care.need(101, 2.0 + AGAIN_SECONDS - 1) is not Need.RESTART
    assert care.need(101, 2.0 + AGAIN_SECONDS) is Need.RESTART
