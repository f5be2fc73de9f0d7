"""A program that watches its channel's operations, and resumes after each break where it was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import grpc
from messenger_hub.v1 import operation_service_pb2, operation_service_pb2_grpc

from tests.torture.answers import NO_ANSWER, status_name, told
from tests.torture.nemesis.clients import seconds_of
from tests.torture.nemesis.estate import Estate
from tests.torture.nemesis.record import Event, Look, Stream

AGAIN_SECONDS = 0.1
CAUGHT_UP_SECONDS = 20.0


class Watcher:
    """Use `run` as a task; cancel it at the end."""

    def __init__(self, estate: Estate, channel: str, connection: grpc.aio.Channel) -> None:
        self.channel = channel
        self.streams: list[Stream] = []
        self._estate = estate
        self._operations = operation_service_pb2_grpc.OperationServiceStub(connection)
        self._cursor = ""
        self._restores = -1
        self._streams_restores = -1
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Until it is cancelled, or a stream that was not cut by a restore cannot be resumed."""
        while not (self.streams and self.streams[-1].refused):
            if self._restores != self._estate.restoring:
                # A cursor is a place in a database that is no more.
                self._restores, self._cursor = self._estate.restoring, ""
            try:
                await self._follow()
            except grpc.aio.AioRpcError as error:
                status, code = told(error)
                if status not in (NO_ANSWER, 503) and self._restores == self._estate.restoring and self.streams:
                    self.streams[-1].refused = f"{status} {code}".rstrip()
            await asyncio.sleep(AGAIN_SECONDS)

    async def caught_up(self, final: Mapping[int, Look]) -> None:
        """Waits until it has been told the last state of each operation that it was told of; bounded."""
        try:
            async with asyncio.timeout(CAUGHT_UP_SECONDS):
                while not self._has_all(final):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass  # the checker shows what is missing
        if self.streams and self._streams_restores == self._estate.restoring:
            self.streams[-1].last = True

    def _has_all(self, final: Mapping[int, Look]) -> bool:
        events = self.streams[-1].events if self.streams else ()
        told_of = {one.operation_id for one in events}
        there = {(one.operation_id, one.status) for one in events}
        return all((number, look.status) in there for number, look in final.items() if number in told_of)

    async def _follow(self) -> None:
        request = operation_service_pb2.WatchOperationsRequest(cursor=self._cursor)
        metadata = (("x-api-key", self._estate.keys[self.channel]),)
        call = self._operations.WatchOperations(request, metadata=metadata)
        try:
            async for one in call:
                if not self._cursor:
                    self.streams.append(Stream(channel=self.channel, begun=time.time()))
                    self._streams_restores = self._restores
                self._cursor = one.cursor
                self.streams[-1].events.append(
                    Event(
                        operation_id=one.operation.operation_id,
                        status=status_name(one.transition.status),
                        at=seconds_of(one.transition.at),
                        told=time.time(),
                    )
                )
                self._news.set()
        finally:
            call.cancel()
