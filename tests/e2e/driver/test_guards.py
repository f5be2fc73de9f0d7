"""The faults of pyppeteer and of Chromium that our page is guarded against, each made to happen."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from messenger_hub_agent.whatsapp import wa_js
from messenger_hub_agent.whatsapp.page import (
    BrowserGone,
    EventsLost,
    PageCrashed,
    PageEvent,
    PageGone,
    PageTimeout,
    StateChanged,
)
from messenger_hub_agent.whatsapp.profile import discard_profile
from messenger_hub_agent.whatsapp.pyppeteer_page import EVENTS, PyppeteerPage

from tests.e2e.driver import controlled
from tests.e2e.driver.desk import failure
from tests.e2e.driver.inside import leader, new_page, session
from tests.e2e.driver.processes import ended, kernel_says, members, renderers
from tests.integration.twin.twin import Twin

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

SECONDS = 20
AT_ONCE_SECONDS = 1.0
NEVER = "new Promise(() => {})"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(twin: Twin, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PyppeteerPage]:
    async with new_page(tmp_path_factory.mktemp("channel"), twin.url) as page:
        yield page


@pytest_asyncio.fixture(loop_scope="module")
async def page(opened: PyppeteerPage) -> PyppeteerPage:
    """A page that is loaded and has told nothing yet."""
    await opened.open()
    async with asyncio.timeout(SECONDS):
        while not (await opened.state()).ready:
            await opened.next_event()
    taken(opened)
    return opened


def taken(page: PyppeteerPage) -> Sequence[PageEvent]:
    """All events that wait."""
    return [page._events.get_nowait() for _ in range(page._events.qsize())]


async def event(page: PyppeteerPage, kind: type[PageEvent]) -> PageEvent:
    """The next event of that kind."""
    async with asyncio.timeout(SECONDS):
        while not isinstance(told := await page.next_event(), kind):
            pass
    return told


async def works(page: PyppeteerPage) -> None:
    """Fails unless the connection still carries calls and their answers."""
    assert await page._evaluate("6 * 7", SECONDS) == 42


# ---- the connection ---------------------------------------------------------------------------------------------------------


async def test_an_event_handler_that_raises_does_not_end_the_connection(
    page: PyppeteerPage, caplog: pytest.LogCaptureFixture
) -> None:
    def raises(_: object) -> None:
        raise RuntimeError("a handler of ours is broken")

    session(page).on("Runtime.consoleAPICalled", raises)
    try:
        assert await page._evaluate("console.log('to the handler'), 1", SECONDS) == 1
        await works(page)
    finally:
        session(page).remove_listener("Runtime.consoleAPICalled", raises)
    assert [record.message for record in caplog.records] == ["browser_event_handler_failed"]


@pytest.mark.parametrize("payload", ["no json", "{}", '[{"kind": 3}]', '[{"cause": "x"}]', "[3]"])
async def test_what_the_page_tells_and_nobody_understands_is_passed_over(page: PyppeteerPage, payload: str) -> None:
    await page._evaluate(f"self.{wa_js.BINDING}({json.dumps(payload)})", SECONDS)
    await page._evaluate(f"""self.{wa_js.BINDING}('[{{"kind": "state"}}]')""", SECONDS)
    assert await event(page, StateChanged) == StateChanged()
    assert taken(page) == []


async def test_a_late_answer_to_a_call_that_was_given_up_does_not_end_the_connection(
    page: PyppeteerPage, caplog: pytest.LogCaptureFixture
) -> None:
    late = "new Promise((done) => { self.answerLate = () => done(7); })"
    assert isinstance(await failure(page._evaluate(late, 0.05)), PageTimeout)
    await page._evaluate("self.answerLate()", SECONDS)
    await works(page)
    assert not session(page)._callbacks
    assert caplog.records == []


async def test_a_late_answer_to_a_call_whose_caller_was_cancelled_does_not_end_the_connection(
    page: PyppeteerPage, caplog: pytest.LogCaptureFixture
) -> None:
    late = "new Promise((done) => { self.answerLate = () => done(7); })"
    async with asyncio.TaskGroup() as group:
        caller = group.create_task(page._evaluate(late, SECONDS))
        await page._evaluate("0", SECONDS)  # sent after the other one, so that has arrived too
        caller.cancel()
    future = session(page).send("Runtime.evaluate", {"expression": late, "awaitPromise": True})
    future.cancel()
    await page._evaluate("self.answerLate()", SECONDS)
    await works(page)
    assert caplog.records == []


async def test_an_error_of_the_protocol_is_the_calls_own_and_nobody_elses(page: PyppeteerPage) -> None:
    error = await failure(session(page).command("Page.noSuchCommand", seconds=SECONDS))
    assert "Page.noSuchCommand" in str(error)
    await works(page)


async def test_a_script_that_throws_is_told_with_its_first_line(page: PyppeteerPage) -> None:
    error = await failure(page._evaluate("(() => { throw new TypeError('not like this') })()", SECONDS))
    assert (error.code, error.message) == ("script_error", "TypeError: not like this")


async def test_events_that_nobody_takes_are_given_up_at_some_point_and_that_is_told(page: PyppeteerPage) -> None:
    one = f"""self.{wa_js.BINDING}('[{{"kind": "qr", "text": "' + number + '"}}]')"""
    await page._evaluate(f"for (let number = 0; number <= {EVENTS}; number += 1) {one}", SECONDS)
    await works(page)
    events = taken(page)
    assert isinstance(events[0], EventsLost)
    assert [getattr(told, "text", None) for told in events[1:]] == [str(EVENTS)]


async def _fail_at_once(page: PyppeteerPage, harm: Awaitable[object], *more: Awaitable[object]) -> None:
    """Fails unless calls that are under way end with PageGone as soon as the harm is done."""
    assert isinstance(await failure(page._evaluate(NEVER, 0.05)), PageTimeout)  # given up before, and not in the way
    async with asyncio.TaskGroup() as group:
        calls = [
            group.create_task(failure(call)) for call in (*(page._evaluate(NEVER, SECONDS) for _ in range(3)), *more)
        ]
        await works(page)
        began = time.monotonic()
        await harm
        await asyncio.wait(calls, timeout=SECONDS)
        assert time.monotonic() - began < AT_ONCE_SECONDS
    assert {type(call.result()) for call in calls} == {PageGone}


async def test_a_crash_of_the_page_fails_pending_calls_at_once_and_refuses_new_ones_until_it_is_opened(
    page: PyppeteerPage,
) -> None:
    await _fail_at_once(page, failure(session(page).command("Page.crash", seconds=SECONDS)))
    await event(page, PageCrashed)
    began = time.monotonic()
    assert isinstance(await failure(page._evaluate("1", SECONDS)), PageGone)
    assert isinstance(await failure(page.state()), PageGone)
    assert time.monotonic() - began < AT_ONCE_SECONDS
    crashed = session(page)
    await page.open()
    assert session(page) is crashed
    await works(page)


async def test_a_page_that_is_closed_by_a_person_fails_its_calls_and_opening_makes_another(page: PyppeteerPage) -> None:
    assert page._running is not None
    running, closed = page._running, session(page)
    await running.connection.command(
        "Target.createTarget", {"url": "about:blank"}
    )  # without any page the browser would end
    await _fail_at_once(page, running.connection.command("Target.closeTarget", {"targetId": closed.target_id}))
    await event(page, PageCrashed)
    await page.open()
    assert session(page).target_id != closed.target_id
    await works(page)


async def test_the_end_of_the_browser_fails_all_calls_at_once(page: PyppeteerPage) -> None:
    assert page._running is not None
    stuck = page._running.connection.command("Target.attachToTarget", {"targetId": "none", "flatten": False})

    async def kill() -> None:
        os.kill(leader(page), signal.SIGKILL)

    error = await failure(stuck)
    assert isinstance(error, PageGone)
    await _fail_at_once(page, kill())
    await event(page, BrowserGone)
    assert isinstance(await failure(page.groups()), PageGone)
    assert isinstance(await failure(page._running.connection.command("Browser.getVersion")), PageGone)
    assert taken(page) == []
    await page.open()
    await works(page)


# ---- what the page is given -------------------------------------------------------------------------------------------------


async def test_our_scripts_run_under_a_policy_that_forbids_them_and_with_nothing_switched_on_that_tells_others(
    page: PyppeteerPage,
) -> None:
    assert await page._evaluate("typeof self.WPP + typeof self.__messengerHub", SECONDS) == "objectobject"
    told = await page._evaluate(
        "[WPPConfig.disableGoogleAnalytics, WPPConfig.deviceName, JSON.stringify(WPPConfig.linkPreviewApiServers)]", 5
    )
    assert told == [True, False, "[]"]
    tag = (
        "(() => { const tag = document.createElement('script'); tag.textContent = 'self.byTag = 1';"
        " document.head.append(tag); return typeof self.byTag })()"
    )
    assert await page._evaluate(tag, SECONDS) == "undefined"  # as addScriptTag does: nothing, silently


async def test_our_scripts_are_in_the_top_frame_of_whatsapps_origin_and_nowhere_else(page: PyppeteerPage) -> None:
    framed = (
        "new Promise((done) => { const frame = document.createElement('iframe'); frame.src = '/qr.svg?text=x';"
        " frame.onload = () => done(typeof frame.contentWindow.__messengerHub); document.body.append(frame); })"
    )
    assert await page._evaluate(framed, SECONDS) == "undefined"
    await session(page).command("Page.navigate", {"url": "data:text/html,elsewhere"}, seconds=SECONDS)
    assert await page._evaluate("typeof self.WPP + typeof self.__messengerHub", SECONDS) == "undefinedundefined"
    assert (await page.state()).injected is False


async def test_the_page_takes_the_browser_for_one_with_a_window(page: PyppeteerPage) -> None:
    assert "HeadlessChrome" not in str(await page._evaluate("navigator.userAgent", SECONDS))


# ---- the processes ----------------------------------------------------------------------------------------------------------


async def test_nothing_listens(page: PyppeteerPage) -> None:
    processes = members(leader(page))
    assert len(processes) >= 4
    sockets = [socket for process in processes for socket in process.net_connections(kind="inet")]
    assert [socket for socket in sockets if socket.status == psutil.CONN_LISTEN] == []
    assert {socket.raddr.ip for socket in sockets if socket.raddr} <= {"127.0.0.1"}


async def test_the_sandbox_is_on_and_no_switch_weakens_the_browser(page: PyppeteerPage) -> None:
    pages = renderers(leader(page))
    assert pages
    for process in pages:
        assert (kernel_says(process, "Seccomp"), kernel_says(process, "NoNewPrivs")) == ("2", "1")
        assert kernel_says(process, "CapEff") == "0" * 16
    switches = psutil.Process(leader(page)).cmdline()[1:]
    weakening = ("--no-sandbox", "--disable-web-security", "--remote-debugging-port", "--enable-automation")
    assert [switch for switch in switches if switch.startswith(weakening)] == []
    assert not [switch for switch in switches if "site-per-process" in switch or "IsolateOrigins" in switch]
    assert "--remote-debugging-pipe" in switches


async def test_no_process_of_the_browser_belongs_to_root(page: PyppeteerPage) -> None:
    owners = {process.uids().effective for process in members(leader(page))}
    assert len(owners) == 1
    assert 0 not in owners


async def test_the_browser_leads_a_session_of_its_own_so_that_ctrl_c_does_not_reach_it(page: PyppeteerPage) -> None:
    assert os.getsid(leader(page)) == leader(page) != os.getsid(0)


async def test_the_end_of_who_controls_the_browser_ends_the_browser_within_two_seconds(
    twin: Twin, tmp_path: Path
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, controlled.__file__, str(tmp_path), twin.url), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(SECONDS):
            browser = int(await process.stdout.readline())
        processes = members(browser)
        assert len(processes) >= 4
    finally:
        process.kill()
        await process.communicate()
    ended(processes, 2.0)
    discard_profile(tmp_path)
