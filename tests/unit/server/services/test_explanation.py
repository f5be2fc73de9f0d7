"""The one sentence on why something waits."""

from dataclasses import replace

import pytest
from messenger_hub_server.model import (
    Agent,
    AgentId,
    Channel,
    ChannelId,
    JournalId,
    LeaseId,
    LeaseMark,
    LinkState,
    Operation,
    OperationId,
    OperationKind,
    OperationState,
    Priority,
    SessionApiId,
    WaId,
)
from messenger_hub_server.reports import AgentPresence, ChannelPresence, LinkReport
from messenger_hub_server.services.explanation import ChannelState, Sight, ago, channel_view, operation_reason
from msgspec import structs

NOW = 1_795_514_400_000  # 2026-11-24 10:00:00 UTC
MINUTE = 60_000
AGENT = Agent(id=AgentId(1), name="desk", credential_digest=b"", last_seen_at_ms=NOW - 12 * MINUTE)
CHANNEL = Channel(id=ChannelId(1), name="main", agent_id=AgentId(1), created_at_ms=NOW - 90 * MINUTE)
CONNECTED = AgentPresence(connected=True, since_ms=NOW - 10 * MINUTE, last_seen_ms=NOW)
PENDING = Operation(
    id=OperationId(7),
    wa_id=WaId("3EB0"),
    channel_id=ChannelId(1),
    session_api_id=SessionApiId(1),
    kind=OperationKind.SEND_MESSAGE,
    recipient="4930123456",
    target="4930123456@c.us",
    body="text",
    priority=Priority.NORMAL,
    state=OperationState.PENDING,
    reason="Accepted",
    reference="",
    accepted_at_ms=NOW,
    place_ms=NOW,
    send_at_ms=None,
    expires_at_ms=None,
    not_before_ms=None,
    changed_at_ms=NOW,
    attempts=0,
    lease=None,
    problem=None,
    successor=None,
)


def sight(
    report: LinkReport | None = None, *, channel: Channel = CHANNEL, agent: AgentPresence | None = CONNECTED
) -> Sight:
    presence = ChannelPresence(report=report, since_ms=NOW - MINUTE, reported_at_ms=NOW - MINUTE) if report else None
    return Sight(
        channel=channel, agent=AGENT, agent_presence=agent, presence=presence, paused_since_ms=None, now_ms=NOW
    )


LINKED = sight(LinkReport(state=LinkState.LINKED, account="4930999"))
OFFLINE = sight(agent=None)


@pytest.mark.parametrize(
    ("operation", "seen", "queued", "sentence"),
    [
        (PENDING, OFFLINE, 1, "Waiting for the desktop app, last seen 12 minutes ago"),
        (
            PENDING,
            replace(OFFLINE, agent=replace(AGENT, last_seen_at_ms=None)),
            1,
            "Waiting for the desktop app, never seen yet",
        ),
        (
            PENDING,
            sight(agent=None, channel=replace(CHANNEL, agent_id=None)),
            1,
            "Waiting for a desktop app: none is enrolled for this channel, messenger-hub agent enrol does that",
        ),
        (PENDING, LINKED, 1, "Next in line"),
        (PENDING, LINKED, 2, "Queued with 1 other"),
        (PENDING, LINKED, 5, "Queued with 4 others"),
        (
            PENDING,
            sight(LinkReport(state=LinkState.LINKED, next_send_at_ms=NOW + 2_100)),
            5,
            "The channel's pace: next message in 3 s",
        ),
        (PENDING, sight(channel=replace(CHANNEL, paused_reason="lunch")), 1, "The channel is paused: lunch"),
        (
            PENDING,
            sight(LinkReport(state=LinkState.LINKED, paused=True, paused_until_ms=NOW + MINUTE)),
            1,
            "The channel is paused on the desktop until 2026-11-24 10:01:00 UTC: resume it in the tray's menu",
        ),
        (
            PENDING,
            sight(LinkReport(state=LinkState.RESTRICTED, restricted_until_ms=NOW + MINUTE)),
            1,
            "WhatsApp refuses messages to new chats until 2026-11-24 10:01:00 UTC; existing chats go on",
        ),
        (structs.replace(PENDING, send_at_ms=NOW + MINUTE), OFFLINE, 1, "Held until 2026-11-24 10:01:00 UTC"),
        (
            structs.replace(PENDING, not_before_ms=NOW + MINUTE, reason="The number could not be looked up."),
            LINKED,
            1,
            "The number could not be looked up; tried again at 2026-11-24 10:01:00 UTC",
        ),
        (structs.replace(PENDING, state=OperationState.LEASED), LINKED, 0, "The desktop app has taken it"),
        (
            structs.replace(PENDING, state=OperationState.SENT, reason="Accepted by WhatsApp"),
            LINKED,
            0,
            "Accepted by WhatsApp",
        ),
        (PENDING, None, 0, "Accepted"),
    ],
)
def test_an_operation_says_why_it_stands_where_it_stands(
    operation: Operation, seen: Sight | None, queued: int, sentence: str
) -> None:
    assert operation_reason(operation, seen, queued) == sentence


def test_a_started_operation_whose_agent_went_away_says_so() -> None:
    mark = LeaseMark(epoch=1, lease_id=LeaseId("1"), journal_id=JournalId("1"), started=True)
    started = structs.replace(PENDING, state=OperationState.LEASED, lease=mark)
    assert operation_reason(started, LINKED, 0) == "Being sent"
    assert operation_reason(started, OFFLINE, 0) == (
        "Started, then the desktop app went away, last seen 12 minutes ago; checked when it is back"
    )


@pytest.mark.parametrize("state", list(LinkState))
def test_every_state_that_an_agent_reports_is_told_with_a_reason(state: LinkState) -> None:
    view = channel_view(sight(LinkReport(state=state)))
    assert view.state.value == state.value
    assert view.reason
    assert view.can_send is (state is LinkState.LINKED)


@pytest.mark.parametrize(
    ("channel", "state"),
    [
        (replace(CHANNEL, paused_reason="lunch"), ChannelState.PAUSED),
        (replace(CHANNEL, account="1", changed_account="2"), ChannelState.CHANGED_ACCOUNT),
    ],
)
def test_what_a_person_must_decide_goes_before_what_the_desktop_shows(channel: Channel, state: ChannelState) -> None:
    for agent in (CONNECTED, None):
        view = channel_view(sight(LinkReport(state=LinkState.LINKED), channel=channel, agent=agent))
        assert (view.state, view.can_send) == (state, False)


def test_a_report_of_an_earlier_stream_does_not_count() -> None:
    back = replace(CONNECTED, since_ms=NOW - 1_000)
    assert channel_view(sight(LinkReport(state=LinkState.LINKED), agent=back)).state is ChannelState.STARTING


def test_a_channel_that_is_moving_cannot_send() -> None:
    moving = replace(CHANNEL, moving_to=AgentId(2))
    view = channel_view(sight(LinkReport(state=LinkState.LINKED), channel=moving))
    assert (view.state, view.can_send) == (ChannelState.LINKED, False)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "a moment ago"),
        (-5, "a moment ago"),
        (12, "12 seconds ago"),
        (60, "1 minute ago"),
        (7_199, "1 hour ago"),
        (172_800, "2 days ago"),
    ],
)
def test_ago_speaks_as_a_person_does(seconds: int, words: str) -> None:
    assert ago(NOW - seconds * 1000, NOW) == words
