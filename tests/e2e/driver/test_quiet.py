"""Nothing of ours complains in the page's console, and nothing of the browser's leaves this machine."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from messenger_hub_agent.whatsapp.page import AckChanged, NeedsUpdate

from tests.e2e.driver.desk import Desk
from tests.e2e.driver.inside import new_page, session
from tests.integration.twin.twin import Twin

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

ME, ANA = "12015550100", "12025550111@c.us"
LOCAL_SCHEMES = {"data", "blob", "about", "chrome", "devtools"}


class Heard:
    """What the page said and asked for, from its load on."""

    def __init__(self) -> None:
        self.complaints: list[object] = []
        self.requests: list[str] = []

    def console(self, call: Mapping[str, Any]) -> None:
        if call["type"] in ("error", "warning", "assert"):
            self.complaints.append([each.get("value", each.get("description")) for each in call["args"]])

    def log(self, call: Mapping[str, Any]) -> None:
        if call["entry"]["level"] in ("error", "warning"):
            self.complaints.append(call["entry"])


@pytest.fixture(scope="module")
def net_log() -> Iterator[Path]:
    """A file that the browser's user may write."""
    folder = Path(tempfile.mkdtemp(prefix="net-log-"))
    folder.chmod(0o777)
    yield folder / "net.json"
    shutil.rmtree(folder)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def heard(twin: Twin, tmp_path_factory: pytest.TempPathFactory, net_log: Path) -> AsyncIterator[Heard]:
    """A whole day in short: loaded, linked, written, received, renamed, lost and found, logged out; then closed."""
    told = Heard()
    folder = tmp_path_factory.mktemp("channel")
    async with new_page(folder, twin.url, f"--log-net-log={net_log}") as page:
        await page.open()
        desk = Desk(page, twin, ME)
        await desk.shows_code()
        own = session(page)
        own.on("Runtime.consoleAPICalled", told.console)
        own.on("Runtime.exceptionThrown", lambda call: told.complaints.append(call["exceptionDetails"]))
        own.on("Log.entryAdded", told.log)
        own.on("Network.requestWillBeSent", lambda call: told.requests.append(call["request"]["url"]))
        own.on("Network.webSocketCreated", lambda call: told.requests.append(call["url"]))
        for domain in ("Log", "Network"):
            await own.command(f"{domain}.enable", seconds=5)
        await twin.call("needs-update")  # so that it is loaded once with everybody listening
        await desk.until_event(NeedsUpdate)
        await desk.works()
        await _day(desk)
    yield told


async def _day(desk: Desk) -> None:
    await desk.twin.call("receipts", delivered_seconds=0.0, read_seconds=0.0)
    wa_id, sent = await desk.send(
        ANA, "look: https://example.com/a?b=c and http://93.184.215.14/ or mailto:a@example.com"
    )
    assert sent.succeeded
    await desk.until_event(AckChanged, lambda event: event.wa_ids == [wa_id] and event.ack == 3)
    assert (await desk.send("120363000000000001@g.us"))[1].succeeded
    await desk.twin.call("incoming", **{"from": "12025550112", "body": "https://example.com/", "to": ME})
    await desk.until_answer(lambda: desk.page.chat_exists("12025550112@c.us"), bool)
    await desk.page.save_contact("12025550112@c.us", "Ben")
    await desk.page.remove_contact("12025550112@c.us")
    await desk.page.exists("5511987654321@c.us")
    await desk.page.groups()
    await desk.page.find_messages(60)
    await desk.twin.call("drop")
    await desk.until(lambda state: not state.normal)
    await desk.until(lambda state: state.synced)
    await desk.page.logout()
    await desk.shows_code()


async def test_nobody_complains_in_the_console(heard: Heard) -> None:
    assert heard.complaints == []


async def test_no_request_of_the_page_leaves_this_machine(heard: Heard, twin: Twin) -> None:
    here = urlsplit(twin.url).netloc
    elsewhere = [url for url in heard.requests if urlsplit(url).scheme not in LOCAL_SCHEMES]
    assert {urlsplit(url).netloc for url in elsewhere} == {here}
    assert {urlsplit(url).scheme for url in elsewhere} == {"http", "ws"}


async def test_nothing_of_the_browser_leaves_this_machine(heard: Heard, net_log: Path) -> None:
    assert heard.requests
    names, events = await asyncio.to_thread(_read, net_log)
    used = [(names[event["type"]], event.get("params", {})) for event in events]
    assert any(name == "URL_REQUEST_START_JOB" for name, _ in used)
    urls = {str(params["url"]) for name, params in used if name == "URL_REQUEST_START_JOB" and "url" in params}
    assert {url for url in urls if urlsplit(url).scheme not in LOCAL_SCHEMES and not _is_local(url)} == set()
    addresses = {
        str(params["address"]) for name, params in used if name == "TCP_CONNECT_ATTEMPT" and "address" in params
    }
    assert addresses
    assert {address for address in addresses if not _is_loopback(address)} == set()
    sent = {"UDP_BYTES_SENT", "HOST_RESOLVER_DNS_TASK", "DNS_TRANSACTION"}
    assert [(name, params) for name, params in used if name in sent] == []


def _read(net_log: Path) -> tuple[Mapping[int, str], Sequence[Mapping[str, Any]]]:
    content = json.loads(net_log.read_text())
    return {number: name for name, number in content["constants"]["logEventTypes"].items()}, content["events"]


def _is_local(url: str) -> bool:
    return urlsplit(url).hostname in ("127.0.0.1", "localhost")


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.rsplit(":", 1)[0].strip("[]")).is_loopback
