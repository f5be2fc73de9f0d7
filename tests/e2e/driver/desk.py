"""A page on a twin, and what a test does with both. Knows the Page protocol and no implementation of it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from messenger_hub_agent.whatsapp.page import Page, PageError, PageEvent, PageState, SendResult
from messenger_hub_twin.people import lid_of

from tests.integration.twin.twin import Json, Twin

SECONDS = 30
LOOK_SECONDS = 0.05  # for what the page tells no event of
LOADING = ("not_injected", "not_ready")
BY_NUMBER = "12015550102"
"""The account whose chats are keyed by phone number; the others are keyed by hidden id."""

T = TypeVar("T")
E = TypeVar("E")


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """An implementation: makes the page of a channel's folder, tells its browser's process, removes what it kept."""

    make: Callable[[Path, str], Page]
    process_id: Callable[[Page], int]
    discard: Callable[[Path], None]


class Desk:
    """One page and its account. `events` holds what was taken from the page since `quiet`."""

    def __init__(self, page: Page, twin: Twin, account: str) -> None:
        self.page = page
        self.twin = twin
        self.account = account
        self.events: list[PageEvent] = []

    # ---- waiting ------------------------------------------------------------------------------------------------------------

    async def until(self, matches: Callable[[PageState], bool]) -> PageState:
        """The first look at the page that matches."""
        return await self.until_answer(self.page.state, matches)

    async def until_answer(self, ask: Callable[[], Awaitable[T]], matches: Callable[[T], bool]) -> T:
        """The first answer that matches; it is asked for again at every event, and now and then without one."""
        async with asyncio.timeout(SECONDS):
            while not matches(answer := await ask()):
                await self._news()
        return answer

    async def until_event(self, kind: type[E], matches: Callable[[E], bool] = lambda _: True) -> E:
        """The first such event since `quiet`."""
        async with asyncio.timeout(SECONDS):
            while True:
                for event in self.events:
                    if isinstance(event, kind) and matches(event):
                        return event
                await self._news(SECONDS)

    async def quiet(self) -> None:
        """Forgets all events so far."""
        while await self._news(0):
            pass
        self.events.clear()

    async def _news(self, seconds: float = LOOK_SECONDS) -> bool:
        try:
            async with asyncio.timeout(seconds):
                self.events.append(await self.page.next_event())
        except TimeoutError:
            return False
        return True

    # ---- the way to a page that works -----------------------------------------------------------------------------------------

    async def shows_code(self) -> str:
        """The code to scan, once the page shows one."""
        return await self.until_answer(self._code, bool)

    async def _code(self) -> str:
        state = await self.page.state()
        if not state.ready or state.authenticated:
            return ""
        try:
            return await self.page.qr() or ""
        except PageError as error:
            if error.code in LOADING:  # loaded anew since that look, as after a log-out
                return ""
            raise

    async def link(self) -> PageState:
        """Scans the code that the page shows."""
        await self.shows_code()
        await self.twin.call("scan", account=self.account)
        return await self.until(lambda state: state.synced)

    async def works(self) -> None:
        """Whatever a test before did: the page is open, linked and in step, no fault is on, receipts come by hand."""
        if (await self.twin.state())["faults"]["mute"]:
            await self.twin.call("mute", on=False)
        await self.twin.call("reset")
        await self.twin.call("receipts", automatic=False)
        await self.page.open()
        state = await self.until(lambda state: state.ready and (state.synced or not state.authenticated))
        if not state.synced:
            await self.link()
        await self.quiet()

    # ---- messages -------------------------------------------------------------------------------------------------------------

    def keyed(self, number: str) -> str:
        """The id under which this account's chat with a number stands."""
        return f"{number}@c.us" if self.account == BY_NUMBER else lid_of(number)

    async def send(
        self, chat: str, text: str = "text", *, wa_id: str = "", timeout_seconds: float = 10
    ) -> tuple[str, SendResult]:
        """Sends under a new id, or the given one; with the bare id."""
        wa_id = wa_id or new_id()
        message_id = await self.page.serialized_id(chat, wa_id)
        return wa_id, await self.page.send_text(chat, text, message_id, timeout_seconds=timeout_seconds)

    async def ack_of(self, chat: str, wa_id: str) -> int | None:
        """The ack of our message as the page holds it; None where it holds none."""
        seen = await self.page.find_message(chat, wa_id)
        return None if seen is None else seen.ack

    def arrivals(self, wa_id: str) -> Sequence[Json]:
        """What the network received under an id."""
        return [line for line in self.twin.arrivals() if line["id"] == wa_id]


def new_id() -> str:
    """A bare id such as the server makes."""
    return f"3EB0{secrets.token_hex(9).upper()}"


async def failure(call: Awaitable[object]) -> PageError:
    """The error of a call that must fail."""
    try:
        answer = await call
    except PageError as error:
        return error
    raise AssertionError(f"it answered {answer!r}")


@asynccontextmanager
async def open_desk(driver: Driver, twin: Twin, folder: Path, account: str) -> AsyncIterator[Desk]:
    """An open page in a new profile; nothing of it is left afterwards."""
    page = driver.make(folder, twin.url)
    try:
        await page.open()
        yield Desk(page, twin, account)
    finally:
        await page.close()
        driver.discard(folder)
