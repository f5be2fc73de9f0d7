"""Messages, receipts, look-ups and contacts, under every fault."""

from __future__ import annotations

import asyncio
import time

import pytest
from messenger_hub_twin.people import lid_of

from tests.integration.twin.conftest import ME
from tests.integration.twin.page import ScriptedPage, linked_page, open_page
from tests.integration.twin.twin import SECONDS, Twin

ANA, BEN = "12025550111@c.us", "12025550112@c.us"
NEW = "12025550777@c.us"
GROUP = "120363000000000001@g.us"
COLLEAGUE = "12015550101"


async def test_the_line_is_in_the_log_before_the_page_is_answered(twin: Twin, page: ScriptedPage) -> None:
    began = time.time()
    assert (await page.send("3EB001", ANA, "Olá 🙂\nline 2"))["ok"]
    (line,) = twin.arrivals()
    assert began - 1 <= line.pop("at") <= time.time() + 1
    assert line == {"id": "3EB001", "from": f"{ME}@c.us", "to": ANA, "body": "Olá 🙂\nline 2"}


async def test_the_line_is_in_the_log_long_before_a_late_answer(twin: Twin, page: ScriptedPage) -> None:
    await twin.call("delay", seconds=0.2)
    number = await page.say("send", id="3EB001", chat=ANA, body="text")
    await page.ask("exists", id=ANA)  # what was said before has been heard
    assert number not in page.replies
    assert [line["id"] for line in twin.arrivals()] == ["3EB001"]
    assert (await page.reply(number))["ok"]


@pytest.mark.parametrize(
    ("chat", "to"), [(ANA, ANA), (lid_of("12025550111"), ANA), (GROUP, GROUP), ("5511987654321@c.us", None)]
)
async def test_the_log_names_people_by_number_never_by_hidden_id(
    twin: Twin, page: ScriptedPage, chat: str, to: str | None
) -> None:
    await page.send("3EB001", chat)
    assert [line["to"] for line in twin.arrivals()] == [to or chat]


async def test_a_repeat_is_a_line_of_its_own_and_one_message_at_the_recipient(twin: Twin, page: ScriptedPage) -> None:
    for _ in range(3):
        assert (await page.send("3EB001", f"{COLLEAGUE}@c.us"))["ok"]
    assert [line["id"] for line in twin.arrivals()] == ["3EB001"] * 3
    assert [message["id"] for message in (await twin.account(COLLEAGUE))["messages"]] == ["3EB001"]


async def test_a_dropped_repeat_is_acknowledged_and_not_logged(twin: Twin, page: ScriptedPage) -> None:
    await twin.call("drop-repeats")
    for _ in range(2):
        assert (await page.send("3EB001"))["ok"]
    assert len(twin.arrivals()) == 1
    await twin.call("drop-repeats", on=False)
    await page.send("3EB001")
    assert len(twin.arrivals()) == 2


async def test_a_swallowed_message_arrives_and_is_acknowledged_when_it_is_sent_again(
    twin: Twin, page: ScriptedPage
) -> None:
    await twin.call("swallow")
    swallowed = await page.say("send", id="3EB001", chat=ANA, body="text")
    assert (await page.send("3EB002"))["ok"]
    assert swallowed not in page.replies
    messages = (await twin.account(ME))["messages"]
    assert [(message["id"], message["ack"]) for message in messages] == [("3EB001", 0), ("3EB002", 1)]
    assert (await page.send("3EB001"))["ok"]
    assert [line["id"] for line in twin.arrivals()] == ["3EB001", "3EB002", "3EB001"]


async def test_a_mute_network_hears_nothing_and_switching_it_off_cuts_the_connections(twin: Twin) -> None:
    async with linked_page(twin, ME) as (page, token):
        await twin.call("mute")
        unheard = await page.say("send", id="3EB001", chat=ANA, body="text")
        assert await twin.call("mute", on=False) == {"mute": False}
        await page.end()
        assert unheard not in page.replies
        assert twin.arrivals() == []
    async with open_page(twin, token=token) as back:
        await back.event("history_done")
        assert (await back.send("3EB001"))["ok"]
    assert [line["id"] for line in twin.arrivals()] == ["3EB001"]


@pytest.mark.parametrize("code", [479, None])
async def test_a_refused_message_is_answered_with_its_code_and_nobody_gets_it(
    twin: Twin, page: ScriptedPage, code: int | None
) -> None:
    await twin.call("fail", **({} if code is None else {"code": code}))
    answer = await page.send("3EB001")
    assert (answer["error"], answer["code"]) == (True, code)
    assert twin.arrivals() == []
    assert (await twin.account(ME))["messages"] == []
    assert (await page.send("3EB002"))["ok"]


async def test_a_message_may_arrive_and_be_answered_with_an_error_all_the_same(twin: Twin, page: ScriptedPage) -> None:
    await twin.call("fail", code=500, received=True)
    answer = await page.send("3EB001")
    assert (answer["error"], answer["code"]) == (True, 500)
    assert [line["id"] for line in twin.arrivals()] == ["3EB001"]


async def test_a_restricted_account_gets_463_for_new_chats_only_until_the_end(twin: Twin, page: ScriptedPage) -> None:
    await page.send("3EB001", ANA)
    await twin.call("incoming", **{"from": "12025550112", "body": "hi", "to": ME})
    until = (await twin.call("restrict", seconds=60))["restricted_until"]
    assert (await page.event("restricted"))["until"] == until > time.time() + 50
    assert (await page.send("3EB002", NEW))["code"] == 463
    for number, chat in enumerate((ANA, lid_of("12025550111"), BEN, GROUP)):
        assert (await page.send(f"3EB01{number}", chat))["ok"], chat
    await twin.call("restrict", seconds=0)
    assert (await page.event("restricted"))["until"] == 0
    assert (await page.send("3EB002", NEW))["ok"]


async def test_the_chat_that_a_refused_message_would_have_begun_does_not_exist(twin: Twin, page: ScriptedPage) -> None:
    await twin.call("restrict", seconds=60)
    for number in range(2):
        assert (await page.send(f"3EB00{number}", NEW))["code"] == 463


async def test_a_message_to_nobody_is_answered_with_479(twin: Twin, page: ScriptedPage) -> None:
    await twin.call("not-on-whatsapp", numbers=["12025550199"])
    for number, chat in enumerate(("12025550199@c.us", lid_of("49301234567"), "120363999999999999@g.us")):
        assert (await page.send(f"3EB00{number}", chat))["code"] == 479
    assert twin.arrivals() == []


# ---- receipts ---------------------------------------------------------------------------------------------------------------


async def test_receipts_come_by_themselves_in_order(twin: Twin, page: ScriptedPage) -> None:
    await twin.call("receipts", delivered_seconds=0.01, read_seconds=0.02)
    await page.send("3EB001", lid_of("12025550111"))
    receipts = [await page.event("receipt") for _ in range(2)]
    assert [(r["id"], r["chat"], r["ack"]) for r in receipts] == [("3EB001", ANA, 2), ("3EB001", ANA, 3)]
    assert receipts[0]["version"] < receipts[1]["version"]


async def test_receipts_by_hand_come_when_they_are_given_and_once(twin: Twin, page: ScriptedPage) -> None:
    await twin.call("receipts", automatic=False)
    await page.send("3EB001")
    assert await twin.call("receipt", id="3EB001", kind="read") == {"changed": True}
    assert await twin.call("receipt", id="3EB001", kind="delivered") == {"changed": False}
    assert await twin.call("receipt", id="3EB0FF", kind="read") == {"changed": False}
    assert (await page.event("receipt"))["ack"] == 3
    await page.ask("exists", id=ANA)
    assert len(page.told("receipt")) == 1


async def test_a_page_that_was_away_gets_the_receipts_that_it_missed(twin: Twin) -> None:
    await twin.call("receipts", automatic=False)
    async with linked_page(twin, ME) as (page, token):
        await page.send("3EB001")
        await twin.call("receipt", id="3EB001", kind="delivered")
        seen = (await page.event("receipt"))["version"]
    await twin.call("receipt", id="3EB001", kind="read")
    async with open_page(twin, token=token, since=seen) as back:
        (message,) = (await back.event("messages"))["messages"]
        assert (message["id"], message["ack"]) == ("3EB001", 3)
        assert (await back.event("history_done"))["version"] == seen + 1


# ---- incoming, other pages --------------------------------------------------------------------------------------------------


async def test_an_incoming_message_reaches_the_page_with_both_ids_and_the_senders_name(
    twin: Twin, page: ScriptedPage
) -> None:
    answer = await twin.call("incoming", **{"from": "12025550111", "body": "Hi"})
    assert (answer["account"], answer["chat"]) == (ME, ANA)
    (message,) = (await page.event("messages"))["messages"]
    assert (message["id"], message["body"], message["outgoing"]) == (answer["id"], "Hi", False)
    assert (message["chat"], message["chat_lid"], message["name"]) == (ANA, lid_of("12025550111"), "Ana Souza")


async def test_an_incoming_group_message_names_its_author(twin: Twin, page: ScriptedPage) -> None:
    await twin.call("incoming", **{"from": "12025550111", "body": "Hi", "group": GROUP})
    (message,) = (await page.event("messages"))["messages"]
    assert (message["chat"], message["chat_lid"], message["sender"]) == (GROUP, "", ANA)


async def test_nobody_hears_from_a_number_that_is_not_on_whatsapp(twin: Twin) -> None:
    await twin.call("not-on-whatsapp", numbers=["12025550199"])
    status, answer = await twin.answer("incoming", {"from": "12025550199", "body": "Hi"})
    assert (status, answer["error"]) == (400, "12025550199 is not on WhatsApp.")


async def test_the_accounts_other_page_is_shown_what_one_sends_and_a_swallowed_one_only_when_acknowledged(
    twin: Twin,
) -> None:
    async with linked_page(twin, ME, "one") as (one, _), linked_page(twin, ME, "two") as (two, _):
        await one.send("3EB001")
        assert (await two.event("messages"))["messages"][0]["id"] == "3EB001"
        await twin.call("swallow")
        await one.say("send", id="3EB002", chat=ANA, body="text")
        await one.send("3EB003")
        assert (await two.event("messages"))["messages"][0]["id"] == "3EB003"
        await one.send("3EB002")
        assert (await two.event("messages"))["messages"][0]["id"] == "3EB002"
        assert one.told("messages") == []


# ---- numbers and contacts ---------------------------------------------------------------------------------------------------


async def test_a_look_up_answers_with_the_number_that_whatsapp_knows_and_the_hidden_id(
    twin: Twin, page: ScriptedPage
) -> None:
    await twin.call("incoming", **{"from": "551187654321", "body": "Oi", "to": ME})
    answer = await page.ask("exists", id="5511987654321@c.us")
    assert (answer["exists"], answer["pn"], answer["lid"]) == (True, "551187654321@c.us", lid_of("551187654321"))


async def test_a_number_that_is_not_on_whatsapp_does_not_exist(twin: Twin, page: ScriptedPage) -> None:
    await twin.call("not-on-whatsapp", numbers=["12025550199"])
    assert (await page.ask("exists", id="12025550199@c.us"))["exists"] is False
    assert (await page.ask("exists", id=lid_of("49301234567")))["exists"] is False
    await twin.call("not-on-whatsapp", numbers=[])
    assert (await page.ask("exists", id="12025550199@c.us"))["exists"] is True


async def test_look_ups_break_so_often_or_for_so_long(twin: Twin, page: ScriptedPage) -> None:
    await twin.call("lookup-fail", count=2)
    answers = [await page.ask("exists", id=ANA) for _ in range(3)]
    assert [answer.get("broken", False) for answer in answers] == [True, True, False]
    await twin.call("lookup-fail", seconds=60)
    assert (await page.ask("exists", id=ANA))["broken"]
    await twin.call("lookup-fail", seconds=0)
    assert (await page.ask("exists", id=ANA))["exists"]


async def test_so_many_look_ups_are_never_answered(twin: Twin, page: ScriptedPage) -> None:
    await twin.call("lookup-swallow", count=1)
    await page.say("exists", id=lid_of("12025550113"))
    assert (await page.ask("exists", id=ANA))["exists"]
    assert (await twin.state())["faults"]["lookup_swallow"] == 0


async def test_contacts_are_saved_renamed_and_removed_on_the_phone_and_every_page_hears_of_it(twin: Twin) -> None:
    async with linked_page(twin, ME, "one") as (one, _), linked_page(twin, ME, "two") as (two, _):
        for first, last in (("Ben", ""), ("Benjamin", "Carter")):
            assert (await one.ask("contact_save", id=lid_of("12025550112"), first=first, last=last))["ok"]
            for page in (one, two):
                told = await page.event("contact")
                assert (told["number"], told["first_name"], told["last_name"]) == ("12025550112", first, last)
        assert (await twin.account(ME))["contacts"] == {"12025550111": "Ana", "12025550112": "Benjamin Carter"}
        assert (await one.ask("contact_remove", id=BEN))["ok"]
        assert (await two.event("contact_removed"))["number"] == "12025550112"
        assert (await twin.account(ME))["contacts"] == {"12025550111": "Ana"}


async def test_a_phone_that_stores_no_contacts_says_ok_and_changes_nothing(twin: Twin, page: ScriptedPage) -> None:
    await twin.call("contacts", stored=False)
    assert (await page.ask("contact_save", id=BEN, first="Ben"))["ok"]
    assert (await page.ask("contact_remove", id=ANA))["ok"]
    await page.ask("exists", id=BEN)
    assert (await twin.account(ME))["contacts"] == {"12025550111": "Ana"}
    assert page.told("contact") == page.told("contact_removed") == []


async def test_a_slow_phone_stores_a_contact_later(twin: Twin, page: ScriptedPage) -> None:
    await twin.call("contacts", seconds=0.1)
    assert (await page.ask("contact_save", id=BEN, first="Ben"))["ok"]
    assert "12025550112" not in (await twin.account(ME))["contacts"]
    await page.event("contact")
    assert (await twin.account(ME))["contacts"]["12025550112"] == "Ben"


async def test_a_page_that_is_not_linked_sends_and_saves_nothing(twin: Twin) -> None:
    async with open_page(twin) as page:
        await page.event("qr")
        sent = await page.say("send", id="3EB001", chat=ANA, body="text")
        saved = await page.say("contact_save", id=BEN, first="Ben")
        await page.ask("exists", id=ANA)
        assert {sent, saved} & set(page.replies) == set()
    assert twin.arrivals() == []


async def test_a_page_that_sends_many_at_once_is_answered_for_each(twin: Twin, page: ScriptedPage) -> None:
    numbers = [await page.say("send", id=f"3EB{number:05}", chat=ANA, body="text") for number in range(500)]
    async with asyncio.timeout(SECONDS):
        answers = [await page.reply(number) for number in numbers]
    assert all(answer["ok"] for answer in answers)
    assert [line["id"] for line in twin.arrivals()] == [f"3EB{number:05}" for number in range(500)]
