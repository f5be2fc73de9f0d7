"""What every view needs of a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from aiohttp import web
from google.protobuf.message import Message

from messenger_hub_server.console.calls import Calls

CALLS = web.AppKey("calls", Calls)
R = TypeVar("R", bound=Message)


async def call(request: web.Request, message: Message, response: type[R]) -> R:
    """An operators' call. Raises HubError."""
    return await request.app[CALLS].call(message, response)


async def form(request: web.Request) -> Mapping[str, str]:
    """The fields of a form that was sent; the last of those with one name."""
    return {name: value.strip() for name, value in (await request.post()).items() if isinstance(value, str)}


async def chosen(request: web.Request, name: str) -> list[str]:
    """All values of one field."""
    return [value for value in (await request.post()).getall(name, []) if isinstance(value, str)]


def number(text: str) -> int:
    """A whole number, or 0 for what is none: that of no choice that there is."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
