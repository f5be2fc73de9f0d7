"""The driver through the twin: how fast one browser sends, how long it takes to start, and what it costs in memory.

Verified: everything that was sent is in the network's log, once each; else there are no figures.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp
import psutil
from messenger_hub_agent.whatsapp.browser import BrowserOptions
from messenger_hub_agent.whatsapp.page import PageState
from messenger_hub_agent.whatsapp.profile import discard_profile
from messenger_hub_agent.whatsapp.pyppeteer_page import PyppeteerPage

from tests.bench.verification import NotTrue

SENDS = 300
IN_FLIGHT = 8
CHAT = "12025550111@c.us"
READY_SECONDS = 60.0
MIB = 1 << 20


async def measure(folder: Path) -> Mapping[str, float]:
    """Seconds, sends a second and MiB. Raises NotTrue."""
    log = folder / "arrivals.jsonl"
    twin = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "messenger_hub_cli", "twin", "--listen", "127.0.0.1:0", "--log", str(log), "--json"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert twin.stdout is not None
    address = json.loads(await twin.stdout.readline())["address"]
    try:
        page = PyppeteerPage(folder, BrowserOptions(program=None, visible=False, log=folder / "browser.log"), address)
        try:
            return await _measure(page, address, log)
        finally:
            await page.close()
            discard_profile(folder)
    finally:
        twin.terminate()
        await twin.wait()


async def _measure(page: PyppeteerPage, address: str, log: Path) -> Mapping[str, float]:
    began = time.monotonic()
    await page.open()
    await _until(page, lambda state: state.ready and state.mode.value == "QR")
    ready = time.monotonic() - began
    async with aiohttp.ClientSession() as client, client.post(f"{address}_twin/scan", json={}) as answer:
        answer.raise_for_status()
    await _until(page, lambda state: state.synced)
    idle = _memory(page)
    sent: list[str] = []
    one_by_one = await _sends(page, 1, sent)
    together = await _sends(page, IN_FLIGHT, sent)
    _verify(log, sent)
    return {
        "ready_seconds": round(ready, 2),
        "sends_a_second": round(one_by_one, 1),
        f"sends_a_second_{IN_FLIGHT}_in_flight": round(together, 1),
        "memory_idle_mib": round(idle),
        "memory_after_mib": round(_memory(page)),
        "sends": len(sent),
    }


async def _until(page: PyppeteerPage, holds: Callable[[PageState], bool]) -> None:
    async with asyncio.timeout(READY_SECONDS):
        while True:
            state = await page.state()
            if holds(state):
                return
            await asyncio.sleep(0.02)


async def _sends(page: PyppeteerPage, in_flight: int, sent: list[str]) -> float:
    """Sends a second."""
    waiting = [f"3EB0{secrets.token_hex(9).upper()}" for _ in range(SENDS)]
    began = time.monotonic()

    async def work() -> None:
        while waiting:
            wa_id = waiting.pop()
            message_id = await page.serialized_id(CHAT, wa_id)
            result = await page.send_text(CHAT, f"number {len(sent)}", message_id, timeout_seconds=30)
            if not result.succeeded:
                raise NotTrue(f"a send came back as {result.result}")
            sent.append(wa_id)

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(work())
    return SENDS / (time.monotonic() - began)


def _memory(page: PyppeteerPage) -> float:
    """MiB of all the browser's processes, shared pages counted once."""
    assert page.process_id is not None
    browser = psutil.Process(page.process_id)
    return sum(one.memory_full_info().pss for one in (browser, *browser.children(recursive=True))) / MIB


def _verify(log: Path, sent: list[str]) -> None:
    arrived = [json.loads(line)["id"] for line in log.read_text(encoding="utf-8").splitlines()]
    if sorted(arrived) != sorted(sent):
        raise NotTrue(f"{len(sent)} were sent and {len(arrived)} arrived")


def table(found: Mapping[str, float]) -> str:
    """The figures in Markdown."""
    rows = [f"| {name.replace('_', ' ')} | {value} |" for name, value in found.items()]
    return "\n".join(["| the driver through the twin | |", "| --- | --- |", *rows])
