"""The HTTP door: one handler on aiohttp's bare server, so that even what its parser refuses is answered in our envelope."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from socket import socket
from ssl import SSLContext

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion10, RawRequestMessage
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from msgspec import Struct

from messenger_hub_server.errors import (
    HeadersTooLarge,
    HubError,
    Internal,
    InvalidApiKey,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    PrefetchRefused,
    UriTooLong,
    ValidationFailed,
)
from messenger_hub_server.gateway import codec, envelope, request
from messenger_hub_server.gateway.cors import Cors, Origins
from messenger_hub_server.gateway.routes import BASE, Route, Routes
from messenger_hub_server.identity.callers import Caller
from messenger_hub_server.randomness import Randomness
from messenger_hub_server.rpc.chain import Chain

MOST_LINE = 64 * 1024
STOP_SECONDS = 30.0
NOT_HTTP = "The request is not HTTP."

Page = Callable[[], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """An application beside the API, and which targets are its own."""

    runner: web.AppRunner
    owns: Callable[[str], bool]


class _Exchange(Struct):
    """One request under way; the caller is known once the key was judged."""

    http: web.BaseRequest
    request_id: str
    caller: Caller | None = None


class HttpDoor:
    """Serves the programs' RPCs that have an HTTP rule, and `pages` (path → what answers) beside them."""

    def __init__(self, chain: Chain, pages: Mapping[str, Page], origins: Origins, console: Console) -> None:
        self._chain = chain
        self._console = console
        self._routes = Routes(chain.methods.values())
        self._pages = pages
        self._cors = Cors(origins, self._routes.all)
        self._randomness = Randomness()
        self._literal: dict[tuple[str, str], Route] = {}
        self._runner: web.ServerRunner | None = None

    async def start(self, listeners: Sequence[tuple[socket, SSLContext | None]]) -> None:
        """Serves on bound sockets, each with TLS or without."""
        await self._console.runner.setup()
        server = _Server(self._serve, request_factory=self._made)
        self._runner = web.ServerRunner(server, shutdown_timeout=STOP_SECONDS)
        await self._runner.setup()
        for bound, tls in listeners:
            await web.SockSite(self._runner, bound, ssl_context=tls).start()

    async def close(self) -> None:
        """Takes no more requests, and ends when those under way are answered."""
        await self._console.runner.cleanup()  # first: its open pages would be waited for
        if self._runner is not None:
            await self._runner.cleanup()

    def _made(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        """aiohttp's request, of the application that will answer it."""
        server = self._console.runner.server
        if server is None or message.path.startswith(BASE) or not self._console.owns(message.path):
            return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop())
        return server.request_factory(message, payload, protocol, writer, task)

    async def _serve(self, http: web.BaseRequest) -> web.StreamResponse:
        console = self._console.runner.server
        if console is None or type(http) is web.BaseRequest:  # as `_made` makes them for this door
            return await self._answer_any(http)
        return await console.request_handler(http)

    async def _answer_any(self, http: web.BaseRequest) -> web.StreamResponse:
        exchange = _Exchange(http, self._randomness(8).hex())
        try:
            if http.version < HttpVersion10:
                raise MalformedRequest(NOT_HTTP)
            response = await self._answer(exchange)
        except HubError as error:
            response = envelope.failure(error)
        response.headers["X-Request-Id"] = exchange.request_id
        if http.path.startswith(BASE):
            self._cors.open_answer(response, http, exchange.caller)
        return response

    async def _answer(self, exchange: _Exchange) -> web.Response:
        http = exchange.http
        if not http.path.startswith(BASE):
            return await self._page(http)
        if http.method == "OPTIONS" and (verbs := self._routes.verbs(http.path)):
            return self._preflight(http, verbs)
        route, path = self._match(http.method, http.path)
        if not route.method.reads and http.method == "GET" and _prefetches(http):
            raise PrefetchRefused
        body = await request.raw_body(http)
        asked = request.query(http)
        if key := request.header_key(http) or request.named_key(asked):
            exchange.caller = await self._chain.caller(route.method, key)
        given = await self._parameters(exchange, body)
        if exchange.caller is None:
            exchange.caller = await self._chain.caller(route.method, request.named_key(given))
        # What is empty counts as not given, to the codec too: nothing has to be merged for a body alone.
        parameters = {**asked, **_present(given), **path} if asked or path else given
        return await self._call(exchange, exchange.caller, route, parameters)

    def _match(self, verb: str, path: str) -> tuple[Route, Mapping[str, str]]:
        """As the routes do; those without parameters are found at once the next time."""
        if (route := self._literal.get((verb, path))) is not None:
            return route, {}
        route, values = self._routes.match(verb, path)
        if not values:
            self._literal[verb, path] = route
        return route, values

    def _preflight(self, http: web.BaseRequest, verbs: Sequence[str]) -> web.Response:
        response = self._cors.preflight(http, verbs)
        if response is None:
            raise MethodNotAllowed(verbs)
        return response

    async def _parameters(self, exchange: _Exchange, body: bytes) -> dict[str, object]:
        try:
            return await request.parameters(exchange.http, body)
        except HubError as error:
            if exchange.caller is None:
                raise InvalidApiKey from error
            raise

    async def _call(
        self, exchange: _Exchange, caller: Caller, route: Route, parameters: dict[str, object]
    ) -> web.Response:
        method = route.method
        for name, header in route.headers:
            if values := [value for value in exchange.http.headers.getall(header, ()) if value]:
                # As with keys the last one. aiohttp has lone surrogates for bytes that are no UTF-8, which no field can hold.
                parameters[name] = values[-1].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        message, wrong = codec.read(method.request, parameters)
        context = self._chain.context(caller, exchange.request_id)
        try:
            answer = await self._chain.call(method, context, message, wrong)
        except ValidationFailed as error:
            if any(name in route.pattern.groupindex for name in error.violations):
                raise NotFound from error  # a path with something that is no id names nothing
            raise
        member = route.binding.response_body
        data = codec.printed(getattr(answer, member) if member else answer)
        response = envelope.success(method.status, method.sentence, data)
        if context.replayed:
            response.headers["Idempotent-Replayed"] = "true"
        return response

    async def _page(self, http: web.BaseRequest) -> web.Response:
        page = self._pages.get(http.path)
        if page is None:
            raise NotFound
        if http.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(["GET", "HEAD"])
        return await page()


def _present(given: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in given.items() if value is not None and value != ""}


def _prefetches(http: web.BaseRequest) -> bool:
    purposes = [http.headers.get(name, "").lower() for name in ("Purpose", "Sec-Purpose", "X-Purpose")]
    return any("prefetch" in purpose or "preview" in purpose for purpose in purposes)


class _Protocol(web.RequestHandler):
    """aiohttp prints the query, with the key in it, when its parser refuses a request. This one echoes nothing."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        response = envelope.failure(_parser_error(status, exc))
        response.headers["X-Request-Id"] = secrets.token_hex(8)
        response.force_close()
        return response

    def log_exception(self, *_: object, **__: object) -> None:
        """The chain logs faults of ours; what a client sent wrong is no fault."""


def _parser_error(status: int, error: BaseException | None) -> HubError:
    if isinstance(error, LineTooLong):
        # aiohttp says only what it was reading: a request's target, or a header's name or value.
        reading = error.args[0] if error.args else b""
        target = isinstance(reading, bytes | bytearray) and reading[:1] == b"/"
        return UriTooLong() if target else HeadersTooLarge()
    if isinstance(error, BadHttpMessage) or status < 500:
        return MalformedRequest(NOT_HTTP)
    return Internal()


class _Server(web.Server):
    """Makes our protocol for every connection."""

    def __call__(self) -> web.RequestHandler:
        return _Protocol(
            self,
            loop=self._loop,
            access_log=None,  # type: ignore[arg-type]  # None is what switches it off
            max_line_size=MOST_LINE,
            max_field_size=MOST_LINE,
            max_headers=256,
            auto_decompress=False,
        )
