"""Keeps one channel's page open and says what it shows: starting, waiting for a link, linked, restricted, out of date.

The page is opened again after a crash, a hang, a log-out or the browser's end, and to change the wa-js in it; its state is read at
every event, and now and then without one. After every link the receipts of the last seven days are read again, so that those missed
meanwhile arrive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime.clock import Clock
from messenger_hub.runtime.log import logger
from messenger_hub.v1 import channel_service_pb2 as v1

from messenger_hub_agent.codes import CodeRequests
from messenger_hub_agent.reconnecting import Backoff
from messenger_hub_agent.turns import Turn
from messenger_hub_agent.updating.trial import Trial
from messenger_hub_agent.whatsapp.errors import BrowserError
from messenger_hub_agent.whatsapp.fit import lacking
from messenger_hub_agent.whatsapp.page import (
    SCRIPT_CODES,
    AckChanged,
    BrowserGone,
    EventsLost,
    LoggedOut,
    NeedsUpdate,
    Page,
    PageCrashed,
    PageError,
    PageEvent,
    PageGone,
    PageState,
    PageTimeout,
    QrChanged,
    Shown,
)

log = logger(__name__)

LOOK_SECONDS = 2.0  # between two looks at a page that says nothing
RECEIPTS_SECONDS = 7 * 24 * 3600.0
UPDATE_SECONDS = 600.0  # a page that was too old is loaded again now and then: WhatsApp may have changed its mind
HUNG_LOOKS = 3  # so many looks without an answer, and the page is opened anew
READY_SECONDS = 90.0  # a page that answers and is not ready by then never will be: one of its scripts did not come
TURN_SECONDS = 20.0  # a page that takes longer to get ready waits for its network, and no core
MOST_PROOFS = 2
READY_MOST_SECONDS = 720.0  # twice as long each time, for a network over which it takes longer

# A report is one frame of at most 1 MiB, and the server ends the stream for more; WhatsApp has none that come near.
MOST_GROUPS, MOST_ID, MOST_NAME, MOST_MEMBERS = 2_000, 64, 100, 2**31 - 1

SAVING = "Linked; WhatsApp Web is saving the link"
STOPPED = "WhatsApp shows no more codes until somebody chooses Link WhatsApp in the icon's menu or runs messenger-hub channel link"
ASKED = "WhatsApp is asked for a new code"

CAUSES = {
    "user_initiated": "it was logged out here",
    "unknown_companion": "the phone has removed this device",
    "account_removed": "the account was removed from the phone",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What the page shows, for the server and the tray."""

    state: v1.ChannelState.ValueType = v1.CHANNEL_STATE_STARTING
    reason: str = "WhatsApp Web is starting"
    account: str = field(default="", repr=False)
    qr_text: str = field(default="", repr=False)
    pairing_code: str = field(default="", repr=False)
    restricted_until: float | None = None

    @property
    def can_work(self) -> bool:
        """Operations can be carried out; a restricted account still writes to existing chats."""
        return self.state in (v1.CHANNEL_STATE_LINKED, v1.CHANNEL_STATE_RESTRICTED)

    def report(self) -> pb.ChannelReport:
        """As the server gets it."""
        report = pb.ChannelReport(
            state=self.state,
            reason=self.reason,
            account=self.account,
            qr_text=self.qr_text,
            pairing_code=self.pairing_code,
        )
        if self.restricted_until is not None:
            report.restricted_until.FromMilliseconds(round(self.restricted_until * 1000))
        return report


def sight_of(state: PageState, *, now: float, cause: str, unproven: bool = False) -> Sight:
    """What a look at the page means. `cause`: why the account was logged out last, "" when it was not. `unproven`: the account was
    linked in this browser, which may not have written it to the disk yet."""
    if state.needs_update:
        return Sight(
            state=v1.CHANNEL_STATE_NEEDS_UPDATE, reason="WhatsApp asks for a newer version: update Messenger Hub"
        )
    if state.passkey:
        return Sight(
            state=v1.CHANNEL_STATE_PASSKEY_NEEDED, reason="WhatsApp asks for a passkey: link in a visible window"
        )
    loading = not state.injected or not state.ready
    if loading and not cause:
        return Sight()
    if loading or not state.authenticated:
        return Sight(state=v1.CHANNEL_STATE_UNLINKED, reason=CAUSES.get(cause, cause))
    account = (state.own_id or "").split("@")[0].split(":")[0]
    if not (state.can_send and state.synced):
        return Sight(
            reason="WhatsApp Web is synchronising" if state.online else "WhatsApp Web is offline", account=account
        )
    if unproven:
        return Sight(reason=SAVING, account=account)
    if state.restricted_until is not None and state.restricted_until > now:
        reason = "WhatsApp lets this account write to existing chats only"
        return Sight(
            state=v1.CHANNEL_STATE_RESTRICTED, reason=reason, account=account, restricted_until=state.restricted_until
        )
    return Sight(state=v1.CHANNEL_STATE_LINKED, reason="", account=account)


class PageWatch:
    """Watches one page. `told` is called after every change of `sight`, `seen` for receipts, `opened` whenever the page was opened;
    `acting` says whether something is in the page's hands, which `trial` waits for before its wa-js gets into the page."""

    def __init__(
        self,
        page: Page,
        clock: Clock,
        backoff: Backoff,
        told: Callable[[], None],
        seen: Callable[[Sequence[AckChanged]], None],
        opened: Callable[[], None],
        trial: Trial,
        acting: Callable[[], bool],
        take_turn: Callable[[], Awaitable[Turn]],
    ) -> None:
        self._page = page
        self._clock = clock
        self._backoff = backoff
        self._told = told
        self._seen = seen
        self._opened = opened
        self._trial = trial
        self._acting = acting
        self._checked = False  # the wa-js of this opening
        self._take_turn = take_turn
        self._turn: Turn | None = None  # to start, while that goes on
        self._restart: asyncio.Future[None] | None = None
        self.sight = Sight()
        self.browser_problem = ""  # why it did not start, as long as none does
        self._cause = ""
        self._proofs = 0  # browsers since the link
        self._unproven = False  # this browser has been without a link: another one has to find it
        self._linking = False
        self._pairing_number = ""
        self._unlink = False
        self._unanswered = 0
        self._opened_at = 0.0
        self._ready_at = 0.0  # when it was last, or was opened
        self._patience = READY_SECONDS
        self._groups: Sequence[pb.Group] | None = None
        self._codes = CodeRequests()
        self._wait: asyncio.Timeout | None = None  # for news, while that goes on

    def wanted(self, *, linking: bool, pairing_number: str, unlink: bool) -> bool:
        """What the server wants of the link. True when somebody has just asked to link."""
        begun = linking and not self._linking
        self._linking, self._pairing_number, self._unlink = linking, pairing_number, unlink
        if begun:
            self._codes.linking_began()
            self._look_now()
        return begun

    def take_groups(self) -> Sequence[pb.Group] | None:
        """The groups, once per reading; None when there is nothing new."""
        groups, self._groups = self._groups, None
        return groups

    async def run(self) -> None:
        """Opens the page and follows it until cancelled; then page and browser are ended, and the link is kept."""
        try:
            await self._open()
            while True:
                await self._begin_look()
                await self._look()
                await self._until_news()
        finally:
            self._end_turn()
            await self._page.close()

    async def restart_browser(self) -> None:
        """A new browser instead of the old one, for the same page; returns when that is open."""
        self._restart = asyncio.get_running_loop().create_future()
        self._look_now()
        await self._restart

    def _look_now(self) -> None:
        if self._wait is not None and not self._wait.expired():
            self._wait.reschedule(asyncio.get_running_loop().time())

    async def _until_news(self) -> None:
        """Returns when the page is worth a look."""
        while (event := await self._next_event()) is not None:
            if await self._happened(event):
                return

    async def _next_event(self) -> PageEvent | None:
        """None when nothing happens for a while, and when somebody begins to link."""
        try:
            async with asyncio.timeout(LOOK_SECONDS) as self._wait:
                return await self._page.next_event()
        except TimeoutError:
            return None
        finally:
            self._wait = None

    async def _happened(self, event: PageEvent) -> bool:
        """What an event means; True when the page is to be looked at."""
        match event:
            case AckChanged():
                self._seen([event])
                return False
            case QrChanged(text=text) if self.sight.qr_text:
                self._set(replace(self.sight, qr_text=text))
                return False
            case LoggedOut(cause=cause):
                self._cause = cause
                self._linked_anew()
            case PageCrashed() | BrowserGone() | NeedsUpdate():
                self._unproven &= not isinstance(event, BrowserGone)
                log.warning("page opened again", kind=type(event).__name__)
                await self._reopen()
            case EventsLost():
                await self._catch_up()
            case Shown():
                self._codes.window_opened()
            case _:
                pass
        return True

    async def _reopen(self) -> None:
        self._unanswered = 0
        self._set(Sight(reason="WhatsApp Web is starting again"))
        await self._open()

    async def _change_wa_js(self) -> None:
        """With a new browser, between two operations: the executor begins none on a page whose wa-js is to go."""
        self._set(Sight(reason=f"wa-js {self._trial.version} gets into the page"))
        while self._acting():
            await self._until_news()
        log.warning("page opened again", kind="wa-js")
        self._patience = READY_SECONDS
        await self._change_browser()

    async def _open_afresh(self) -> None:
        """For a page that looks sound, which opening alone would leave as it is."""
        self._set(Sight(reason="WhatsApp Web is starting again"))
        await self._change_browser()

    async def _change_browser(self) -> None:
        try:
            await self._page.close()
        except TimeoutError:
            # It outlives even SIGKILL for a while, as when the machine swaps: the next start waits for its profile.
            log.warning("browser does not end")
        self._unproven = False
        await self._open()

    async def _open(self) -> None:
        lasted = 0.0
        self._checked = False
        while True:
            self._end_turn()  # of a page that went before it was ready
            self._turn = await self._take_turn()
            began = self._opened_at = self._clock.monotonic()
            try:
                await self._page.open()
            except BrowserError as error:
                self.browser_problem = str(error)
                self._set(Sight(reason=str(error)))
                log.warning("browser not started", code=error.code)
            except PageError as error:
                self.browser_problem = ""
                self._set(Sight(reason="WhatsApp Web cannot be reached: check this desktop's network"))
                log.warning("page not opened", code=error.code)
            else:
                self.browser_problem = ""
                self._ready_at = self._clock.monotonic()
                self._opened()
                return
            self._end_turn()
            lasted = self._clock.monotonic() - began
            await asyncio.sleep(self._backoff.next_seconds(lasted))

    def _end_turn(self) -> None:
        if self._turn is not None:
            self._turn.end()
            self._turn = None

    async def _begin_look(self) -> None:
        if self._page.wa_js_version != self._trial.version:
            await self._change_wa_js()
        if self._restart is not None:
            await self._open_afresh()
            self._restart.set_result(None)
            self._restart = None
        if self._clock.monotonic() - self._opened_at >= TURN_SECONDS:
            self._end_turn()

    async def _look(self) -> None:
        try:
            state = await self._page.state()
            sight = await self._judged(state)
            if sight is None:
                return
            if sight.can_work and not self.sight.can_work:
                self._cause = ""
                await self._catch_up()
        except PageError as error:
            log.info("page did not answer", code=error.code)
            await self._unanswered_look(error)
            return
        self._unanswered = 0
        if sight.reason == SAVING:
            # Chromium writes a link to the disk when it likes, after some logging out and in only minutes later, and at its end: a
            # channel counts as linked once another browser has found the link.
            self._cause = ""
            self._proofs += 1
            self._set(sight)
            await self._change_browser()
        elif self._waited_in_vain():
            await self._try_afresh()
        elif state.needs_update and self._clock.monotonic() - self._opened_at > UPDATE_SECONDS:
            await self._reopen()
        elif sight != self.sight or self._groups is not None:
            self._set(sight)

    async def _judged(self, state: PageState) -> Sight | None:
        """What the page shows; None when its wa-js does not fit, and another one gets into it. Raises PageError."""
        if state.ready or state.needs_update:
            self._ready_at, self._patience = self._clock.monotonic(), READY_SECONDS
        self._codes.saw(state, self._clock.monotonic())
        sight = sight_of(state, now=self._clock.now_ms() / 1000, cause=self._cause, unproven=self._is_unproven(state))
        if state.ready:
            self._end_turn()
            if not state.authenticated:
                self._linked_anew()
            return await self._completed(sight, idle=state.idle) if await self._wa_js_fits() else None
        if sight == Sight() and self._trial.on_trial(self._page.wa_js_version):
            return replace(sight, reason=f"wa-js {self._page.wa_js_version} is tried: {sight.reason}")
        return sight

    def _linked_anew(self) -> None:
        """Whatever link comes next is new to this browser."""
        self._unproven, self._proofs = True, 0

    def _is_unproven(self, state: PageState) -> bool:
        """Not for ever: a page that seems to be linked anew in each browser is believed in the end."""
        return (self._unproven or state.linked_seconds is not None) and self._proofs < MOST_PROOFS

    async def _wa_js_fits(self) -> bool:
        """One that is on trial is checked once in each opening, before the channel works."""
        version = self._page.wa_js_version
        if self._checked or not self._trial.on_trial(version):
            return True
        missing = lacking(await self._page.bindings())
        self._trial.checked(version, missing)
        self._checked = not missing
        return self._checked

    async def _unanswered_look(self, error: PageError) -> None:
        blamed = error.code in SCRIPT_CODES and self._trial.on_trial(self._page.wa_js_version)
        self._unanswered += blamed or isinstance(error, PageTimeout | PageGone)
        if self._unanswered >= HUNG_LOOKS:
            log.warning("page hangs and is opened again")
            self._trial.failed(self._page.wa_js_version, f"the page did not answer: {error.code}")
            await self._reopen()
        elif self._waited_in_vain():
            await self._try_afresh()

    async def _try_afresh(self) -> None:
        log.warning("page not ready and opened again", seconds=round(self._patience))
        self._trial.failed(self._page.wa_js_version, f"the page did not get ready in time: {self._patience:.0f} s")
        self._patience = min(READY_MOST_SECONDS, 2 * self._patience)
        await self._open_afresh()

    def _waited_in_vain(self) -> bool:
        return self._clock.monotonic() - self._ready_at >= self._patience

    def _set(self, sight: Sight) -> None:
        self.sight = sight
        self._told()

    async def _completed(self, sight: Sight, *, idle: bool) -> Sight:
        """Adds what linking needs, and carries out what is wanted of the link."""
        if sight.can_work and self._unlink:
            await self._page.logout()
            return sight
        if sight.state != v1.CHANNEL_STATE_UNLINKED:
            return sight
        code = self.sight.pairing_code if self._pairing_number else ""
        if idle and not code:  # a code that is being typed stays good, unless another one is asked for
            return await self._without_code(sight)
        if self._pairing_number and not code:
            code = await self._page.pairing_code(self._pairing_number)
        return replace(sight, qr_text=await self._page.qr() or "", pairing_code=code)

    async def _without_code(self, sight: Sight) -> Sight:
        """On a page that has stopped showing codes: another one for whoever is there, or else how to get one."""
        if self._codes.due(linking=self._linking, now=self._clock.monotonic()):
            await self._page.refresh_qr()
            return replace(sight, reason=ASKED)
        if self._codes.attended(linking=self._linking):
            return replace(sight, reason=ASKED)
        return replace(sight, reason="; ".join(filter(None, (sight.reason, STOPPED))))

    async def _catch_up(self) -> None:
        groups = await self._page.groups()
        self._groups = [
            pb.Group(group_id=g.id, name=g.name[:MOST_NAME], participants=min(max(g.participants, 0), MOST_MEMBERS))
            for g in groups[:MOST_GROUPS]
            if len(g.id) <= MOST_ID
        ]
        messages = await self._page.find_messages(RECEIPTS_SECONDS)
        self._seen([AckChanged(chat=one.chat, ack=one.ack, wa_ids=[one.wa_id]) for one in messages])
