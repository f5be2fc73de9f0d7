"""The web site: WhatsApp Web's stand-in page with its strict security policy, and the pages' WebSockets."""

from __future__ import annotations

import asyncio
import io
import secrets
from collections.abc import Mapping
from importlib.resources import files
from pathlib import PurePosixPath

import segno
from aiohttp import WSMsgType, web

from messenger_hub_twin.control import Control, routes
from messenger_hub_twin.exchange import Exchange
from messenger_hub_twin.fields import BadField, Fields
from messenger_hub_twin.pages import Page

BUILD = 1045220589
"""The first build number that the page shows; `needs-update` asks for a higher one."""
HEARTBEAT_SECONDS = 20.0
LARGEST_FRAME = 1 << 20  # bytes
HELLO_SECONDS = 10.0

_CONTENT = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def _policy(nonce: str) -> str:
    """As strict as WhatsApp's: scripts by nonce only, nothing from elsewhere."""
    return "; ".join(
        (
            "default-src 'self' data: blob:",
            f"script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval' blob:",
            "connect-src 'self' ws: wss: data: blob:",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "frame-ancestors 'none'",
        )
    )


class Site:
    """Serves one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._page = files("messenger_hub_twin") / "page"

    def application(self) -> web.Application:
        """The aiohttp application."""
        application = web.Application(client_max_size=LARGEST_FRAME)
        application.add_routes(
            [
                web.get("/", self._index),
                web.get("/page/{path:[a-z/_]+\\.(?:js|css)}", self._asset),
                web.get("/qr.svg", self._qr),
                web.get("/favicon.ico", self._nothing),
                web.get("/ws", self._socket),
                *routes(Control(self._exchange)),
            ]
        )
        return application

    async def _index(self, _: web.Request) -> web.Response:
        nonce = secrets.token_urlsafe(16)
        build = max(BUILD, self._exchange.faults.needs_update_below)
        html = (self._page / "index.html").read_text(encoding="utf-8")
        html = html.replace("{nonce}", nonce).replace("{build}", str(build))
        headers: Mapping[str, str] = {
            "Content-Security-Policy": _policy(nonce),
            "X-Frame-Options": "DENY",
            "Cache-Control": "no-store",
        }
        return web.Response(text=html, content_type="text/html", headers=headers)

    async def _asset(self, request: web.Request) -> web.Response:
        path = PurePosixPath(request.match_info["path"])
        asset = self._page.joinpath(*path.parts)
        if not asset.is_file():
            raise web.HTTPNotFound
        kind = _CONTENT[path.suffix]
        return web.Response(
            text=asset.read_text(encoding="utf-8"), content_type=kind, headers={"Cache-Control": "no-store"}
        )

    async def _qr(self, request: web.Request) -> web.Response:
        out = io.BytesIO()
        segno.make(request.query.get("text", "-"), error="l", micro=False).save(out, kind="svg", border=0, scale=4)
        return web.Response(body=out.getvalue(), content_type="image/svg+xml", headers={"Cache-Control": "no-store"})

    async def _nothing(self, _: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS, max_msg_size=LARGEST_FRAME)
        await socket.prepare(request)
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                page = self._exchange.greet(Fields.parse(await socket.receive_str()))
        except (TimeoutError, TypeError, BadField):
            await socket.close()
            return socket
        try:
            async with asyncio.TaskGroup() as group:
                writer = group.create_task(_write(socket, page))
                await self._read(socket, page)
                writer.cancel()
        finally:
            self._exchange.gone(page)
        return socket

    async def _read(self, socket: web.WebSocketResponse, page: Page) -> None:
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            try:
                self._exchange.receive(page, Fields.parse(message.data))
            except (BadField, LookupError):
                break  # no page of ours: let it go


async def _write(socket: web.WebSocketResponse, page: Page) -> None:
    while (frames := await page.frames()) is not None:
        for frame in frames:
            try:
                await socket.send_str(frame)
            except ConnectionError:
                return  # the reader sees the end too
    await socket.close()
