"""The agent as a program on a desktop: the icon holds the main thread, everything else runs in another one.

Where there is no tray it says in one sentence why, and works without. SIGINT and SIGTERM ask the agent to finish.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable

from messenger_hub.runtime.clock import SystemClock
from messenger_hub.runtime.failpoints import BadFailpoint, switch_on
from messenger_hub.runtime.folder import FolderError
from messenger_hub.runtime.log import configure
from messenger_hub.runtime.system import here

from messenger_hub_agent.app import Agent
from messenger_hub_agent.config import AgentSettings
from messenger_hub_agent.enrolment import AgentProblem, enrolled
from messenger_hub_agent.folder import AgentFolder
from messenger_hub_agent.tray.availability import TrayUnavailable, has_screen, tray_problem
from messenger_hub_agent.tray.icon import TrayIcon
from messenger_hub_agent.tray.menu import Command, Quit, TrayView

LOG_FIELDS = frozenset({"channel", "code", "kind", "reason", "seconds"})

Say = Callable[[str], None]


def run(settings: AgentSettings, say: Say, on_ready: Callable[[str], None]) -> None:
    """Until a signal, or Quit in the tray. `on_ready` gets the agent's name once the hub has let it in. Raises AgentProblem."""
    configure(LOG_FIELDS)
    try:
        switch_on(os.environ)
        folder = AgentFolder.open(settings.data_dir)
    except (BadFailpoint, FolderError) as error:
        raise AgentProblem(str(error)) from error
    try:
        _Desktop(settings, folder, say, on_ready).run()
    except FolderError as error:
        raise AgentProblem(str(error)) from error
    finally:
        folder.close()


class _Desktop:
    """One run."""

    def __init__(self, settings: AgentSettings, folder: AgentFolder, say: Say, on_ready: Callable[[str], None]) -> None:
        self._settings = settings
        self._folder = folder
        self._say = say
        self._on_ready = on_ready
        self._loop: asyncio.AbstractEventLoop | None = None
        self._agent: Agent | None = None
        self._quit = threading.Event()
        self._problem: BaseException | None = None

    def run(self) -> None:
        """On the main thread."""
        why_not = "" if self._settings.headless else tray_problem()
        if why_not:
            self._say(f"There is no tray icon: {why_not} Everything else works.")
        for number in here.STOP_SIGNALS:
            signal.signal(number, lambda *_: self._command(Quit()))
        if self._settings.headless or why_not:
            self._work(lambda _: None)
        else:
            self._run_with_icon()
        if self._problem is not None:
            raise self._problem

    def _run_with_icon(self) -> None:
        icon = TrayIcon(self._command)
        worker = threading.Thread(target=self._work_and_stop, args=(icon,), name="agent")
        worker.start()
        if sys.platform == "win32":
            # Its loop of window messages lets no signal through to the thread that runs it, which may be any there.
            threading.Thread(target=self._show, args=(icon,), name="icon", daemon=True).start()
        else:
            self._show(icon)
        while worker.is_alive():
            worker.join(0.5)  # in slices, so that signals reach the main thread

    def _show(self, icon: TrayIcon) -> None:
        try:
            icon.run(on_ready=lambda: None)
        except TrayUnavailable as problem:
            self._say(f"There is no tray icon: {problem} Everything else works.")

    def _work_and_stop(self, icon: TrayIcon) -> None:
        try:
            self._work(icon.show)
        finally:
            icon.stop()

    def _work(self, show: Callable[[TrayView], None]) -> None:
        try:
            asyncio.run(self._serve(show))
        except AgentProblem as problem:
            self._problem = problem

    async def _serve(self, show: Callable[[TrayView], None]) -> None:
        credential = await enrolled(self._settings, self._folder)
        agent = Agent(
            self._settings,
            self._folder,
            credential,
            SystemClock(),
            show,
            self._on_ready,
            self._say,
            visible=not self._settings.headless and has_screen(),
        )
        self._loop, self._agent = asyncio.get_running_loop(), agent
        if self._quit.is_set():
            return
        await agent.run()

    def _command(self, command: Command) -> None:
        """A click or a signal, on whatever thread; the agent hears of it on its own."""
        if isinstance(command, Quit):
            self._quit.set()
        if self._loop is not None and self._agent is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._agent.command, command)
