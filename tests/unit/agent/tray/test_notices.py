"""Which notices a change of the agent's state calls for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise, product

import pytest
from messenger_hub_agent.tray.menu import ChannelState, ChannelView, TrayView
from messenger_hub_agent.tray.notices import MAX_MESSAGE_CHARACTERS, Notice, merged, notices

SALES = ChannelView(id="c1", name="Sales", state=ChannelState.LINKED)
UNTIL = datetime(2026, 11, 24, 14, 30, tzinfo=UTC)
LINKED, UNLINKED, STARTING = ChannelState.LINKED, ChannelState.UNLINKED, ChannelState.STARTING


def view(*channels: ChannelView, away: int = 0) -> TrayView:
    return TrayView(channels=channels, api_address="", connected=away == 0, disconnected_seconds=away)


def told(before: ChannelState, now: ChannelState, reason: str = "", until: datetime | None = None) -> list[str]:
    old = view(replace(SALES, state=before))
    new = view(replace(SALES, state=now, reason=reason, restricted_until=until))
    return [f"{notice.title} | {notice.message}" for notice in notices(old, new)]


@pytest.mark.parametrize(
    ("before", "now", "notice"),
    [
        (UNLINKED, LINKED, "Sales: linked | Messages go out from now on."),
        (ChannelState.PASSKEY_NEEDED, LINKED, "Sales: linked | Messages go out from now on."),
        (
            UNLINKED,
            ChannelState.PASSKEY_NEEDED,
            "Sales: passkey needed | Confirm the passkey in the linking window.",
        ),
        (
            LINKED,
            ChannelState.NEEDS_UPDATE,
            "Sales: needs an update | WhatsApp Web refuses this version: update Messenger Hub or the browser.",
        ),
        (
            UNLINKED,
            ChannelState.CHANGED_ACCOUNT,
            "Sales: another account was linked | Nothing goes out until you confirm that this is the account you want.",
        ),
    ],
)
def test_a_change_that_matters_to_a_person_is_told(before: ChannelState, now: ChannelState, notice: str) -> None:
    assert told(before, now) == [notice]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (STARTING, LINKED),
        (ChannelState.PAUSED, LINKED),
        (LINKED, ChannelState.PAUSED),
        (ChannelState.OFFLINE, STARTING),
        (ChannelState.PASSKEY_NEEDED, UNLINKED),
        (ChannelState.CHANGED_ACCOUNT, UNLINKED),
    ],
)
def test_an_ordinary_change_is_not(before: ChannelState, now: ChannelState) -> None:
    assert told(before, now) == []


@pytest.mark.parametrize("state", ChannelState)
def test_a_state_that_stays_is_not_told_again(state: ChannelState) -> None:
    assert told(state, state, reason="Another sentence.") == []


def test_a_log_out_is_told_with_its_cause() -> None:
    assert told(LINKED, UNLINKED, reason="The phone ended the link.") == [
        "Sales: logged out | The phone ended the link. Choose “Link WhatsApp…” in the icon's menu."
    ]


def test_a_channel_found_unlinked_at_its_start_is_not_called_logged_out() -> None:
    assert told(STARTING, UNLINKED) == ["Sales: not linked | Choose “Link WhatsApp…” in the icon's menu."]


def test_a_restriction_is_told_with_its_end_and_told_again_when_that_moves() -> None:
    first = told(LINKED, ChannelState.RESTRICTED, until=UNTIL)
    assert first[0].startswith("Sales: restricted until 24 Nov 14:30 | ")
    again = told(ChannelState.RESTRICTED, ChannelState.RESTRICTED, until=UNTIL)
    assert again == first


def test_a_server_out_of_reach_is_told_after_a_minute_and_once() -> None:
    gap = [0, 5, 59, 60, 61, 300, 0]
    titles = [[n.title for n in notices(view(away=a), view(away=b))] for a, b in pairwise(gap)]
    assert titles == [[], [], ["No connection to the hub"], [], [], ["Connected to the hub again"]]


def test_a_short_gap_is_never_told() -> None:
    assert notices(view(away=40), view()) == ()


def test_the_first_view_of_a_run_calls_for_no_notice() -> None:
    assert notices(None, view(replace(SALES, state=ChannelState.NEEDS_UPDATE), away=90)) == ()


def test_a_channel_that_was_not_there_before_calls_for_no_notice() -> None:
    assert notices(view(), view(replace(SALES, state=UNLINKED))) == ()


def test_a_backlog_is_told_once_also_of_a_channel_that_was_not_there_before() -> None:
    held = replace(SALES, state=ChannelState.PAUSED, has_backlog=True)
    for before in (view(), view(SALES)):
        assert [notice.title for notice in notices(before, view(held))] == ["Sales: old operations wait for you"]
    assert notices(view(held), view(held)) == ()


def test_notices_of_one_moment_become_one_because_desktops_show_only_the_last() -> None:
    one, other = Notice(title="Sales: linked", message="Good."), Notice(title="Support: logged out", message="Why.")
    assert merged(()) is None
    assert merged((one,)) is one
    assert merged((one, other)) == Notice(
        title="Messenger Hub", message="Sales: linked. Good.\nSupport: logged out. Why."
    )


def test_no_notice_is_longer_than_a_desktop_can_show() -> None:
    for before, now in product(ChannelState, repeat=2):
        channel = replace(SALES, name="n" * 200, state=before)
        found = notices(view(channel), view(replace(channel, state=now, reason="r" * 400)))
        assert all(len(n.title) <= 63 and len(n.message) <= MAX_MESSAGE_CHARACTERS for n in found)


def test_an_operation_that_became_uncertain_is_told_once_and_says_what_to_do() -> None:
    calm, one = view(SALES), view(replace(SALES, uncertain=1))
    (notice,) = notices(calm, one)
    assert notice.title == "Sales: 1 operation is uncertain"
    assert notice.message.endswith("messenger-hub operation list --status uncertain")
    assert notices(one, one) == notices(one, calm) == ()
