"""What is said of desktops and of their pages: a person reads what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_server.checks import Bindings, Verdict
from messenger_hub_server.desktop_checks import (
    MOST_NAMES,
    UNSEEN,
    Desktop,
    Examined,
    Unexamined,
    connection,
    desktop,
    fit,
    no_desktop,
    page,
)

TILL = Desktop(connected=True, version="1.0", away_seconds=None, wa_js_version="4.6.0", platform="Linux 6")
GIB = 1 << 30


def told(ahead: float | None = 0.0, **fields: object) -> Mapping[str, tuple[Verdict, str]]:
    """Of a desktop that tells this of itself, by name."""
    found = desktop(TILL, Examined(told=pb.Examination(**fields), ahead_seconds=ahead))  # type: ignore[arg-type]
    return {one.name: (one.verdict, one.said) for one in found}


def test_a_desktop_is_told_with_the_node_to_which_it_is_connected_where_there_are_several() -> None:
    assert connection(replace(TILL, node="north"), "1.0").said == "connected to north, Messenger Hub 1.0"


@pytest.mark.parametrize(
    ("connected", "version", "away", "verdict", "said"),
    [
        (True, "1.0", None, Verdict.GOOD, "connected"),
        (True, "0.9", None, Verdict.LOOK, "update the older one"),
        (False, "", None, Verdict.LOOK, "never connected"),
        (False, "1.0", 20.0, Verdict.LOOK, "been away for less than a minute"),
        (False, "1.0", 7_300.0, Verdict.BAD, "been away for 2 hours"),
    ],
)
def test_a_desktop_is_told_with_what_to_do(
    connected: bool, version: str, away: float | None, verdict: Verdict, said: str
) -> None:
    found = connection(Desktop(connected=connected, version=version, away_seconds=away), "1.0")
    assert found.verdict is verdict
    assert said in found.said


def test_without_a_desktop_it_says_how_to_get_one() -> None:
    assert "messenger-hub up" in no_desktop().said


def test_a_sound_desktop_is_told_thing_by_thing() -> None:
    found = told(browser="Chrome/156.0.1", free_bytes=50 * GIB, python_version="3.11.2")
    assert found == {
        "Browser": (Verdict.GOOD, "Chrome/156.0.1 works"),
        "Disk": (Verdict.GOOD, "50.0 GiB free"),
        "Data folder": (Verdict.GOOD, "for its owner only"),
        "Clock": (Verdict.GOOD, "agrees with the hub's"),
        "Versions": (Verdict.GOOD, "Messenger Hub 1.0, wa-js 4.6.0, Python 3.11.2, Linux 6"),
    }


def test_what_a_desktop_does_not_tell_is_not_judged() -> None:
    found = told(ahead=None)
    assert found.keys() == {"Browser", "Data folder", "Versions"}
    assert found["Browser"] == (Verdict.GOOD, "found, and not started yet")


def test_what_is_wrong_on_a_desktop_says_what_to_do_there() -> None:
    found = told(ahead=-90.4, browser_problem="No browser was found: install one.", free_bytes=0, folder_open=True)
    assert found["Browser"] == (Verdict.BAD, "No browser was found: install one")
    assert found["Disk"] == (Verdict.BAD, "0.0 GiB free: make room, or nothing can be sent soon")
    assert found["Data folder"][0] is Verdict.BAD and "messenger-hub check" in found["Data folder"][1]
    assert found["Clock"] == (
        Verdict.BAD,
        "90 s behind the hub's: let both systems set theirs by the network",
    )


@pytest.mark.parametrize(("ahead", "verdict"), [(60.0, Verdict.GOOD), (61.0, Verdict.BAD), (-61.0, Verdict.BAD)])
def test_a_clock_is_wrong_when_whatsapp_would_refuse_it(ahead: float, verdict: Verdict) -> None:
    assert told(ahead)["Clock"][0] is verdict
    assert ("ahead of" in told(ahead)["Clock"][1]) == (ahead > 60)


@pytest.mark.parametrize(
    ("why", "advice"),
    [(Unexamined.TOO_OLD, "update it"), (Unexamined.SILENT, "start the desktop app"), (Unexamined.WENT, "look again")],
)
def test_a_desktop_that_tells_nothing_is_told_in_one_sentence_with_what_to_do(why: Unexamined, advice: str) -> None:
    (found,) = desktop(TILL, why)
    assert (found.name, found.verdict) == ("Desktop app", Verdict.LOOK)
    assert advice in found.said


def test_a_page_that_fits_is_good_and_its_names_are_kept() -> None:
    seen = pb.Examination.Page(
        channel_id=2, look=pb.PAGE_LOOK_DONE, whatsapp_web="2.3000", resolved=["Cmd"], missing=["Gone"]
    )
    found = page(pb.Examination(pages=[pb.Examination.Page(channel_id=1), seen]), 2)
    assert (found.verdict, found.said) == (Verdict.GOOD, "WhatsApp Web 2.3000 has everything that sending needs")
    assert found.bindings == Bindings(resolved=["Cmd"], missing=["Gone"], lacking=[])


def test_a_page_that_lacks_something_names_it_and_what_to_do() -> None:
    found = fit("", Bindings(resolved=[], missing=["Cmd"], lacking=["Cmd", "Conn"]))
    assert found.verdict is Verdict.BAD
    assert found.said.startswith(
        "needed and missing: Cmd, Conn, so messages may not go out: messenger-hub update wa-js"
    )


def test_a_sentence_does_not_grow_with_what_is_missing() -> None:
    found = fit("", Bindings(resolved=[], missing=[], lacking=[f"Name{i}" for i in range(1_000)]))
    assert f"Name{MOST_NAMES - 1}, …, so" in found.said


@pytest.mark.parametrize("look", [look for look in pb.PageLook.values() if look != pb.PAGE_LOOK_DONE])
def test_a_page_that_could_not_be_looked_at_says_why_and_what_to_do(look: pb.PageLook.ValueType) -> None:
    found = page(pb.Examination(pages=[pb.Examination.Page(channel_id=1, look=look)]), 1)
    assert found.verdict is (Verdict.BAD if look == pb.PAGE_LOOK_FAILED else Verdict.LOOK)
    assert found.bindings is None
    assert found.said == UNSEEN.get(look, UNSEEN[pb.PAGE_LOOK_NO_ANSWER])
    assert ": " in found.said


def test_a_channel_whose_page_the_desktop_does_not_tell_of_is_not_open_there() -> None:
    found = page(pb.Examination(), 1)
    assert (found.verdict, found.said) == (Verdict.LOOK, UNSEEN[pb.PAGE_LOOK_NOT_OPEN])
