"""What to look at when nothing goes out: the machine, the running hub, and whether wa-js fits WhatsApp Web's page of today."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click
from messenger_hub.runtime.folder import FolderError
from messenger_hub_agent.config import WHATSAPP_WEB
from messenger_hub_agent.folder import WA_JS
from messenger_hub_agent.updating.choice import Choice
from messenger_hub_agent.updating.shelf import Shelf
from messenger_hub_agent.whatsapp.browser import BrowserOptions
from messenger_hub_agent.whatsapp.errors import BrowserError
from messenger_hub_agent.whatsapp.finding import find_browser
from messenger_hub_agent.whatsapp.fit import lacking
from messenger_hub_agent.whatsapp.page import Bindings, PageError, PageState
from messenger_hub_agent.whatsapp.profile import discard_profile
from messenger_hub_agent.whatsapp.pyppeteer_page import PyppeteerPage
from messenger_hub_agent.whatsapp.wa_js import WaJs, pinned
from messenger_hub_server.checks import Finding, Verdict
from messenger_hub_twin import app as twin

from messenger_hub_cli import machine
from messenger_hub_cli.failures import Failed, Refused
from messenger_hub_cli.output import Json, Record, show
from messenger_hub_cli.remembered import AGENT
from messenger_hub_cli.verb import data_dir_option, verb, wants_json

READY_SECONDS = 60.0
LOOK_SECONDS = 0.25
SIGNS = {Verdict.GOOD: "✓", Verdict.LOOK: "!", Verdict.BAD: "✗"}


@verb("doctor", example="messenger-hub doctor --twin")
@data_dir_option
@click.option("--url", default=WHATSAPP_WEB, show_default=True, help="The page to look at.")
@click.option("--twin", "with_twin", is_flag=True, help="Look at a twin of WhatsApp Web, started for this, instead.")
@click.option(
    "--browser", type=click.Path(path_type=Path), help="Chrome, Chromium or Edge, where it is not found by itself."
)
def doctor(data_dir: Path, url: str, with_twin: bool, browser: Path | None) -> None:
    """Check this machine, the running hub, the browser, and whether wa-js fits WhatsApp Web: the one that the desktop app here uses.

    Each line says what to do where something is not good (✗), or may not be (!). Nothing is linked, and nothing is sent. The exit
    code is 1 when something is not good.
    """
    wa_js, choice = _wa_js(data_dir)
    found = [*asyncio.run(machine.findings(data_dir, None if with_twin else url)), machine.wa_js(choice)]
    if not wants_json():
        click.echo("\n".join(_line(one) for one in found))
    page = _examined(wa_js, url, with_twin=with_twin, browser=browser)
    found = [*found, page.finding]
    data = {"checks": [_plain(one) for one in found], "wa_js": wa_js.version, **page.data}
    show(Record(data=data, sentence=_line(page.finding)), as_json=wants_json())
    if any(one.verdict is Verdict.BAD for one in found):
        click.get_current_context().exit(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """What came of looking at the page."""

    finding: Finding
    data: Mapping[str, Json]


def _wa_js(data_dir: Path) -> tuple[WaJs, Choice | FolderError]:
    """The one that the desktop app uses: where it cannot read what it has fetched, that of this release. Raises Refused."""
    shelf = Shelf(data_dir / AGENT / WA_JS)
    try:
        choice = shelf.choice()
        return shelf.fetched(choice) or pinned(), choice
    except FolderError as error:
        return pinned(), error
    except BrowserError as error:
        raise Refused(str(error), code=error.code) from error


def _examined(wa_js: WaJs, url: str, *, with_twin: bool, browser: Path | None) -> _Page:
    try:
        program = find_browser(browser)
        with tempfile.TemporaryDirectory(prefix="messenger-hub-doctor-") as name:
            state, bindings = asyncio.run(_examine(_Look(Path(name), program, wa_js), url, with_twin=with_twin))
    except BrowserError as error:
        raise Refused(str(error), code=error.code) from error
    except TimeoutError as error:
        raise Failed(
            f"wa-js {wa_js.version} was not ready on the page within {READY_SECONDS:.0f} s: it may be too old for this "
            "version of WhatsApp Web. Try a newer one with messenger-hub update wa-js."
        ) from error
    except PageError as error:
        raise Failed(f"The page could not be examined ({error.code}): check the network and the address.") from error
    return _report(program, state, bindings)


@dataclass(frozen=True, slots=True)
class _Look:
    """With what a page is looked at."""

    folder: Path
    program: Path
    wa_js: WaJs


async def _examine(look: _Look, url: str, *, with_twin: bool) -> tuple[PageState, Bindings]:
    if not with_twin:
        return await _seen(look, url)
    stop, address = asyncio.Event(), asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as group:
        settings = twin.TwinSettings(host="127.0.0.1", port=0, log=look.folder / "arrivals.jsonl")
        group.create_task(twin.run(settings, address.set_result, stop))
        looking = group.create_task(_outcome(look, await address))
        await asyncio.wait({looking})
        stop.set()
    found = looking.result()
    if isinstance(found, Exception):
        raise found
    return found


async def _outcome(look: _Look, url: str) -> tuple[PageState, Bindings] | Exception:
    """What was seen, or why nothing was: a failure must not end the twin in the middle of its work."""
    try:
        return await _seen(look, url)
    except (BrowserError, PageError, TimeoutError) as error:
        return error


async def _seen(look: _Look, url: str) -> tuple[PageState, Bindings]:
    options = BrowserOptions(program=look.program, visible=False, log=look.folder / "browser.log")
    page = PyppeteerPage(look.folder, options, url, lambda: look.wa_js)
    try:
        await page.open()
        async with asyncio.timeout(READY_SECONDS):
            while not (state := await page.state()).ready:  # noqa: ASYNC110 the page is asked
                await asyncio.sleep(LOOK_SECONDS)
        return state, await page.bindings()
    finally:
        await page.close()
        discard_profile(look.folder)


def _report(program: Path, state: PageState, bindings: Bindings) -> _Page:
    unusable = lacking(bindings)
    data: Mapping[str, Json] = {
        "browser": str(program),
        "whatsapp_web": state.version,
        "resolved": list(bindings.resolved),
        "missing": list(bindings.missing),
        "needed_and_missing": list(unusable),
        "fits": not unusable,
    }
    said = f"{program}; WhatsApp Web {state.version or 'of an unknown version'} has everything that sending needs"
    if unusable:
        said = f"{program}; needed and missing: {', '.join(unusable)}, so messages may not go out: messenger-hub update wa-js"
    verdict = Verdict.BAD if unusable else Verdict.GOOD
    return _Page(finding=Finding(name="WhatsApp Web", verdict=verdict, said=said), data=data)


def _line(found: Finding) -> str:
    return f"{SIGNS[found.verdict]} {found.name:<13} {found.said}."


def _plain(found: Finding) -> Mapping[str, Json]:
    return {"name": found.name, "verdict": found.verdict.value, "said": found.said}
