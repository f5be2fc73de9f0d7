"""What the desktop sees of itself, as the hub asks for it: its browser, its disk, its pages.

One look at a time: whoever asks while it goes on gets what it finds.
"""

from __future__ import annotations

import asyncio
import platform
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime.clock import Clock
from messenger_hub.runtime.log import logger
from messenger_hub.runtime.system import here

from messenger_hub_agent.whatsapp.errors import BrowserMissing
from messenger_hub_agent.whatsapp.finding import find_browser
from messenger_hub_agent.whatsapp.fit import lacking
from messenger_hub_agent.whatsapp.page import SCRIPT_CODES, Page, PageError, PageGone, PageTimeout
from messenger_hub_agent.whatsapp.profile import where_profiles_lie

log = logger(__name__)

PAGE_SECONDS = 1.5  # all pages at once; the contract gives 2 for everything
# What the contract takes.
MOST_BYTES = 900 * 1024
MOST_PAGES, MOST_NAMES, MOST_NAME = 1_000, 1_000, 128
MOST_QUESTIONS = 100  # that one look answers


class Examinee(Protocol):
    """A channel, as far as it is looked at."""

    @property
    def browser_version(self) -> str:
        """As its browser calls itself; empty before there was one."""

    @property
    def browser_problem(self) -> str:
        """Why its browser did not start; empty when it did, or was not tried yet."""

    async def examined(self) -> pb.Examination.Page:
        """What its page gives wa-js, within PAGE_SECONDS."""


class Examiner:
    """`channels` holds those that run; `send` gets each answer; `browser` overrides the search for one."""

    def __init__(
        self,
        folder: Path,
        browser: Path | None,
        channels: Mapping[int, Examinee],
        send: Callable[[pb.Examination], None],
        clock: Clock,
    ) -> None:
        self._folder = folder
        self._browser = browser
        self._channels = channels
        self._send = send
        self._clock = clock
        self._asked = asyncio.Event()
        self._numbers: list[int] = []

    def ask(self, number: int) -> None:
        """The hub wants an answer of that number. More questions than one look answers are dropped."""
        if len(self._numbers) < MOST_QUESTIONS:
            self._numbers.append(number)
            self._asked.set()

    async def run(self) -> None:
        """Looks whenever it is asked, until cancelled."""
        while True:
            await self._asked.wait()
            try:
                told = await self._look()
            except Exception:  # a fault of ours ends no channel, and the hub says that nothing came
                log.exception("desktop not examined")
                told = None
            numbers, self._numbers = self._numbers, []
            self._asked.clear()
            if told is not None:
                self._answer(told, numbers)

    def _answer(self, told: pb.Examination, numbers: Sequence[int]) -> None:
        for number in numbers:
            answer = pb.Examination(number=number)
            answer.MergeFrom(told)
            answer.at.FromMilliseconds(self._clock.now_ms())
            self._send(answer)

    async def _look(self) -> pb.Examination:
        channels = [*self._channels.values()][:MOST_PAGES]
        told, pages = await asyncio.gather(
            asyncio.to_thread(machine, self._folder, self._browser),
            asyncio.gather(*(one.examined() for one in channels)),
        )
        told.browser = next((version for one in channels if (version := one.browser_version)), "")
        problems = (told.browser_problem, *(one.browser_problem for one in channels))
        told.browser_problem = next(filter(None, problems), "")
        told.pages.extend(pages)
        bound(told)
        return told


def machine(folder: Path, browser: Path | None) -> pb.Examination:
    """What can be seen without a page. Reads the disk."""
    told = pb.Examination(python_version=platform.python_version())
    try:
        find_browser(browser)
    except BrowserMissing as error:
        told.browser_problem = str(error)
    with suppress(OSError):
        place = where_profiles_lie(folder)
        told.free_bytes = shutil.disk_usage(next(one for one in (place, *place.parents) if one.exists())).free
    with suppress(OSError):
        told.folder_open = here.open_to_others(folder) is not None
    return told


async def page_seen(channel_id: int, page: Page) -> pb.Examination.Page:
    """What a channel's page gives wa-js, within PAGE_SECONDS. Never raises."""
    told = pb.Examination.Page(channel_id=channel_id, look=pb.PAGE_LOOK_LOADING)
    try:
        async with asyncio.timeout(PAGE_SECONDS):
            state = await page.state()
            told.whatsapp_web = state.version
            if state.ready:
                names = await page.bindings()
                told.resolved.extend(_some(names.resolved))
                told.missing.extend(_some(names.missing))
                told.lacking.extend(_some(lacking(names)))
                told.look = pb.PAGE_LOOK_DONE
    except TimeoutError:
        told.look = pb.PAGE_LOOK_NO_ANSWER
    except PageError as error:
        told.look = _look_of(error)
    return told


def _look_of(error: PageError) -> pb.PageLook.ValueType:
    match error:
        case PageGone():
            return pb.PAGE_LOOK_NOT_OPEN
        case PageTimeout():
            return pb.PAGE_LOOK_NO_ANSWER
        case _ if error.code in SCRIPT_CODES:
            return pb.PAGE_LOOK_FAILED
        case _:
            return pb.PAGE_LOOK_LOADING


def _some(names: Collection[str]) -> Sequence[str]:
    """As many as the contract takes, sorted."""
    return sorted(name for name in names if len(name) <= MOST_NAME)[:MOST_NAMES]


def bound(told: pb.Examination) -> None:
    """Leaves out names, of the last pages first, until it is no larger than a frame may be."""
    for page in reversed(told.pages):
        if told.ByteSize() <= MOST_BYTES:
            return
        page.ClearField("resolved")
        page.ClearField("missing")
        page.names_left_out = True
