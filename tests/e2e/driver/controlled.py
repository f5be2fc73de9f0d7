"""A program that opens a page and then only waits, for tests that kill it: controlled.py FOLDER ADDRESS. It prints the browser's process id."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from messenger_hub_agent.whatsapp.browser import BrowserOptions
from messenger_hub_agent.whatsapp.pyppeteer_page import PyppeteerPage


async def main(folder: Path, address: str) -> None:
    options = BrowserOptions(program=None, visible=False, log=folder / "chromium.log")
    page = PyppeteerPage(folder, options, address)
    await page.open()
    print(page.process_id, flush=True)  # noqa: T201 for who started us
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
