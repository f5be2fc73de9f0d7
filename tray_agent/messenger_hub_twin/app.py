"""Runs the twin: log, state, network, site, timetable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from messenger_hub_twin.exchange import Exchange
from messenger_hub_twin.faults import Faults
from messenger_hub_twin.log import ArrivalLog
from messenger_hub_twin.pages import Pages
from messenger_hub_twin.site import Site
from messenger_hub_twin.state import StateFile
from messenger_hub_twin.timetable import Timetable
from messenger_hub_twin.world import first_contacts, new_network

CLOSE_SECONDS = 2.0


class CannotListen(Exception):
    """The address cannot be listened on; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinSettings:
    """`host` and `port` to listen on (port 0: a free one); `log` is the arrivals' file, its state lies beside it in `LOG.state`."""

    host: str
    port: int
    log: Path


async def run(settings: TwinSettings, on_ready: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serves until `stop` is set; `on_ready` gets the address. Raises CannotListen, OSError or UnreadableState."""
    log = ArrivalLog(settings.log)
    state = StateFile(settings.log.with_name(settings.log.name + ".state"))
    try:
        await _serve(_exchange(log, state), settings, on_ready, stop)
    finally:
        state.close()
        log.close()


def _exchange(log: ArrivalLog, state: StateFile) -> tuple[Exchange, Timetable]:
    timetable = Timetable()
    network = new_network(state.remember)
    if not state.has("started"):
        for contact in first_contacts():
            network.save_contact(contact)
        state.remember("started", "", {})
    state.restore(network)
    exchange = Exchange(network=network, pages=Pages(), faults=Faults(), log=log, timetable=timetable)
    exchange.resume_receipts()
    return exchange, timetable


async def _serve(
    parts: tuple[Exchange, Timetable], settings: TwinSettings, on_ready: Callable[[str], None], stop: asyncio.Event
) -> None:
    exchange, timetable = parts
    runner = web.AppRunner(Site(exchange).application(), access_log=None, shutdown_timeout=CLOSE_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port)
        try:
            await site.start()
        except OSError as error:
            place = f"{settings.host}:{settings.port}"
            raise CannotListen(
                f"The twin cannot listen on {place} ({error.strerror}): name another --listen."
            ) from error
        host, port = runner.addresses[0][:2]
        on_ready(f"http://{host}:{port}/")
        async with asyncio.TaskGroup() as group:
            working = group.create_task(timetable.run())
            await stop.wait()
            working.cancel()
        for page in exchange.pages:
            page.close()
    finally:
        await runner.cleanup()
