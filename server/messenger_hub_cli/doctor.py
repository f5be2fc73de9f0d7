"""What to look at when nothing goes out: the machine, the running hub, and whether wa-js fits WhatsApp Web's page of today."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
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
from messenger_hub_server import checks
from messenger_hub_server.checks import HERE, Finding, Verdict
from messenger_hub_server.desktop_checks import fit
from messenger_hub_twin import app as twin

from messenger_hub_cli import machine
from messenger_hub_cli.failures import Failed, Refused
from messenger_hub_cli.output import Json, Record, show
from messenger_hub_cli.remembered import AGENT
from messenger_hub_cli.verb import data_dir_option, verb, wants_json

READY_SECONDS = 60.0
OPENINGS = 2  # within that: a page that stands still may be well the next time, and the desktop app opens it again too
LOOK_SECONDS = 0.25
OPENED = "A page that was opened here for this:"
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
    told = asyncio.run(machine.findings(data_dir, None if with_twin else url))
    elsewhere = [one for one in told if one.whose != HERE]
    before = [*(one for one in told if one.whose == HERE), machine.wa_js(choice), *elsewhere]
    if not wants_json():
        click.echo("\n".join([*_lines(before), *([OPENED] if elsewhere else [])]))
    page = _examined(wa_js, url, with_twin=with_twin, browser=browser)
    found = [*before, page.finding]
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
        state = await _ready(page)
        return state, await page.bindings()
    finally:
        await page.close()
        discard_profile(look.folder)


async def _ready(page: PyppeteerPage) -> PageState:
    """Opens it, and again where that does not get it ready. Raises what the last time came to."""
    for _ in range(OPENINGS - 1):
        with suppress(TimeoutError, PageError):
            return await _opened(page)
    return await _opened(page)


async def _opened(page: PyppeteerPage) -> PageState:
    await page.open()
    async with asyncio.timeout(READY_SECONDS / OPENINGS):
        while not (state := await page.state()).ready:  # noqa: ASYNC110 the page is asked
            await asyncio.sleep(LOOK_SECONDS)
    return state


def _report(program: Path, state: PageState, bindings: Bindings) -> _Page:
    names = checks.Bindings(resolved=bindings.resolved, missing=bindings.missing, lacking=lacking(bindings))
    found = fit(state.version, names)
    data: Mapping[str, Json] = {
        "browser": str(program),
        "whatsapp_web": state.version,
        "resolved": list(names.resolved),
        "missing": list(names.missing),
        "needed_and_missing": list(names.lacking),
        "fits": not names.lacking,
    }
    return _Page(finding=replace(found, said=f"{program}; {found.said}", bindings=None), data=data)


def _lines(found: Sequence[Finding]) -> Iterator[str]:
    """Those of each desktop and of each channel under its name."""
    for whose, its in groupby(found, key=lambda one: one.whose):
        if whose.agent_id:
            yield f"Desktop {whose.agent}:"
        elif whose.channel_id:
            yield f"Channel {whose.channel}:"
        yield from map(_line, its)


def _line(found: Finding) -> str:
    return f"{SIGNS[found.verdict]} {found.name:<13} {found.said}."


def _plain(found: Finding) -> Mapping[str, Json]:
    """`desktop` and `channel` where it is not of this machine; the names of wa-js where a desktop has looked them up."""
    plain: dict[str, Json] = {"name": found.name, "verdict": found.verdict.value, "said": found.said}
    if found.whose.agent_id:
        plain["desktop"] = found.whose.agent
    if found.whose.channel_id:
        plain["channel"] = found.whose.channel
    if (names := found.bindings) is not None:
        plain |= {
            "resolved": list(names.resolved),
            "missing": list(names.missing),
            "needed_and_missing": list(names.lacking),
        }
    return plain
