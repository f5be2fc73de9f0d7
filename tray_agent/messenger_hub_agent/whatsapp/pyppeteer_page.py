"""The Page protocol in a browser that pyppeteer controls."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from messenger_hub.runtime.log import logger

from messenger_hub_agent.whatsapp import answers, wa_js
from messenger_hub_agent.whatsapp.browser import BrowserOptions
from messenger_hub_agent.whatsapp.footprint import footprint
from messenger_hub_agent.whatsapp.page import (
    Bindings,
    BrowserGone,
    Contact,
    EventsLost,
    Existence,
    Group,
    NeedsUpdate,
    PageCrashed,
    PageError,
    PageEvent,
    PageGone,
    PageState,
    PageTimeout,
    SeenMessage,
    SendResult,
    Shown,
)
from messenger_hub_agent.whatsapp.pyppeteer_connection import Json, PageSession
from messenger_hub_agent.whatsapp.running_browser import RunningBrowser

log = logger(__name__)

T = TypeVar("T")

STATE_SECONDS = 5.0
CALL_SECONDS = 25.0  # look-ups ask WhatsApp's servers
NAVIGATION_SECONDS = 60.0
EVENTS = 1_000
PICTURE_QUALITY = 60  # per cent: texts can be read, and it is some 100 KiB

_ABSENT = "!self.__messengerHub"


class PyppeteerPage:
    """The Page protocol, for the channel whose folder is given. `choose` says which wa-js is put into the browser's tab."""

    def __init__(
        self, folder: Path, options: BrowserOptions, address: str, choose: Callable[[], wa_js.WaJs] = wa_js.pinned
    ) -> None:
        self._folder = folder
        self._options = options
        self._address = address
        self._choose = choose
        self._wa_js_version = self._browser_version = ""
        self._running: RunningBrowser | None = None
        self._needs_update = False
        self._events: asyncio.Queue[PageEvent] = asyncio.Queue(EVENTS)
        self._news = asyncio.Event()

    @property
    def process_id(self) -> int | None:
        """The browser's process, which leads its group; None while there is none."""
        return self._running.browser.process_id if self._running else None

    @property
    def wa_js_version(self) -> str:
        """See Page."""
        return self._wa_js_version

    @property
    def browser_version(self) -> str:
        """See Page."""
        return self._browser_version

    # ---- loading ------------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """See Page."""
        running = await self._started()
        try:
            await self._load(running)
        except (PageGone, PageTimeout):
            # A page that does not even answer to being opened may never do so again in this browser.
            await self.close()
            raise

    async def _load(self, running: RunningBrowser) -> None:
        if running.session is not None and not running.session.closed and await self._is_healthy(running.session):
            return
        session = await self._attached(running)
        self._needs_update = False
        answer = await session.command("Page.navigate", {"url": self._address}, seconds=NAVIGATION_SECONDS)
        if answer.get("errorText"):
            raise PageError("not_reached", str(answer["errorText"]))

    async def _started(self) -> RunningBrowser:
        if self._running is not None and self._running.connection.ended:
            await self.close()
        if self._running is None:
            self._running = await RunningBrowser.start(self._folder, self._options, self._browser_ended)
            self._browser_version = self._running.version
        return self._running

    async def _is_healthy(self, session: PageSession) -> bool:
        if session.crashed or self._needs_update:
            return False
        try:
            return not await self._evaluate(_ABSENT, STATE_SECONDS)
        except PageTimeout:
            # It hangs: only a dead renderer can be navigated away from.
            with suppress(PageError):
                await session.command("Page.crash", seconds=STATE_SECONDS)
            return False
        except PageGone:
            return False

    async def _attached(self, running: RunningBrowser) -> PageSession:
        """The session on the browser's one tab; a new tab when a person has closed it."""
        if running.session is not None and not running.session.closed:
            return running.session
        targets = await running.connection.command("Target.getTargets")
        tab = next((info for info in targets["targetInfos"] if info["type"] == "page"), None)
        if tab is None:
            made = await running.connection.command("Target.createTarget", {"url": "about:blank"})
            tab = {"targetId": made["targetId"], "type": "page"}
        session = await running.connection.createSession(tab)
        await self._prepare(session, running.user_agent)
        running.session = session
        return session

    async def _prepare(self, session: PageSession, user_agent: str) -> None:
        # Our session alone uses bindings: Runtime.addBinding on one of pyppeteer's own pages ends its loop.
        session.on("Runtime.bindingCalled", self._told)
        session.on("gone", lambda: self._tell(PageCrashed()))
        chosen = self._choose()
        for method, params in (
            ("Page.enable", {}),
            ("Runtime.enable", {}),
            ("Inspector.enable", {}),
            ("Runtime.addBinding", {"name": wa_js.BINDING}),
            ("Emulation.setUserAgentOverride", {"userAgent": user_agent}),
            # Not addScriptTag: under WhatsApp's policy it does nothing, silently.
            ("Page.addScriptToEvaluateOnNewDocument", {"source": wa_js.injection(self._address, chosen.source)}),
        ):
            await session.command(method, params)
        self._wa_js_version = chosen.version

    async def show(self, shown: bool) -> None:
        """See Page."""
        if not self._options.visible or self._running is None or self._running.session is None:
            return
        running, session = self._running, self._running.session
        window = await running.connection.command("Browser.getWindowForTarget", {"targetId": session.target_id})
        bounds = {"windowState": "normal" if shown else "minimized"}
        await running.connection.command("Browser.setWindowBounds", {"windowId": window["windowId"], "bounds": bounds})
        if shown:
            await session.command("Page.bringToFront")
            self._tell(Shown())

    # ---- calls --------------------------------------------------------------------------------------------------------------

    async def _evaluate(self, expression: str, seconds: float) -> object:
        if self._running is None or self._running.session is None:
            raise PageGone("the page is not open")
        answer = await self._running.session.command(
            "Runtime.evaluate",
            {"expression": expression, "awaitPromise": True, "returnByValue": True},
            seconds=seconds,
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            described = details.get("exception", {}).get("description") or details.get("text", "")
            raise PageError("script_error", str(described).partition("\n")[0])
        return answer["result"].get("value")

    async def _ask(self, kind: type[T], name: str, *arguments: object, seconds: float = CALL_SECONDS) -> T:
        """One of the bridge's calls; objects of the page cannot leave it, so each answers with plain JSON."""
        written = ",".join(json.dumps(each) for each in arguments)
        envelope = await self._evaluate(f"{_ABSENT} ? null : self.__messengerHub.{name}({written})", seconds)
        if envelope is None:
            raise PageError("not_injected", "our scripts are not in the page")
        if not isinstance(envelope, dict):
            raise PageError("unknown_answer", "the page did not answer in our form")
        if not envelope.get("ok"):
            raise answers.problem(envelope)
        return answers.value(envelope.get("value"), kind)

    async def state(self) -> PageState:
        """See Page."""
        try:
            told: object = await self._ask(dict[str, Any], "state", seconds=STATE_SECONDS)
        except (PageGone, PageTimeout):
            raise
        except PageError as error:
            if error.code != "not_injected":
                raise
            told = answers.NOT_LOADED
        state = answers.page_state(told)
        self._needs_update = state.needs_update
        return state

    async def qr(self) -> str | None:
        """See Page."""
        return await self._ask(str | None, "qr")  # type: ignore[arg-type]

    async def refresh_qr(self) -> None:
        """See Page."""
        await self._ask(type(None), "refreshQr")

    async def pairing_code(self, phone: str) -> str:
        """See Page."""
        return await self._ask(str, "pairingCode", phone)

    async def logout(self) -> None:
        """See Page."""
        await self._ask(type(None), "logout")

    async def serialized_id(self, chat: str, wa_id: str) -> str:
        """See Page."""
        return await self._ask(str, "serializedId", chat, wa_id)

    async def find_message(self, chat: str, wa_id: str) -> SeenMessage | None:
        """See Page."""
        return await self._ask(SeenMessage | None, "findMessage", chat, wa_id)  # type: ignore[arg-type]

    async def find_messages(self, since_seconds: float) -> Sequence[SeenMessage]:
        """See Page."""
        return await self._ask(list[SeenMessage], "findMessages", since_seconds)

    async def exists(self, wid: str) -> Existence | None:
        """See Page."""
        return await self._ask(Existence | None, "exists", wid)  # type: ignore[arg-type]

    async def chat_exists(self, chat: str) -> bool:
        """See Page."""
        return await self._ask(bool, "chatExists", chat)

    async def send_text(self, chat: str, text: str, message_id: str, *, timeout_seconds: float) -> SendResult:
        """See Page."""
        return await self._ask(SendResult, "sendText", chat, text, message_id, seconds=timeout_seconds)

    async def save_contact(self, contact: str, name: str) -> None:
        """See Page."""
        await self._ask(type(None), "saveContact", contact, name)

    async def remove_contact(self, contact: str) -> None:
        """See Page."""
        await self._ask(type(None), "removeContact", contact)

    async def contact(self, contact: str) -> Contact | None:
        """See Page."""
        return await self._ask(Contact | None, "contact", contact)  # type: ignore[arg-type]

    async def groups(self) -> Sequence[Group]:
        """See Page."""
        return await self._ask(list[Group], "groups")

    async def memory(self) -> int:
        """See Page."""
        if (leader := self.process_id) is None:
            raise PageGone("the page is not open")
        return await asyncio.to_thread(footprint, leader)

    async def trim(self) -> None:
        """See Page."""
        await self._command("Memory.simulatePressureNotification", {"level": "critical"})

    async def picture(self) -> bytes:
        """See Page."""
        how = {"format": "jpeg", "quality": PICTURE_QUALITY, "optimizeForSpeed": True}
        return b64decode((await self._command("Page.captureScreenshot", how))["data"])

    async def _command(self, method: str, parameters: Json) -> Json:
        if self._running is None or self._running.session is None:
            raise PageGone("the page is not open")
        return await self._running.session.command(method, parameters, seconds=STATE_SECONDS)

    async def bindings(self) -> Bindings:
        """See Page."""
        return await self._ask(Bindings, "bindings")

    # ---- events -------------------------------------------------------------------------------------------------------------

    def _told(self, call: Json) -> None:
        """A batch from the page. Never raises: an exception here would cost the message, and in pyppeteer the loop."""
        if call.get("name") != wa_js.BINDING:
            return
        try:
            for event in answers.events(call.get("payload")):
                self._needs_update |= isinstance(event, NeedsUpdate)
                self._tell(event)
        except PageError:
            log.warning("page told something unknown")

    def _tell(self, event: PageEvent) -> None:
        if self._events.full():
            while not self._events.empty():
                self._events.get_nowait()
            self._events.put_nowait(EventsLost())
        self._events.put_nowait(event)
        self._news.set()

    def _browser_ended(self) -> None:
        if self._running is not None:  # else it was asked to
            self._tell(BrowserGone())

    async def next_event(self) -> PageEvent:
        """See Page."""
        # Nothing is taken before it is there: a caller that gives up waiting loses no event.
        while self._events.empty():
            self._news.clear()
            await self._news.wait()
        return self._events.get_nowait()

    async def close(self) -> None:
        """See Page."""
        running, self._running = self._running, None
        if running is not None:
            await running.end()
