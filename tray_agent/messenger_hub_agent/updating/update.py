"""Updates of wa-js that the hub asks for: one look at npm at a time, beside everything else that the agent does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime.folder import FolderError
from messenger_hub.runtime.log import logger

from messenger_hub_agent.updating.choice import TRIAL, Stage
from messenger_hub_agent.updating.looking import looked_for
from messenger_hub_agent.updating.problems import NotStored, Unusable, UpdateProblem
from messenger_hub_agent.updating.shelf import Wanted
from messenger_hub_agent.updating.standing import Look, Looking, NothingNewer, standing
from messenger_hub_agent.updating.trial import Trial
from messenger_hub_agent.whatsapp.wa_js import VERSION

log = logger(__name__)

NOT_STORED = (
    "The desktop cannot write the fetched wa-js (is its disk full?): nothing was changed; make room, then ask again."
)
FAULT = "The desktop app could not read what npm gave: nothing was changed; its log says why."


class Update:
    """`changed` is called after every change of `standing`, the trial's among them."""

    def __init__(self, trial: Trial, changed: Callable[[], None]) -> None:
        self._trial = trial
        self._changed = changed
        self._look: Look = None
        self._told = self.standing
        self._asked = asyncio.Event()
        trial.on_change(self._trial_moved)

    @property
    def standing(self) -> pb.WaJsUpdate:
        """What the hub is told."""
        return standing(self._trial.choice, self._look)

    def begin(self, wanted: pb.UpdateWaJs) -> bool:
        """Begins what the hub asks for; False when an update is under way, and nothing was begun."""
        if isinstance(self._look, Looking):
            return False
        if wanted.back:
            self._try(Wanted())
            return True
        if self._trial.choice.stage is Stage.CANDIDATE:
            return False
        if wanted.version and not re.fullmatch(VERSION, wanted.version):
            # It goes to npm, which reads more than versions there.
            self._set(Unusable("That is no version of wa-js: give three numbers with dots, as in 4.6.0.", "version"))
            return True
        self._set(Looking(named=wanted.version))
        self._asked.set()
        return True

    async def run(self) -> None:
        """Looks whenever `begin` says so, until cancelled; npm ends with it."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            if isinstance(self._look, Looking):
                await self._look_for(self._look.named)

    async def _look_for(self, named: str) -> None:
        choice = self._trial.choice
        try:
            found = await looked_for(choice, named)
        except UpdateProblem as problem:
            log.warning("no wa-js fetched", code=problem.code)
            self._set(problem)
            return
        except OSError as error:
            log.warning("no wa-js fetched", code="not_stored", exc_info=error)
            self._set(NotStored(NOT_STORED, "not_stored"))
            return
        except Exception:  # a fault of ours must not end the channels
            log.exception("no wa-js fetched")
            self._set(Unusable(FAULT, "fault"))
            return
        if found is not None:
            self._try(Wanted(found))
        else:
            # What is used already, or is on trial, tells more than that.
            told_by_choice = bool(named) or choice.stage in TRIAL
            self._set(None if told_by_choice else NothingNewer())

    def _try(self, wanted: Wanted) -> None:
        self._look = None
        try:
            self._trial.want(wanted)
        except (FolderError, OSError) as error:
            log.warning("wa-js not changed", code="not_stored", exc_info=error)
            self._look = NotStored(NOT_STORED, "not_stored")
        self._set(self._look)

    def _trial_moved(self) -> None:
        """What became of an earlier look is of no interest any more; one that goes on is."""
        self._set(self._look if isinstance(self._look, Looking) else None)

    def _set(self, look: Look) -> None:
        self._look = look
        if self._told != (now := self.standing):
            self._told = now
            self._changed()
