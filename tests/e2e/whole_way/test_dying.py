"""Whatever dies, a message that was accepted is sent once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from messenger_hub_agent.whatsapp.pyppeteer_page import CALL_SECONDS, STATE_SECONDS

from tests.e2e.whole_way.world import World, http
from tests.eventually import all_end, eventually

pytestmark = pytest.mark.e2e

DONE = ("sent", "delivered", "read")


def burst(world: World, name: str, count: int = 12) -> tuple[list[str], list[int]]:
    texts = [f"{name} {i}" for i in range(count)]
    return texts, [world.send(text) for text in texts]


def all_arrive_once(world: World, texts: list[str], numbers: list[int]) -> None:
    for number in numbers:
        world.reaches(number, *DONE, seconds=60)
    assert world.received(*texts) == texts


def all_arrive_once_or_one_is_doubted(world: World, texts: list[str], numbers: list[int]) -> None:
    """The one that a killed browser held, and had told to nobody, may be for a person to decide; it is never sent again."""
    ends = [world.reaches(number, *DONE, "uncertain", seconds=60) for number in numbers]
    doubted = [text for text, end in zip(texts, ends, strict=True) if end["status"] == "uncertain"]
    assert len(doubted) <= 1
    assert all(end["error"]["code"] == "not_found_afterwards" for end in ends if end["status"] == "uncertain")
    arrived = world.received(*texts)
    assert [text for text in arrived if text not in doubted] == [text for text in texts if text not in doubted]
    assert len(arrived) == len(set(arrived))


def test_what_was_queued_while_the_desktop_was_off_is_sent_when_it_is_back(world: World) -> None:
    world.end("agent")
    texts, numbers = burst(world, "while you were away", 3)
    assert "desktop" in world.operation(numbers[0])["reason"]
    world.start("agent")
    all_arrive_once(world, texts, numbers)


def test_a_message_whose_time_is_over_is_not_sent_when_the_desktop_comes_back(world: World) -> None:
    world.end("agent")
    soon = (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    late = world.send("too late", expires_at=soon)
    world.reaches(late, "expired")
    world.start("agent")
    world.reaches(world.send("in time"), *DONE)
    assert world.arrivals("too late") == []


def test_a_held_message_outlives_the_server(world: World) -> None:
    at = (datetime.now(UTC) + timedelta(seconds=4)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    number = world.send("held over a restart", send_at=at)
    world.kill("server")
    world.start("server")
    world.reaches(number, *DONE)
    assert len(world.arrivals("held over a restart")) == 1


def test_a_server_that_is_killed_loses_nothing_and_sends_nothing_twice(world: World) -> None:
    texts, numbers = burst(world, "server killed")
    eventually(lambda: world.arrivals(texts[2]))
    world.kill("server")
    world.start("server")
    all_arrive_once(world, texts, numbers)


def test_an_agent_that_is_killed_leaves_no_browser_and_nothing_is_sent_twice(world: World) -> None:
    texts, numbers = burst(world, "agent killed")
    eventually(lambda: world.arrivals(texts[2]))
    browser = world.browser()
    assert browser is not None
    world.kill("agent")
    all_end([browser], 5)
    world.start("agent")
    all_arrive_once_or_one_is_doubted(world, texts, numbers)


def test_a_browser_that_is_killed_is_started_again_and_the_link_is_kept(world: World) -> None:
    texts, numbers = burst(world, "browser killed")
    eventually(lambda: world.arrivals(texts[2]))
    browser = world.browser()
    assert browser is not None
    browser.kill()
    all_arrive_once_or_one_is_doubted(world, texts, numbers)


def test_a_page_that_crashes_in_mid_send_is_looked_up_and_not_sent_again(world: World) -> None:
    world.phones("delay", seconds=2)
    number = world.send("on its way when the page died")
    eventually(lambda: world.arrivals("on its way when the page died"))
    world.phones("crash")
    world.reaches(number, *DONE, seconds=60)
    assert len(world.received("on its way when the page died")) == 1


def test_a_page_that_hangs_is_opened_again(world: World, times_out: Callable[[float], None]) -> None:
    def is_opened_again() -> bool:
        times_out(STATE_SECONDS)  # of one look, or between two of them
        with contextlib.suppress(AssertionError):
            return eventually(lambda: not world.status()["can_send"], seconds=0.5)
        return False

    world.phones("hang")
    number = world.send("after the page hung")
    eventually(is_opened_again)
    times_out(STATE_SECONDS)  # of the look that opening begins with
    world.reaches(number, *DONE, seconds=90)
    assert len(world.received("after the page hung")) == 1


def test_a_connection_that_drops_after_the_message_left_makes_no_second_one(world: World) -> None:
    world.phones("swallow", count=1)
    number = world.send("swallowed")
    eventually(lambda: world.arrivals("swallowed"))
    world.phones("drop")
    world.reaches(number, *DONE, seconds=60)
    assert len(world.received("swallowed")) == 1


def looked_up(world: World, message: str, mobile: str) -> int:
    """A message whose number was just looked up, without an answer; the operation's id."""
    world.phones("lookup-swallow", count=1)
    number = world.send(message, mobile=mobile)
    eventually(lambda: http("GET", f"{world.twin}/_twin/state")[1]["faults"]["lookup_swallow"] == 0)
    return number


def test_whatsapp_that_goes_away_while_a_number_is_looked_up_costs_that_number_nothing(world: World) -> None:
    number = looked_up(world, "looked up again", "12025550161")
    world.kill("twin")
    world.start("twin")
    world.reaches(number, *DONE, seconds=60)
    assert len(world.arrivals("looked up again")) == 1


def is_given_up(world: World, number: int, times_out: Callable[[float], None]) -> None:
    """Its number is looked up without an answer, until that takes too long."""
    world.reaches(number, "processing")

    def given_up() -> bool:
        times_out(CALL_SECONDS)  # once more, if the look-up had not begun
        with contextlib.suppress(AssertionError):
            return bool(world.reaches(number, "pending", seconds=2))
        return False

    eventually(given_up)


def test_a_page_that_leaves_one_number_without_an_answer_is_loaded_anew_and_the_rest_is_sent_meanwhile(
    world: World, times_out: Callable[[float], None]
) -> None:
    number = looked_up(world, "left without an answer", "12025550162")
    is_given_up(world, number, times_out)
    world.reaches(world.send("not held up for ever"), *DONE, seconds=60)
    assert world.arrivals("left without an answer") == []
    is_given_up(world, number, times_out)
    world.reaches(number, *DONE, seconds=60)
    assert len(world.arrivals("left without an answer")) == 1


def test_receipts_that_came_while_the_desktop_was_off_arrive(world: World) -> None:
    world.phones("receipts", automatic=False)
    number = world.send("read much later")
    sent = world.reaches(number, "sent")
    world.end("agent")
    world.phones("receipt", id=sent["whatsapp_message_id"], kind="delivered")
    world.phones("receipt", id=sent["whatsapp_message_id"], kind="read")
    world.start("agent")
    world.reaches(number, "read")


def test_a_phone_that_removes_the_device_stops_the_queue_until_it_is_linked_again(world: World) -> None:
    account = world.status()["number"]
    world.phones("logout", cause="unknown_companion", account=account)
    eventually(lambda: world.status()["channel"] == "unlinked")
    assert "the phone has removed this device" in world.status()["reason"]
    number = world.send("after linking again")
    assert "link" in world.operation(number)["reason"]
    world.scan(account=account)
    world.reaches(number, *DONE, seconds=60)
    assert len(world.arrivals("after linking again")) == 1


def test_another_account_stops_the_queue_until_a_person_confirms_it(world: World) -> None:
    account = world.status()["number"]
    world.phones("logout", account=account)
    eventually(lambda: world.status()["channel"] == "unlinked")
    other = "12015550102" if account != "12015550102" else "12015550101"
    world.scan(account=other)
    eventually(lambda: world.status()["channel"] == "changed_account")
    number = world.send("from the new account")
    world.ask("channel", "resume", "shop")
    world.reaches(number, *DONE, seconds=60)
    assert [line["from"] for line in world.arrivals("from the new account")] == [f"{other}@c.us"]


def test_a_browser_that_dies_the_moment_the_channel_is_called_linked_keeps_the_link(world: World) -> None:
    account = world.status()["number"]
    world.phones("logout", account=account)
    eventually(lambda: world.status()["channel"] == "unlinked")
    world.scan(account=account)
    world.is_linked()
    browser = world.browser()
    assert browser is not None
    browser.kill()
    world.reaches(world.send("without linking again"), *DONE, seconds=60)


def test_a_page_that_is_too_old_is_loaded_anew(world: World) -> None:
    world.phones("needs-update")
    world.reaches(world.send("with the new page"), *DONE, seconds=60)


def test_a_second_desktop_of_the_channel_sends_nothing(world: World) -> None:
    second = world.start_second_agent()
    texts, numbers = burst(world, "two desktops", 5)
    all_arrive_once(world, texts, numbers)
    agents = world.ask("agent", "list")["agents"]
    assert sorted(one["name"] for one in agents if one["connected"]) == ["desktop", second]


def test_an_agent_that_stops_leaves_no_browser(world: World) -> None:
    browser = world.browser()
    assert browser is not None
    group = [browser, *browser.children(recursive=True)]
    assert world.end("agent") == 0
    all_end(group, 1)
