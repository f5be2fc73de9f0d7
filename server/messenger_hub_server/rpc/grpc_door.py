"""The gRPC door: metadata → credential, messages → chain, errors → rich statuses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, NoReturn

import grpc
from google.protobuf.message import Message
from grpc_status import rpc_status

from messenger_hub_server.errors import HubError
from messenger_hub_server.rpc.chain import CallContext, Chain
from messenger_hub_server.rpc.method import Audience, Method
from messenger_hub_server.rpc.reading import read, read_all
from messenger_hub_server.rpc.statuses import status_of_error
from messenger_hub_server.rpc.unbroken import unbroken

BEARER = "bearer "
GRPC_LOG = logging.getLogger("grpc._cython.cygrpc")


def concerns_somebody(record: logging.LogRecord) -> bool:
    """False for what gRPC logs as a fault of ours when it answers a call whose client has left in this very moment."""
    return not (record.exc_info and isinstance(record.exc_info[1], grpc.aio.InternalError))


class GrpcDoor:
    """Serves the methods of some audiences; every other service is UNIMPLEMENTED."""

    def __init__(self, chain: Chain, audiences: Sequence[Audience]) -> None:
        self._chain = chain
        self._methods = [m for m in chain.methods.values() if m.audience in audiences]

    @property
    def services(self) -> Sequence[str]:
        """Full names of what is served."""
        return sorted({method.service for method in self._methods})

    def add_to(self, server: grpc.aio.Server) -> None:
        """Registers every method."""
        GRPC_LOG.addFilter(concerns_somebody)
        for service in self.services:
            table = {m.name: self._handler(m) for m in self._methods if m.service == service}
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, table),))

    def _handler(self, method: Method) -> grpc.RpcMethodHandler:
        codec = {"response_serializer": method.response.SerializeToString}  # requests come as bytes: see reading.py
        if method.streams_requests:
            return grpc.stream_stream_rpc_method_handler(self._converse(method), **codec)
        if method.streams_responses:
            return grpc.unary_stream_rpc_method_handler(self._stream(method), **codec)
        return grpc.unary_unary_rpc_method_handler(self._unary(method), **codec)

    def _unary(self, method: Method) -> Callable[..., Any]:
        async def serve(raw: bytes, servicer: grpc.aio.ServicerContext) -> Message:
            try:
                context = await self._open(method, servicer)
                response = await self._chain.call(method, context, read(method.request, raw))
            except HubError as error:
                aborting = _abort(servicer, error)
                del servicer, raw
                await aborting
            if context.replayed:
                servicer.set_trailing_metadata((("idempotent-replayed", "true"),))
            return response

        return serve

    def _stream(self, method: Method) -> Callable[..., Any]:
        async def serve(raw: bytes, servicer: grpc.aio.ServicerContext) -> None:
            # Written, not yielded: a client that leaves cancels this coroutine, but would leave a generator to the garbage collector.
            try:
                context = await self._open(method, servicer)
                request = read(method.request, raw)
                async with aclosing(self._chain.stream(method, context, request)) as responses:
                    async for response in responses:
                        await _write(servicer, response)
            except HubError as error:
                aborting = _abort(servicer, error)
                del servicer, raw
                await aborting

        return serve

    def _converse(self, method: Method) -> Callable[..., Any]:
        async def serve(frames: AsyncIterator[bytes], servicer: grpc.aio.ServicerContext) -> None:
            try:
                context = await self._open(method, servicer)
                async with aclosing(read_all(method.request, frames)) as messages:
                    await self._chain.converse(method, context, messages, partial(_write, servicer))
            except HubError as error:
                aborting = _abort(servicer, error)
                del servicer, frames
                await aborting

        return serve

    async def _open(self, method: Method, servicer: grpc.aio.ServicerContext) -> CallContext:
        caller = await self._chain.caller(method, _credential(servicer))
        return self._chain.context(caller)


def _credential(servicer: grpc.aio.ServicerContext) -> str:
    """Metadata x-api-key, else authorization: Bearer; of a repeated name the last."""
    given = {key: value for key, value in servicer.invocation_metadata() or () if isinstance(value, str)}
    if key := given.get("x-api-key", "").strip():
        return str(key)
    bearer = given.get("authorization", "")
    return str(bearer[len(BEARER) :].strip()) if bearer.lower().startswith(BEARER) else ""


async def _write(servicer: grpc.aio.ServicerContext, message: Message) -> None:
    """Ends the call quietly when its client has left in this moment: gRPC would call that a fault, with a traceback."""
    try:
        await unbroken(servicer.write(message))
    except grpc.aio.InternalError as gone:
        raise asyncio.CancelledError from gone


async def _abort(servicer: grpc.aio.ServicerContext, error: HubError) -> NoReturn:
    status = rpc_status.to_status(status_of_error(error))
    # What gRPC raises leads to the call, and its context and traceback to all that the call holds: a cycle, kept with its messages
    # until the garbage collector comes by.
    error.__traceback__ = error.__cause__ = error.__context__ = None
    aborting = unbroken(servicer.abort_with_status(status))
    del servicer, error
    try:
        await aborting
    except grpc.aio.InternalError as gone:
        raise asyncio.CancelledError from gone
    raise AssertionError("abort does not return")
