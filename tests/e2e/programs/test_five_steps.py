"""The guide's five steps, as somebody takes them who has never seen it: `up`, scan, a key, send, look. Clicks are counted.

A second `up` shows what the first one has.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.e2e.person import somebody
from tests.e2e.programs.test_programs import SECONDS, running, twin
from tests.e2e.whole_way.world import discard_profiles, http
from tests.eventually import eventually

pytestmark = pytest.mark.e2e

MOST_CLICKS = 5
CLI = (sys.executable, "-m", "messenger_hub_cli")

__all__ = ["twin"]


@pytest.fixture
async def person() -> AsyncIterator[Page]:
    """Somebody's browser."""
    async with somebody(SECONDS) as page:
        await page.add_init_script(
            "addEventListener('click', e => e.isTrusted && (window.name = String(Number(window.name) + 1)), true)"
        )
        yield page


async def test_from_up_to_the_first_message_in_five_clicks(tmp_path: Path, twin: str, person: Page) -> None:
    folder, data_dir, begun = tmp_path / "up", tmp_path / "data", time.monotonic()
    folder.mkdir()
    arguments = ("--headless", "--data-dir", str(data_dir), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
    with running(folder, "up", *arguments, "--whatsapp-url", twin) as up:
        await person.goto(up.prints(r"Open the console \(.*\): (\S+)")[1])
        await person.get_by_role("link", name="Link WhatsApp").click()
        await expect(person.locator("svg.qr")).to_be_visible()
        eventually(lambda: http("POST", f"{twin}_twin/scan", {})[0] == 200)
        await person.get_by_role("link", name="Next: a key for your program").click()
        await person.get_by_label("Name").fill("crm")
        await person.get_by_role("button", name="Create and show the key").click()
        line = await person.locator("#lines-1").inner_text()
        sent = json.loads(subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout)
        assert sent["message"] == "Message queued successfully"
        arrived = eventually(lambda: re.findall("Hello", (tmp_path / "arrivals.jsonl").read_text()), SECONDS)
        clicks = int(await person.evaluate("window.name"))
        print(f"{clicks} clicks and {time.monotonic() - begun:.1f} s from up to the first message")  # noqa: T201 the figure
        assert (len(arrived), clicks <= MOST_CLICKS, clicks >= 3) == (1, True, True)
        again = subprocess.run([*CLI, "up", *arguments], capture_output=True, text=True, timeout=SECONDS, check=True)
        assert re.match(r"Messenger Hub runs already. Its console: http://\S+/console/open\?token=", again.stdout)
        await person.get_by_role("link", name="Operations", exact=True).click()
        await person.get_by_role("link", name="#1", exact=True).click()
        await expect(person.locator(".big .badge")).to_have_text("Read")
        assert up.send(signal.SIGINT) == 0
        up.leaves_nothing()
    discard_profiles(data_dir)
