"""What to look at when nothing goes out: the machine, the running hub, and whether wa-js fits WhatsApp Web's page of today."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click
from messenger_hub_agent.config import WHATSAPP_WEB
from messenger_hub_agent.whatsapp import wa_js
from messenger_hub_agent.whatsapp.browser import BrowserOptions
from messenger_hub_agent.whatsapp.errors import BrowserError
from messenger_hub_agent.whatsapp.finding import find_browser
from messenger_hub_agent.whatsapp.page import Bindings, PageError, PageState
from messenger_hub_agent.whatsapp.profile import discard_profile
from messenger_hub_agent.whatsapp.pyppeteer_page import PyppeteerPage
from messenger_hub_server.checks import Finding, Verdict
from messenger_hub_twin import app as twin

from messenger_hub_cli.failures import Failed, Refused
from messenger_hub_cli.machine import findings
from messenger_hub_cli.output import Json, Record, show
from messenger_hub_cli.verb import data_dir_option, verb, wants_json

READY_SECONDS = 60.0
LOOK_SECONDS = 0.25
SIGNS = {Verdict.GOOD: "✓", Verdict.LOOK: "!", Verdict.BAD: "✗"}

# What operations cannot do without; of the rest, wa-js has many names that nothing here uses.
NEEDED = frozenset(
    {
        "ApiContact", "ChatStore", "Cmd", "Conn", "ContactStore", "GroupMetadataStore", "MsgKey", "MsgStore", "Socket",
        "Stream", "WidFactory", "functions.addAndSendMsgToChat", "functions.findOrCreateLatestChat",
        "functions.getHistorySyncProgress", "functions.getIsMyContact", "functions.isAuthenticated",
        "functions.queryWidExists", "functions.saveContactActionV2", "functions.deleteContactActionV2",
    }
)  # fmt: skip


@verb("doctor", example="messenger-hub doctor --twin")
@data_dir_option
@click.option("--url", default=WHATSAPP_WEB, show_default=True, help="The page to look at.")
@click.option("--twin", "with_twin", is_flag=True, help="Look at a twin of WhatsApp Web, started for this, instead.")
@click.option(
    "--browser", type=click.Path(path_type=Path), help="Chrome, Chromium or Edge, where it is not found by itself."
)
def doctor(data_dir: Path, url: str, with_twin: bool, browser: Path | None) -> None:
    """Check this machine, the running hub, the browser, and whether wa-js fits WhatsApp Web.

    Each line says what to do where something is not good (✗), or may not be (!). Nothing is linked, and nothing is sent. The exit
    code is 1 when something is not good.
    """
    found = asyncio.run(findings(data_dir, None if with_twin else url))
    if not wants_json():
        click.echo("\n".join(_line(one) for one in found))
    page = _examined(url, with_twin=with_twin, browser=browser)
    found = [*found, page.finding]
    data = {"checks": [_plain(one) for one in found], **page.data}
    show(Record(data=data, sentence=_line(page.finding)), as_json=wants_json())
    if any(one.verdict is Verdict.BAD for one in found):
        click.get_current_context().exit(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """What came of looking at the page."""

    finding: Finding
    data: Mapping[str, Json]


def _examined(url: str, *, with_twin: bool, browser: Path | None) -> _Page:
    try:
        program = find_browser(browser)
        with tempfile.TemporaryDirectory(prefix="messenger-hub-doctor-") as name:
            state, bindings = asyncio.run(_examine(Path(name), program, url, with_twin=with_twin))
    except BrowserError as error:
        raise Refused(str(error), code=error.code) from error
    except TimeoutError as error:
        raise Failed(
            f"wa-js {wa_js.version()} was not ready on the page within {READY_SECONDS:.0f} s: it may be too old for this "
            "version of WhatsApp Web. Update Messenger Hub."
        ) from error
    except PageError as error:
        raise Failed(f"The page could not be examined ({error.code}): check the network and the address.") from error
    return _report(program, state, bindings)


async def _examine(folder: Path, program: Path, url: str, *, with_twin: bool) -> tuple[PageState, Bindings]:
    if not with_twin:
        return await _look(folder, program, url)
    stop, address = asyncio.Event(), asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as group:
        settings = twin.TwinSettings(host="127.0.0.1", port=0, log=folder / "arrivals.jsonl")
        group.create_task(twin.run(settings, address.set_result, stop))
        looking = group.create_task(_outcome(folder, program, await address))
        await asyncio.wait({looking})
        stop.set()
    found = looking.result()
    if isinstance(found, Exception):
        raise found
    return found


async def _outcome(folder: Path, program: Path, url: str) -> tuple[PageState, Bindings] | Exception:
    """What was seen, or why nothing was: a failure must not end the twin in the middle of its work."""
    try:
        return await _look(folder, program, url)
    except (BrowserError, PageError, TimeoutError) as error:
        return error


async def _look(folder: Path, program: Path, url: str) -> tuple[PageState, Bindings]:
    options = BrowserOptions(program=program, visible=False, log=folder / "browser.log")
    page = PyppeteerPage(folder, options, url)
    try:
        await page.open()
        async with asyncio.timeout(READY_SECONDS):
            while not (state := await page.state()).ready:  # noqa: ASYNC110 the page is asked
                await asyncio.sleep(LOOK_SECONDS)
        return state, await page.bindings()
    finally:
        await page.close()
        discard_profile(folder)


def _report(program: Path, state: PageState, bindings: Bindings) -> _Page:
    unusable = sorted(NEEDED & set(bindings.missing))
    data: Mapping[str, Json] = {
        "browser": str(program),
        "wa_js": wa_js.version(),
        "whatsapp_web": state.version,
        "resolved": list(bindings.resolved),
        "missing": list(bindings.missing),
        "needed_and_missing": unusable,
        "fits": not unusable,
    }
    said = f"{program}; WhatsApp Web {state.version or 'of an unknown version'} has everything that sending needs"
    if unusable:
        said = f"{program}; needed and missing: {', '.join(unusable)}, so messages may not go out: update Messenger Hub"
    verdict = Verdict.BAD if unusable else Verdict.GOOD
    return _Page(finding=Finding(name="WhatsApp Web", verdict=verdict, said=said), data=data)


def _line(found: Finding) -> str:
    return f"{SIGNS[found.verdict]} {found.name:<13} {found.said}."


def _plain(found: Finding) -> Mapping[str, Json]:
    return {"name": found.name, "verdict": found.verdict.value, "said": found.said}
