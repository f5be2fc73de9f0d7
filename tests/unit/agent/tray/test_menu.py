"""What the tray shows, as tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messenger_hub.v1 import channel_service_pb2
from messenger_hub_agent.tray.menu import (
    ABOUT,
    MAX_LABEL_CHARACTERS,
    MAX_TITLE_CHARACTERS,
    Action,
    ChannelState,
    ChannelView,
    CopyAddress,
    Entry,
    IconName,
    Line,
    Link,
    OpenConsole,
    Pause,
    Quit,
    Resume,
    SendBacklog,
    Separator,
    StartAtLogin,
    Submenu,
    TrayView,
    face,
)

ADDRESS = "http://127.0.0.1:8080"
NOON = datetime(2026, 11, 24, 12, 5, tzinfo=UTC)
SALES = ChannelView(id="c1", name="Sales", state=ChannelState.LINKED, queue_depth=3)
SUPPORT = ChannelView(id="c2", name="Support", state=ChannelState.PAUSED, queue_depth=0)


def view(*channels: ChannelView, connected: bool = True, address: str = ADDRESS) -> TrayView:
    return TrayView(channels=channels, api_address=address, connected=connected)


def drawn(entries: tuple[Entry, ...], indent: str = "") -> list[str]:
    """The menu as text: `[x]` and `[ ]` are check marks, `(…)` cannot be clicked, `>` opens a submenu."""
    lines: list[str] = []
    for entry in entries:
        match entry:
            case Line(text=text):
                lines.append(f"{indent}({text})")
            case Separator():
                lines.append(f"{indent}---")
            case Submenu(text=text, entries=inner):
                lines += [f"{indent}{text} >", *drawn(inner, indent + "  ")]
            case Action(text=text, enabled=enabled, checked=checked):
                mark = {None: "", True: "[x] ", False: "[ ] "}[checked]
                lines.append(f"{indent}{mark}{text}" if enabled else f"{indent}({mark}{text})")
    return lines


def actions(entries: tuple[Entry, ...]) -> dict[str, Action]:
    return {entry.text: entry for entry in entries if isinstance(entry, Action)}


def test_a_single_channel_lies_flat_in_the_menu() -> None:
    assert drawn(face(view(SALES)).entries) == [
        "(Sales: linked)",
        "(3 operations are waiting)",
        "---",
        "[ ] Pause sending",
        "Pause for an hour",
        "(Link WhatsApp…)",
        "---",
        "Open the console",
        "Copy API address",
        "---",
        "([ ] Start at login)",
        "About >",
        *(f"  ({line})" for line in ABOUT),
        "Quit",
    ]


def test_several_channels_have_a_submenu_each() -> None:
    assert drawn(face(view(SALES, SUPPORT)).entries) == [
        "Sales: linked, 3 waiting >",
        "  (3 operations are waiting)",
        "  ---",
        "  [ ] Pause sending",
        "  Pause for an hour",
        "  (Link WhatsApp…)",
        "Support: paused >",
        "  (Nothing is waiting)",
        "  ---",
        "  [x] Pause sending",
        "  (Pause for an hour)",
        "  Link WhatsApp…",
        "---",
        "Open the console",
        "Copy API address",
        "---",
        "([ ] Start at login)",
        "About >",
        *(f"  ({line})" for line in ABOUT),
        "Quit",
    ]


def test_without_a_connection_the_menu_says_so_first_and_offers_no_pause() -> None:
    offline = replace(SALES, state=ChannelState.STARTING, queue_depth=None)
    assert drawn(face(view(offline, connected=False)).entries)[:7] == [
        "(No connection to the hub; trying again)",
        "---",
        "(Sales: starting…)",
        "---",
        "([ ] Pause sending)",
        "(Pause for an hour)",
        "Link WhatsApp…",
    ]


def test_without_a_channel_the_menu_says_how_to_make_one() -> None:
    assert drawn(face(view()).entries)[0] == "(No channel yet: messenger-hub channel create NAME)"


def test_an_address_that_is_not_known_cannot_be_copied() -> None:
    assert {"(Copy API address)", "(Open the console)"} <= {*drawn(face(view(SALES, address="")).entries)}


@pytest.mark.parametrize(
    ("state", "words", "icon"),
    [
        (ChannelState.OFFLINE, "offline", IconName.OFFLINE),
        (ChannelState.STARTING, "starting…", IconName.STARTING),
        (ChannelState.UNLINKED, "not linked", IconName.UNLINKED),
        (ChannelState.PASSKEY_NEEDED, "passkey needed", IconName.ATTENTION),
        (ChannelState.LINKED, "linked", IconName.LINKED),
        (ChannelState.RESTRICTED, "restricted until 24 Nov 12:05", IconName.ATTENTION),
        (ChannelState.CHANGED_ACCOUNT, "another account was linked", IconName.ATTENTION),
        (ChannelState.PAUSED, "paused", IconName.PAUSED),
        (ChannelState.NEEDS_UPDATE, "needs an update", IconName.UPDATE),
    ],
)
def test_each_state_has_its_words_and_its_icon(state: ChannelState, words: str, icon: IconName) -> None:
    shown = face(view(replace(SALES, state=state, queue_depth=0, restricted_until=NOON)))
    assert shown.icon is icon
    assert shown.title == f"Messenger Hub: Sales {words}"
    assert shown.entries[0] == Line(text=f"Sales: {words}")


def test_a_pause_that_ends_by_itself_says_when() -> None:
    shown = face(view(replace(SALES, state=ChannelState.PAUSED, queue_depth=0, paused_until=NOON)))
    assert shown.title == "Messenger Hub: Sales paused until 24 Nov 12:05"


def test_a_backlog_asks_a_person_first_and_has_the_icon_that_does() -> None:
    held = replace(SALES, state=ChannelState.PAUSED, has_backlog=True)
    shown = face(view(held))
    assert shown.icon is IconName.ATTENTION
    assert drawn(shown.entries)[3:8] == [
        "Send all that waits",
        "Send the last day's, cancel what is older",
        "Look through it in the console",
        "---",
        "([x] Pause sending)",
    ]
    assert actions(shown.entries)["Send all that waits"].command == SendBacklog(channel_id="c1")
    older = actions(shown.entries)["Send the last day's, cancel what is older"]
    assert older.command == SendBacklog(channel_id="c1", hours=24)


def test_every_state_is_in_the_table_above_and_can_be_shown() -> None:
    assert all(face(view(replace(SALES, state=state))).entries for state in ChannelState)


def test_the_states_are_those_of_the_contract() -> None:
    names = {
        value.name.removeprefix("CHANNEL_STATE_").lower()
        for value in channel_service_pb2.ChannelState.DESCRIPTOR.values
    }
    assert {state.value for state in ChannelState} == names - {"unspecified"}


def test_the_reason_has_a_line_of_its_own() -> None:
    reason = replace(SALES, state=ChannelState.NEEDS_UPDATE, reason="WhatsApp Web\nrefuses this version.")
    assert face(view(reason)).entries[1] == Line(text="WhatsApp Web refuses this version.")


@pytest.mark.parametrize(
    ("states", "icon"),
    [
        ([ChannelState.LINKED, ChannelState.LINKED], IconName.LINKED),
        ([ChannelState.LINKED, ChannelState.PAUSED], IconName.PAUSED),
        ([ChannelState.PAUSED, ChannelState.UNLINKED], IconName.UNLINKED),
        ([ChannelState.UNLINKED, ChannelState.RESTRICTED], IconName.ATTENTION),
        ([ChannelState.NEEDS_UPDATE, ChannelState.RESTRICTED], IconName.UPDATE),
    ],
)
def test_of_several_channels_the_icon_shows_the_one_that_needs_a_person_most(
    states: list[ChannelState], icon: IconName
) -> None:
    channels = [replace(SALES, id=str(number), state=state) for number, state in enumerate(states)]
    assert face(view(*channels)).icon is icon


def test_without_a_connection_the_icon_is_offline_whatever_the_channels_are() -> None:
    assert face(view(SALES, connected=False)).icon is IconName.OFFLINE
    assert face(view(SALES, connected=False)).title == "Messenger Hub: no connection to the hub"


def test_clicks_name_the_channel_that_they_are_meant_for() -> None:
    first, second, _ = (entry for entry in face(view(SALES, SUPPORT)).entries if isinstance(entry, Submenu))
    assert actions(first.entries)["Pause sending"].command == Pause(channel_id="c1")
    assert actions(first.entries)["Pause for an hour"].command == Pause(channel_id="c1", seconds=3600)
    assert actions(second.entries)["Pause sending"].command == Resume(channel_id="c2")
    assert actions(second.entries)["Link WhatsApp…"].command == Link(channel_id="c2")
    bottom = actions(face(view(SALES, SUPPORT)).entries)
    assert bottom["Copy API address"].command == CopyAddress(address=ADDRESS)
    assert bottom["Open the console"].command == OpenConsole(address=ADDRESS)
    assert bottom["Quit"].command == Quit()


@pytest.mark.parametrize(
    ("at_login", "line"), [(None, "([ ] Start at login)"), (False, "[ ] Start at login"), (True, "[x] Start at login")]
)
def test_starting_at_login_is_offered_once_it_is_known_and_turned_round_by_a_click(
    at_login: bool | None, line: str
) -> None:
    entries = face(replace(view(SALES), at_login=at_login)).entries
    assert line in drawn(entries)
    assert actions(entries)["Start at login"].command == StartAtLogin(wanted=not at_login)


@pytest.mark.parametrize(("depth", "line"), [(0, "Nothing is waiting"), (1, "1 operation is waiting")])
def test_the_queue_is_told_in_proper_english(depth: int, line: str) -> None:
    assert face(view(replace(SALES, queue_depth=depth))).entries[1] == Line(text=line)


def test_what_waits_for_a_decision_is_told_in_title_and_menu() -> None:
    shown = face(view(replace(SALES, uncertain=2)))
    assert shown.icon is IconName.ATTENTION
    assert shown.title == "Messenger Hub: Sales linked, 3 waiting, 2 uncertain"
    assert Line(text="2 operations are uncertain: look into the chat, then decide") in shown.entries
    one = face(view(replace(SALES, uncertain=1)))
    assert Line(text="1 operation is uncertain: look into the chat, then decide") in one.entries


def test_equal_views_have_equal_faces() -> None:
    assert face(view(SALES, SUPPORT)) == face(view(replace(SALES), replace(SUPPORT)))


@given(name=st.text(max_size=300), reason=st.text(max_size=300), count=st.integers(min_value=1, max_value=9))
def test_nothing_is_longer_than_a_desktop_can_show(name: str, reason: str, count: int) -> None:
    channels = [replace(SALES, id=str(n), name=name, reason=reason) for n in range(count)]
    shown = face(view(*channels))
    lines = [entry.text for entry in shown.entries if not isinstance(entry, Separator)]
    lines += [
        e.text for s in shown.entries if isinstance(s, Submenu) for e in s.entries if not isinstance(e, Separator)
    ]
    assert len(shown.title) <= MAX_TITLE_CHARACTERS
    assert all(len(line) <= MAX_LABEL_CHARACTERS and "\n" not in line for line in lines)
