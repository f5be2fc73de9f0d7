"""The control API: every call is listed, and every wrong body gets a sentence."""

from __future__ import annotations

import json
import re

import pytest

from tests.integration.twin.page import ScriptedPage, open_page
from tests.integration.twin.twin import Twin

CALLS = [
    "scan",
    "pair",
    "codes",
    "incoming",
    "receipts",
    "receipt",
    "drop",
    "logout",
    "needs-update",
    "mute",
    "swallow",
    "delay",
    "fail",
    "restrict",
    "lookup-fail",
    "lookup-swallow",
    "passkey",
    "not-on-whatsapp",
    "contacts",
    "drop-repeats",
    "history",
    "crash",
    "hang",
    "reset",
]
WRONG = [
    ("scan", {"page": 3}, '"page" must be a text.'),
    ("scan", {"account": ""}, '"account" must not be empty.'),
    ("pair", {}, '"code" must be a text.'),
    ("codes", {"count": -1}, '"count" must be a whole number, zero or more.'),
    ("codes", {"seconds": "20"}, '"seconds" must be a number, zero or more.'),
    ("incoming", {"body": "hi"}, '"from" must be a text.'),
    ("incoming", {"from": "12025550111"}, '"body" must be a text.'),
    ("incoming", {"from": "12025550111", "body": "hi", "to": "1"}, 'There is no account "1"; the accounts are: '),
    ("incoming", {"from": "12025550111", "body": "hi", "group": "1@g.us"}, '"group" must be a group that 12015550100'),
    ("incoming", {"from": "+1 202 555", "body": "hi"}, '"from" must be a phone number in digits, like 12025550111.'),
    ("receipts", {"automatic": 1}, '"automatic" must be true or false.'),
    ("receipts", {"read_seconds": -1}, '"read_seconds" must be a number, zero or more.'),
    ("receipt", {"kind": "read"}, '"id" must be a text.'),
    ("receipt", {"id": "3EB0", "kind": "seen"}, '"kind" must be delivered or read.'),
    ("receipt", {"id": "3EB0", "kind": "read", "account": "1"}, 'There is no account "1"; the accounts are: '),
    ("drop", {"page": "tab"}, 'There is no field "page" here; the fields are: none.'),
    ("logout", {"account": "1"}, 'There is no account "1"; the accounts are: '),
    ("logout", {"cause": 401}, '"cause" must be a text.'),
    ("needs-update", {"on": True}, 'There is no field "on" here; the fields are: none.'),
    ("mute", {"on": "yes"}, '"on" must be true or false.'),
    ("mute", {"off": True}, 'There is no field "off" here; the fields are: on.'),
    ("swallow", {"count": -1}, '"count" must be a whole number, zero or more.'),
    ("delay", {}, '"seconds" must be a number, zero or more.'),
    ("fail", {"code": "479"}, '"code" must be a whole number, zero or more.'),
    ("fail", {"received": 1}, '"received" must be true or false.'),
    ("restrict", {}, '"seconds" must be a number, zero or more.'),
    ("lookup-fail", {"count": 0.5}, '"count" must be a whole number, zero or more.'),
    ("lookup-fail", {"seconds": True}, '"seconds" must be a number, zero or more.'),
    ("lookup-swallow", {"count": "1"}, '"count" must be a whole number, zero or more.'),
    ("passkey", {"on": None}, '"on" must be true or false.'),
    ("not-on-whatsapp", {"numbers": "12025550199"}, '"numbers" must be a list of texts.'),
    ("not-on-whatsapp", {"numbers": [12025550199]}, '"numbers" must be a list of texts.'),
    ("not-on-whatsapp", {"numbers": ["+12025550199"]}, '"numbers" must be phone numbers in digits, like '),
    ("contacts", {"stored": False, "seconds": "soon"}, '"seconds" must be a number, zero or more.'),
    ("contacts", {"stored": "no"}, '"stored" must be true or false.'),
    ("drop-repeats", {"on": 0}, '"on" must be true or false.'),
    ("history", {"seconds": "3"}, '"seconds" must be a number, zero or more.'),
    ("crash", {"page": 1}, '"page" must be a text.'),
    ("hang", {"pages": []}, 'There is no field "pages" here; the fields are: page.'),
    ("reset", {"all": True}, 'There is no field "all" here; the fields are: none.'),
    ("mute", "[]", "The body must be a JSON object, like "),
    ("mute", '{"on": ', "The body is not JSON: "),
]


async def test_the_front_page_of_the_api_lists_every_call_with_an_example_that_is_json(twin: Twin) -> None:
    async with twin.http.get("/_twin/") as response:
        listed = re.findall(r"^POST /_twin/(\S+)  (\{.*\})\n    (\S.*)$", await response.text(), re.MULTILINE)
    assert [name for name, _, _ in listed] == CALLS
    for _, example, sentence in listed:
        assert isinstance(json.loads(example), dict)
        assert sentence.endswith(".")


async def test_every_example_names_fields_that_its_call_knows(twin: Twin) -> None:
    async with twin.http.get("/_twin/") as response:
        listed = re.findall(r"^POST /_twin/(\S+)  (\{.*\})$", await response.text(), re.MULTILINE)
    for name, example in listed:
        _, answer = await twin.answer(name, example)
        assert "There is no field" not in answer.get("error", ""), name


@pytest.mark.parametrize(("name", "body", "sentence"), WRONG)
async def test_a_wrong_body_is_a_400_with_a_sentence_and_an_example(
    twin: Twin, page: ScriptedPage, name: str, body: object, sentence: str
) -> None:
    before = await twin.state()
    status, answer = await twin.answer(name, body)
    assert status == 400
    assert answer["error"].startswith(sentence)
    assert answer["error"].endswith(".")
    assert isinstance(json.loads(answer["example"]), dict)
    assert await twin.state() == before


def test_every_call_with_fields_is_among_the_wrong_ones() -> None:
    assert {name for name, _, _ in WRONG} == set(CALLS)


async def test_an_unknown_call_is_a_404_that_lists_the_calls(twin: Twin) -> None:
    status, answer = await twin.answer("explode", {})
    assert status == 404
    assert answer["error"] == f"There is no such call; the calls are: {', '.join(CALLS)}."


async def test_an_empty_body_is_enough_where_every_field_has_a_default(twin: Twin) -> None:
    every = "codes receipts drop mute swallow fail lookup-fail lookup-swallow passkey contacts drop-repeats"
    for name in every.split():
        status, answer = await twin.answer(name, "")
        assert status == 200, answer


@pytest.mark.parametrize("name", ["crash", "hang"])
async def test_harm_needs_a_page_that_is_open(twin: Twin, name: str) -> None:
    assert await twin.answer(name, {}) == (409, {"error": "No page is open."})
    async with open_page(twin) as page:
        await page.event("qr")
        assert await twin.answer(name, {"page": "another"}) == (409, {"error": "There is no such page."})
        assert await twin.call(name, page="tab") == {"pages": ["tab"]}
        await page.event(name)


async def test_the_state_shows_pages_accounts_switches_and_how_much_was_received(
    twin: Twin, page: ScriptedPage
) -> None:
    await twin.call("not-on-whatsapp", numbers=["12025550199"])
    await twin.call("swallow", count=2)
    await page.say("send", id="3EB0FF", chat="12025550112@c.us", body="hello")
    await page.ask("exists", id="12025550112@c.us")
    state = await twin.state()
    assert state["pages"] == [{"id": "tab", "state": "linked", "account": "12015550100", "pairing_code": None}]
    assert [account["number"] for account in state["accounts"]] == ["12015550100", "12015550101", "12015550102"]
    first = state["accounts"][0]
    assert (first["name"], first["linked"], first["contacts"]) == ("Corner Shop", True, {"12025550111": "Ana"})
    assert first["messages"] == [
        {"id": "3EB0FF", "chat": "12025550112@c.us", "outgoing": True, "ack": 0, "body": "hello"}
    ]
    assert (state["received"], state["not_on_whatsapp"]) == (1, ["12025550199"])
    assert state["faults"]["swallow"] == 1


async def test_reset_switches_the_faults_off_and_keeps_links_and_messages(twin: Twin, page: ScriptedPage) -> None:
    await page.send("3EB001")
    for name, fields in (
        ("mute", {}),
        ("fail", {"count": 9}),
        ("restrict", {"seconds": 60}),
        ("contacts", {"stored": False}),
    ):
        await twin.call(name, **fields)
    await twin.call("not-on-whatsapp", numbers=["12025550111"])
    assert await twin.call("reset") == {"reset": True}
    await page.event("restricted")
    assert (await page.event("restricted"))["until"] == 0
    assert (await page.send("3EB002", "12025550119@c.us"))["ok"]
    state = await twin.state()
    assert state["not_on_whatsapp"] == []
    assert state["faults"]["contacts_stored"]
    assert [m["id"] for m in state["accounts"][0]["messages"]] == ["3EB001", "3EB002"]
