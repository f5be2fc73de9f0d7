"""What a look at the page means, and what is done about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from messenger_hub.v1 import channel_service_pb2 as v1
from messenger_hub_agent.pagewatch import KEPT_SECONDS, PageWatch, Sight, sight_of
from messenger_hub_agent.reconnecting import Backoff
from messenger_hub_agent.whatsapp.errors import BrowserMissing
from messenger_hub_agent.whatsapp.page import (
    AckChanged,
    BrowserGone,
    LoggedOut,
    PageCrashed,
    PageError,
    PageState,
    QrChanged,
    SeenMessage,
    StateChanged,
)

from tests.fakes.clock import FakeClock
from tests.fakes.page import LINKED, UNLINKED, FakePage

SECONDS = 10
NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (LINKED, v1.CHANNEL_STATE_LINKED),
        (UNLINKED, v1.CHANNEL_STATE_UNLINKED),
        (replace(UNLINKED, passkey=True), v1.CHANNEL_STATE_PASSKEY_NEEDED),
        (replace(LINKED, needs_update=True), v1.CHANNEL_STATE_NEEDS_UPDATE),
        (replace(LINKED, ready=False), v1.CHANNEL_STATE_STARTING),
        (replace(LINKED, synced=False), v1.CHANNEL_STATE_STARTING),
        (replace(LINKED, normal=False, synced=False, online=False), v1.CHANNEL_STATE_STARTING),
        (replace(LINKED, restricted_until=NOW + 60), v1.CHANNEL_STATE_RESTRICTED),
        (replace(LINKED, restricted_until=NOW - 60), v1.CHANNEL_STATE_LINKED),
        (replace(LINKED, linked_seconds=KEPT_SECONDS - 1), v1.CHANNEL_STATE_STARTING),
        (replace(LINKED, linked_seconds=KEPT_SECONDS), v1.CHANNEL_STATE_LINKED),
    ],
)
def test_a_state_has_its_sight(state: PageState, expected: int) -> None:
    sight = sight_of(state, now=NOW, cause="")
    assert sight.state == expected
    assert sight.can_work == (expected in (v1.CHANNEL_STATE_LINKED, v1.CHANNEL_STATE_RESTRICTED))


def test_the_cause_of_a_log_out_is_told_in_words() -> None:
    assert sight_of(UNLINKED, now=NOW, cause="unknown_companion").reason == "the phone has removed this device"
    assert sight_of(UNLINKED, now=NOW, cause="something_new").reason == "something_new"


class Watched:
    """A running watch; `until` awaits what it tells."""

    def __init__(self, page: FakePage) -> None:
        self.page = page
        self.seen: list[AckChanged] = []
        self.sights: list[Sight] = []
        self._told = asyncio.Event()
        self.watch = PageWatch(page, FakeClock(), Backoff(lambda: 0.0), self._note, self.seen.extend)

    def _note(self) -> None:
        self.sights.append(self.watch.sight)
        self._told.set()

    async def told(self) -> None:
        self._told.clear()
        await self._told.wait()

    async def until(self, state: int, reason: str = "") -> Sight:
        async with asyncio.timeout(SECONDS):
            while self.watch.sight.state != state or reason not in self.watch.sight.reason:
                await self.told()
        return self.watch.sight


@asynccontextmanager
async def watching(page: FakePage) -> AsyncIterator[Watched]:
    watched = Watched(page)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(watched.watch.run())
        yield watched
        running.cancel()
    assert page.asked[-1] == "close"


async def test_receipts_that_were_missed_are_read_after_every_link() -> None:
    held = SeenMessage(message_id="m", wa_id="3EB0", chat="1@c.us", ack=3, error_code=None)
    async with watching(FakePage(held={"3EB0": held})) as watched:
        await watched.until(v1.CHANNEL_STATE_LINKED)
        assert watched.seen == [AckChanged(chat="1@c.us", ack=3, wa_ids=["3EB0"])]
        groups = watched.watch.take_groups()
        assert groups is not None
        assert [group.name for group in groups] == ["Team"]
        assert watched.watch.take_groups() is None


async def test_a_new_code_replaces_the_old_one() -> None:
    async with watching(FakePage(now=UNLINKED)) as watched:
        assert (await watched.until(v1.CHANNEL_STATE_UNLINKED)).qr_text == "code"
        watched.page.shown_code = "another"
        watched.page.events.put_nowait(QrChanged(text="another"))
        watched.page.events.put_nowait(LoggedOut(cause="unknown_companion"))
        assert (await watched.until(v1.CHANNEL_STATE_UNLINKED, "phone")).qr_text == "another"


async def test_a_pairing_code_is_asked_for_once_while_it_is_wanted() -> None:
    page = FakePage(now=UNLINKED)
    watched = Watched(page)
    assert watched.watch.wanted(linking=True, pairing_number="12015550100", unlink=False)
    assert not watched.watch.wanted(linking=True, pairing_number="12015550100", unlink=False)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(watched.watch.run())
        assert (await watched.until(v1.CHANNEL_STATE_UNLINKED)).pairing_code == "ABCD1234"
        page.now = LINKED
        page.events.put_nowait(StateChanged())
        await watched.until(v1.CHANNEL_STATE_LINKED)
        running.cancel()
    assert page.asked.count("pairing_code 12015550100") == 1


@pytest.mark.parametrize("event", [PageCrashed(), BrowserGone()])
async def test_a_page_that_died_is_opened_again(event: PageCrashed | BrowserGone) -> None:
    async with watching(FakePage()) as watched:
        await watched.until(v1.CHANNEL_STATE_LINKED)
        watched.page.events.put_nowait(event)
        async with asyncio.timeout(SECONDS):
            while len(watched.sights) < 3:
                await watched.told()
        assert [sight.reason for sight in watched.sights] == ["", "WhatsApp Web is starting again", ""]
        assert watched.page.asked.count("open") == 2


async def test_a_browser_that_is_missing_is_told_and_looked_for_again() -> None:
    page = FakePage(opens=[BrowserMissing("No browser was found: install one."), PageError("not_reached", "net")])
    async with watching(page) as watched:
        await watched.until(v1.CHANNEL_STATE_LINKED)
        assert page.asked.count("open") == 3


async def test_an_account_is_logged_out_when_an_operator_unlinks_it() -> None:
    page = FakePage()
    watched = Watched(page)
    watched.watch.wanted(linking=False, pairing_number="", unlink=True)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(watched.watch.run())
        await watched.until(v1.CHANNEL_STATE_LINKED)
        page.now = UNLINKED
        page.events.put_nowait(LoggedOut(cause="user_initiated"))
        await watched.until(v1.CHANNEL_STATE_UNLINKED, "logged out here")
        running.cancel()
    assert "logout" in page.asked
