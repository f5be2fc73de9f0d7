"""When WhatsApp is asked for more codes, and when it is left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from messenger_hub_agent.codes import AGAIN_SECONDS, CAME_SECONDS, SCANNED_SECONDS, CodeRequests
from messenger_hub_agent.whatsapp.page import PageState

from tests.fakes.page import IDLE, LINKED, UNLINKED

PASSKEY = replace(UNLINKED, passkey=True)
HOUR = 3_600.0


def asked_at(requests: CodeRequests, *, linking: bool, until: float, seconds: float = 0.5) -> list[float]:
    """When it is due on a page that is idle from 0 on and stays so."""
    times = [step * seconds for step in range(round(until / seconds))]
    asked = []
    for now in times:
        requests.saw(IDLE, now)
        if requests.due(linking=linking, now=now):
            asked.append(now)
    return asked


def test_somebody_who_links_gets_a_code_once_the_last_one_cannot_have_been_scanned_any_more() -> None:
    assert asked_at(CodeRequests(), linking=True, until=AGAIN_SECONDS) == [SCANNED_SECONDS]


def test_a_code_that_does_not_come_is_asked_for_again() -> None:
    times = asked_at(CodeRequests(), linking=True, until=3 * AGAIN_SECONDS)
    assert times == [SCANNED_SECONDS, SCANNED_SECONDS + AGAIN_SECONDS, SCANNED_SECONDS + 2 * AGAIN_SECONDS]


def test_nobody_is_nobody() -> None:
    assert asked_at(CodeRequests(), linking=False, until=HOUR, seconds=2) == []


@pytest.mark.parametrize("come", [CodeRequests.linking_began, CodeRequests.window_opened])
def test_whoever_comes_to_an_idle_page_gets_a_code_at_once_and_one_only(come: Callable[[CodeRequests], None]) -> None:
    requests = CodeRequests()
    come(requests)
    assert asked_at(requests, linking=False, until=HOUR, seconds=2) == [0]


def test_linking_that_brings_the_window_to_the_front_asks_once() -> None:
    requests = CodeRequests()
    requests.saw(IDLE, 0)
    requests.linking_began()
    assert requests.due(linking=True, now=0)
    requests.window_opened()
    assert not requests.due(linking=True, now=CAME_SECONDS - 1)
    requests.window_opened()
    assert requests.due(linking=True, now=CAME_SECONDS)


@pytest.mark.parametrize("state", [UNLINKED, LINKED])
def test_a_page_that_is_not_idle_is_never_asked_and_who_came_then_is_forgotten(state: PageState) -> None:
    requests = CodeRequests()
    requests.window_opened()
    requests.saw(state, 0)
    assert not requests.due(linking=True, now=HOUR)
    requests.saw(IDLE, HOUR)
    assert not requests.due(linking=False, now=HOUR)


def test_a_passkey_is_not_interrupted_until_somebody_begins_again_or_the_account_is_linked() -> None:
    requests = CodeRequests()
    requests.saw(PASSKEY, 0)
    requests.window_opened()
    assert asked_at(requests, linking=True, until=HOUR, seconds=2) == []
    assert not requests.attended(linking=True)
    requests.linking_began()
    assert requests.attended(linking=True)
    assert requests.due(linking=True, now=HOUR)
    requests.saw(PASSKEY, HOUR)
    requests.saw(LINKED, HOUR + 1)
    assert requests.attended(linking=True)
