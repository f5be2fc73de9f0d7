"""What a look at the page means, and what is done about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from messenger_hub.v1 import channel_service_pb2 as v1
from messenger_hub_agent import pagewatch
from messenger_hub_agent.codes import AGAIN_SECONDS, SCANNED_SECONDS
from messenger_hub_agent.pagewatch import (
    ASKED,
    READY_MOST_SECONDS,
    READY_SECONDS,
    SAVING,
    STOPPED,
    PageWatch,
    Sight,
    sight_of,
)
from messenger_hub_agent.reconnecting import Backoff
from messenger_hub_agent.turns import Turn, Turns
from messenger_hub_agent.updating.choice import Stage
from messenger_hub_agent.updating.shelf import Wanted
from messenger_hub_agent.updating.trial import Trial
from messenger_hub_agent.whatsapp.errors import BrowserMissing
from messenger_hub_agent.whatsapp.fit import NEEDED
from messenger_hub_agent.whatsapp.page import (
    AckChanged,
    BrowserGone,
    LoggedOut,
    PageCrashed,
    PageError,
    PageState,
    QrChanged,
    SeenMessage,
    Shown,
    StateChanged,
)

from tests.fakes.clock import FakeClock
from tests.fakes.page import IDLE, LINKED, UNLINKED, FakePage, free_turn
from tests.fakes.trial import NEWER, FakeMemory, no_trial, trying

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
    """A running watch; `until` awaits what it sees."""

    def __init__(self, page: FakePage, trial: Trial, take_turn: Callable[[], Awaitable[Turn]] = free_turn) -> None:
        self.page = page
        self.acting = False
        self.seen: list[AckChanged] = []
        self.sights: list[Sight] = []
        self.openings = 0
        self._told = asyncio.Event()
        self.clock = FakeClock()
        self.watch = PageWatch(
            page,
            self.clock,
            Backoff(lambda: 0.0),
            self._note,
            self.seen.extend,
            self._count,
            trial,
            lambda: self.acting,
            take_turn,
        )

    def _count(self) -> None:
        self.openings += 1

    def _note(self) -> None:
        self.sights.append(self.watch.sight)
        self._told.set()

    async def told(self) -> None:
        self._told.clear()
        await self._told.wait()

    async def until(self, state: int, reason: str = "") -> Sight:
        """The first sight that matches, with all done that has happened. Looks follow each other without the time between them."""
        async with asyncio.timeout(SECONDS):
            while True:
                await self._comes_to_rest()
                if self.watch.sight.state == state and reason in self.watch.sight.reason:
                    return self.watch.sight
                self.page.events.put_nowait(StateChanged())

    async def _comes_to_rest(self) -> None:
        while not (self.page.quiet.is_set() and self.page.events.empty()):
            self.page.quiet.clear()  # which it is again after the last event
            await self.page.quiet.wait()

    def links(self, phone: str = "") -> None:
        """Somebody links from now on."""
        self.watch.wanted(linking=True, pairing_number=phone, unlink=False)

    async def after(self, act: Callable[[], object]) -> Sight:
        """What the watch makes of it: it waits for the next event, and does so again when all that follows is done."""
        async with asyncio.timeout(SECONDS):
            await self.page.quiet.wait()
            self.page.quiet.clear()
            act()
            await self.page.quiet.wait()
        return self.watch.sight

    async def later(self, seconds: float, now: PageState | None = None) -> Sight:
        """A look at the page after so many seconds; it has changed to `now` meanwhile."""
        self.clock.goes(seconds)
        self.page.now = now or self.page.now
        return await self.after(lambda: self.page.events.put_nowait(StateChanged()))

    @property
    def requests(self) -> int:
        """How often WhatsApp was asked for a code."""
        return self.page.asked.count("refresh_qr")


@asynccontextmanager
async def watching(
    page: FakePage,
    trial: Trial | None = None,
    *,
    linking: bool = False,
    phone: str = "",
    take_turn: Callable[[], Awaitable[Turn]] = free_turn,
) -> AsyncIterator[Watched]:
    watched = Watched(page, trial or no_trial(), take_turn)
    if linking:
        watched.links(phone)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(watched.watch.run())
        yield watched
        running.cancel()
    assert page.asked[-1] == "close"


async def test_a_page_that_crashes_before_it_is_ready_does_not_wait_for_its_own_turn() -> None:
    page, turns = FakePage(replace(LINKED, ready=False)), Turns(1)
    async with watching(page, take_turn=lambda: turns.take(lambda: False)) as watched:
        await watched.after(lambda: page.events.put_nowait(PageCrashed()))
        assert page.asked.count("open") == 2
        await watched.later(1.0, LINKED)
        (await turns.take(lambda: False)).end()  # and gives it back once it is ready


async def test_each_link_after_a_log_out_is_proven_however_many_there_were() -> None:
    async with watching(FakePage(LINKED)) as watched:
        for _ in range(4):
            await watched.until(v1.CHANNEL_STATE_LINKED)
            watched.sights.clear()
            watched.page.events.put_nowait(LoggedOut(cause="unknown_companion"))
            await watched.until(v1.CHANNEL_STATE_STARTING, SAVING)
        await watched.until(v1.CHANNEL_STATE_LINKED)
        assert watched.page.asked.count("open") == 5


async def test_a_page_that_seems_to_be_linked_anew_in_each_browser_is_believed_in_the_end() -> None:
    page = FakePage(replace(LINKED, linked_seconds=1.0), forgets=False)
    async with watching(page) as watched:
        await watched.until(v1.CHANNEL_STATE_LINKED)
        assert page.asked.count("open") == 3


async def test_a_channel_counts_as_linked_once_another_browser_has_found_the_link() -> None:
    async with watching(FakePage(UNLINKED)) as watched:
        await watched.until(v1.CHANNEL_STATE_UNLINKED)
        await watched.later(1.0, replace(LINKED, linked_seconds=0.5))
        assert SAVING in [sight.reason for sight in watched.sights]
        await watched.until(v1.CHANNEL_STATE_LINKED)
        assert [call for call in watched.page.asked if call in ("open", "close")] == ["open", "close", "open"]


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
    watched = Watched(page, no_trial())
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


async def test_a_page_that_was_logged_out_is_not_linked_while_it_loads_and_shows_no_code_until_it_has_loaded() -> None:
    async with watching(FakePage()) as watched:
        await watched.until(v1.CHANNEL_STATE_LINKED)
        watched.page.now = NOT_READY
        sight = await watched.after(lambda: watched.page.events.put_nowait(LoggedOut(cause="unknown_companion")))
        assert (sight.state, sight.reason) == (v1.CHANNEL_STATE_UNLINKED, "the phone has removed this device")
        assert sight.qr_text == ""
        assert (await watched.later(1, UNLINKED)).qr_text == "code"
        states = [one.state for one in watched.sights]
    assert states.count(v1.CHANNEL_STATE_STARTING) == 0


async def test_a_pairing_code_ends_with_the_page_that_showed_it() -> None:
    page = FakePage(now=UNLINKED)
    async with watching(page, linking=True, phone="12015550100") as watched:
        assert (await watched.until(v1.CHANNEL_STATE_UNLINKED)).pairing_code == "ABCD1234"
        assert (await watched.later(1, NOT_READY)).pairing_code == ""
        assert (await watched.later(1, UNLINKED)).pairing_code == "ABCD1234"
    assert page.asked.count("pairing_code 12015550100") == 2


@pytest.mark.parametrize("event", [PageCrashed(), BrowserGone()])
async def test_a_page_that_died_is_opened_again(event: PageCrashed | BrowserGone) -> None:
    async with watching(FakePage()) as watched:
        await watched.until(v1.CHANNEL_STATE_LINKED)
        watched.page.events.put_nowait(event)
        async with asyncio.timeout(SECONDS):
            while len(watched.sights) < 3:
                await watched.told()
        assert [sight.reason for sight in watched.sights] == ["", "WhatsApp Web is starting again", ""]
        assert watched.page.asked.count("open") == watched.openings == 2


NOT_READY = replace(LINKED, ready=False)


@pytest.mark.parametrize("seen", [NOT_READY, replace(NOT_READY, injected=False), PageError("script_error", "")])
async def test_a_page_that_answers_and_never_becomes_ready_is_opened_in_a_new_browser_with_growing_patience(
    seen: PageState | PageError,
) -> None:
    async with watching(FakePage(now=seen)) as watched:
        await watched.later(0)
        patience = READY_SECONDS
        for times in range(1, 6):
            await watched.later(patience - 1, seen)
            assert watched.page.asked.count("close") == times - 1
            await watched.later(1, seen)
            assert watched.page.asked[-2:] == ["close", "open"]
            assert watched.page.asked.count("close") == times
            patience = min(READY_MOST_SECONDS, 2 * patience)
        assert patience == READY_MOST_SECONDS
        await watched.later(1, LINKED)
        assert watched.watch.sight.state == v1.CHANNEL_STATE_LINKED
        await watched.later(READY_SECONDS, seen)
        assert watched.page.asked.count("close") == 6  # it had been ready: the count began anew


async def test_a_page_that_is_ready_is_not_opened_again_however_long_it_waits_for_a_link() -> None:
    async with watching(FakePage(now=UNLINKED)) as watched:
        for _ in range(5):
            await watched.later(READY_MOST_SECONDS)
        assert "close" not in watched.page.asked


async def test_a_browser_that_is_missing_is_told_and_looked_for_again() -> None:
    page = FakePage(opens=[BrowserMissing("No browser was found: install one."), PageError("not_reached", "net")])
    async with watching(page) as watched:
        await watched.until(v1.CHANNEL_STATE_LINKED)
        assert page.asked.count("open") == 3
        assert watched.openings == 1


async def test_an_account_is_logged_out_when_an_operator_unlinks_it() -> None:
    page = FakePage()
    watched = Watched(page, no_trial())
    watched.watch.wanted(linking=False, pairing_number="", unlink=True)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(watched.watch.run())
        await watched.until(v1.CHANNEL_STATE_LINKED)
        page.now = UNLINKED
        page.events.put_nowait(LoggedOut(cause="user_initiated"))
        await watched.until(v1.CHANNEL_STATE_UNLINKED, "logged out here")
        running.cancel()
    assert "logout" in page.asked


# ---- codes that are used up -------------------------------------------------------------------------------------------------


async def test_while_nobody_links_an_idle_page_is_left_alone_and_says_how_a_code_is_got() -> None:
    async with watching(FakePage(now=IDLE, codes=["new"])) as watched:
        assert (await watched.until(v1.CHANNEL_STATE_UNLINKED)).reason == STOPPED
        watched.page.events.put_nowait(LoggedOut(cause="unknown_companion"))
        for _ in range(20):
            sight = await watched.later(600)
        assert sight.reason == f"the phone has removed this device; {STOPPED}"
        assert sight.qr_text == ""
        assert watched.requests == 0


async def test_when_linking_begins_an_idle_page_is_asked_for_a_code_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pagewatch, "LOOK_SECONDS", 10 * SECONDS)
    async with watching(FakePage(now=IDLE, codes=["new"])) as watched:
        await watched.until(v1.CHANNEL_STATE_UNLINKED, STOPPED)
        sight = await watched.after(watched.links)
        assert (sight.qr_text, sight.reason, watched.requests) == ("new", "", 1)


async def test_while_somebody_links_a_page_is_asked_again_each_time_that_its_codes_are_used_up() -> None:
    async with watching(FakePage(now=UNLINKED, codes=["second", "third"]), linking=True) as watched:
        assert (await watched.until(v1.CHANNEL_STATE_UNLINKED)).qr_text == "code"
        for code in ("second", "third"):
            sight = await watched.later(160, IDLE)
            assert (sight.qr_text, sight.reason) == ("", ASKED)  # the last code may have been scanned a moment ago
            assert (await watched.later(SCANNED_SECONDS)).qr_text == code
        assert watched.requests == 2


async def test_a_code_that_does_not_come_is_asked_for_now_and_then_only() -> None:
    async with watching(FakePage(now=IDLE, codes=[PageError("script_error", "")]), linking=True) as watched:
        for _ in range(round(10 * AGAIN_SECONDS)):
            await watched.later(1)
        assert watched.requests == 10
        assert watched.watch.sight.reason == ASKED


async def test_whoever_opens_the_window_gets_a_code_and_no_more_once_it_is_used_up() -> None:
    async with watching(FakePage(now=IDLE, codes=["new", "newer"])) as watched:
        await watched.until(v1.CHANNEL_STATE_UNLINKED, STOPPED)
        assert (await watched.after(lambda: watched.page.events.put_nowait(Shown()))).qr_text == "new"
        assert (await watched.later(160, IDLE)).reason == STOPPED
        assert (await watched.later(600)).reason == STOPPED
        assert watched.requests == 1


async def test_a_passkey_that_somebody_may_be_confirming_is_not_cut_off_by_asking_for_a_code() -> None:
    async with watching(FakePage(now=UNLINKED, codes=["new"]), linking=True) as watched:
        await watched.until(v1.CHANNEL_STATE_UNLINKED)
        await watched.later(1, replace(UNLINKED, passkey=True))
        await watched.after(lambda: watched.page.events.put_nowait(Shown()))
        assert watched.watch.sight.state == v1.CHANNEL_STATE_PASSKEY_NEEDED
        assert (await watched.later(160, IDLE)).reason == STOPPED
        assert (await watched.later(600)).reason == STOPPED
        assert watched.requests == 0
        watched.watch.wanted(linking=False, pairing_number="", unlink=False)
        assert (await watched.after(watched.links)).qr_text == "new"


async def test_a_pairing_code_that_somebody_is_typing_stays_when_the_page_is_idle() -> None:
    async with watching(FakePage(now=UNLINKED, codes=["new"]), linking=True, phone="12015550100") as watched:
        await watched.until(v1.CHANNEL_STATE_UNLINKED)
        for _ in range(5):
            sight = await watched.later(100, IDLE)
        assert (sight.pairing_code, sight.qr_text, sight.reason) == ("ABCD1234", "", "")
        assert watched.requests == 0


async def test_an_idle_page_is_asked_for_codes_to_scan_before_it_is_asked_for_one_to_type() -> None:
    async with watching(FakePage(now=IDLE, codes=["new"])) as watched:
        await watched.until(v1.CHANNEL_STATE_UNLINKED, STOPPED)
        sight = await watched.after(lambda: watched.links("12015550100"))
        assert (sight.pairing_code, sight.qr_text) == ("ABCD1234", "new")
        assert watched.page.asked == ["open", "refresh_qr", "pairing_code 12015550100"]


# ---- another wa-js ----------------------------------------------------------------------------------------------------------


class Tried:
    """A page that is opened with whatever is wanted, and a newer wa-js that somebody wants as soon as `wants` is called."""

    def __init__(self, **page: object) -> None:
        self.memory = FakeMemory()
        self.trial = Trial(self.memory, FakeClock())
        self.page = FakePage(chosen=lambda: self.trial.version, **page)  # type: ignore[arg-type]

    def wants(self) -> None:
        self.memory.wish = Wanted(NEWER)
        self.trial.take_wish()
        self.page.events.put_nowait(StateChanged())

    @property
    def stage(self) -> Stage:
        return self.memory.kept[-1].stage


async def test_a_newer_wa_js_gets_into_the_page_and_is_checked_before_the_channel_works() -> None:
    tried = Tried()
    async with watching(tried.page, tried.trial) as watched:
        await watched.until(v1.CHANNEL_STATE_LINKED)
        assert "bindings" not in tried.page.asked
        assert (await watched.after(tried.wants)).can_work
        assert [one.can_work for one in watched.sights] == [True, False, True]
        assert tried.page.asked[-3:] == ["close", "open", "bindings"]
        assert tried.stage is Stage.PROVING


async def test_it_waits_for_what_is_in_the_pages_hands() -> None:
    tried = Tried()
    async with watching(tried.page, tried.trial) as watched:
        await watched.until(v1.CHANNEL_STATE_LINKED)
        watched.acting = True
        await watched.after(tried.wants)
        assert not watched.watch.sight.can_work
        assert "close" not in tried.page.asked
        watched.acting = False
        tried.page.events.put_nowait(StateChanged())
        await watched.until(v1.CHANNEL_STATE_LINKED)
        assert "close" in tried.page.asked


async def test_one_that_lacks_what_sending_needs_is_rejected_and_the_page_works_on_with_the_one_before() -> None:
    tried = Tried(resolved=NEEDED - {"ChatStore"})
    async with watching(tried.page, tried.trial) as watched:
        await watched.until(v1.CHANNEL_STATE_LINKED)
        await watched.after(tried.wants)
        assert (await watched.later(1)).can_work
        assert [one.can_work for one in watched.sights] == [True, False, False, True]
        assert tried.page.asked.count("open") == 3
        assert tried.page.wa_js_version == tried.trial.version != NEWER.version
    assert tried.stage is Stage.REJECTED
    assert tried.memory.kept[-1].rejections[-1].reason == "needed and missing: ChatStore"


async def test_one_with_which_the_page_never_gets_ready_is_rejected_when_the_patience_is_over() -> None:
    tried = Tried()
    async with watching(tried.page, tried.trial) as watched:
        await watched.until(v1.CHANNEL_STATE_LINKED)
        tried.page.now = replace(LINKED, injected=False, ready=False)
        assert f"{NEWER.version} is tried" in (await watched.after(tried.wants)).reason
        await watched.later(READY_SECONDS - 1)
        assert tried.stage is Stage.CANDIDATE
        await watched.later(1)
        assert tried.stage is Stage.REJECTED
        assert (await watched.later(1, LINKED)).can_work
    assert "did not get ready in time: 90 s" in tried.memory.kept[-1].rejections[-1].reason


async def test_one_whose_look_ups_fail_again_and_again_is_rejected() -> None:
    tried = Tried()
    async with watching(tried.page, tried.trial) as watched:
        await watched.until(v1.CHANNEL_STATE_LINKED)
        tried.page.resolved = PageError("script_error", "x is no function")
        await watched.after(tried.wants)
        for _ in range(pagewatch.HUNG_LOOKS - 1):
            assert tried.stage is Stage.CANDIDATE
            await watched.later(1)
        await watched.until(v1.CHANNEL_STATE_LINKED)
    assert tried.stage is Stage.REJECTED


async def test_one_that_another_channel_has_rejected_leaves_this_page_too() -> None:
    memory = FakeMemory()
    trial = trying(memory)
    page = FakePage(wa_js_version=NEWER.version, chosen=lambda: trial.version)
    async with watching(page, trial) as watched:
        await watched.until(v1.CHANNEL_STATE_LINKED)
        assert memory.kept[-1].stage is Stage.PROVING
        trial.failed(NEWER.version, "the other channel's first message failed")
        assert (await watched.later(1)).can_work
        assert [one.can_work for one in watched.sights] == [True, False, True]
        assert page.wa_js_version == trial.version != NEWER.version
