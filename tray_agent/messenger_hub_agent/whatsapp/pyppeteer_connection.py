"""pyppeteer's connection and protocol session over Chromium's pipe: the only module that knows pyppeteer, with every guard.

Of pyppeteer 2.0.0 only these two are used. Its Browser, Target and Page stay out: they start tasks of their own at every event,
and an event that they do not expect ends the receive loop. Each guard names the fault that it is for; tests/e2e/driver
reproduces them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from pyee import EventEmitter
from pyppeteer.connection import CDPSession, Connection
from pyppeteer.errors import NetworkError

from messenger_hub_agent.whatsapp.browser import Browser
from messenger_hub_agent.whatsapp.page import PageGone, PageTimeout
from messenger_hub_agent.whatsapp.pipe import Pipe

Json = Mapping[str, Any]
Future = asyncio.Future[Any]

COMMAND_SECONDS = 10.0  # the browser's own answers


class _Commands:
    """What browser and page have in common."""

    send: Callable[[str, Json | None], Future]

    async def command(self, method: str, params: Json | None = None, *, seconds: float = COMMAND_SECONDS) -> Json:
        """The answer to one command. Raises PageGone or PageTimeout."""
        try:
            return await _bounded(self.send(method, params), seconds, method)
        except NetworkError as error:
            raise PageGone(str(error)) from error


class PipeConnection(Connection, _Commands):  # type: ignore[misc]
    """pyppeteer's connection over a pipe. Nothing is listened on, no task receives, and its end fails every call."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        # Not Connection's own: it makes a WebSocket and a receive loop that one raising handler ends for good.
        EventEmitter.__init__(self)
        self._lastId = 0
        self._callbacks: dict[int, Future] = {}
        self._sessions: dict[str, PageSession] = {}
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

    async def createSession(self, targetInfo: Json) -> PageSession:  # noqa: N802, N803 # pyppeteer's names
        """A protocol session on a target."""
        reply = await self.command("Target.attachToTarget", {"targetId": targetInfo["targetId"]})
        session = PageSession(self, targetInfo["type"], reply["sessionId"], self._loop)
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


class PageSession(CDPSession, _Commands):  # type: ignore[misc]
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


async def _bounded(future: Future, seconds: float, what: str) -> Json:
    """The answer to a call, which is never cancelled: pyppeteer's loop dies of the late answer to a cancelled one.

    Raises NetworkError or PageTimeout.
    """
    await asyncio.wait({future}, timeout=seconds)
    if not future.done():
        raise PageTimeout(f"{what} was not answered within {seconds:.0f} s")
    answer: Json = future.result()
    return answer
