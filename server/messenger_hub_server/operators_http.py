"""The operators' HTTP listener: /metrics, on loopback, with the admin token."""

from __future__ import annotations

import hmac
import socket
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from messenger_hub_server.metrics import CONTENT_TYPE

Page = Callable[[], Awaitable[bytes]]


class OperatorsHttp:
    """Serves one page until it is closed. `page` renders /metrics."""

    def __init__(self, token: str, page: Page) -> None:
        self._expected = f"Bearer {token}".encode()
        self._page = page
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accepts from now on."""
        await self._runner.setup()
        for one in sockets:
            await web.SockSite(self._runner, one).start()

    async def close(self) -> None:
        """Accepts no more."""
        await self._runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, self._expected):
            sentence = "Send Authorization: Bearer with the content of the file admin-token in the data folder.\n"
            return web.Response(status=401, text=sentence, headers={"WWW-Authenticate": "Bearer"})
        return web.Response(body=await self._page(), headers={"Content-Type": CONTENT_TYPE})
