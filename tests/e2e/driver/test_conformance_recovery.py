"""What every implementation of the Page protocol does when link, network, page or browser fail, and on the way to a link."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from messenger_hub_agent.whatsapp.page import (
    AckChanged,
    BrowserGone,
    LoggedOut,
    NeedsUpdate,
    PageCrashed,
    PageError,
    PageGone,
    PageTimeout,
    QrChanged,
    StateChanged,
    StreamMode,
)

from tests.e2e.driver.desk import LOADING, Desk, Driver, failure, new_id, open_desk
from tests.e2e.driver.processes import ended, members
from tests.integration.twin.twin import Twin

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

ME = "12015550100"
ANA = "12025550111@c.us"
AT_ONCE_SECONDS = 2.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(driver: Driver, twin: Twin, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with open_desk(driver, twin, tmp_path_factory.mktemp("channel"), ME) as desk:
        yield desk


@pytest_asyncio.fixture(loop_scope="module")
async def desk(opened: Desk) -> Desk:
    """A page that is linked and in step; receipts come by hand."""
    await opened.works()
    return opened


@pytest_asyncio.fixture(loop_scope="module")
async def unlinked(opened: Desk) -> Desk:
    """A page that shows a code."""
    await opened.twin.call("reset")
    await opened.page.open()
    state = await opened.until(lambda state: state.ready and (state.synced or state.mode is StreamMode.QR))
    if state.authenticated:
        await opened.page.logout()
        await opened.until_event(LoggedOut)
    await opened.shows_code()
    await opened.quiet()
    return opened


async def swallowed(desk: Desk) -> str:
    """A message that the network has and never acknowledged."""
    await desk.twin.call("swallow")
    wa_id = new_id()
    assert isinstance(await failure(desk.send(ANA, wa_id=wa_id, timeout_seconds=0.3)), PageTimeout)
    assert await desk.ack_of(ANA, wa_id) == 0
    assert len(desk.arrivals(wa_id)) == 1
    return wa_id


async def refused(desk: Desk) -> str:
    """A message that the network refused."""
    await desk.twin.call("fail", code=479)
    wa_id, result = await desk.send(ANA)
    assert result.ack == -1
    return wa_id


async def taken(desk: Desk, wa_id: str) -> None:
    """Waits until the network has acknowledged it."""
    await desk.until_answer(lambda: desk.ack_of(ANA, wa_id), lambda ack: ack is not None and ack >= 1)


async def crash(desk: Desk) -> None:
    await desk.twin.call("crash")
    await desk.until_event(PageCrashed)


# ---- linking ----------------------------------------------------------------------------------------------------------------


async def test_a_page_that_is_still_loading_tells_its_state_and_refuses_every_other_call_with_a_code(
    unlinked: Desk,
) -> None:
    await unlinked.page.close()
    await unlinked.page.open()
    codes = set()
    while not (await unlinked.page.state()).ready:
        try:
            await unlinked.page.groups()
        except PageError as error:
            codes.add(error.code)
    assert codes
    assert codes <= set(LOADING)
    assert await unlinked.page.groups() == []


async def test_a_page_without_a_link_shows_a_code_and_says_so(unlinked: Desk) -> None:
    state = await unlinked.page.state()
    assert (state.mode, state.injected, state.ready, state.idle) == (StreamMode.QR, True, True, False)
    assert (state.authenticated, state.main, state.synced, state.can_send) == (False, False, False, False)
    assert (state.own_id, state.own_lid, state.linked_seconds) == (None, None, None)
    assert (await unlinked.page.qr() or "").startswith("2@")


async def test_another_code_comes_when_it_is_asked_for(unlinked: Desk) -> None:
    before = await unlinked.page.qr()
    await unlinked.page.refresh_qr()
    told = await unlinked.until_event(QrChanged)
    assert told.text != before
    assert await unlinked.page.qr() == told.text


async def test_a_page_whose_codes_are_used_up_says_so_and_gives_none_until_it_is_asked_for_another(
    unlinked: Desk,
) -> None:
    before = await unlinked.page.qr()
    await unlinked.twin.call("codes", count=0)
    await unlinked.until_event(StateChanged)
    state = await unlinked.until(lambda state: state.idle)
    assert (state.ready, state.mode, state.authenticated, state.passkey) == (True, StreamMode.QR, False, False)
    assert await unlinked.page.qr() is None
    await unlinked.quiet()
    await unlinked.twin.call("codes")
    await unlinked.page.refresh_qr()
    told = await unlinked.until_event(QrChanged)
    assert told.text not in ("", before)
    assert not (await unlinked.until(lambda state: not state.idle)).authenticated
    assert await unlinked.page.qr() == told.text
    assert not (await unlinked.link()).idle


async def test_asking_for_a_code_that_does_not_come_is_answered_all_the_same(unlinked: Desk) -> None:
    await unlinked.twin.call("codes", count=0)
    await unlinked.until(lambda state: state.idle)
    began = time.monotonic()
    await unlinked.page.refresh_qr()
    assert time.monotonic() - began < AT_ONCE_SECONDS
    assert (await unlinked.page.state()).idle
    await unlinked.twin.call("reset")
    await unlinked.page.refresh_qr()
    await unlinked.shows_code()


async def test_an_idle_page_is_linked_by_a_code_that_is_typed_into_the_phone(unlinked: Desk) -> None:
    code = await unlinked.page.pairing_code(ME)
    await unlinked.twin.call("codes", count=0)
    await unlinked.until(lambda state: state.idle)
    await unlinked.twin.call("pair", code=code, account=ME)
    state = await unlinked.until(lambda state: state.synced)
    assert (state.idle, state.own_id) == (False, f"{ME}@c.us")


async def test_a_page_is_linked_by_a_code_that_is_typed_into_the_phone(unlinked: Desk) -> None:
    code = await unlinked.page.pairing_code(ME)
    assert len(code.replace("-", "")) == 8
    await unlinked.twin.call("pair", code=code, account=ME)
    state = await unlinked.until(lambda state: state.synced)
    assert state.own_id == f"{ME}@c.us"
    assert state.linked_seconds is not None
    assert await unlinked.until_event(StateChanged)


async def test_a_passkey_is_noticed_within_ten_seconds_and_shows_no_codes_for_ever(unlinked: Desk) -> None:
    await unlinked.twin.call("passkey")
    began = time.monotonic()
    await unlinked.twin.call("scan", account=ME)
    state = await unlinked.until(lambda state: state.passkey)
    assert time.monotonic() - began < 10
    assert not state.authenticated
    assert await unlinked.page.qr() is None
    await unlinked.twin.call("passkey", on=False)
    assert not (await unlinked.until(lambda state: state.synced)).passkey


async def test_a_page_is_in_step_only_when_the_history_has_come(unlinked: Desk) -> None:
    text_of_before = (await unlinked.twin.call("incoming", **{"from": "12025550222", "body": "before", "to": ME}))[
        "chat"
    ]
    await unlinked.twin.call("history", seconds=0.5)
    await unlinked.twin.call("scan", account=ME)
    state = await unlinked.until(lambda state: state.main and state.normal)
    assert (state.can_send, state.synced) == (True, False)
    assert not await unlinked.page.chat_exists(text_of_before)
    await unlinked.until(lambda state: state.synced)
    assert await unlinked.page.chat_exists(text_of_before)


@pytest.mark.parametrize("cause", ["unknown_companion", "account_removed"])
async def test_a_log_out_on_the_phone_tells_its_cause_and_then_a_code_is_shown(desk: Desk, cause: str) -> None:
    await desk.twin.call("logout", account=ME, cause=cause)
    assert (await desk.until_event(LoggedOut)).cause == cause
    assert await desk.shows_code()
    assert (await desk.page.state()).own_id is None


async def test_a_log_out_from_here_is_told_and_ends_the_link_on_the_phone(desk: Desk) -> None:
    await desk.page.logout()
    assert (await desk.until_event(LoggedOut)).cause == "user_initiated"
    assert not (await desk.twin.account(ME))["linked"]


async def test_a_page_that_was_logged_out_is_not_ready_until_it_has_loaded_anew(desk: Desk) -> None:
    await desk.page.logout()
    await desk.until_event(LoggedOut)
    assert (await desk.until(lambda state: state.ready)).mode is not StreamMode.MAIN


async def test_a_message_on_its_way_at_a_log_out_is_not_sent_by_the_next_link(desk: Desk) -> None:
    wa_id = await swallowed(desk)
    await desk.page.logout()
    await desk.until_event(LoggedOut)
    await desk.link()
    assert (await desk.send(ANA))[1].succeeded
    assert len(desk.arrivals(wa_id)) == 1


async def test_a_page_that_is_too_old_says_so_and_opening_brings_the_new_one_with_the_link(desk: Desk) -> None:
    before = (await desk.page.state()).version
    await desk.twin.call("needs-update")
    await desk.until_event(NeedsUpdate)
    state = await desk.page.state()
    assert (state.needs_update, state.can_send, state.version) == (True, False, before)
    await desk.page.open()
    state = await desk.until(lambda state: state.synced)
    assert (state.needs_update, state.can_send, state.linked_seconds) == (False, True, None)
    assert int(state.version.rsplit(".", 1)[1]) == int(before.rsplit(".", 1)[1]) + 1


# ---- the network ------------------------------------------------------------------------------------------------------------


async def test_a_message_that_was_not_acknowledged_is_sent_again_under_its_id_after_a_drop(desk: Desk) -> None:
    wa_id = await swallowed(desk)
    await desk.twin.call("drop")
    told = await desk.until_event(AckChanged, lambda event: event.wa_ids == [wa_id])
    assert told.ack == 1
    assert len(desk.arrivals(wa_id)) == 2
    assert await desk.ack_of(ANA, wa_id) == 1


async def test_what_a_mute_network_never_heard_arrives_once_when_the_connection_is_made_anew(desk: Desk) -> None:
    await desk.twin.call("mute")
    wa_id = new_id()
    assert isinstance(await failure(desk.send(ANA, wa_id=wa_id, timeout_seconds=0.3)), PageTimeout)
    assert desk.arrivals(wa_id) == []
    await desk.twin.call("mute", on=False)
    await taken(desk, wa_id)
    assert len(desk.arrivals(wa_id)) == 1


async def test_a_number_whose_look_up_was_under_way_is_looked_up_again_on_the_next_connection(desk: Desk) -> None:
    await desk.twin.call("lookup-swallow")
    async with asyncio.TaskGroup() as group:
        looking_up = group.create_task(desk.page.exists("12025550171@c.us"))
        await desk.until_answer(desk.twin.state, lambda network: network["faults"]["lookup_swallow"] == 0)
        await desk.twin.call("drop")
    assert looking_up.result() is not None


async def test_a_page_that_lost_its_connection_says_so_and_comes_back_in_step(desk: Desk) -> None:
    await desk.twin.call("drop")
    assert not (await desk.until(lambda state: not state.normal)).can_send
    await desk.until(lambda state: state.synced and state.online)


async def test_receipts_that_came_while_the_connection_was_lost_are_told_afterwards(desk: Desk) -> None:
    wa_id, _ = await desk.send(ANA)
    await desk.twin.call("drop")
    await desk.until(lambda state: not state.normal)
    await desk.twin.call("receipt", id=wa_id, kind="read", account=ME)
    assert (await desk.until_event(AckChanged, lambda event: event.ack == 3)).wa_ids == [wa_id]


async def test_a_refused_message_is_never_sent_again(desk: Desk) -> None:
    wa_id = await refused(desk)
    await desk.twin.call("drop")
    await desk.until(lambda state: not state.normal)
    await desk.until(lambda state: state.synced)
    await crash(desk)
    await desk.page.open()
    await desk.until(lambda state: state.synced)
    assert (await desk.send(ANA))[1].succeeded
    assert desk.arrivals(wa_id) == []
    seen = await desk.page.find_message(ANA, wa_id)
    assert seen is not None
    assert (seen.ack, seen.error_code) == (-1, 479)


# ---- the page ---------------------------------------------------------------------------------------------------------------


async def test_a_crash_fails_what_was_under_way_at_once_and_opening_brings_the_page_back(desk: Desk) -> None:
    await desk.twin.call("swallow")
    wa_id = new_id()
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(failure(desk.send(ANA, wa_id=wa_id, timeout_seconds=60)))
        await desk.until_answer(lambda: desk.ack_of(ANA, wa_id), lambda ack: ack == 0)
        await crash(desk)
        began = time.monotonic()
    assert time.monotonic() - began < AT_ONCE_SECONDS
    assert isinstance(sending.result(), PageGone)
    assert isinstance(await failure(desk.page.state()), PageGone)
    await desk.page.open()
    await desk.until(lambda state: state.synced)


async def test_a_message_that_was_not_acknowledged_survives_a_crash_and_is_sent_again_under_its_id(desk: Desk) -> None:
    wa_id = await swallowed(desk)
    await crash(desk)
    await desk.page.open()
    await desk.until(lambda state: state.synced)
    await taken(desk, wa_id)
    assert len(desk.arrivals(wa_id)) == 2


async def test_a_message_that_was_not_acknowledged_survives_a_reload_and_is_sent_again_under_its_id(desk: Desk) -> None:
    wa_id = await swallowed(desk)
    await desk.twin.call("needs-update")
    await desk.until_event(NeedsUpdate)
    await desk.page.open()
    await desk.until(lambda state: state.synced)
    await taken(desk, wa_id)
    assert len(desk.arrivals(wa_id)) == 2


async def test_a_page_that_hangs_times_out_and_opening_brings_it_back(desk: Desk) -> None:
    message_id = await desk.page.serialized_id(ANA, new_id())
    await desk.twin.call("hang")
    async with asyncio.timeout(20):
        while not await _hangs(desk, message_id):
            pass  # it was told to a moment ago
    await desk.page.open()
    await desk.until(lambda state: state.synced)
    assert (await desk.send(ANA))[1].succeeded


async def _hangs(desk: Desk, message_id: str) -> bool:
    try:
        await desk.page.send_text(ANA, "text", message_id, timeout_seconds=0.3)
    except PageTimeout:
        return True
    return False


# ---- the browser ------------------------------------------------------------------------------------------------------------


async def test_a_browser_that_is_killed_is_started_again_by_opening_and_the_link_is_kept(
    desk: Desk, driver: Driver
) -> None:
    await desk.page.close()  # what the page has kept reaches the disk when it likes, and then
    await desk.page.open()
    await desk.until(lambda state: state.synced)
    wa_id = await swallowed(desk)
    leader = driver.process_id(desk.page)
    os.kill(leader, signal.SIGKILL)
    await desk.until_event(BrowserGone)
    assert isinstance(await failure(desk.page.state()), PageGone)
    await desk.page.open()
    assert driver.process_id(desk.page) != leader
    state = await desk.until(lambda state: state.ready and (state.synced or state.mode is StreamMode.QR))
    assert (state.own_id, state.linked_seconds) == (f"{ME}@c.us", None)
    await taken(desk, wa_id)
    assert len(desk.arrivals(wa_id)) == 2


async def test_closing_ends_every_process_of_the_browser_and_opening_again_finds_the_link(
    desk: Desk, driver: Driver
) -> None:
    processes = members(driver.process_id(desk.page))
    assert len(processes) >= 4
    await desk.page.close()
    ended(processes)
    assert isinstance(await failure(desk.page.state()), PageGone)
    await desk.page.close()
    await desk.page.open()
    assert (await desk.until(lambda state: state.synced)).own_id == f"{ME}@c.us"


async def test_closing_a_page_that_hangs_ends_every_process_too(desk: Desk, driver: Driver) -> None:
    await desk.twin.call("hang")
    processes = members(driver.process_id(desk.page))
    await desk.page.close()
    ended(processes)
