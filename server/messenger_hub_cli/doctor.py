"""What to look at when nothing goes out: is there a browser, does it start, and does wa-js fit WhatsApp Web's page of today."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
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
from messenger_hub_twin import app as twin

from messenger_hub_cli.failures import Failed, Refused
from messenger_hub_cli.output import Json, Record
from messenger_hub_cli.verb import verb

READY_SECONDS = 60.0
LOOK_SECONDS = 0.25

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
@click.option("--url", default=WHATSAPP_WEB, show_default=True, help="The page to look at.")
@click.option("--twin", "with_twin", is_flag=True, help="Look at a twin of WhatsApp Web, started for this, instead.")
@click.option(
    "--browser", type=click.Path(path_type=Path), help="Chrome, Chromium or Edge, where it is not found by itself."
)
def doctor(url: str, with_twin: bool, browser: Path | None) -> Record:
    """Check the browser, and whether wa-js fits WhatsApp Web. Nothing is linked, and nothing is sent."""
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


def _report(program: Path, state: PageState, bindings: Bindings) -> Record:
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
    return Record(data=data, sentence="\n".join(_lines(program, state, bindings, unusable)))


def _lines(program: Path, state: PageState, bindings: Bindings, unusable: Sequence[str]) -> Sequence[str]:
    verdict = (
        f"These are needed and missing, so messages may not go out: {', '.join(unusable)}. Update Messenger Hub."
        if unusable
        else "Everything that sending needs is there."
    )
    return (
        f"Browser       {program}",
        f"WhatsApp Web  {state.version or 'unknown version'}",
        f"wa-js         {wa_js.version()}: {len(bindings.resolved)} of its names resolve on this page, "
        f"{len(bindings.missing)} do not (--json lists them)",
        verdict,
    )
