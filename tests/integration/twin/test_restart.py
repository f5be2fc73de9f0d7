"""What a restart of the twin keeps, a kill included."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from messenger_hub_twin import app
from messenger_hub_twin.state import UnreadableState

from tests.integration.twin.conftest import ME
from tests.integration.twin.page import linked_page, open_page
from tests.integration.twin.twin import SECONDS, Twin, running_twin

ANA = "12025550111@c.us"
PROGRAM = """
import asyncio, sys
from pathlib import Path
from messenger_hub_twin import app
settings = app.TwinSettings(host="127.0.0.1", port=0, log=Path(sys.argv[1]))
asyncio.run(app.run(settings, lambda address: print(address, flush=True), asyncio.Event()))
"""


@contextlib.asynccontextmanager
async def twin_process(log: Path) -> AsyncIterator[tuple[Twin, asyncio.subprocess.Process]]:
    """A twin as a process of its own; killed at the end where it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(log), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(SECONDS):
            url = (await process.stdout.readline()).decode().strip()
        async with aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=SECONDS)) as http:
            yield Twin(url=url, log=log, http=http, stop=asyncio.Event()), process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def test_a_kill_loses_neither_links_nor_contacts_nor_receipts_nor_the_log(tmp_path: Path) -> None:
    log = tmp_path / "arrivals.jsonl"
    async with twin_process(log) as (twin, process):
        await twin.call("receipts", automatic=False)
        await twin.call("incoming", **{"from": "12025550113", "body": "Ciao", "to": ME})
        async with linked_page(twin, ME) as (page, token):
            await page.send("3EB001", ANA, "one")
            await page.send("3EB002", ANA, "two")
            await twin.call("receipt", id="3EB001", kind="read")
            await page.ask("contact_save", id="12025550112@c.us", first="Ben", last="Carter")
            await page.event("contact")
            await page.ask("contact_remove", id=ANA)
            await page.event("contact_removed")
            (receipt,) = page.told("receipt")
            before = await twin.state()
            process.send_signal(signal.SIGKILL)
            await process.wait()
    async with running_twin(log) as again:
        after = await again.state()
        for part in ("accounts", "received", "not_on_whatsapp"):
            assert after[part] == before[part]
        assert (await again.account(ME))["contacts"] == {"12025550112": "Ben Carter"}
        async with open_page(again, token=token, since=receipt["version"]) as back:
            assert (await back.event("linked"))["me"]["pn"] == f"{ME}@c.us"
            await back.event("history_done")
            assert back.told("messages") == []
            assert (await back.send("3EB003"))["ok"]
        assert [line["id"] for line in again.arrivals()] == ["3EB001", "3EB002", "3EB003"]


async def test_a_receipt_that_was_still_to_come_comes_after_the_restart(tmp_path: Path) -> None:
    log = tmp_path / "arrivals.jsonl"
    async with running_twin(log) as twin, linked_page(twin, ME) as (page, token):
        await twin.call("receipts", delivered_seconds=0.0, read_seconds=3_600)
        await page.send("3EB001")
        seen = (await page.event("receipt"))["version"]
    async with running_twin(log) as twin, open_page(twin, token=token, since=seen) as page:
        receipt = await page.event("receipt")
        assert (receipt["id"], receipt["ack"]) == ("3EB001", 3)


async def test_a_restart_switches_every_fault_off(tmp_path: Path) -> None:
    log = tmp_path / "arrivals.jsonl"
    async with running_twin(log) as twin:
        fresh = (await twin.state())["faults"]
        await twin.call("fail", count=5)
        await twin.call("passkey")
    async with running_twin(log) as twin:
        assert (await twin.state())["faults"] == fresh


async def test_a_removed_first_contact_stays_removed(tmp_path: Path) -> None:
    log = tmp_path / "arrivals.jsonl"
    async with running_twin(log) as twin, linked_page(twin, ME) as (page, _):
        await page.ask("contact_remove", id=ANA)
        await page.event("contact_removed")
    async with running_twin(log) as twin:
        assert (await twin.account(ME))["contacts"] == {}


async def test_a_port_that_is_taken_is_named_with_what_to_do(tmp_path: Path) -> None:
    async with running_twin(tmp_path / "one.jsonl") as twin:
        port = int(twin.url.rsplit(":", 1)[1].strip("/"))
        settings = app.TwinSettings(host="127.0.0.1", port=port, log=tmp_path / "two.jsonl")
        with pytest.raises(
            app.CannotListen, match=rf"^The twin cannot listen on 127\.0\.0\.1:{port} \(.*\): name another"
        ):
            await app.run(settings, lambda _: None, asyncio.Event())


async def test_a_state_file_of_somebody_else_stops_the_twin_before_it_listens(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl.state").write_text("a letter, long enough to be taken for something else than a database")
    settings = app.TwinSettings(host="127.0.0.1", port=0, log=tmp_path / "log.jsonl")
    with pytest.raises(UnreadableState):
        await app.run(settings, lambda _: pytest.fail("it listens"), asyncio.Event())


async def test_stopping_closes_the_pages_connections(tmp_path: Path) -> None:
    async with running_twin(tmp_path / "log.jsonl") as twin, linked_page(twin, ME) as (page, _):
        twin.stop.set()
        await page.end()
