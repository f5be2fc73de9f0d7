"""Another wa-js while messages are sent: what does adopts it, what does not do is taken out again, and every message arrives once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from messenger_hub_agent.folder import WA_JS
from messenger_hub_agent.pagewatch import READY_SECONDS
from messenger_hub_agent.updating.shelf import CHOICE
from messenger_hub_agent.whatsapp.wa_js import pinned, version
from playwright.async_api import Page, expect

from tests.e2e import looking
from tests.e2e.person import somebody
from tests.e2e.whole_way.world import SECONDS, World
from tests.eventually import eventually
from tests.fakes.package import wa_js_package
from tests.fakes.registry import Registry, registry

pytestmark = pytest.mark.e2e

DONE = ("sent", "delivered", "read")
NEWER = "99.0.0"
BY_BUTTON, BY_VERB = "100.0.0", "101.0.0"  # never rejected: npm's latest would not be taken again

# Everything as before, but the page gives it no ChatStore.
LACKING = """;(() => {
  const all = self.WPP.whatsapp, less = {};
  for (const name of Object.keys(all))
    if (name !== 'ChatStore') Object.defineProperty(less, name, { enumerable: true, get: () => all[name] });
  self.WPP = Object.create(self.WPP, { whatsapp: { value: less } });
})();"""
# It has all names, and its sending does not fit the page.
MUTE = """;(() => {
  const sendTextMessage = { value: () => { throw new TypeError('addAndSendMsgToChat is not a function'); } };
  self.WPP = Object.create(self.WPP, { chat: { value: Object.create(self.WPP.chat, { sendTextMessage }) } });
})();"""
BROKEN = "throw new Error('this page is not known');"


class Updating:
    """The verb on the desktop of the world."""

    def __init__(self, world: World, package: Path) -> None:
        self._world = world
        self._package = package

    def starts(self, *arguments: str) -> subprocess.Popen[str]:
        words = ("update", "wa-js", "--data-dir", str(self._world.folder / "desktop"), "--json", *arguments)
        return subprocess.Popen(
            [sys.executable, "-m", "messenger_hub_cli", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def tries(self, source: str) -> subprocess.Popen[str]:
        stated = wa_js_package(self._package, NEWER, source)
        return self.starts("--file", str(self._package), "--integrity", stated)

    @property
    def choice(self) -> Any:
        return json.loads((self._world.folder / "desktop" / "agent" / WA_JS / CHOICE).read_text())

    def hub_knows(self, version: str) -> None:
        def known() -> bool:
            agents = looking.agents(self._world.folder / "hub")
            return any(one["connected"] and one["wa_js_version"] == version for one in agents)

        eventually(known, what=f"the hub knows that wa-js {version} is used")


def ended(verb: subprocess.Popen[str], seconds: float = SECONDS) -> tuple[int, Any]:
    """Its exit code and its document."""
    printed, errors = verb.communicate(timeout=seconds)
    assert printed, errors
    return verb.returncode, json.loads(printed)


@pytest.fixture
def updating(world: World, tmp_path: Path) -> Iterator[Updating]:
    verb = Updating(world, tmp_path / "wa-js.tgz")
    yield verb
    assert ended(verb.starts("--back"))[0] == 0
    verb.hub_knows(version())
    world.is_linked()


def test_one_that_does_is_adopted_with_its_first_message_and_a_person_can_go_back(
    world: World, updating: Updating
) -> None:
    code, answer = ended(updating.tries(pinned().source))
    assert (code, answer["wa_js"], answer["stage"]) == (0, NEWER, "proving")
    updating.hub_knows(NEWER)
    world.reaches(world.send("its first"), *DONE)
    eventually(lambda: updating.choice["stage"] == "adopted")
    world.end("agent")
    world.start("agent")
    world.reaches(world.send("after a restart"), *DONE)
    updating.hub_knows(NEWER)
    assert ended(updating.starts("--back"))[0] == 0
    updating.hub_knows(version())
    world.reaches(world.send("with the shipped one"), *DONE)
    texts = ("its first", "after a restart", "with the shipped one")
    assert [one["body"] for one in world.arrivals(*texts)] == list(texts)


def test_one_that_lacks_what_sending_needs_is_rejected_before_anything_is_sent_with_it(
    world: World, updating: Updating
) -> None:
    texts = [f"while it is checked {i}" for i in range(12)]
    numbers = [world.send(text) for text in texts]
    code, answer = ended(updating.tries(pinned().source + LACKING))
    assert code == 1
    assert answer["error"]["code"] == "rejected"
    assert "needed and missing: ChatStore" in answer["error"]["message"]
    for number in numbers:
        world.reaches(number, *DONE)
    assert [one["body"] for one in world.arrivals(*texts)] == texts
    assert updating.choice["stage"] == "rejected"


def test_one_that_cannot_send_is_rejected_with_its_first_message_and_the_others_are_sent_once(
    world: World, updating: Updating
) -> None:
    code, answer = ended(updating.tries(pinned().source + MUTE))
    assert (code, answer["stage"]) == (0, "proving")
    texts = ["it cannot", "but this", "and this"]
    first, *others = [world.send(text) for text in texts]
    doubted = world.reaches(first, "uncertain")
    assert doubted["error"]["code"] == "not_found_afterwards"
    for number in others:
        world.reaches(number, *DONE)
    assert [one["body"] for one in world.arrivals(*texts)] == texts[1:]
    assert "script_error" in updating.choice["rejections"][-1]["reason"]


def test_one_that_breaks_while_it_loads_is_rejected_when_the_page_never_gets_ready(
    world: World, updating: Updating, has_waited: Callable[[float], None]
) -> None:
    verb = updating.tries(BROKEN + pinned().source)
    world.says(f"wa-js {NEWER} is tried")
    number = world.send("it waited")
    has_waited(READY_SECONDS)
    code, answer = ended(verb)
    assert code == 1 and "did not get ready in time: 90 s" in answer["error"]["message"]
    world.reaches(number, *DONE)
    assert len(world.arrivals("it waited")) == 1


# ---- from the hub -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def npm_has(world: World, updating: Updating, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """What the real npm on the desktop finds."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    with registry(tmp_path / "registry") as served:
        for name, value in served.variables(tmp_path / "npm cache").items():
            monkeypatch.setenv(name, value)
        world.end("agent")
        world.start("agent")
        world.is_linked()
        yield served


@pytest.fixture
async def person() -> AsyncIterator[Page]:
    """Somebody's browser."""
    async with somebody(SECONDS) as page:
        yield page


async def test_a_button_in_the_console_gets_a_newer_one_from_npm_into_the_desktops_page(
    world: World, npm_has: Registry, person: Page
) -> None:
    npm_has.serves(version(), pinned().source)
    await person.goto(world.ask("console", "--print")["url"])
    await person.wait_for_url("**/console/")
    await person.goto(f"{world.http}/console/agents")
    told, button = person.locator("#wa-js [role=status]").first, person.get_by_role("button", name="Look for a newer")
    says = expect(told)
    await button.first.click()
    await says.to_contain_text(f"npm has nothing newer than wa-js {version()}", timeout=SECONDS * 1000)
    npm_has.serves(BY_BUTTON, pinned().source)
    await button.first.click()
    await says.to_contain_text(f"wa-js {BY_BUTTON} fits WhatsApp Web and is used", timeout=SECONDS * 1000)
    await expect(person.locator("#agents")).to_contain_text(f"wa-js {BY_BUTTON}")
    world.reaches(world.send("its first, by the button"), *DONE)
    await says.to_contain_text(f"wa-js {BY_BUTTON} is used and stays", timeout=SECONDS * 1000)
    npm_has.serves("100.1.0", pinned().source + LACKING)
    await button.first.click()
    await says.to_contain_text(
        "wa-js 100.1.0 was tried and did not do (needed and missing: ChatStore)", timeout=SECONDS * 1000
    )
    await says.to_contain_text(f"{BY_BUTTON} is used again")
    world.reaches(world.send("after the rejected one"), *DONE)
    texts = ("its first, by the button", "after the rejected one")
    assert [one["body"] for one in world.arrivals(*texts)] == list(texts)


def test_the_verb_at_the_hub_does_the_same_for_another_desktop(
    world: World, updating: Updating, npm_has: Registry
) -> None:
    npm_has.serves(BY_VERB, pinned().source)
    told = world.ask("update", "wa-js", "--agent", "desktop")
    assert (told["stage"], told["wa_js"]) == ("proving", BY_VERB)
    updating.hub_knows(BY_VERB)
    told = world.ask("update", "wa-js", "--agent", "desktop", "--back")
    assert (told["stage"], told["wa_js"]) == ("pinned", version())
    updating.hub_knows(version())
