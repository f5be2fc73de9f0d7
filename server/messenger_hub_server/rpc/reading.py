"""Bytes on a gRPC call that are no message: the client is told. gRPC alone would call that a fault of ours, with a traceback in the log."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from messenger_hub_server.errors import MalformedRequest
from messenger_hub_server.rpc.unbroken import unbroken_reads

M = TypeVar("M", bound=Message)

SENTENCE = "The bytes are no message of this call: generate the client from the hub's own contract."


def read(kind: type[M], raw: bytes) -> M:
    """The message. Raises MalformedRequest."""
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        raise MalformedRequest(SENTENCE) from error


async def read_all(kind: type[M], frames: AsyncIterator[bytes]) -> AsyncGenerator[M, None]:
    """Every message of a stream, until it is closed. Raises MalformedRequest at the first that is none."""
    async with aclosing(unbroken_reads(frames)) as reads:
        async for raw in reads:
            yield read(kind, raw)


class Careful:
    """Registers the methods of a library's servicer, as its generated function does, so that it is not called with what cannot be read."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """The generated functions register everything twice: here nothing is left to do."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler]) -> None:
        """Registers them."""
        careful = {name: _careful(handler) for name, handler in handlers.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, careful),))


def _careful(handler: grpc.RpcMethodHandler) -> grpc.RpcMethodHandler:
    parse, writes = handler.request_deserializer, {"response_serializer": handler.response_serializer}
    if handler.stream_stream is not None:
        return grpc.stream_stream_rpc_method_handler(_conversation(parse, handler.stream_stream), **writes)
    if handler.unary_stream is not None:
        return grpc.unary_stream_rpc_method_handler(_call(parse, handler.unary_stream), **writes)
    return grpc.unary_unary_rpc_method_handler(_call(parse, handler.unary_unary), **writes)


def _call(parse: Callable[[bytes], Any], behaviour: Callable[..., Any]) -> Callable[..., Any]:
    """`behaviour` is a coroutine function, also where it answers more than once."""

    async def serve(raw: bytes, context: grpc.aio.ServicerContext) -> Any:
        return await behaviour(await _parsed(parse, raw, context), context)

    return serve


def _conversation(parse: Callable[[bytes], Any], behaviour: Callable[..., Any]) -> Callable[..., Any]:
    """`behaviour` is a generator of answers."""

    async def serve(frames: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> Any:
        async with aclosing(unbroken_reads(frames)) as reads:
            parsed = (await _parsed(parse, raw, context) async for raw in reads)
            async for answer in behaviour(parsed, context):
                yield answer

    return serve


async def _parsed(parse: Callable[[bytes], Any], raw: bytes, context: grpc.aio.ServicerContext) -> Any:
    try:
        return parse(raw)
    except DecodeError:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, SENTENCE)
