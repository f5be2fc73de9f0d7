"""The agent: one connection to the hub, a channel for each assignment; what starts and stops when.

The end has an order: every channel gives back what has not started and finishes what has, the stream says its last and closes,
the browsers save and go.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version

import grpc
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime.clock import Clock
from messenger_hub.runtime.database import DatabaseDamaged, DatabaseError, DatabaseTooNew, NotUpdated
from messenger_hub.runtime.dial import DialRefused, NobodyAnswers, dial
from messenger_hub.runtime.failures import innermost
from messenger_hub.runtime.folder import FolderError
from messenger_hub.runtime.log import logger

from messenger_hub_agent.channel import Channel
from messenger_hub_agent.config import AgentSettings
from messenger_hub_agent.connection import Connection, HubAway, HubRefused
from messenger_hub_agent.enrolment import AgentProblem, target
from messenger_hub_agent.examining import Examiner
from messenger_hub_agent.folder import AgentFolder, Credential
from messenger_hub_agent.journal import Journal
from messenger_hub_agent.pauses import Pauses
from messenger_hub_agent.reconnecting import Backoff
from messenger_hub_agent.tray.menu import (
    Command,
    Link,
    Pause,
    Quit,
    Resume,
    SendBacklog,
    TrayView,
)
from messenger_hub_agent.turns import Turns
from messenger_hub_agent.updating.shelf import Shelf
from messenger_hub_agent.updating.trial import Trial
from messenger_hub_agent.updating.update import Update
from messenger_hub_agent.view import channel_views
from messenger_hub_agent.whatsapp.browser import BrowserOptions
from messenger_hub_agent.whatsapp.pyppeteer_page import PyppeteerPage

log = logger(__name__)

END_SECONDS = 20.0
PAUSE_CHECK_SECONDS = 1.0
HOUR_MS = 3_600_000
MIB = 1 << 20
# Between two looks into the folder whether another wa-js is wanted. The command line has no other way to an agent, whose hub may be
# elsewhere, and a restart would end every channel's connection and need somebody who starts it again.
WISH_SECONDS = 2.0


class Agent:
    """Runs until `stop`. `changed` gets the tray's view at every change; `on_ready` gets its name at the first connection."""

    def __init__(
        self,
        settings: AgentSettings,
        folder: AgentFolder,
        credential: Credential,
        clock: Clock,
        changed: Callable[[TrayView], None],
        on_ready: Callable[[str], None],
        say: Callable[[str], None],
        *,
        visible: bool,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._credential = credential
        self._clock = clock
        self._changed = changed
        self._on_ready = on_ready
        self._say = say
        self._said = ""
        self._was_connected = False
        self._visible = visible
        self._trial = Trial(Shelf(folder.wa_js), clock)
        self._update = Update(self._trial, clock, self._report_wa_js)
        self._stop = asyncio.Event()
        self._problem: AgentProblem | None = None
        self._channels: dict[int, Channel] = {}
        self._examiner = Examiner(folder.path, settings.browser, self._channels, self._tell_examination, clock)
        self._serving: dict[int, asyncio.Task[None]] = {}
        self._assignments: dict[int, pb.Assignments.Assignment] = {}
        self._api_address = ""
        self._connection: Connection | None = None
        self._connected = False
        self._away_since = clock.monotonic()
        self._pauses = folder.pauses
        self._timed_pause = asyncio.Event()
        self._turns = Turns(os.cpu_count() or 1)
        self._group: asyncio.TaskGroup | None = None

    # ---- what a person does -------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Asks it to finish."""
        self._stop.set()

    def command(self, command: Command) -> None:
        """A click in the tray. On the loop's thread."""
        match command:
            case Quit():
                self.stop()
            case Pause(channel_id=channel_id, seconds=seconds):
                until_ms = self._clock.now_ms() + seconds * 1000 if seconds is not None else None
                self._set_pauses(self._pauses.paused(int(channel_id), until_ms))
            case Resume(channel_id=channel_id):
                self._set_pauses(self._pauses.resumed(int(channel_id)))
            case SendBacklog(channel_id=channel_id, hours=hours) if self._group is not None:
                self._group.create_task(self._send_backlog(int(channel_id), hours))
            case Link(channel_id=channel_id) if (channel := self._channels.get(int(channel_id))) is not None:
                channel.show_window()
            case _:
                pass

    async def _send_backlog(self, channel_id: int, hours: int | None) -> None:
        before_ms = self._clock.now_ms() - hours * HOUR_MS if hours is not None else None
        try:
            if self._connection is not None:
                await self._connection.decide_backlog(channel_id, before_ms)
        except HubRefused as problem:
            self._say(f"Nothing was decided: {problem.sentence}")
        except (HubAway, asyncio.CancelledError):
            mine = asyncio.current_task()
            if mine is not None and mine.cancelling():
                raise  # else it was the call that ended, with its connection
            self._say("Whether the hub has heard what was decided is not known: look at the channel again in a minute.")

    def _set_pauses(self, pauses: Pauses) -> None:
        self._pauses = pauses
        try:
            self._folder.set_pauses(pauses)
        except OSError:
            log.exception("pauses not kept over a restart")
        for channel in self._channels.values():
            self._pause(channel)
        if pauses.timed:
            self._timed_pause.set()
        self._show()

    def _pause(self, channel: Channel) -> None:
        channel.pause_here(self._pauses.holds(channel.id), self._pauses.end_ms(channel.id))

    async def _end_pauses(self) -> None:
        """In short waits: they are to end in time also when the desktop slept, or its clock was set."""
        while True:
            await self._timed_pause.wait()
            if over := self._pauses.due(self._clock.now_ms()):
                self._set_pauses(self._pauses.resumed(*over))
            if not self._pauses.timed:
                self._timed_pause.clear()
            await asyncio.sleep(PAUSE_CHECK_SECONDS)

    # ---- life ---------------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serves until `stop`. Raises AgentProblem when the hub does not want this agent any more, or a journal is damaged."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                works = (self._keep_connected(), self._end_pauses(), self._keep_wa_js())
                endless = [group.create_task(one) for one in (*works, self._update.run(), self._examiner.run())]
                await self._stop.wait()
                async with asyncio.TaskGroup() as stopping:
                    for channel in self._channels.values():
                        stopping.create_task(channel.stop())
                if self._connection is not None:
                    await self._connection.finish()
                await self._all_ended()
                for one in endless:
                    one.cancel()
        except* AgentProblem as problems:
            raise innermost(problems, AgentProblem) from None
        if self._problem is not None:
            raise self._problem

    async def _all_ended(self) -> None:
        """The browsers have saved and gone; what takes longer is cut off."""
        if self._serving:
            await asyncio.wait(self._serving.values(), timeout=END_SECONDS)
        for task in self._serving.values():
            task.cancel()

    async def _keep_wa_js(self) -> None:
        """The one that is wanted gets into the pages by their watches; the hub is told in a new hello."""
        while True:
            self._trial.take_wish()
            if self._connection is not None and self._connection.wa_js_version != self._trial.version:
                await self._connection.finish()
            await asyncio.sleep(WISH_SECONDS)

    async def _keep_connected(self) -> None:
        backoff = Backoff(random.random)
        while True:
            began = self._clock.monotonic()
            problem: HubAway | None = None
            try:
                await self._connect()
            except HubAway as error:
                self._tell(
                    f"The hub at {self._settings.server} does not answer ({error.sentence.rstrip('.')}); trying again until it does."
                )
                problem = error
            except HubRefused as refused:
                raise AgentProblem(refused.sentence) from refused
            finally:
                self._disconnected()
            if problem is not None:  # else the stream was ended here, for a hello that names another wa-js
                await asyncio.sleep(self._wait_seconds(problem, backoff, began))
            self._show()

    def _wait_seconds(self, problem: HubAway, backoff: Backoff, began: float) -> float:
        now = self._clock.monotonic()
        if problem.lost:
            return backoff.lost_seconds(now - self._away_since)
        return problem.wait_seconds + backoff.next_seconds(now - began)

    def _tell(self, sentence: str) -> None:
        """Once, until it is over."""
        if sentence != self._said:
            self._said = sentence
            self._say(sentence)

    async def _connect(self) -> None:
        try:
            channel: grpc.aio.Channel = await dial(target(self._settings))
        except DialRefused as refused:
            raise HubAway(refused.sentence, lost=isinstance(refused, NobodyAnswers)) from refused
        try:
            self._connection = connection = Connection(
                channel, self._credential.credential, version("messenger-hub"), self._update.standing, self._clock
            )
            await connection.run(self._received)
        except HubAway:
            if connection.wa_js_version == self._trial.version:
                raise
        finally:
            await channel.close()

    def _disconnected(self) -> None:
        if self._connected:
            self._away_since = self._clock.monotonic()
        self._connected = False
        self._connection = None
        for channel in self._channels.values():
            channel.detach()
        self._show()

    # ---- frames -------------------------------------------------------------------------------------------------------------

    def _received(self, frame: pb.ConnectResponse) -> None:
        match frame.WhichOneof("frame"):
            case "assignments":
                self._assigned(frame.assignments)
            case "update_wa_js":
                begun = self._update.begin(frame.update_wa_js)
                self._report_wa_js(number=frame.update_wa_js.number, refused=not begun)
            case "examine":
                self._examiner.ask(frame.examine.number)
            case "heartbeat" | None:
                return
            case _:
                channel = self._channels.get(frame.channel_id)
                if channel is not None:
                    channel.receive(frame)

    def _report_wa_js(self, number: int = 0, *, refused: bool = False) -> None:
        """Where its wa-js stands. A stream that opens later tells it in its hello."""
        if self._connection is not None:
            report = pb.WaJsReport(number=number, refused=refused, standing=self._update.standing)
            self._connection.send(pb.ConnectRequest(wa_js_report=report))

    def _tell_examination(self, told: pb.Examination) -> None:
        if self._connection is not None:
            self._connection.send(pb.ConnectRequest(examination=told))

    def _assigned(self, assignments: pb.Assignments) -> None:
        first, self._connected = not self._connected, True
        if first and self._said:
            self._tell(f"The hub at {self._settings.server} answers again.")
            self._said = ""
        if not self._was_connected:
            self._was_connected = True
            self._on_ready(self._credential.name)
        self._api_address = assignments.api_address
        self._assignments = {one.channel_id: one for one in assignments.assignments}
        for channel_id, assignment in self._assignments.items():
            channel = self._channels.get(channel_id)
            if channel_id not in self._serving:
                self._start(channel_id)
            elif channel is None:
                continue  # its journal is being opened; it attaches itself
            elif first:
                self._attach(channel)
            else:
                channel.assigned(assignment)
        for channel_id in self._channels.keys() - self._assignments.keys():
            self._end(self._channels.pop(channel_id))
        self._show()

    def _attach(self, channel: Channel) -> None:
        if self._connection is not None and self._connected and channel.id in self._assignments:
            channel.attach(self._connection.send, self._assignments[channel.id])

    def _start(self, channel_id: int) -> None:
        if self._group is not None and not self._stop.is_set():
            self._serving[channel_id] = self._group.create_task(self._serve(channel_id))

    def _end(self, channel: Channel) -> None:
        """The hub has taken the channel away."""
        if self._group is not None:
            channel.detach()
            self._group.create_task(channel.stop())

    async def _serve(self, channel_id: int) -> None:
        """Serves one channel while it is ours, with a fresh journal handle after each fault of the journal."""
        backoff = Backoff(random.random)
        try:
            while not self._stop.is_set() and channel_id in self._assignments:
                began = self._clock.monotonic()
                try:
                    await self._serve_once(channel_id)
                except* (DatabaseDamaged, DatabaseTooNew, NotUpdated) as problems:
                    # The other channels end in order first. Without its journal this one could not tell what it had begun to send.
                    self._problem = AgentProblem(str(innermost(problems, DatabaseError)))
                    self.stop()
                except* (DatabaseError, FolderError):
                    log.exception("journal not usable", channel=channel_id)
                    await asyncio.sleep(backoff.next_seconds(self._clock.monotonic() - began))
        finally:
            del self._serving[channel_id]

    async def _serve_once(self, channel_id: int) -> None:
        folder = self._folder.channel(channel_id)
        journal = await Journal.open(folder.file("journal.db"))
        try:
            view = await journal.view()
            if self._stop.is_set():  # it has told all channels to stop, and would not tell this one
                return
            options = BrowserOptions(
                program=self._settings.browser, visible=self._visible, log=folder.file("browser.log")
            )
            channel = Channel(
                channel_id,
                PyppeteerPage(folder.path, options, self._settings.whatsapp_url, self._trial.wa_js),
                journal,
                view,
                self._clock,
                Backoff(random.random),
                self._show,
                self._trial,
                self._turns,
                self._settings.browser_memory * MIB,
            )
            self._channels[channel_id] = channel
            self._pause(channel)
            self._attach(channel)
            await channel.run()
        finally:
            with suppress(KeyError):
                del self._channels[channel_id]
            await journal.close()

    # ---- the tray -----------------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        away = 0 if self._connected else round(self._clock.monotonic() - self._away_since)
        self._changed(
            TrayView(
                channels=channel_views([*self._assignments.values()], self._channels),
                api_address=self._api_address,
                connected=self._connected,
                disconnected_seconds=away,
            )
        )
