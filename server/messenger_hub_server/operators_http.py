"""The operators' HTTP listener: /metrics, on loopback, with the token for it or the operators' own."""

from __future__ import annotations

import hmac
import socket
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from messenger_hub_server.metrics import CONTENT_TYPE
from messenger_hub_server.store.base import StoreError

Page = Callable[[], Awaitable[bytes]]


class OperatorsHttp:
    """Serves one page until it is closed. `tokens`: each of them opens it; `page` renders /metrics, and may raise StoreError."""

    def __init__(self, tokens: Sequence[str], page: Page) -> None:
        self._expected = [f"Bearer {token}".encode() for token in tokens]
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
        if not any([hmac.compare_digest(given, one) for one in self._expected]):  # noqa: C419 each takes its time
            sentence = "Send Authorization: Bearer with the content of the file metrics-token in the data folder.\n"
            return web.Response(status=401, text=sentence, headers={"WWW-Authenticate": "Bearer"})
        try:
            page = await self._page()
        except StoreError:
            sentence = "The database cannot be read right now: the log says why.\n"
            return web.Response(status=503, text=sentence, headers={"Retry-After": "5"})
        return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE})
