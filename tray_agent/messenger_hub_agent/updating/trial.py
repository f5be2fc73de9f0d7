"""What the agent does with a wa-js that has to prove itself: who has seen it work, who has seen it fail, and which one comes next.

All channels of a desktop try it at once. On the day for which this is made no page works with the one before, and a channel that has
nothing to send would keep the others waiting. Each page is checked before its channel works, and the first failure takes it out of all
pages: at most the one message of each channel that is under way then has to be looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from messenger_hub.runtime.clock import Clock
from messenger_hub.runtime.folder import FolderError
from messenger_hub.runtime.log import logger

from messenger_hub_agent.updating.choice import Choice
from messenger_hub_agent.updating.shelf import Wanted
from messenger_hub_agent.whatsapp import wa_js

log = logger(__name__)


class Memory(Protocol):
    """Where a trial is kept over a restart. Raises FolderError where something cannot be read, OSError where it cannot be written."""

    def choice(self) -> Choice:
        """What was kept last."""

    def fetched(self, choice: Choice) -> wa_js.WaJs | None:
        """What that uses; None for the pinned one."""

    def put(self, wa_js: wa_js.WaJs) -> None:
        """Before it is chosen."""

    def keep(self, choice: Choice) -> None:
        """Makes it durable."""

    def wanted(self) -> Wanted | None:
        """What somebody wants, until `taken`."""

    def taken(self) -> None:
        """That is done."""


class Trial:
    """The wa-js of one desktop. What is told of a version that is not on trial is ignored: a page may still have an earlier one."""

    def __init__(self, memory: Memory, clock: Clock) -> None:
        self._memory = memory
        self._clock = clock
        self._changed: Callable[[], None] = lambda: None
        self._fetched: wa_js.WaJs | None = None
        self._choice = Choice(pinned=wa_js.version())
        try:
            self._use(memory.choice())
        except FolderError:
            log.exception("wa-js of the release is used")
        self._keep()

    def on_change(self, callback: Callable[[], None]) -> None:
        """Calls back after every change of `choice`."""
        self._changed = callback

    @property
    def choice(self) -> Choice:
        """Which one is used, and how far a trial got."""
        return self._choice

    @property
    def version(self) -> str:
        """What belongs into the pages now."""
        return self._choice.in_use

    def wa_js(self) -> wa_js.WaJs:
        """The same, with its source. Raises AssetMissing."""
        return self._fetched or wa_js.pinned()

    def on_trial(self, version: str) -> bool:
        """Whether a page with that version has to be checked before it works."""
        return self._choice.on_trial(version)

    def take_wish(self) -> None:
        """Does what somebody wants since, if anything. A wish that cannot be read or kept is dropped."""
        try:
            self._take()
        except (FolderError, OSError):
            log.exception("wa-js not changed")
        with suppress(OSError):
            self._memory.taken()

    def _take(self) -> None:
        wanted = self._memory.wanted()
        if wanted is not None:
            self.want(wanted)

    def want(self, wanted: Wanted) -> None:
        """Does what somebody wants. Raises FolderError or OSError where it cannot be kept; nothing is changed then."""
        if wanted.wa_js is None:
            choice = self._choice.back()
        elif wanted.wa_js.version != self.version:
            self._memory.put(wanted.wa_js)
            choice = self._choice.wanted(wanted.wa_js.version)
        else:
            return
        self._memory.keep(choice)
        self._use(choice)
        self._tell()

    # ---- what pages tell ----------------------------------------------------------------------------------------------------

    def checked(self, version: str, lacking: Sequence[str]) -> None:
        """A page has been looked at; `lacking` is what sending needs and the page does not give."""
        if lacking:
            self.failed(version, f"needed and missing: {', '.join(lacking)}")
        elif self.on_trial(version):
            self._move(self._choice.fits())

    def sent(self, version: str) -> None:
        """A message has reached WhatsApp's server."""
        if self.on_trial(version):
            self._move(self._choice.sent())

    def failed(self, version: str, reason: str) -> None:
        """Something went wrong that points at wa-js."""
        if self.on_trial(version):
            log.warning("wa-js rejected", reason=f"{version}: {reason}")
            self._move(self._choice.failed(reason, self._clock.now_ms()))

    # ---- inside -------------------------------------------------------------------------------------------------------------

    def _move(self, choice: Choice) -> None:
        """What pages tell holds also where it cannot be kept."""
        self._use(choice)
        self._keep()
        self._tell()

    def _tell(self) -> None:
        log.info("wa-js changed", kind=self._choice.stage.value, reason=self.version)
        self._changed()

    def _use(self, choice: Choice) -> None:
        try:
            self._choice, self._fetched = choice, self._memory.fetched(choice)
        except FolderError:
            log.exception("wa-js of the release is used")
            self._choice, self._fetched = choice.back(), None

    def _keep(self) -> None:
        try:
            self._memory.keep(self._choice)
        except (FolderError, OSError):
            # It holds until the agent ends; afterwards what the disk says, which is what was decided before.
            log.exception("wa-js not kept")
