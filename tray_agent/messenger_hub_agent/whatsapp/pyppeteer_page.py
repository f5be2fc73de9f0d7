"""WhatsApp Web in a browser that pyppeteer controls: the only module that knows it, and every guard against its faults.

Of pyppeteer 2.0.0 the connection and the protocol session are used. Its Browser, Target and Page stay out: they start tasks of
their own at every event, and an event that they do not expect ends the receive loop. Each guard below names the fault that it
is for; tests/e2e/driver reproduces them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from messenger_hub.runtime.log import logger
from pyee import EventEmitter
from pyppeteer.connection import CDPSession, Connection
from pyppeteer.errors import NetworkError

from messenger_hub_agent.whatsapp import answers, wa_js
from messenger_hub_agent.whatsapp.browser import Browser, BrowserOptions
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
)
from messenger_hub_agent.whatsapp.pipe import Pipe
from messenger_hub_agent.whatsapp.profile import Profile, take_profile

log = logger(__name__)

T = TypeVar("T")
Json = Mapping[str, Any]
Future = asyncio.Future[Any]

START_SECONDS = 30.0  # the first start in a new profile on a slow disk
COMMAND_SECONDS = 10.0  # the browser's own answers
STATE_SECONDS = 5.0
CALL_SECONDS = 25.0  # look-ups ask WhatsApp's servers
NAVIGATION_SECONDS = 60.0
EVENTS = 1_000

_ABSENT = "!self.__messengerHub"


class _Connection(Connection):  # type: ignore[misc]
    """pyppeteer's connection over a pipe. Nothing is listened on, no task receives, and its end fails every call."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        # Not Connection's own: it makes a WebSocket and a receive loop that one raising handler ends for good.
        EventEmitter.__init__(self)
        self._lastId = 0
        self._callbacks: dict[int, Future] = {}
        self._sessions: dict[str, _Session] = {}
        self._loop = asyncio.get_running_loop()
        self._connected = False
        self._pipe: Pipe | None = None
        self.ended = False
        self._on_end = on_end
        self.on("Target.targetCrashed", lambda event: self._target_gone(event, "the page crashed", crashed=True))
        self.on("Target.targetDestroyed", lambda event: self._target_gone(event, "the page was closed", crashed=False))

    async def open(self, browser: Browser) -> None:
        """Takes over the browser's pipe."""
        self._pipe = await Pipe.open(browser.read_descriptor, browser.write_descriptor, self._arrived, self._over)
        self._connected = True

    def send(self, method: str, params: Json | None = None) -> Future:
        """Sends at once; pyppeteer would start a task for each. Raises NetworkError when the browser is gone."""
        if self._pipe is None or not self._connected:
            raise NetworkError(f"{method}: the browser is gone")
        self._lastId += 1
        future = _call(self._loop, method)
        self._callbacks[self._lastId] = future
        self._pipe.send(json.dumps({"id": self._lastId, "method": method, "params": params or {}}).encode())
        return future

    def _arrived(self, message: bytes) -> None:
        told = json.loads(message)
        future = self._callbacks.pop(told.get("id"), None)
        if future is None:
            self._on_query(told)
        elif not future.done():  # a late answer to a call that was given up would raise
            _settle(future, told)

    def _over(self) -> None:
        self._connected = False
        _fail(self._callbacks, "the browser is gone")
        for session in list(self._sessions.values()):
            session.fail("the browser is gone")
        self.ended = True
        self._on_end()

    async def createSession(self, targetInfo: Json) -> _Session:  # noqa: N802, N803 # pyppeteer's names
        """A protocol session on a target."""
        reply = await _bounded(
            self.send("Target.attachToTarget", {"targetId": targetInfo["targetId"]}), COMMAND_SECONDS, "attach"
        )
        session = _Session(self, targetInfo["type"], reply["sessionId"], self._loop)
        session.target_id = targetInfo["targetId"]
        self._sessions[reply["sessionId"]] = session
        return session

    def _target_gone(self, event: Json, why: str, *, crashed: bool) -> None:
        for session in list(self._sessions.values()):
            if session.target_id == event["targetId"]:
                session.crashed = crashed
                session.lose(why, closed=not crashed)

    def close(self) -> None:
        """Closes the pipe, which Chromium takes as "save everything and exit"."""
        if self._pipe is not None:
            self._pipe.close()


class _Session(CDPSession):  # type: ignore[misc]
    """pyppeteer's session; a crashed or closed page fails its calls at once instead of leaving them hanging."""

    target_id = ""
    crashed = False
    closed = False

    def send(self, method: str, params: Json | None = None) -> Future:
        """Raises NetworkError for a page that cannot answer; only navigation brings a crashed one back."""
        if self.closed or (self.crashed and not method.startswith("Page.")):
            raise NetworkError(f"{method}: the page is gone")
        future: Future = super().send(method, params)
        future.add_done_callback(_retrieve)
        return future

    def _on_message(self, message: str) -> None:
        told = json.loads(message)
        if "id" not in told:
            if told["method"] == "Inspector.targetReloadedAfterCrash":
                self.crashed = False
            self.emit(told["method"], told.get("params", {}))
        elif (future := self._callbacks.pop(told["id"], None)) is not None and not future.done():
            _settle(future, told)

    def _on_closed(self) -> None:
        # What a closed tab tells first; its session is forgotten then, before the tab itself is told gone.
        self.lose("the page was closed", closed=True)

    def lose(self, why: str, *, closed: bool) -> None:
        """The page is dead or gone: fails its calls and tells so, once."""
        self.closed = closed
        self.fail(why)
        self.emit("gone")

    def fail(self, why: str) -> None:
        """pyppeteer's own way raises at a call that is done, and leaves the rest hanging."""
        _fail(self._callbacks, why)


def _call(loop: asyncio.AbstractEventLoop, method: str) -> Future:
    future: Future = loop.create_future()
    future.method = method  # type: ignore[attr-defined]
    future.add_done_callback(_retrieve)
    return future


def _retrieve(future: Future) -> None:
    """Marks an error as seen: calls that were given up, and half of pyppeteer's own, are never awaited."""
    if not future.cancelled():
        future.exception()


def _settle(future: Future, told: Json) -> None:
    if "error" in told:
        future.set_exception(NetworkError(f"{future.method}: {told['error'].get('message', '')}"))  # type: ignore[attr-defined]
    else:
        future.set_result(told.get("result") or {})


def _fail(futures: dict[int, Future], why: str) -> None:
    for future in futures.values():
        if not future.done():
            future.set_exception(NetworkError(f"{future.method}: {why}"))  # type: ignore[attr-defined]
    futures.clear()


async def _bounded(future: Future, seconds: float, what: str) -> Any:  # the protocol's JSON
    """The answer to a call, which is never cancelled: pyppeteer's loop dies of the late answer to a cancelled one.

    Raises PageGone or PageTimeout.
    """
    await asyncio.wait({future}, timeout=seconds)
    if not future.done():
        raise PageTimeout(f"{what} was not answered within {seconds:.0f} s")
    try:
        return future.result()
    except NetworkError as error:
        raise PageGone(str(error)) from error


class _Running:
    """One life of the browser: its profile, its process, its connection."""

    def __init__(self, profile: Profile, browser: Browser, connection: _Connection) -> None:
        self.profile = profile
        self.browser = browser
        self.connection = connection
        self.session: _Session | None = None
        self.user_agent = ""

    @classmethod
    async def start(cls, folder: Path, options: BrowserOptions, on_end: Callable[[], None]) -> _Running:
        """Raises BrowserError."""
        profile = take_profile(folder)
        try:
            browser = await Browser.start(profile, options)
        except BaseException:
            profile.release()
            raise
        running = cls(profile, browser, _Connection(on_end))
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
        version = await self.command("Browser.getVersion", seconds=START_SECONDS)
        # A plain name: WhatsApp Web shows "update your browser" to one that calls itself headless.
        self.user_agent = version["userAgent"].replace("HeadlessChrome", "Chrome")
        await self.command("Target.setDiscoverTargets", {"discover": True})

    async def command(self, method: str, params: Json | None = None, *, seconds: float = COMMAND_SECONDS) -> Json:
        """One of the browser's own commands."""
        try:
            answer: Json = await _bounded(self.connection.send(method, params), seconds, method)
        except NetworkError as error:
            raise PageGone(str(error)) from error
        return answer

    async def end(self) -> None:
        """Lets it save and go; then the profile is free."""
        self.connection.close()
        try:
            await self.browser.end()
        finally:
            self.profile.release()


class PyppeteerPage:
    """The Page protocol, for the channel whose folder is given."""

    def __init__(self, folder: Path, options: BrowserOptions, address: str) -> None:
        self._folder = folder
        self._options = options
        self._address = address
        self._running: _Running | None = None
        self._needs_update = False
        self._events: asyncio.Queue[PageEvent] = asyncio.Queue(EVENTS)
        self._news = asyncio.Event()

    @property
    def process_id(self) -> int | None:
        """The browser's process, which leads its group; None while there is none."""
        return self._running.browser.process_id if self._running else None

    # ---- loading ------------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """See Page."""
        running = await self._started()
        if running.session is not None and not running.session.closed and await self._is_healthy(running.session):
            return
        session = await self._attached(running)
        self._needs_update = False
        answer = await self._page_command(session, "Page.navigate", {"url": self._address}, NAVIGATION_SECONDS)
        if answer.get("errorText"):
            raise PageError("not_reached", str(answer["errorText"]))

    async def _started(self) -> _Running:
        if self._running is not None and self._running.connection.ended:
            await self.close()
        if self._running is None:
            self._running = await _Running.start(self._folder, self._options, lambda: self._tell(BrowserGone()))
        return self._running

    async def _is_healthy(self, session: _Session) -> bool:
        if session.crashed or self._needs_update:
            return False
        try:
            return not await self._evaluate(_ABSENT, STATE_SECONDS)
        except PageTimeout:
            # It hangs: only a dead renderer can be navigated away from.
            with suppress(PageError):
                await self._page_command(session, "Page.crash", {}, STATE_SECONDS)
            return False
        except PageGone:
            return False

    async def _attached(self, running: _Running) -> _Session:
        """The session on the browser's one tab; a new tab when a person has closed it."""
        if running.session is not None and not running.session.closed:
            return running.session
        targets = await running.command("Target.getTargets")
        tab = next((info for info in targets["targetInfos"] if info["type"] == "page"), None)
        if tab is None:
            made = await running.command("Target.createTarget", {"url": "about:blank"})
            tab = {"targetId": made["targetId"], "type": "page"}
        try:
            session = await running.connection.createSession(tab)
        except NetworkError as error:
            raise PageGone(str(error)) from error
        await self._prepare(session, running.user_agent)
        running.session = session
        return session

    async def _prepare(self, session: _Session, user_agent: str) -> None:
        # Our session alone uses bindings: Runtime.addBinding on one of pyppeteer's own pages ends its loop.
        session.on("Runtime.bindingCalled", self._told)
        session.on("gone", lambda: self._tell(PageCrashed()))
        for method, params in (
            ("Page.enable", {}),
            ("Runtime.enable", {}),
            ("Inspector.enable", {}),
            ("Runtime.addBinding", {"name": wa_js.BINDING}),
            ("Emulation.setUserAgentOverride", {"userAgent": user_agent}),
            # Not addScriptTag: under WhatsApp's policy it does nothing, silently.
            ("Page.addScriptToEvaluateOnNewDocument", {"source": wa_js.injection(self._address)}),
        ):
            await self._page_command(session, method, params, COMMAND_SECONDS)

    async def show(self, shown: bool) -> None:
        """See Page."""
        if not self._options.visible or self._running is None or self._running.session is None:
            return
        running, session = self._running, self._running.session
        window = await running.command("Browser.getWindowForTarget", {"targetId": session.target_id})
        bounds = {"windowState": "normal" if shown else "minimized"}
        await running.command("Browser.setWindowBounds", {"windowId": window["windowId"], "bounds": bounds})
        if shown:
            await self._page_command(session, "Page.bringToFront", {}, COMMAND_SECONDS)

    async def _page_command(self, session: _Session, method: str, params: Json, seconds: float) -> Json:
        try:
            answer: Json = await _bounded(session.send(method, params), seconds, method)
        except NetworkError as error:
            raise PageGone(str(error)) from error
        return answer

    # ---- calls --------------------------------------------------------------------------------------------------------------

    async def _evaluate(self, expression: str, seconds: float) -> object:
        if self._running is None or self._running.session is None:
            raise PageGone("the page is not open")
        answer = await self._page_command(
            self._running.session,
            "Runtime.evaluate",
            {"expression": expression, "awaitPromise": True, "returnByValue": True},
            seconds,
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
            raise PageError(str(envelope.get("code")), str(envelope.get("message")))
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

    async def bindings(self) -> Bindings:
        """See Page."""
        return await self._ask(Bindings, "bindings")

    # ---- events -------------------------------------------------------------------------------------------------------------

    def _told(self, call: Json) -> None:
        """A batch from the page. Never raises: an exception here would cost the message, and in pyppeteer the loop."""
        if call.get("name") != wa_js.BINDING:
            return
        try:
            for event in answers.events(call["payload"]):
                self._needs_update |= isinstance(event, NeedsUpdate)
                self._tell(event)
        except msgspec.MsgspecError:
            log.warning("page told something unknown")

    def _tell(self, event: PageEvent) -> None:
        if self._events.full():
            while not self._events.empty():
                self._events.get_nowait()
            self._events.put_nowait(EventsLost())
        self._events.put_nowait(event)
        self._news.set()

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
