"""A page whose codes are used up, as wa-js, a person and pages of other ages see it: every way to ask for another code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from messenger_hub_agent.whatsapp.page import QrChanged
from messenger_hub_agent.whatsapp.pyppeteer_page import PyppeteerPage

from tests.e2e.driver.inside import new_page
from tests.integration.twin.twin import Twin

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

SECONDS = 20
CODE_IN_THE_PAGE = "document.querySelector('.frame').dataset.ref"
BUTTON = "document.querySelector('.frame button')"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(twin: Twin, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PyppeteerPage]:
    async with new_page(tmp_path_factory.mktemp("channel"), twin.url) as page:
        await page.open()
        await asks_until(page, "self.WPP && WPP.isFullReady && Boolean(WPP.whatsapp.Conn.ref)")
        yield page


@pytest_asyncio.fixture(loop_scope="module")
async def page(opened: PyppeteerPage, twin: Twin) -> PyppeteerPage:
    """An idle page that is given codes again when it asks, and has told nothing yet."""
    await twin.call("codes", count=0)
    await asks_until(opened, "WPP.conn.isIdle()")
    await asks_until(opened, f"Boolean({BUTTON})")
    await twin.call("codes")
    while not opened._events.empty():
        await opened.next_event()
    return opened


async def asks_until(page: PyppeteerPage, expression: str) -> None:
    """Evaluates it again and again in the page, until it holds."""
    condition = (
        f"new Promise((done) => {{ const look = () => ({expression}) ? done(1) : setTimeout(look, 20); look(); }})"
    )
    assert await page._evaluate(condition, SECONDS) == 1


async def new_code(page: PyppeteerPage) -> str:
    """The code that the page tells of, and shows."""
    async with asyncio.timeout(SECONDS):
        while not isinstance(told := await page.next_event(), QrChanged):
            pass
    await asks_until(page, f"!WPP.conn.isIdle() && !{BUTTON} && {CODE_IN_THE_PAGE} === WPP.whatsapp.Conn.ref")
    assert told.text.startswith(str(await page._evaluate(CODE_IN_THE_PAGE, SECONDS)))
    return told.text


async def test_wa_js_sees_an_idle_socket_and_still_the_last_code(page: PyppeteerPage) -> None:
    seen = "[WPP.whatsapp.Socket.state, WPP.conn.isIdle(), WPP.conn.isAuthenticated(), Boolean(WPP.whatsapp.Conn.ref)]"
    assert await page._evaluate(seen, SECONDS) == ["UNPAIRED_IDLE", True, False, True]
    assert str(await page._evaluate("WPP.conn.getAuthCode().then((code) => code.fullCode)", SECONDS)).startswith("2@")
    assert await page.qr() is None


async def test_wa_js_brings_a_new_code(page: PyppeteerPage) -> None:
    answer = await page._evaluate("WPP.conn.refreshQR().then((code) => code.fullCode)", SECONDS)
    assert answer == await new_code(page)


async def test_a_click_on_the_button_brings_a_new_code(page: PyppeteerPage) -> None:
    assert await page._evaluate(f"{BUTTON}.innerText", SECONDS) == "\u21bb\nClick to reload QR code"
    await page._evaluate(f"{BUTTON}.click()", SECONDS)
    assert await new_code(page) == await page.qr()


async def test_the_last_code_stays_void_while_the_page_connects_anew(page: PyppeteerPage) -> None:
    assert (await page.state()).idle
    await page._evaluate("WPP.whatsapp.Socket.set({ state: 'OPENING' })", SECONDS)
    assert not (await page.state()).idle
    assert await page.qr() is None
    await page.refresh_qr()
    assert await new_code(page) == await page.qr()


@pytest.mark.parametrize(
    "lacks",
    ["WPP.whatsapp.Cmd.refreshQR", "importNamespace('WAWebBackendEventBus').BackendEventBus.triggerRefreshQR"],
    ids=["as wa-js does", "as its button does"],
)
async def test_a_page_that_cannot_be_asked_in_one_of_the_two_ways_is_asked_in_the_other(
    page: PyppeteerPage, lacks: str
) -> None:
    owner, _, name = lacks.rpartition(".")
    # The twin's Cmd asks over the bus, which a page without that way has not got: its Cmd asks by itself.
    alone = "WPP.whatsapp.Cmd.refreshQR = () => importNamespace('TwinBackend').send({ op: 'refresh_qr' })"
    await page._evaluate(f"{alone}; {owner}.{name} = undefined", SECONDS)
    try:
        await page.refresh_qr()
        assert await new_code(page) == await page.qr()
    finally:
        await page._evaluate(f"delete WPP.whatsapp.Cmd.refreshQR; delete {owner}.{name}", SECONDS)
