"""Batches of 100 messages straight over gRPC. A process of its own; see `children`.

Every message goes to another number. Answers come as those of the open loop: id, number, since when, until when.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections import Counter
from typing import Any

import grpc
from messenger_hub.v1 import message_service_pb2 as pb
from messenger_hub.v1 import message_service_pb2_grpc

from tests.bench.children import answer, commands
from tests.bench.load import FIRST_NUMBER

MOST = 100  # messages a call


class Batches:
    """One slice against one hub."""

    def __init__(self, stub: Any, key: str, first: int) -> None:
        self.accepted: list[tuple[int, int, int, int]] = []
        self.refused: Counter[str] = Counter()
        self.next = first
        self._stub = stub
        self._metadata = (("x-api-key", key),)

    async def send_until(self, end_ns: int) -> None:
        """One call after the other."""
        while (since := time.monotonic_ns()) < end_ns:
            numbers = range(self.next, self.next + MOST)
            self.next += MOST
            request = pb.BatchSendMessagesRequest(
                requests=[
                    pb.SendMessageRequest(mobile=str(FIRST_NUMBER + number), message="Hello from the bench")
                    for number in numbers
                ]
            )
            said = await self._stub.BatchSendMessages(request, metadata=self._metadata)
            now = time.monotonic_ns()
            for number, one in zip(numbers, said.results, strict=True):
                if one.HasField("response"):
                    self.accepted.append((one.response.message_id, FIRST_NUMBER + number, since, now))
                else:
                    self.refused[str(one.error.code)] += 1


async def main() -> None:
    """Runs slices until standard input ends."""
    reader = await commands()
    gc.disable()
    while line := await reader.readline():
        wanted = json.loads(line)
        options = [("grpc.enable_http_proxy", 0)]
        async with grpc.aio.insecure_channel(wanted["address"], options=options) as channel:
            one = Batches(message_service_pb2_grpc.MessageServiceStub(channel), wanted["key"], wanted["first"])
            since = time.monotonic_ns()
            ends = since + round(wanted["seconds"] * 1e9)
            async with asyncio.TaskGroup() as group:
                for _ in range(wanted["at_once"]):
                    group.create_task(one.send_until(ends))
        answer({"accepted": one.accepted, "refused": one.refused, "since_ns": since, "next": one.next})
        gc.collect()


if __name__ == "__main__":
    asyncio.run(main())
