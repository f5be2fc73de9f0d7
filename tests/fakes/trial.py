"""A trial that is kept nowhere."""

from __future__ import annotations

from dataclasses import dataclass, field

from messenger_hub.runtime.folder import FolderUnusable
from messenger_hub_agent.updating.choice import Choice
from messenger_hub_agent.updating.shelf import Wanted
from messenger_hub_agent.updating.trial import Trial
from messenger_hub_agent.whatsapp.wa_js import WaJs, version

from tests.fakes.clock import FakeClock

NEWER = WaJs("99.0.0", "// a newer one")


@dataclass
class FakeMemory:
    """`kept` holds every choice, oldest first. An exception in `broken` is raised by `keep`."""

    kept: list[Choice] = field(default_factory=lambda: [Choice(pinned=version())])
    libraries: dict[str, WaJs] = field(default_factory=dict)
    wish: Wanted | None = None
    broken: Exception | None = None

    def choice(self) -> Choice:
        return self.kept[-1]

    def fetched(self, choice: Choice) -> WaJs | None:
        if choice.in_use == choice.pinned:
            return None
        if choice.in_use not in self.libraries:
            raise FolderUnusable("It is missing.")
        return self.libraries[choice.in_use]

    def put(self, wa_js: WaJs) -> None:
        self.libraries[wa_js.version] = wa_js

    def keep(self, choice: Choice) -> None:
        if self.broken is not None:
            raise self.broken
        self.kept.append(choice)

    def wanted(self) -> Wanted | None:
        return self.wish

    def taken(self) -> None:
        self.wish = None


def no_trial() -> Trial:
    """The pinned wa-js, and nobody wants another one."""
    return Trial(FakeMemory(), FakeClock())


def trying(memory: FakeMemory, wa_js: WaJs = NEWER) -> Trial:
    """One that is a candidate since just now."""
    trial = Trial(memory, FakeClock())
    memory.wish = Wanted(wa_js)
    trial.take_wish()
    return trial
