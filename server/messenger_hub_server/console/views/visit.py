"""What every view needs of a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from aiohttp import web
from google.protobuf.message import Message

from messenger_hub_server.console.calls import Calls
from messenger_hub_server.console.guard import posted

MOST = 2**31 - 1  # of the contract's enums and counts
CALLS = web.AppKey("calls", Calls)
R = TypeVar("R", bound=Message)


async def call(request: web.Request, message: Message, response: type[R]) -> R:
    """An operators' call. Raises HubError."""
    return await request.app[CALLS].call(message, response)


async def form(request: web.Request) -> Mapping[str, str]:
    """The fields of a form that was sent; the last of those with one name. Raises MalformedRequest."""
    return {name: value.strip() for name, value in (await posted(request)).items() if isinstance(value, str)}


async def chosen(request: web.Request, name: str) -> list[str]:
    """All values of one field."""
    return [value for value in (await posted(request)).getall(name, []) if isinstance(value, str)]


def number(text: str, most: int = MOST) -> int:
    """A whole number, or 0 for what is none or too large: that of no choice that there is."""
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    return value if value <= most else 0
