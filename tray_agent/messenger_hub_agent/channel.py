"""One channel of the agent: browser page, journal and protocol machine, tied together.

One task performs what the machine wants, in order; checks, acts and look-ups run beside it, one of each at most. A fault of the
journal ends the channel's run: it is opened afresh, and what it then holds is what happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar, assert_never

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime.clock import Clock
from messenger_hub.runtime.failpoints import Failpoint, passing
from messenger_hub.runtime.log import logger
from messenger_hub.v1 import channel_service_pb2 as v1

from messenger_hub_agent.browser_care import BrowserCare, Need
from messenger_hub_agent.delivery import channel as machine
from messenger_hub_agent.delivery.work import Unclear
from messenger_hub_agent.examining import page_seen
from messenger_hub_agent.executor import Executor
from messenger_hub_agent.journal import RETENTION_MS, Journal
from messenger_hub_agent.pagewatch import PageWatch, Sight
from messenger_hub_agent.reconnecting import Backoff
from messenger_hub_agent.turns import Turns
from messenger_hub_agent.updating.trial import Trial
from messenger_hub_agent.whatsapp.page import AckChanged, Page, PageError

log = logger(__name__)

STOP_SECONDS = 35.0  # a send is answered or given up within 30 s
FORGET_SECONDS = 3600.0
AGAIN_SECONDS = 5.0
CARE_SECONDS = 60.0
HELD_SECONDS = 1.0  # between two numbers that the icon shows
PICTURES = 4  # of the page that may be asked for at a time
MOST_PICTURE = 900 * 1024  # what the contract takes

R = TypeVar("R")
Sender = Callable[[pb.ConnectRequest], None]


class Channel:
    """Runs one channel until `stop`. Frames come by `receive`, the stream's life by `attach` and `detach`."""

    def __init__(
        self,
        channel_id: int,
        page: Page,
        journal: Journal,
        view: machine.JournalView,
        clock: Clock,
        backoff: Backoff,
        changed: Callable[[], None],
        trial: Trial,
        turns: Turns,
        most_memory: int,
    ) -> None:
        """`most_memory`: bytes after which the browser is started anew."""
        self.id = channel_id
        self._page = page
        self._journal = journal
        self._clock = clock
        self._machine = machine.Channel(channel_id, view)
        self._executor = Executor(page, clock, trial)
        self._watch = PageWatch(
            page,
            clock,
            backoff,
            self._page_told,
            self._seen,
            self._executor.page_loaded,
            trial,
            acting=lambda: not self._machine.idle,
            take_turn=lambda: turns.take(lambda: self._has_work),
        )
        self._care = BrowserCare(most_memory, clock.monotonic())
        self._memory = self._restarts = 0
        self._resting = ""  # why, while the browser is started anew
        self._restarting = asyncio.Lock()
        self._changed = changed
        self._send: Sender | None = None
        self._paused_here = False
        self._paused_until_ms: int | None = None
        self._assignment = pb.Assignments.Assignment(channel_id=channel_id)
        self._stopping = False
        self._happened: asyncio.Queue[Callable[[], Sequence[machine.Action]]] = asyncio.Queue(10_000)
        self._idle = asyncio.Event()
        self._held_changed = asyncio.Event()
        self._windows = asyncio.Event()
        self._pictures: asyncio.Queue[int] = asyncio.Queue(PICTURES)
        self._window_wanted = True  # it opens with the browser

    @property
    def paused_here(self) -> bool:
        """A person has paused it on this desktop."""
        return self._paused_here

    @property
    def paused_until_ms(self) -> int | None:
        """When a pause ends by itself, in Unix milliseconds."""
        return self._paused_until_ms

    @property
    def sight(self) -> Sight:
        """What the page shows, for the tray."""
        return self._watch.sight

    @property
    def held(self) -> int:
        """How many operations the hub has handed over that have not ended, for the tray."""
        return self._machine.held

    @property
    def browser_version(self) -> str:
        """See Examinee."""
        return self._page.browser_version

    @property
    def browser_problem(self) -> str:
        """See Examinee."""
        return self._watch.browser_problem

    async def examined(self) -> pb.Examination.Page:
        """See Examinee."""
        return await page_seen(self.id, self._page)

    # ---- the stream ---------------------------------------------------------------------------------------------------------

    def attach(self, send: Sender, assignment: pb.Assignments.Assignment) -> None:
        """A stream is open. What happened before belongs to the one before: its frames must not get into this one."""
        self._tell(lambda: self._opened(send))
        self.assigned(assignment)
        self._tell(self._reported)

    def detach(self) -> None:
        """The stream is gone."""
        self._tell(self._closed)

    def _opened(self, send: Sender) -> Sequence[machine.Action]:
        self._send = send
        return self._machine.connected()

    def _closed(self) -> Sequence[machine.Action]:
        self._send = None
        return self._machine.disconnected(self._now_ms())

    def _reported(self) -> Sequence[machine.Action]:
        self._report()
        return []

    def assigned(self, assignment: pb.Assignments.Assignment) -> None:
        """What the server wants of the channel."""
        self._assignment = assignment
        self._machine.pace, self._machine.owned = assignment.pace, assignment.owned
        begun = self._watch.wanted(
            linking=assignment.linking, pairing_number=assignment.pairing_number, unlink=assignment.unlink
        )
        if begun:
            self.show_window()
        self._judge()

    @property
    def _has_work(self) -> bool:
        return self._assignment.queue_depth > 0

    def pause_here(self, paused: bool, until_ms: int | None) -> None:
        """A person pauses or resumes the channel on this desktop. `until_ms`: see `paused_until_ms`."""
        if (paused, until_ms) == (self._paused_here, self._paused_until_ms):
            return
        self._paused_here, self._paused_until_ms = paused, until_ms
        self._judge()
        self._report()

    def show_window(self) -> None:
        """A person wants to see the browser, to link or to look."""
        self._window_wanted = True
        self._windows.set()

    def _suit_window(self, sight: Sight) -> None:
        """It is there while a person has to link, and out of the way while it works."""
        wanted = not sight.can_work if sight.state != v1.CHANNEL_STATE_STARTING else self._window_wanted
        if wanted != self._window_wanted:
            self._window_wanted = wanted
            self._windows.set()

    def receive(self, frame: pb.ConnectResponse) -> None:
        """A frame of this channel."""
        if frame.HasField("show_page"):
            with suppress(asyncio.QueueFull):  # whoever asks that often gets fewer
                self._pictures.put_nowait(frame.show_page.number)
            return
        self._tell(lambda: self._machine.receive(frame, self._now_ms()))

    # ---- life ---------------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serves until `stop` is done. Raises DatabaseError when the journal cannot be written."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch.run())
                group.create_task(self._forget())
                group.create_task(self._show_windows())
                group.create_task(self._show_pages())
                group.create_task(self._show_held())
                group.create_task(self._care_for_browser())
                group.create_task(self._let_pages_go())
                group.create_task(self._serve_and_end(group))
        except* _Done:
            pass

    async def stop(self) -> None:
        """Gives back what has not started, waits for what has, then lets `run` end."""
        self._stopping = True
        self._judge()
        if not await self._comes_to_rest():
            log.warning("channel stopped with work in flight", channel=self.id)
        self._tell(_finish)

    async def _comes_to_rest(self) -> bool:
        """Whether what has started has ended in time; nothing new is started where `_judge` forbids it."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                while not self._machine.idle:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def _now_ms(self) -> int:
        return round(self._clock.monotonic() * 1000)

    def _tell(self, what: Callable[[], Sequence[machine.Action]]) -> None:
        self._happened.put_nowait(what)

    def _judge(self) -> None:
        """Whether work can be done now."""
        sight, wanted = self._watch.sight, self._assignment
        able = sight.can_work and wanted.owned and not (wanted.paused or self._paused_here or self._stopping)
        able = able and not self._resting
        why = self._why_not(sight, wanted)
        self._tell(lambda: self._machine.set_able(able, why, self._now_ms()))

    def _why_not(self, sight: Sight, wanted: pb.Assignments.Assignment) -> str:
        if self._stopping:
            return "The desktop app is stopping"
        if self._paused_here:
            return "Paused on the desktop"
        if self._resting:
            return f"The browser is started anew: {self._resting}"
        return wanted.pause_reason or sight.reason or "WhatsApp Web is not ready"

    def _page_told(self) -> None:
        """The page's state changed."""
        self._executor.wake.set()
        self._suit_window(self._watch.sight)
        self._judge()
        self._report()
        self._changed()
        self._tell(lambda: self._machine.page_returned(self._now_ms()))

    def _seen(self, events: Sequence[AckChanged]) -> None:
        self._executor.wake.set()
        # In one go: after a link there may be as many as a week has messages.
        self._tell(lambda: [action for event in events for action in self._receipts(event)])

    def _receipts(self, event: AckChanged) -> Sequence[machine.Action]:
        if event.ack < 1:
            return []
        now_ms = self._now_ms()
        return [action for wa_id in event.wa_ids for action in self._machine.seen(wa_id, event.ack, now_ms)]

    def _report(self) -> None:
        if self._send is None:
            return
        report = self._watch.sight.report()
        report.browser_bytes, report.browser_restarts = self._memory, self._restarts
        report.paused = self._paused_here
        if self._paused_until_ms is not None:
            report.paused_until.FromMilliseconds(self._paused_until_ms)
        if (at := self._machine.next_send_at_ms()) is not None:
            report.next_send_at.FromMilliseconds(at)
        self._send(pb.ConnectRequest(channel_id=self.id, channel_report=report))
        if (groups := self._watch.take_groups()) is not None:
            self._send(pb.ConnectRequest(channel_id=self.id, group_report=pb.GroupReport(groups=groups)))

    # ---- what the machine wants ---------------------------------------------------------------------------------------------

    async def _serve_and_end(self, group: asyncio.TaskGroup) -> None:
        await self._serve(group)
        raise _Done

    async def _serve(self, group: asyncio.TaskGroup) -> None:
        while True:
            happened = await self._next()
            if happened is _finish:
                return
            before, held = self._machine.next_send_at_ms(), self._machine.held
            for action in happened():
                await self._perform(action, group)
            if self._machine.next_send_at_ms() != before:
                self._report()
            if self._machine.held != held:
                self._held_changed.set()
            if self._machine.idle:
                self._idle.set()

    async def _show_held(self) -> None:
        """The icon says how many wait: once a second at most, as with the pace off that changes many times."""
        while True:
            await self._held_changed.wait()
            self._held_changed.clear()
            self._changed()
            await asyncio.sleep(HELD_SECONDS)

    async def _next(self) -> Callable[[], Sequence[machine.Action]]:
        at_ms = self._machine.wake_at_ms()
        if at_ms is None:
            return await self._happened.get()
        try:
            async with asyncio.timeout(max(0, at_ms - self._now_ms()) / 1000):
                return await self._happened.get()
        except TimeoutError:
            return lambda: self._machine.tick(self._now_ms())

    async def _perform(self, action: machine.Action, group: asyncio.TaskGroup) -> None:
        match action:
            case machine.Send(frame=frame):
                if self._send is not None:
                    self._send(frame)
            case machine.Append():
                await self._journal.append(action.entries, action.acknowledged)
                self._tell(lambda: self._machine.appended(action, self._now_ms()))
            case machine.ReadJournal(after=after, until=until):
                await self._read(after, until)
            case machine.SaveEpoch(epoch=epoch):
                passing(Failpoint.JOURNAL_BEFORE_EPOCH)
                await self._journal.save_epoch(epoch)
                passing(Failpoint.JOURNAL_AFTER_EPOCH)
                self._tell(lambda: self._machine.epoch_saved(epoch, self._now_ms()))
            case machine.RenewJournal(reason=reason):
                log.warning("journal renewed", channel=self.id, reason=reason)
                passing(Failpoint.JOURNAL_BEFORE_RENEWAL)
                journal_id, last = await self._journal.renew()
                passing(Failpoint.JOURNAL_AFTER_RENEWAL)
                self._tell(lambda: self._machine.renewed(journal_id, last))
            case machine.Blank(whatsapp_ids=whatsapp_ids):
                await self._journal.blank(whatsapp_ids)
            case machine.Check() | machine.Perform() | machine.Reconcile():
                group.create_task(self._ask(action))
            case _:
                assert_never(action)

    async def _ask(self, action: machine.Check | machine.Perform | machine.Reconcile) -> None:
        match action:
            case machine.Check(lease=lease):
                await self._answer(self._executor.check, lease, self._machine.checked)
            case machine.Perform(lease=lease):
                self._care.works(self._clock.monotonic())
                await self._answer(self._executor.perform, lease, self._machine.performed)
            case machine.Reconcile(lease=lease):
                await self._reconcile(lease)
            case _:
                assert_never(action)

    async def _answer(
        self,
        ask: Callable[[pb.Lease], Awaitable[R]],
        lease: pb.Lease,
        told: Callable[[str, R, int], Sequence[machine.Action]],
    ) -> None:
        result = await ask(lease)
        self._tell(lambda: told(lease.lease_id, result, self._now_ms()))

    async def _reconcile(self, lease: pb.Lease) -> None:
        passing(Failpoint.AGENT_BEFORE_LOOKUP)
        result = await self._executor.reconcile(lease)
        passing(Failpoint.AGENT_AFTER_LOOKUP)
        self._tell(lambda: self._machine.reconciled(lease.lease_id, result, self._now_ms()))
        if isinstance(result, Unclear):
            # The page did not answer. It tells when it is back, but not when only one answer was lost.
            await asyncio.sleep(AGAIN_SECONDS)
            self._tell(lambda: self._machine.page_returned(self._now_ms()))

    async def _show_windows(self) -> None:
        """Brings the window to the front, or puts it away."""
        while True:
            await self._windows.wait()
            self._windows.clear()
            try:
                await self._page.show(self._window_wanted)
            except PageError as error:
                log.info("window not shown", channel=self.id, code=error.code)

    async def _care_for_browser(self) -> None:
        while True:
            await asyncio.sleep(CARE_SECONDS)
            try:
                self._memory = await self._page.memory()
                match self._care.need(self._memory, self._clock.monotonic()):
                    case Need.TRIM:
                        await self._page.trim()
                    case Need.RESTART if self._watch.sight.can_work:
                        if await self._restart_browser("it took too much memory"):
                            self._restarts += 1
                            self._care.restarted(self._clock.monotonic())
                    case _:
                        pass
            except PageError as error:
                log.info("browser not cared for", channel=self.id, code=error.code)
            self._report()

    async def _let_pages_go(self) -> None:
        """A new browser where the page leaves a chat without an answer, though it answers everything else."""
        while True:
            await self._executor.page_is_to_go.wait()
            self._executor.page_is_to_go.clear()
            if self._watch.sight.can_work:
                await self._restart_browser("WhatsApp Web left a chat without an answer")

    async def _restart_browser(self, why: str) -> bool:
        """Between two sends: nothing is begun until the new one is there. False: what had begun did not end in time, and none is started."""
        async with self._restarting:
            log.warning("browser started anew", channel=self.id, reason=why)
            self._resting = why
            self._judge()
            try:
                # The machine hears of it in its turn: what it had begun by then is waited for.
                await self._heard()
                if not await self._comes_to_rest():
                    return False
                await self._watch.restart_browser()
                return True
            finally:
                self._resting = ""
                self._judge()

    async def _heard(self) -> None:
        """Everything that was told by now has reached the machine."""
        heard = asyncio.Event()

        def note() -> Sequence[machine.Action]:
            heard.set()
            return []

        self._tell(note)
        await heard.wait()

    async def _show_pages(self) -> None:
        """Pictures of the page for whoever asks."""
        while True:
            number = await self._pictures.get()
            try:
                jpeg = await self._page.picture()
            except PageError as error:
                log.info("page not pictured", channel=self.id, code=error.code)
                jpeg = b""
            picture = pb.PagePicture(number=number, jpeg=jpeg if len(jpeg) <= MOST_PICTURE else b"")
            if self._send is not None:
                self._send(pb.ConnectRequest(channel_id=self.id, page_picture=picture))

    async def _read(self, after: int, until: int) -> None:
        while True:
            passing(Failpoint.JOURNAL_BEFORE_READ)
            entries = await self._journal.read(after, until, machine.PAGE)
            passing(Failpoint.JOURNAL_AFTER_READ)
            last = len(entries) < machine.PAGE
            self._tell(lambda entries=entries, last=last: self._machine.read(entries, last=last))  # type: ignore[misc]
            if last:
                return
            after = entries[-1].sequence

    async def _forget(self) -> None:
        while True:
            await asyncio.sleep(FORGET_SECONDS)
            first = await self._journal.forget(self._machine.journal.acknowledged, self._clock.now_ms() - RETENTION_MS)
            self._machine.forgot(first)


class _Done(Exception):
    """The channel has stopped."""


def _finish() -> Sequence[machine.Action]:
    return []
