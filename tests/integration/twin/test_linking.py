"""Linking pages to accounts, and how links end."""

from __future__ import annotations

import pytest
from messenger_hub_twin.people import lid_of

from tests.integration.twin.conftest import ME
from tests.integration.twin.page import linked_page, open_page
from tests.integration.twin.twin import Twin

COLLEAGUE, OLD_PHONE = "12015550101", "12015550102"
OLD_BUILD = 1_045_220_589


async def test_scanning_is_a_409_until_a_page_shows_a_code(twin: Twin) -> None:
    status, answer = await twin.answer("scan", {})
    assert (status, answer["error"]) == (
        409,
        "No page shows a QR code now: open one, or wait until it has loaded.",
    )
    async with open_page(twin) as page:
        code = await page.event("qr")
        assert code["reference"].startswith("2@")
        assert await twin.call("scan") == {"page": "tab", "account": ME}
        await page.event("linked")
        assert (await twin.answer("scan", {}))[0] == 409


async def test_with_several_pages_scanning_takes_the_page(twin: Twin) -> None:
    async with open_page(twin, page="one") as one, open_page(twin, page="two") as two:
        await one.event("qr")
        await two.event("qr")
        status, answer = await twin.answer("scan", {})
        assert (status, answer["error"]) == (409, "Several pages show a code; say which: one, two")
        assert await twin.call("scan", page="two", account=COLLEAGUE) == {"page": "two", "account": COLLEAGUE}
        await two.event("linked")
        assert await twin.call("scan") == {"page": "one", "account": ME}  # the first that has no link yet
        assert (await twin.answer("scan", {"page": "two"}))[0] == 409


async def test_a_linked_page_learns_who_it_is_its_contacts_and_its_groups(twin: Twin) -> None:
    async with linked_page(twin, OLD_PHONE) as (page, _):
        (linked,) = page.told("linked")
    assert linked["me"] == {"pn": f"{OLD_PHONE}@c.us", "lid": lid_of(OLD_PHONE), "name": "Old Phone"}
    assert linked["lid_chats"] is False
    assert [(c["number"], c["first_name"]) for c in linked["contacts"]] == [("12025550111", "Ana")]
    assert [group["subject"] for group in linked["groups"]] == ["Opening hours", "Deliveries"]
    async with linked_page(twin, ME) as (page, _):
        assert page.told("linked")[0]["lid_chats"] is True


async def test_a_page_asks_for_another_code(twin: Twin) -> None:
    async with open_page(twin) as page:
        first = await page.event("qr")
        await page.say("refresh_qr")
        assert (await page.event("qr"))["reference"] != first["reference"]


async def test_a_page_gets_its_codes_one_after_the_other_and_then_waits_to_be_asked_for_more(twin: Twin) -> None:
    await twin.call("codes", count=3, seconds=0.02)
    async with open_page(twin) as page:
        await page.event("idle")
        codes = [code["reference"] for code in page.told("qr")]
        assert len(set(codes)) == len(codes) == 3
        assert (await twin.state())["pages"][0]["state"] == "idle"
        status, answer = await twin.answer("scan", {})
        assert (status, answer["error"]) == (
            409,
            "The page's codes are used up: click its button, and it shows a new one.",
        )
        assert await twin.call("codes") == {"count": 6, "seconds": 20.0}
        assert page.told("qr")[3:] == []
        await page.say("refresh_qr")
        assert (await page.event("qr"))["reference"] not in codes
        await twin.call("scan", account=ME)
        await page.event("linked")


async def test_no_codes_at_all_stop_the_pages_that_show_one_and_no_others(twin: Twin) -> None:
    async with linked_page(twin, ME, "linked") as (linked, _), open_page(twin, page="shows") as shows:
        await shows.event("qr")
        await twin.call("codes", count=0)
        await shows.event("idle")
        assert {page["id"]: page["state"] for page in (await twin.state())["pages"]} == {
            "linked": "linked",
            "shows": "idle",
        }
        await shows.say("refresh_qr")
        await shows.event("idle")
        await twin.call("reset")
        await shows.say("refresh_qr")
        await shows.event("qr")
        assert linked.told("idle") == []


async def test_a_linked_page_that_asks_for_a_code_stays_linked(twin: Twin) -> None:
    async with linked_page(twin, ME) as (page, _):
        await page.say("refresh_qr")
        assert (await page.send("3EB001"))["ok"]
        assert len(page.told("qr")) == 1


async def test_a_pairing_code_outlives_the_codes_to_scan_and_ends_when_more_are_asked_for(twin: Twin) -> None:
    async with open_page(twin) as page:
        await page.event("qr")
        ended = (await page.ask("pairing_code", number=ME))["code"]
        await page.say("refresh_qr")
        await page.event("qr")
        assert (await twin.answer("pair", {"code": ended}))[0] == 409
        code = (await page.ask("pairing_code", number=ME))["code"]
        await twin.call("codes", count=0)
        await page.event("idle")
        await twin.call("pair", code=code, account=ME)
        await page.event("linked")


async def test_a_pairing_code_is_typed_in_with_or_without_its_dash_and_in_any_case(twin: Twin) -> None:
    async with open_page(twin) as page:
        await page.event("qr")
        code = (await page.ask("pairing_code", number=ME))["code"]
        assert len(code) == 8
        assert (await twin.state())["pages"][0]["pairing_code"] == code
        status, answer = await twin.answer("pair", {"code": "00000000"})
        assert (status, answer["error"]) == (
            409,
            "No page shows this pairing code; codes change when a page asks for another.",
        )
        typed = f"{code[:4]}-{code[4:]}".lower()
        assert await twin.call("pair", code=typed, account=COLLEAGUE) == {"page": "tab", "account": COLLEAGUE}
        await page.event("linked")
        assert (await twin.answer("pair", {"code": code}))[0] == 409


async def test_an_account_that_does_not_exist_cannot_be_linked(twin: Twin) -> None:
    async with open_page(twin) as page:
        await page.event("qr")
        status, answer = await twin.answer("scan", {"account": "49301234"})
        assert (status, answer["error"]) == (
            400,
            f'There is no account "49301234"; the accounts are: {ME}, {COLLEAGUE}, {OLD_PHONE}.',
        )
        assert page.told("linked") == []


async def test_a_passkey_stops_linking_until_it_is_switched_off(twin: Twin) -> None:
    await twin.call("passkey")
    async with open_page(twin) as page:
        await page.event("qr")
        await twin.call("scan", account=ME)
        await page.event("passkey")
        shown = await twin.state()
        assert (shown["pages"][0]["state"], shown["accounts"][0]["linked"]) == ("passkey", False)
        await twin.call("passkey", on=False)
        await page.event("paired")
        assert (await page.event("linked"))["me"]["pn"] == f"{ME}@c.us"


@pytest.mark.parametrize(
    ("fields", "cause"), [({}, "unknown_companion"), ({"cause": "account_removed"}, "account_removed")]
)
async def test_a_log_out_on_the_phone_tells_the_cause_and_makes_the_token_worthless(
    twin: Twin, fields: dict[str, object], cause: str
) -> None:
    async with linked_page(twin, ME) as (page, token):
        assert await twin.call("logout", account=ME, **fields) == {"account": ME, "ended": 1}
        assert (await page.event("logout"))["cause"] == cause
        assert not (await twin.account(ME))["linked"]
    async with open_page(twin, token=token) as back:
        assert (await back.event("logout"))["cause"] == cause
        assert back.told("linked") == []


async def test_a_log_out_of_the_page_itself_is_user_initiated_and_ends_only_its_own_link(twin: Twin) -> None:
    async with linked_page(twin, ME, "one") as (one, _), linked_page(twin, ME, "two") as (two, _):
        await one.say("logout")
        assert (await one.event("logout"))["cause"] == "user_initiated"
        assert (await two.send("3EB001"))["ok"]
        assert (await twin.account(ME))["linked"]
        assert two.told("logout") == []


async def test_a_log_out_reaches_a_page_that_is_away_when_it_comes_back(twin: Twin) -> None:
    async with linked_page(twin, ME) as (_, token):
        pass
    assert (await twin.call("logout", account=ME))["ended"] == 1
    async with open_page(twin, token=token) as back:
        assert (await back.event("logout"))["cause"] == "unknown_companion"


async def test_without_a_name_the_account_that_is_linked_is_logged_out_though_its_page_is_away(twin: Twin) -> None:
    async with linked_page(twin, COLLEAGUE):
        pass
    assert await twin.call("logout") == {"account": COLLEAGUE, "ended": 1}


async def test_an_unknown_token_is_shown_a_code(twin: Twin) -> None:
    async with open_page(twin, token="made up") as page:
        await page.event("qr")
        assert page.told("linked") == []


async def test_a_page_that_is_too_old_is_told_at_once_and_when_it_comes_back(twin: Twin) -> None:
    async with open_page(twin, page="old", build=OLD_BUILD) as page:
        await page.event("qr")
        assert await twin.call("needs-update") == {"pages": 1}
        await page.event("needs_update")
    async with open_page(twin, page="old", build=OLD_BUILD) as page:
        await page.event("needs_update")
        await twin.call("reset")
    async with open_page(twin, page="new", build=OLD_BUILD + 1) as page:
        await page.event("qr")
        assert page.told("needs_update") == []


async def test_the_history_arrives_when_it_is_to_and_its_end_is_told_last(twin: Twin) -> None:
    await twin.call("incoming", **{"from": "12025550112", "body": "before the link", "to": ME})
    await twin.call("history", seconds=0.2)
    async with open_page(twin) as page:
        await page.event("qr")
        await twin.call("scan", account=ME)
        await page.event("linked")
        assert page.told("history_done") == []
        await page.event("history_done")
    assert [event["ev"] for event in page.events][-2:] == ["messages", "history_done"]
    assert page.events[-2]["messages"][0]["body"] == "before the link"


async def test_dropped_pages_are_counted_and_find_their_link_again(twin: Twin) -> None:
    async with linked_page(twin, ME) as (page, token):
        assert await twin.call("drop") == {"dropped": 1}
        await page.end()
    async with open_page(twin, token=token) as back:
        assert (await back.event("linked"))["me"]["pn"] == f"{ME}@c.us"
