"""What every implementation of the Page protocol does while nothing goes wrong, or WhatsApp alone says no.

For an account whose chats are keyed by hidden id and for one whose chats are keyed by number. What an implementation does when
page, browser or network fail stands in test_conformance_recovery.py.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import AsyncIterator
from io import BytesIO

import pytest
import pytest_asyncio
from messenger_hub_agent.whatsapp.page import (
    AckChanged,
    Existence,
    Group,
    PageEvent,
    PageTimeout,
    StreamMode,
)
from messenger_hub_twin.people import lid_of
from PIL import Image

from tests.e2e.driver.desk import BY_NUMBER, Desk, Driver, failure, new_id, open_desk
from tests.integration.twin.twin import Twin

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

BY_HIDDEN_ID = "12015550100"
GROUP = "120363000000000001@g.us"
_strangers = itertools.count(12025551000)


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=[BY_HIDDEN_ID, BY_NUMBER], ids=["by hidden id", "by number"]
)
async def opened(
    request: pytest.FixtureRequest, driver: Driver, twin: Twin, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Desk]:
    async with open_desk(driver, twin, tmp_path_factory.mktemp("channel"), request.param) as desk:
        yield desk


@pytest_asyncio.fixture(loop_scope="module")
async def desk(opened: Desk) -> Desk:
    """A page that is linked and in step; receipts come by hand."""
    await opened.works()
    return opened


@pytest.fixture
def stranger() -> str:
    """The id of somebody with whom no account has a chat."""
    return f"{next(_strangers)}@c.us"


# ---- the page ---------------------------------------------------------------------------------------------------------------


async def test_the_state_of_a_linked_page_tells_all(desk: Desk) -> None:
    state = await desk.page.state()
    assert (state.mode, state.injected, state.ready, state.authenticated) == (StreamMode.MAIN, True, True, True)
    assert (state.main, state.normal, state.synced, state.online, state.can_send) == (True, True, True, True, True)
    assert (state.needs_update, state.passkey, state.idle) == (False, False, False)
    assert (state.own_id, state.own_lid) == (f"{desk.account}@c.us", lid_of(desk.account))
    assert (state.restricted_until, state.restriction_known) == (None, True)
    assert re.fullmatch(r"2\.3000\.\d+", state.version)


async def test_opening_an_open_page_does_nothing(desk: Desk) -> None:
    await desk.page.open()
    assert await desk.page.chat_exists(GROUP)
    assert (await desk.page.state()).synced
    await desk.quiet()
    assert len((await desk.twin.state())["pages"]) == 1


async def test_the_browser_calls_itself_by_a_name_and_a_version(desk: Desk) -> None:
    assert re.fullmatch(r"Chrom\w+/\d+(\.\d+)+", desk.page.browser_version)


async def test_showing_what_has_no_window_does_nothing(desk: Desk) -> None:
    await desk.page.show(True)
    await desk.page.show(False)
    assert (await desk.page.state()).synced


async def test_a_linked_page_shows_no_code_and_gives_none_to_type(desk: Desk) -> None:
    assert await desk.page.qr() is None
    assert (await failure(desk.page.pairing_code(desk.account))).code == "cannot_get_code_for_already_authenticated"


async def test_a_linked_page_that_is_asked_for_a_code_stays_as_it_is(desk: Desk) -> None:
    await desk.page.refresh_qr()
    assert await desk.page.qr() is None
    assert (await desk.page.state()).synced
    assert (await desk.twin.state())["pages"][0]["state"] == "linked"


async def test_the_page_is_pictured_as_it_looks(desk: Desk) -> None:
    first = await desk.page.picture()
    assert Image.open(BytesIO(first)).format == "JPEG"
    assert Image.open(BytesIO(first)).width >= 600


async def test_the_browsers_memory_is_told_and_trimming_it_leaves_the_page_as_it_was(desk: Desk) -> None:
    assert 50 << 20 < await desk.page.memory() < 2 << 30
    await desk.page.trim()
    assert (await desk.page.state()).synced


async def test_the_account_knows_its_groups(desk: Desk) -> None:
    assert sorted(await desk.page.groups(), key=lambda group: group.id) == [
        Group(id=GROUP, name="Opening hours", participants=5),
        Group(id="120363000000000002@g.us", name="Deliveries", participants=4),
    ]


async def test_the_bindings_that_the_page_lacks_are_named_apart_from_those_that_it_has(desk: Desk) -> None:
    bindings = await desk.page.bindings()
    assert {"ChatStore", "MsgStore", "functions.queryWidExists"} <= set(bindings.resolved)
    assert not set(bindings.resolved) & set(bindings.missing)


# ---- sending ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["hello", "Olá 🙂\nline 2\ttab", "quotes \" \\ ' `${x}` </script>", "\u2028 \u200f x" * 500]
)
async def test_a_text_arrives_as_it_was_under_its_id_and_the_recipients_number(
    desk: Desk, stranger: str, text: str
) -> None:
    wa_id, sent = await desk.send(stranger, text)
    assert (sent.succeeded, sent.result, sent.ack, sent.error_code) == (True, "OK", 1, None)
    (line,) = desk.arrivals(wa_id)
    assert (line["from"], line["to"], line["body"]) == (f"{desk.account}@c.us", stranger, text)


async def test_a_serialized_id_names_the_chat_as_the_account_keys_it(desk: Desk, stranger: str) -> None:
    number = stranger.removesuffix("@c.us")
    wa_id, sent = await desk.send(stranger)
    assert sent.message_id == f"true_{desk.keyed(number)}_{wa_id}"
    assert await desk.page.serialized_id(stranger, "3EB0AA") == f"true_{desk.keyed(number)}_3EB0AA"
    assert await desk.page.serialized_id(GROUP, "3EB0AA") == f"true_{GROUP}_3EB0AA_{lid_of(desk.account)}"


async def test_a_message_to_a_group_arrives_and_is_found(desk: Desk) -> None:
    wa_id, sent = await desk.send(GROUP, "to all")
    assert sent.succeeded
    assert [(line["to"], line["body"]) for line in desk.arrivals(wa_id)] == [(GROUP, "to all")]
    seen = await desk.page.find_message(GROUP, wa_id)
    assert seen is not None
    assert (seen.message_id, seen.wa_id, seen.chat, seen.ack) == (sent.message_id, wa_id, GROUP, 1)


async def test_an_id_that_the_page_holds_is_not_sent_again(desk: Desk, stranger: str) -> None:
    wa_id, _ = await desk.send(stranger)
    _, again = await desk.send(stranger, wa_id=wa_id)
    assert (again.result, again.ack, again.succeeded) == ("EXISTS", 1, False)
    assert len(desk.arrivals(wa_id)) == 1


@pytest.mark.parametrize("code", [479, None])
async def test_a_refused_message_says_so_with_the_code_that_whatsapp_gave(
    desk: Desk, stranger: str, code: int | None
) -> None:
    await desk.twin.call("fail", **({} if code is None else {"code": code}))
    wa_id, refused = await desk.send(stranger)
    assert (refused.ack, refused.error_code, refused.succeeded) == (-1, code, False)
    assert refused.result.startswith("ERROR_")
    seen = await desk.page.find_message(stranger, wa_id)
    assert seen is not None
    assert (seen.ack, seen.error_code) == (-1, code)
    assert desk.arrivals(wa_id) == []


async def test_an_error_does_not_prove_that_nothing_arrived(desk: Desk, stranger: str) -> None:
    await desk.twin.call("fail", received=True)
    wa_id, refused = await desk.send(stranger)
    assert refused.ack == -1
    assert len(desk.arrivals(wa_id)) == 1


async def test_a_message_that_is_never_acknowledged_times_out_and_is_found_as_pending(
    desk: Desk, stranger: str
) -> None:
    await desk.twin.call("swallow")
    wa_id = new_id()
    error = await failure(desk.send(stranger, wa_id=wa_id, timeout_seconds=0.3))
    assert isinstance(error, PageTimeout)
    assert await desk.ack_of(stranger, wa_id) == 0
    assert len(desk.arrivals(wa_id)) == 1


async def test_a_message_whose_acknowledgement_comes_late_is_found_as_sent(desk: Desk, stranger: str) -> None:
    await desk.twin.call("delay", seconds=0.6)
    wa_id = new_id()
    assert isinstance(await failure(desk.send(stranger, wa_id=wa_id, timeout_seconds=0.3)), PageTimeout)
    await desk.until_event(AckChanged, lambda event: event.wa_ids == [wa_id] and event.ack == 1)
    assert await desk.ack_of(stranger, wa_id) == 1


async def test_a_restricted_account_writes_to_chats_that_exist_and_says_until_when(desk: Desk, stranger: str) -> None:
    known = f"{next(_strangers)}@c.us"
    await desk.send(known)
    until = (await desk.twin.call("restrict", seconds=60))["restricted_until"]
    state = await desk.until(lambda state: state.restricted_until is not None)
    assert state.restricted_until == pytest.approx(until, abs=0.01)
    assert (state.restriction_known, state.can_send) == (True, True)
    _, refused = await desk.send(stranger)
    assert (refused.ack, refused.error_code) == (-1, 463)
    assert (await desk.send(known))[1].succeeded
    assert (await desk.send(GROUP))[1].succeeded
    await desk.twin.call("restrict", seconds=0)
    assert (await desk.until(lambda state: state.restricted_until is None)).restriction_known


async def test_many_at_once_arrive_each_once(desk: Desk, stranger: str) -> None:
    async with asyncio.TaskGroup() as group:
        sends = [group.create_task(desk.send(stranger, f"number {number}")) for number in range(50)]
    assert all(task.result()[1].succeeded for task in sends)
    assert [len(desk.arrivals(task.result()[0])) for task in sends] == [1] * 50


@pytest.mark.parametrize(
    ("chat", "code"),
    [
        ("120363999999999999@g.us", "chat_not_found"),
        ("12025550199@c.us", "chat_not_found"),
        ("49301234567@lid", "chat_not_found"),
        ("no id at all", "script_error"),
    ],
)
async def test_a_chat_that_cannot_be_is_refused_before_a_message_is_made(desk: Desk, chat: str, code: str) -> None:
    await desk.twin.call("not-on-whatsapp", numbers=["12025550199"])
    error = await failure(desk.page.send_text(chat, "text", f"true_{chat}_3EB0", timeout_seconds=5))
    assert (type(error).__name__, error.code) == ("PageError", code)


# ---- finding ----------------------------------------------------------------------------------------------------------------


async def test_a_message_is_found_under_number_and_hidden_id_and_named_by_number(desk: Desk, stranger: str) -> None:
    wa_id, sent = await desk.send(stranger)
    for chat in (stranger, lid_of(stranger.removesuffix("@c.us"))):
        seen = await desk.page.find_message(chat, wa_id)
        assert seen is not None
        assert (seen.message_id, seen.wa_id, seen.chat, seen.ack) == (sent.message_id, wa_id, stranger, 1)
        assert seen.error_code is None


async def test_what_is_not_there_is_not_found(desk: Desk, stranger: str) -> None:
    wa_id, _ = await desk.send(stranger)
    assert await desk.page.find_message(stranger, new_id()) is None
    assert await desk.page.find_message(f"{next(_strangers)}@c.us", wa_id) is None
    assert await desk.page.find_message(GROUP, wa_id) is None


async def test_our_own_messages_of_a_time_are_listed_with_their_acks(desk: Desk, stranger: str) -> None:
    began = time.time()
    mine = [(await desk.send(chat))[0] for chat in (stranger, GROUP)]
    await desk.twin.call("receipt", id=mine[0], kind="read", account=desk.account)
    await desk.until_event(AckChanged, lambda event: event.ack == 3)
    theirs = (await desk.twin.call("incoming", **{"from": stranger[:-5], "body": "hi", "to": desk.account}))["id"]
    await desk.until_answer(lambda: desk.page.chat_exists(stranger), bool)
    listed = {each.wa_id: each for each in await desk.page.find_messages(time.time() - began + 2)}
    assert {wa_id: (listed[wa_id].chat, listed[wa_id].ack) for wa_id in mine} == {
        mine[0]: (stranger, 3),
        mine[1]: (GROUP, 1),
    }
    assert theirs not in listed
    assert await desk.page.find_messages(-3_600) == []


async def test_a_chat_exists_once_something_was_written_in_it(desk: Desk, stranger: str) -> None:
    assert await desk.page.chat_exists(GROUP)
    assert not await desk.page.chat_exists(stranger)
    await desk.send(stranger)
    assert await desk.page.chat_exists(stranger)
    assert await desk.page.chat_exists(lid_of(stranger.removesuffix("@c.us")))


async def test_an_incoming_message_makes_a_chat_and_no_receipt(desk: Desk, stranger: str) -> None:
    await desk.twin.call("incoming", **{"from": stranger[:-5], "body": "hi", "to": desk.account})
    await desk.until_answer(lambda: desk.page.chat_exists(stranger), bool)
    assert not [event for event in desk.events if isinstance(event, AckChanged)]


# ---- numbers ----------------------------------------------------------------------------------------------------------------


async def test_a_number_on_whatsapp_is_answered_with_its_ids(desk: Desk, stranger: str) -> None:
    assert await desk.page.exists(stranger) == Existence(wid=stranger, lid=lid_of(stranger.removesuffix("@c.us")))


async def test_a_number_is_answered_under_the_id_that_whatsapp_itself_uses(desk: Desk) -> None:
    tail = str(next(_strangers))[-7:]
    await desk.twin.call("incoming", **{"from": f"55118{tail}", "body": "Oi", "to": desk.account})
    found = await desk.page.exists(f"551198{tail}@c.us")
    assert found == Existence(wid=f"55118{tail}@c.us", lid=lid_of(f"55118{tail}"))


async def test_none_is_the_answer_for_nobody_and_for_no_answer(desk: Desk, stranger: str) -> None:
    await desk.twin.call("not-on-whatsapp", numbers=[stranger.removesuffix("@c.us")])
    assert await desk.page.exists(stranger) is None
    await desk.twin.call("lookup-fail", count=1)
    assert await desk.page.exists(f"{next(_strangers)}@c.us") is None


async def test_the_own_number_is_never_answered_from_a_cache(desk: Desk) -> None:
    own = Existence(wid=f"{desk.account}@c.us", lid=lid_of(desk.account))
    assert await desk.page.exists(own.wid) == own
    await desk.twin.call("lookup-fail", count=1)
    assert await desk.page.exists(own.wid) is None
    assert await desk.page.exists(own.wid) == own


# ---- contacts ---------------------------------------------------------------------------------------------------------------


async def test_a_contact_is_saved_renamed_and_removed_on_the_phone_too(desk: Desk, stranger: str) -> None:
    number = stranger.removesuffix("@c.us")

    async def in_phone() -> str | None:
        contacts = (await desk.twin.account(desk.account))["contacts"]
        return contacts.get(number)  # type: ignore[no-any-return]

    await desk.page.exists(stranger)
    for name in ("Bruna", "Bruna Lima & Söhne 🙂"):
        await desk.page.save_contact(stranger, name)
        held = await desk.until_answer(
            lambda: desk.page.contact(stranger), lambda held, name=name: held is not None and held.name == name
        )
        assert held is not None
        assert (held.id, held.is_my_contact) == (stranger, True)
        assert await in_phone() == name
    await desk.page.remove_contact(stranger)
    held = await desk.until_answer(
        lambda: desk.page.contact(stranger), lambda held: held is not None and not held.is_my_contact
    )
    assert held is not None
    assert held.name is None
    assert await in_phone() is None
    assert (await failure(desk.page.remove_contact(stranger))).code == "number_is_not_your_contact"


async def test_a_contact_that_was_never_there_cannot_be_removed_or_read(desk: Desk, stranger: str) -> None:
    assert (await failure(desk.page.remove_contact(stranger))).code == "contact_not_found"
    assert await desk.page.contact(stranger) is None


async def test_what_the_phone_does_not_store_is_not_read_back(desk: Desk, stranger: str) -> None:
    await desk.twin.call("contacts", stored=False)
    await desk.page.save_contact(stranger, "Nobody")
    held = await desk.page.contact(stranger)
    assert held is None or not held.is_my_contact


# ---- events -----------------------------------------------------------------------------------------------------------------


async def test_every_receipt_is_told_with_the_chat_by_number(desk: Desk, stranger: str) -> None:
    wa_id, _ = await desk.send(stranger)
    for kind in ("delivered", "read"):
        await desk.twin.call("receipt", id=wa_id, kind=kind, account=desk.account)
    await desk.until_event(AckChanged, lambda event: event.ack == 3)
    told = [event for event in desk.events if isinstance(event, AckChanged)]
    assert told == [AckChanged(chat=stranger, ack=ack, wa_ids=[wa_id]) for ack in (1, 2, 3)]


async def test_receipts_in_a_group_name_the_group(desk: Desk) -> None:
    wa_id, _ = await desk.send(GROUP)
    await desk.twin.call("receipt", id=wa_id, kind="read", account=desk.account)
    told = await desk.until_event(AckChanged, lambda event: event.ack == 3)
    assert told == AckChanged(chat=GROUP, ack=3, wa_ids=[wa_id])


async def test_who_gives_up_waiting_for_an_event_loses_none(desk: Desk, stranger: str) -> None:
    ids = [(await desk.send(stranger))[0] for _ in range(20)]
    for wa_id in ids:
        for kind in ("delivered", "read"):
            await desk.twin.call("receipt", id=wa_id, kind=kind, account=desk.account)
    told: list[PageEvent] = []
    async with asyncio.timeout(20):
        while len(told) < 60:
            try:
                async with asyncio.timeout(0.0005):
                    told.append(await desk.page.next_event())
            except TimeoutError:
                await desk.page.chat_exists(stranger)
    acks = [(event.wa_ids[0], event.ack) for event in told if isinstance(event, AckChanged)]
    assert sorted(acks) == sorted(itertools.product(ids, (1, 2, 3)))
