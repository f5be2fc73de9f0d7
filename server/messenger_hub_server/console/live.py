"""Server-sent events: something has changed, and the codes of a channel that is being linked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from typing import TypeVar

from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from messenger_hub_server.console.guard import browser_of
from messenger_hub_server.errors import HubError

T = TypeVar("T")

OPEN_STREAMS = web.AppKey("open_streams", set[EventSourceResponse])
# A browser has a handful; more are told to come back.
MOST = 100


async def events(
    request: web.Request,
    source: AsyncGenerator[T, None],
    shown: Callable[[T], str],
    ended: Callable[[HubError | None], str] | None = None,
) -> web.StreamResponse:
    """Sends `shown` of everything that comes, until the source ends, the browser goes or the hub stops.

    With `ended` the end of the source is told as an event `end`, after which the page does not ask again; without it the browser
    comes back by itself.
    """
    streams = request.app[OPEN_STREAMS]
    if len(streams) >= MOST:
        raise web.HTTPServiceUnavailable(text="Too many pages are open.", headers={"Retry-After": "10"})
    async with sse_response(request) as response, aclosing(source):
        streams.add(response)
        try:
            async with asyncio.TaskGroup() as group:
                feeding = group.create_task(_feed(request, response, source, shown, ended))
                await response.wait()
                feeding.cancel()
        finally:
            streams.discard(response)
    return response


async def _feed(
    request: web.Request,
    response: EventSourceResponse,
    source: AsyncIterator[T],
    shown: Callable[[T], str],
    ended: Callable[[HubError | None], str] | None,
) -> None:
    failure: HubError | None = None
    with suppress(ConnectionResetError, TimeoutError):
        try:
            async for one in source:
                if await browser_of(request) is None:
                    ended = None  # signed out meanwhile: it hears nothing more
                    break
                await response.send(shown(one))
        except HubError as error:
            failure = error
        if ended is not None:
            await response.send(ended(failure), event="end")
    response.stop_streaming()


async def close(app: web.Application) -> None:
    """The hub stops: nobody waits for a page."""
    streams: set[EventSourceResponse] = app[OPEN_STREAMS]
    for response in tuple(streams):
        response.stop_streaming()
