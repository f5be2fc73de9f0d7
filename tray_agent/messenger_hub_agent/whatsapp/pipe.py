"""Chromium's debugging pipe: messages that end with a NUL byte, over two descriptors. Knows no browser library.

The receiving side is a protocol that the event loop calls, so there is no receive task that could die: a handler that raises costs one
message, and the end of the pipe is always reported, once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from messenger_hub_agent.whatsapp.process import processes

logger = logging.getLogger(__name__)

LARGEST_MESSAGE_BYTES = 1 << 28
"""A message that grows beyond this ends the pipe: memory stays bounded whatever the page does."""


class _Incoming(asyncio.Protocol):
    """Cuts the byte stream into messages."""

    def __init__(self, on_message: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self._on_message, self._on_end = on_message, on_end
        self._parts: list[bytes] = []
        self._size = 0
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *complete, rest = data.split(b"\0")
        for part in complete:
            message = b"".join((*self._parts, part))
            self._parts.clear()
            self._size = 0
            self._deliver(message)
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
            if self._size > LARGEST_MESSAGE_BYTES and self._transport is not None:
                self._transport.close()

    def _deliver(self, message: bytes) -> None:
        try:
            self._on_message(message)
        except Exception:
            # A receive loop that dies of a handler leaves every later call hanging on a connection that looks open.
            logger.exception("browser_event_handler_failed")

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_end()


class Pipe:
    """Both directions. `on_message` gets each message without its NUL, `on_end` is called once when the other side is gone or we closed."""

    def __init__(self, incoming: asyncio.ReadTransport, outgoing: asyncio.WriteTransport) -> None:
        self._incoming, self._outgoing = incoming, outgoing

    @classmethod
    async def open(
        cls,
        read_descriptor: int,
        write_descriptor: int,
        on_message: Callable[[bytes], None],
        on_end: Callable[[], None],
    ) -> Pipe:
        """Takes over both descriptors; they are closed with the pipe."""
        loop = asyncio.get_running_loop()
        # They own the descriptors; the transports close them.
        reader, writer = processes.pipe_end(read_descriptor, "rb"), processes.pipe_end(write_descriptor, "wb")
        incoming, _ = await loop.connect_read_pipe(lambda: _Incoming(on_message, on_end), reader)
        outgoing, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, writer)
        return cls(incoming, outgoing)

    def send(self, message: bytes) -> None:
        """Queues one message; silently nothing when the other side is gone, because its end is reported by `on_end`."""
        if not self._outgoing.is_closing():
            self._outgoing.write(message + b"\0")

    def close(self) -> None:
        """Closes both ends. Chromium takes the end of its pipe as "save everything and exit"."""
        for transport in (self._incoming, self._outgoing):
            if not transport.is_closing():  # closing one that has met its end raises
                transport.close()
