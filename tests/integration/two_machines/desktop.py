"""`python -m tests.integration.two_machines.desktop SECONDS agent …`: the desktop app whose pages answer by themselves, without a browser,
and whose heartbeat comes after so many seconds of silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from messenger_hub_agent import app
from messenger_hub_agent.whatsapp.page import Existence
from messenger_hub_agent.whatsapp.wa_js import WaJs

from tests.e2e.whole_way.world import ANA
from tests.fakes.page import FakePage
from tests.integration.two_machines import talkative


def page(_: Path, __: object, ___: str, choose: Callable[[], WaJs]) -> FakePage:
    """Linked, and takes every message."""
    known = f"{ANA}@c.us"
    return FakePage(wa_js_version=choose().version, numbers={known: Existence(wid=known, lid=None)}, chats={known})


if __name__ == "__main__":
    app.PyppeteerPage = page  # type: ignore[assignment,misc]
    talkative.main()
