"""Browsers that outlive the agent that started them, for as long as they save, or for ever where they are stopped or hang.

Two browsers must never work with one profile: the second cannot open the first one's databases, throws WhatsApp's away and begins
with empty ones, and the link is lost.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from messenger_hub.runtime.log import logger

from messenger_hub_agent.whatsapp.errors import BrowserError
from messenger_hub_agent.whatsapp.process import processes

log = logger(__name__)

SAVE_SECONDS = 10.0  # what a browser gets whose agent is gone
KILL_SECONDS = 5.0
LOOK_SECONDS = 0.05


async def end_leftover(profile_folder: Path, save_seconds: float = SAVE_SECONDS) -> None:
    """Returns when no browser works with the profile any more; what has not ended by itself until then is killed.

    Only for who holds the profile's lock: no agent owns such a browser. Raises BrowserError when one cannot be killed.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(save_seconds):
            await _all_ended(profile_folder)
            return
    for process_id in processes.at_work(profile_folder):
        log.warning("browser of an agent that is gone killed", process=process_id)
        processes.kill_stranger(process_id)
    try:
        async with asyncio.timeout(KILL_SECONDS):
            await _all_ended(profile_folder)
    except TimeoutError as error:
        raise BrowserError(
            "A browser of an earlier run still works with the profile and cannot be ended: end it by hand."
        ) from error


async def _all_ended(profile_folder: Path) -> None:
    while any(processes.at_work(profile_folder)):  # noqa: ASYNC110 # nothing tells of the end of somebody else's child
        await asyncio.sleep(LOOK_SECONDS)
