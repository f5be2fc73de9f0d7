"""Another wa-js, as the hub asks for it: one look at npm at a time, beside everything else that the agent does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime.clock import Clock
from messenger_hub.runtime.folder import FolderError
from messenger_hub.runtime.log import logger
from messenger_hub.runtime.version import VERSION

from messenger_hub_agent.updating.choice import TRIAL
from messenger_hub_agent.updating.looking import Look, Looking, NothingNewer, UsedAlready, is_wanted, looked_for
from messenger_hub_agent.updating.problems import Fault, NotStored, Unusable, UpdateProblem
from messenger_hub_agent.updating.shelf import Wanted
from messenger_hub_agent.updating.standing import standing
from messenger_hub_agent.updating.trial import Trial

log = logger(__name__)


class Update:
    """`changed` is called after every change of `standing`, the trial's among them."""

    def __init__(self, trial: Trial, clock: Clock, changed: Callable[[], None]) -> None:
        self._trial = trial
        self._clock = clock
        self._changed = changed
        self._look: Look = None
        self._looked_at_ms = 0
        self._told = self.standing
        self._asked = asyncio.Event()
        trial.on_change(self._trial_moved)

    @property
    def standing(self) -> pb.WaJsStanding:
        """What the hub is told."""
        return standing(self._trial.choice, self._look, self._looked_at_ms)

    def begin(self, wanted: pb.UpdateWaJs) -> bool:
        """Begins what the hub asks for; False while npm is asked, and nothing was begun."""
        if isinstance(self._look, Looking):
            return False
        with self._telling():
            if wanted.back:
                self._trial.want(Wanted())
            elif wanted.version and not re.match(VERSION, wanted.version):
                # It goes to npm, which reads more than versions there.
                raise Unusable(
                    "That is no version of wa-js: give three numbers with dots, as in 4.6.0.",
                    "version",
                    "that is no version",
                )
            else:
                self._looked_at_ms = self._clock.now_ms()
                self._set(Looking(named=wanted.version))
                self._asked.set()
        return True

    async def run(self) -> None:
        """Looks whenever `begin` says so, until cancelled; npm ends with it."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            if isinstance(self._look, Looking):
                with self._telling():
                    self._set(await self._outcome(self._look.named))

    async def _outcome(self, named: str) -> Look:
        """Of a look, once what it has found is tried."""
        found = await looked_for(self._trial.choice, named)
        # A person at the desktop, or a message, may have moved the trial meanwhile.
        if found is not None and is_wanted(self._trial.choice, found.version, named):
            self._look = None
            self._trial.want(Wanted(found))
            return None
        if self._trial.choice.stage in TRIAL:
            return None  # it tells more than that it is used already
        return UsedAlready() if named else NothingNewer()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """What goes wrong is told, and ends no channel."""
        try:
            yield
        except UpdateProblem as problem:
            log.warning("wa-js not changed", code=problem.code)
            self._set(problem)
        except (FolderError, OSError) as error:
            log.warning("wa-js not changed", code="not_stored", exc_info=error)
            self._set(NotStored())
        except Exception:  # a fault of ours
            log.exception("wa-js not changed")
            self._set(Fault())

    def _trial_moved(self) -> None:
        """What became of an earlier look is of no interest any more; one that goes on is."""
        self._set(self._look if isinstance(self._look, Looking) else None)

    def _set(self, look: Look) -> None:
        self._look = look
        if self._told != (now := self.standing):
            self._told = now
            self._changed()
