"""The bench's desktops: real gRPC streams that carry everything out at once. A process of its own; see `children`.

Each desktop serves one channel on a stream of its own. It answers leases with intents, goes with "sent", and counts an operation as
settled when the hub has acknowledged that.
"""

from __future__ import annotations

import asyncio
import gc
import json
import secrets
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.agent.v1 import agent_service_pb2_grpc

from tests.bench.children import answer, commands

MOST_ENTRIES = 500
STREAMS_PER_CONNECTION = 100
READY_SECONDS = 60.0


class Desktops:
    """All desktops, and what they have done since `report` was asked last."""

    def __init__(self) -> None:
        self.carried_out: list[str] = []
        self.leased: list[tuple[int, int]] = []  # operation, when (ns)
        self.settled: list[tuple[int, int]] = []  # operation, when (ns)
        self.settled_ever = 0
        self.changed = asyncio.Event()

    def report(self) -> Mapping[str, object]:
        done = {"carried_out": self.carried_out, "leased": self.leased, "settled": self.settled}
        self.carried_out, self.leased, self.settled = [], [], []
        return done


class Desktop:
    """One stream with one channel."""

    def __init__(self, all_of_them: Desktops, stub: Any, channel_id: int, credential: str, window: int) -> None:
        self._all = all_of_them
        self._channel_id = channel_id
        self._window = window
        self._sequence = 0
        self._held: dict[str, pb.Lease] = {}
        self._ended: deque[tuple[int, int]] = deque()  # sequence, operation
        self.ready = asyncio.Event()
        self._call = stub.Connect(metadata=(("authorization", f"Bearer {credential}"),))

    async def run(self) -> None:
        """Until the process ends."""
        await self._call.write(pb.ConnectRequest(agent_hello=pb.AgentHello(version="bench", platform="bench")))
        hello = pb.ChannelHello(journal_id=secrets.token_hex(16), first_sequence=1, last_sequence=0)
        await self._send(channel_hello=hello)
        while (frame := await self._call.read()) is not grpc.aio.EOF:
            await self._received(frame)
        raise EOFError(f"The stream ended: {await self._call.code()} {await self._call.details()}")

    async def grant(self, window: int) -> None:
        """Another credit from now on."""
        self._window = window
        await self._send(credit=pb.Credit(window=window))

    async def _received(self, frame: pb.ConnectResponse) -> None:
        match frame.WhichOneof("frame"):
            case "recall":
                await self._send(journal_page=pb.JournalPage(last=True))
            case "welcome":
                await self.grant(self._window)
                self.ready.set()
            case "leases":
                now = time.monotonic_ns()
                self._all.leased += [(lease.provenance.operation_id, now) for lease in frame.leases.leases]
                self._held |= {lease.lease_id: lease for lease in frame.leases.leases}
                await self._write([self._entry(lease, intent=lease) for lease in frame.leases.leases])
            case "goes":
                await self._write([self._carry_out(go.lease_id) for go in frame.goes.goes if go.go])
            case "acknowledged":
                self._acknowledged(frame.acknowledged.sequence)

    def _carry_out(self, lease_id: str) -> pb.JournalEntry:
        lease = self._held.pop(lease_id)
        self._all.carried_out.append(lease.whatsapp_id)
        entry = self._entry(lease, outcome=pb.Outcome(kind=pb.Outcome.KIND_SENT))
        self._ended.append((entry.sequence, lease.provenance.operation_id))
        return entry

    def _entry(self, lease: pb.Lease, **fact: object) -> pb.JournalEntry:
        self._sequence += 1
        return pb.JournalEntry(
            sequence=self._sequence,
            whatsapp_id=lease.whatsapp_id,
            lease_id=lease.lease_id,
            at={"seconds": int(time.time())},
            **fact,  # type: ignore[arg-type]
        )

    async def _write(self, entries: Sequence[pb.JournalEntry]) -> None:
        for start in range(0, len(entries), MOST_ENTRIES):
            await self._send(journal_entries=pb.JournalEntries(entries=entries[start : start + MOST_ENTRIES]))

    def _acknowledged(self, sequence: int) -> None:
        now = time.monotonic_ns()
        before = len(self._all.settled)
        while self._ended and self._ended[0][0] <= sequence:
            self._all.settled.append((self._ended.popleft()[1], now))
        if count := len(self._all.settled) - before:
            self._all.settled_ever += count
            self._all.changed.set()

    async def _send(self, **frame: object) -> None:
        await self._call.write(pb.ConnectRequest(channel_id=self._channel_id, **frame))  # type: ignore[arg-type]


class Office:
    """Performs the commands."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._all = Desktops()
        self._desktops: list[Desktop] = []
        self._channels: list[grpc.aio.Channel] = []

    async def connect(
        self, address: str, desktops: Sequence[tuple[int, str]], window: int, seconds: float = READY_SECONDS
    ) -> Mapping[str, object]:
        """Opens a stream for each (channel, credential), all at once; they are welcomed within `seconds`."""
        options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
        for position, (channel_id, credential) in enumerate(desktops):
            if position % STREAMS_PER_CONNECTION == 0:
                self._channels.append(grpc.aio.insecure_channel(address, options=options))
            stub = agent_service_pb2_grpc.AgentServiceStub(self._channels[-1])
            desktop = Desktop(self._all, stub, channel_id, credential, window)
            self._desktops.append(desktop)
            self._group.create_task(desktop.run())
        async with asyncio.timeout(seconds):
            for desktop in self._desktops:
                await desktop.ready.wait()
        gc.collect()
        gc.freeze()
        return {"connected": len(self._desktops)}

    async def grant(self, window: int) -> Mapping[str, object]:
        """Another credit for everybody."""
        for desktop in self._desktops:
            await desktop.grant(window)
        return {}

    async def settled(self, count: int, seconds: float) -> Mapping[str, object]:
        """What was done, once `count` operations were settled since the start, or when the time is over."""
        try:
            async with asyncio.timeout(seconds):
                while self._all.settled_ever < count:
                    self._all.changed.clear()
                    await self._all.changed.wait()
        except TimeoutError:
            pass  # what is missing is the verification's business
        return self._all.report()


async def main() -> None:
    """Performs commands until standard input ends."""
    reader = await commands()
    async with asyncio.TaskGroup() as group:
        office = Office(group)
        while line := await reader.readline():
            wanted = json.loads(line)
            answer(await getattr(office, wanted.pop("do"))(**wanted))


if __name__ == "__main__":
    asyncio.run(main())
