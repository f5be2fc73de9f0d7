"""When a chat that got no answer is looked up again, and when its page is loaded anew."""

from __future__ import annotations

from messenger_hub_agent.delivery.silences import (
    FIRST_WAIT_MS,
    MOST_CHATS,
    MOST_PATIENCE,
    MOST_WAIT_MS,
    PATIENCE,
    Silences,
)

ANA, BEN = "12025550111@c.us", "12025550112@c.us"


def tries_until_a_page_is_to_go(silences: Silences, chat: str) -> int:
    """How often the chat is left unanswered until then."""
    tries = 1
    while not silences.unanswered(chat, 0):
        tries += 1
    return tries


def test_the_second_look_up_of_one_chat_that_stays_unanswered_ends_the_page() -> None:
    silences = Silences()
    assert not silences.unanswered(ANA, 0)
    assert not silences.unanswered(BEN, 0)
    assert silences.unanswered(ANA, 0)


def test_a_chat_waits_twice_as_long_each_time_and_never_longer_than_ten_minutes() -> None:
    silences = Silences()
    waits = []
    for _ in range(40):
        silences.unanswered(ANA, 1_000)
        waits.append(silences.wait_ms(ANA, 1_000))
    assert waits[:4] == [FIRST_WAIT_MS * n for n in (1, 2, 4, 8)]
    assert waits == sorted(waits)
    assert waits[-1] == max(waits) == MOST_WAIT_MS


def test_a_wait_ends_with_its_time_and_is_no_other_chats() -> None:
    silences = Silences()
    silences.unanswered(ANA, 1_000)
    assert silences.wait_ms(ANA, 1_000 + FIRST_WAIT_MS - 1) == 1
    assert silences.wait_ms(ANA, 1_000 + FIRST_WAIT_MS) == silences.wait_ms(ANA, 2**40) == 0
    assert silences.wait_ms(BEN, 1_000) == 0


def test_an_answer_ends_the_wait_and_begins_the_count_anew() -> None:
    silences = Silences()
    silences.unanswered(ANA, 0)
    silences.answered(ANA)
    assert silences.wait_ms(ANA, 0) == 0
    assert tries_until_a_page_is_to_go(silences, ANA) == PATIENCE


def test_each_page_has_a_count_of_its_own_while_the_wait_goes_on_growing() -> None:
    silences = Silences()
    silences.unanswered(ANA, 0)
    silences.page_loaded()
    assert not silences.unanswered(ANA, 0)
    assert silences.wait_ms(ANA, 0) == 2 * FIRST_WAIT_MS


def test_pages_that_do_not_help_are_given_more_and_more_patience() -> None:
    silences = Silences()
    patience = PATIENCE
    for _ in range(10):
        assert tries_until_a_page_is_to_go(silences, ANA) == patience
        silences.page_loaded()
        patience = min(MOST_PATIENCE, 2 * patience)
    assert patience == MOST_PATIENCE


def test_a_page_that_was_loaded_for_another_reason_is_not_called_one_that_does_not_help() -> None:
    silences = Silences()
    silences.unanswered(ANA, 0)
    silences.page_loaded()
    assert tries_until_a_page_is_to_go(silences, ANA) == PATIENCE


def test_a_page_that_helps_brings_the_first_patience_back() -> None:
    silences = Silences()
    tries_until_a_page_is_to_go(silences, ANA)
    silences.page_loaded()
    silences.answered(ANA)
    assert tries_until_a_page_is_to_go(silences, BEN) == PATIENCE


def test_an_answer_about_a_chat_that_never_went_without_one_proves_nothing() -> None:
    silences = Silences()
    tries_until_a_page_is_to_go(silences, ANA)
    silences.page_loaded()
    silences.answered(BEN)
    assert tries_until_a_page_is_to_go(silences, ANA) == 2 * PATIENCE


def test_of_too_many_chats_the_one_that_went_without_an_answer_longest_ago_is_forgotten() -> None:
    silences = Silences()
    for each in range(MOST_CHATS + 1):
        silences.unanswered(f"{each}@c.us", 0)
    assert silences.wait_ms("0@c.us", 0) == 0
    assert silences.wait_ms("1@c.us", 0) == silences.wait_ms(f"{MOST_CHATS}@c.us", 0) == FIRST_WAIT_MS
