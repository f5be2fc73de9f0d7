"""One life of the browser: its profile, its process and the connection to it, made and ended together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from messenger_hub_agent.whatsapp.browser import Browser, BrowserOptions
from messenger_hub_agent.whatsapp.leftover import end_leftover
from messenger_hub_agent.whatsapp.page import PageError
from messenger_hub_agent.whatsapp.profile import Profile, take_profile
from messenger_hub_agent.whatsapp.pyppeteer_connection import PageSession, PipeConnection

START_SECONDS = 30.0  # the first start in a new profile on a slow disk


class RunningBrowser:
    """One life of the browser: its profile, its process, its connection."""

    def __init__(self, profile: Profile, browser: Browser, connection: PipeConnection) -> None:
        self.profile = profile
        self.browser = browser
        self.connection = connection
        self.session: PageSession | None = None
        self.user_agent = ""
        self.version = ""

    @classmethod
    async def start(cls, folder: Path, options: BrowserOptions, on_end: Callable[[], None]) -> RunningBrowser:
        """Raises BrowserError."""
        profile = take_profile(folder)
        try:
            await end_leftover(profile.folder)
            browser = await Browser.start(profile, options)
        except BaseException:
            profile.release()
            raise
        running = cls(profile, browser, PipeConnection(on_end))
        try:
            await running._meet()
        except PageError as error:
            await running.end()
            raise browser.why_dead() from error
        except BaseException:
            await running.end()
            raise
        return running

    async def _meet(self) -> None:
        await self.connection.open(self.browser)
        version = await self.connection.command("Browser.getVersion", seconds=START_SECONDS)
        # A plain name: WhatsApp Web shows "update your browser" to one that calls itself headless.
        self.user_agent = version["userAgent"].replace("HeadlessChrome", "Chrome")
        self.version = version["product"].replace("HeadlessChrome", "Chrome")
        await self.connection.command("Target.setDiscoverTargets", {"discover": True})

    async def end(self) -> None:
        """Lets it save and go; then the profile is free."""
        self.connection.close()
        try:
            await self.browser.end()
        finally:
            self.profile.release()
