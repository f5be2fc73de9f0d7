"""A page that answers garbage: either a value within the documented shape comes of it, or a PageError, and never anything else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_agent.pagewatch import MOST_GROUPS, PageWatch, Sight, sight_of
from messenger_hub_agent.reconnecting import Backoff
from messenger_hub_agent.whatsapp import answers, wa_js
from messenger_hub_agent.whatsapp.browser import BrowserOptions
from messenger_hub_agent.whatsapp.page import (
    AckChanged,
    Bindings,
    Contact,
    Existence,
    Group,
    LoggedOut,
    PageError,
    PageState,
    QrChanged,
    SeenMessage,
    SendResult,
    StreamMode,
)
from messenger_hub_agent.whatsapp.pyppeteer_page import PyppeteerPage
from messenger_hub_server.frames import admit

from tests.fakes.clock import FakeClock
from tests.fakes.page import LINKED, FakePage, free_turn
from tests.fakes.trial import no_trial

KINDS: Sequence[Any] = (
    str | None, str, bool, type(None), SendResult, SeenMessage | None, list[SeenMessage], Existence | None, Contact | None, list[Group], Bindings,
)  # fmt: skip
STATE = {
    "ready": True, "injected": True, "mode": "MAIN", "authenticated": True, "main": True, "normal": True, "synced": True, "online": True, "needs_update": False,
    "passkey": False, "idle": False, "linked_seconds": None, "own_id": "12015550100@c.us", "own_lid": "1@lid", "restricted_until": None,
    "restriction_known": True, "version": "2.3000",
}  # fmt: skip
GOOD: Sequence[dict[str, Any]] = (
    STATE,
    {"ack": 1, "result": "OK", "error_code": None, "message_id": "true_1@c.us_3EB0"},
    {"message_id": "m", "wa_id": "3EB0", "chat": "1@c.us", "ack": 2, "error_code": 463},
    {"wid": "1@c.us", "lid": None},
    {"id": "1@c.us", "name": "Ada", "is_my_contact": True},
    {"id": "1@g.us", "name": "Team", "participants": 3},
    {"resolved": [], "missing": []},
    {"kind": "ack", "chat": "1@c.us", "ack": 3, "wa_ids": ["3EB0"]},
    {"kind": "qr", "text": "code"},
    {"kind": "logout", "cause": "user_initiated"},
)

anything_flat = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([-1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400]),
    st.floats(),
    st.text(alphabet=st.characters(), max_size=20),
    st.sampled_from(["\ud800", "\0", "x" * 5_000, "12015550100@c.us", "1" * 30 + "@c.us", "MAIN", "null"]),
)
anything = st.recursive(
    anything_flat,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def spoilt(draw: st.DrawFn, good: Sequence[dict[str, Any]] = GOOD) -> Any:
    """A right answer with some members that are none, missing, or more."""
    found = dict(draw(st.sampled_from(good)))
    for name in draw(st.lists(st.sampled_from([*found, "further"]), max_size=3)):
        if draw(st.booleans()):
            found[name] = draw(anything)
        else:
            found.pop(name, None)
    return found if len(good) == 1 else draw(st.sampled_from([found, [found], [found] * 3]))


def is_sound(value: Any) -> bool:
    """Every text can be written, every number has its place, all the way down."""
    match value:
        case str():
            return len(value.encode()) <= 4 * answers.MOST_TEXT
        case bool() | None | StreamMode():
            return True
        case int() | float():
            return abs(value) <= answers.MOST_NUMBER
        case list() | tuple():
            return all(map(is_sound, value))
        case dict():
            return all(is_sound(name) and is_sound(one) for name, one in value.items())
        case _:
            return is_dataclass(value) and all(is_sound(getattr(value, field.name)) for field in fields(value))


@given(answer=spoilt() | spoilt([GOOD[5]]).map(lambda one: [one]) | anything, kind=st.sampled_from(KINDS))
def test_an_answer_is_a_sound_value_of_its_type_or_a_page_error(answer: Any, kind: Any) -> None:
    try:
        value = answers.value(answer, kind)
    except PageError as error:
        assert error.code == answers.UNKNOWN
        assert len(error.message) < 100
    else:
        assert is_sound(value)


strange_states = st.builds(
    lambda name, value: STATE | {name: value},
    st.sampled_from(["own_id", "own_lid", "restricted_until", "linked_seconds", "mode", "version"]),
    anything_flat,
)


@example(answer=STATE | {"restricted_until": 2**63})
@example(answer=STATE | {"own_id": "\ud800"})
@example(answer=STATE | {"own_id": "<script>"})
@given(answer=strange_states | spoilt([STATE]) | anything)
def test_whatever_the_page_says_of_its_state_the_report_is_one_that_the_server_takes(answer: Any) -> None:
    try:
        state = answers.page_state(answer)
    except PageError:
        return
    assert isinstance(state, PageState)
    sight = sight_of(state, now=1_000_000.0, cause="")
    report = pb.ConnectRequest(channel_id=1, channel_report=sight.report())
    admit(pb.ConnectRequest.FromString(report.SerializeToString()))
    assert sight.account.isdigit() or not sight.account


@given(told=st.lists(spoilt() | anything, max_size=3) | spoilt() | anything)
def test_what_the_page_tells_is_a_list_of_sound_events_or_a_page_error(told: Any) -> None:
    try:
        payload = json.dumps(told)
    except ValueError:
        payload = "NaN"
    try:
        events = answers.events(payload)
    except PageError:
        return
    assert all(map(is_sound, events))
    for event in events:
        match event:
            case AckChanged(chat=chat, ack=ack, wa_ids=wa_ids):
                assert (type(chat), type(ack), type(wa_ids)) == (str, int, list)
            case QrChanged(text=text) | LoggedOut(cause=text):
                assert isinstance(text, str)
            case _:
                pass


@pytest.mark.parametrize(
    "payload",
    [None, 7, b"[]", {}, "", "{", "[[[", "\ud800", '["\\ud800"]', "[" * 100_000, '[{"kind": 7}]', "x" * 10**6],
)
def test_a_payload_that_is_none_is_a_page_error(payload: object) -> None:
    with pytest.raises(PageError):
        answers.events(payload)


@pytest.mark.parametrize(
    "code", [None, 7, "", "a b", "x" * 65, "+12015550100 is not there", "\ud800", ["chat_not_found"]]
)
def test_a_code_that_is_none_is_not_passed_on(code: object) -> None:
    told = answers.problem({"code": code, "message": "m" * 100_000})
    assert (told.code, len(told.message)) == ("unknown_error", answers.MOST_TEXT)
    assert answers.problem({"code": "chat_not_found"}).code == "chat_not_found"


# ---- the page and its watch -------------------------------------------------------------------------------------------------------


def page_that_answers(answer: Any, tmp_path: Any) -> PyppeteerPage:
    """The real driver on a session that gives this answer to everything."""

    async def command(*_: object, **__: object) -> dict[str, Any]:
        return {"result": {"value": answer}}

    page = PyppeteerPage(
        tmp_path, BrowserOptions(program=None, visible=False, log=tmp_path / "log"), "https://web.whatsapp.com/"
    )
    page._running = SimpleNamespace(session=SimpleNamespace(command=command))  # type: ignore[assignment]
    return page


@pytest.mark.parametrize(
    "answer",
    [
        None, 7, "text", [], {}, {"ok": True}, {"ok": False}, {"ok": True, "value": 7}, {"ok": True, "value": {"ready": "yes"}},
        {"ok": True, "value": STATE | {"own_id": "<script>"}}, {"ok": True, "value": STATE | {"restricted_until": 1e300}},
        {"ok": True, "value": STATE | {"version": "v" * 10**6}}, {"ok": False, "code": "+12015550100", "message": None},
    ],
    ids=lambda answer: str(answer)[:40],
)  # fmt: skip
async def test_every_call_of_the_driver_survives_garbage(answer: Any, tmp_path: Any) -> None:
    page = page_that_answers(answer, tmp_path)
    calls = (
        page.state, page.qr, page.refresh_qr, lambda: page.pairing_code("1"), page.logout, lambda: page.serialized_id("1@c.us", "3EB0"),
        lambda: page.find_message("1@c.us", "3EB0"), lambda: page.find_messages(1.0), lambda: page.exists("1@c.us"), lambda: page.chat_exists("1@c.us"),
        lambda: page.send_text("1@c.us", "hi", "m", timeout_seconds=1.0), lambda: page.save_contact("1@c.us", "Ada"), lambda: page.remove_contact("1@c.us"),
        lambda: page.contact("1@c.us"), page.groups, page.bindings,
    )  # fmt: skip
    for call in calls:
        try:
            value = await call()
        except PageError as error:
            assert len(error.code) <= 64
            assert "12015550100" not in error.code
        else:
            assert is_sound(value)


async def test_a_batch_of_garbage_costs_only_itself(tmp_path: Any) -> None:
    page = page_that_answers(None, tmp_path)
    for payload in (None, "[", '[{"kind": "ack", "ack": 1e300}]', '[{"kind": "qr", "text": "good"}]'):
        page._told({"name": wa_js.BINDING, "payload": payload})
    page._told({"name": wa_js.BINDING})
    page._told({})
    assert await page.next_event() == QrChanged(text="good")
    assert page._events.empty()


class GarbageGroups(FakePage):
    """A page that is linked, and in groups such as there are none."""

    async def groups(self) -> Sequence[Group]:
        """Too many, too long, and with more members than there are people."""
        return [Group(id=f"{n}@g.us", name="n" * 4_000, participants=2**52) for n in range(5_000)] + [
            Group(id="9" * 4_000, name="", participants=-1)
        ]


async def test_groups_beyond_all_measure_fit_into_one_frame() -> None:
    page = GarbageGroups()
    watch = PageWatch(
        page,
        FakeClock(),
        Backoff(lambda: 0.0),
        lambda: None,
        lambda _: None,
        lambda: None,
        no_trial(),
        lambda: False,
        free_turn,
    )
    await watch._look()
    groups = watch.take_groups()
    assert groups is not None
    assert len(groups) == MOST_GROUPS
    frame = pb.ConnectRequest(channel_id=1, group_report=pb.GroupReport(groups=groups))
    assert len(frame.SerializeToString()) < 1024 * 1024
    admit(frame)


async def test_while_the_page_answers_garbage_a_sentence_says_that_it_starts_and_afterwards_it_is_linked() -> None:
    page = FakePage(now=PageError(answers.UNKNOWN, "the page answered in another form"))
    sights: list[Sight] = []
    watch = PageWatch(
        page,
        FakeClock(),
        Backoff(lambda: 0.0),
        lambda: sights.append(watch.sight),
        lambda _: None,
        lambda: None,
        no_trial(),
        lambda: False,
        free_turn,
    )
    for _ in range(5):
        await watch._look()
        assert watch.sight.reason
        assert not watch.sight.can_work
    page.now = LINKED
    await watch._look()
    assert watch.sight.can_work
