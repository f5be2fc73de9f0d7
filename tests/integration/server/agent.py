"""A desktop app that does what a test tells it, over a real stream."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.v1 import channel_service_pb2, operation_pb2

from tests.integration.server.hub import SECONDS, Hub


@dataclass(slots=True)
class ScriptedAgent:
    """One open stream; frames that nobody asked for yet wait in `_frames`."""

    id: int
    credential: str
    channel_id: int
    _call: grpc.aio.StreamStreamCall[pb.ConnectRequest, pb.ConnectResponse] = field(repr=False)
    journal_id: str = field(default_factory=lambda: secrets.token_hex(16))
    sequence: int = 0
    acknowledged: int = 0
    entries: list[pb.JournalEntry] = field(default_factory=list)
    epoch: int = 0
    _frames: list[pb.ConnectResponse] = field(default_factory=list)

    async def send(self, **frame: object) -> None:
        """One frame on the channel."""
        await self._call.write(pb.ConnectRequest(channel_id=self.channel_id, **frame))  # type: ignore[arg-type]

    async def write(self, request: pb.ConnectRequest) -> None:
        """One frame as it is."""
        await self._call.write(request)

    async def tells_of_wa_js(self, stage: str, number: int = 0, *, refused: bool = False, **update: str) -> None:
        """Where its wa-js stands."""
        told = pb.WaJsStanding(stage=pb.WaJsStage.Value(f"WA_JS_STAGE_{stage}"), **update)  # type: ignore[arg-type]
        await self.write(pb.ConnectRequest(wa_js_report=pb.WaJsReport(number=number, refused=refused, standing=told)))

    async def tells_of_itself(self, *pages: pb.Examination.Page, **told: object) -> None:
        """Answers the next question what it sees of itself."""
        number = (await self.next("examine")).examine.number
        answer = pb.Examination(number=number, pages=pages, **told)  # type: ignore[arg-type]
        await self.write(pb.ConnectRequest(examination=answer))

    async def next(self, kind: str) -> pb.ConnectResponse:
        """The next frame of a kind, in the order of arrival; others are kept. Raises AioRpcError when the stream ended."""
        async with asyncio.timeout(SECONDS):
            while True:
                for frame in self._frames:
                    if frame.WhichOneof("frame") == kind:
                        self._frames.remove(frame)
                        return frame
                frame = await self._call.read()
                if frame is grpc.aio.EOF:
                    raise EOFError((await self._call.code()).name)
                self._frames.append(frame)

    async def ended(self) -> grpc.StatusCode:
        """With what the hub ends the stream."""
        with contextlib.suppress(EOFError, grpc.aio.AioRpcError):
            await self.next("no such frame")
        return await self._call.code()

    def continues(self, before: ScriptedAgent) -> None:
        """Takes over the journal of an earlier stream."""
        self.journal_id, self.sequence, self.acknowledged = before.journal_id, before.sequence, before.acknowledged
        self.entries, self.epoch = [*before.entries], before.epoch

    async def hello(self, window: int = 8, **hello: object) -> None:
        """Opens the channel: hello, recall, the entries asked for, welcome, credit."""
        given = {
            "journal_id": self.journal_id,
            "first_sequence": 1,
            "last_sequence": self.sequence,
            "epoch": self.epoch,
            "acknowledged_sequence": self.acknowledged,
            **hello,
        }
        await self.send(channel_hello=pb.ChannelHello(**given))  # type: ignore[arg-type]
        after = (await self.next("recall")).recall.after_sequence
        asked = [entry for entry in self.entries if entry.sequence > after]
        await self.send(journal_page=pb.JournalPage(entries=asked, last=True))
        self.epoch = (await self.next("welcome")).welcome.epoch
        await self.send(credit=pb.Credit(window=window))

    async def report(self, state: str = "LINKED", account: str = "4930999", **report: object) -> None:
        """What the page shows."""
        number = channel_service_pb2.ChannelState.Value(f"CHANNEL_STATE_{state}")
        await self.send(channel_report=pb.ChannelReport(state=number, account=account, **report))  # type: ignore[arg-type]

    async def lease(self) -> pb.Lease:
        """The next single lease."""
        frame = await self.next("leases")
        first, rest = frame.leases.leases[0], frame.leases.leases[1:]
        if rest:
            self._frames.insert(0, pb.ConnectResponse(channel_id=frame.channel_id, leases=pb.Leases(leases=rest)))
        return first

    async def start(self, lease: pb.Lease) -> bool:
        """Writes the intent; true when the hub says go."""
        await self.entry(lease, intent=lease)
        go = (await self.next("goes")).goes.goes[0]
        assert go.lease_id == lease.lease_id
        return go.go

    async def entry(self, lease: pb.Lease, **fact: object) -> None:
        """One journal entry."""
        self.sequence += 1
        entry = pb.JournalEntry(
            sequence=self.sequence,
            whatsapp_id=lease.whatsapp_id,
            lease_id=lease.lease_id,
            **fact,  # type: ignore[arg-type]
        )
        entry.at.GetCurrentTime()
        self.entries.append(entry)
        await self.send(journal_entries=pb.JournalEntries(entries=[entry]))

    async def end(self, lease: pb.Lease, kind: str, code: str = "") -> None:
        """What became of a started operation, durable when this returns."""
        problem = operation_pb2.Problem(code=code, message="A test says so.") if code else None
        outcome = pb.Outcome(kind=pb.Outcome.Kind.Value(f"KIND_{kind}"), problem=problem)
        await self.entry(lease, outcome=outcome)
        while self.acknowledged < self.sequence:
            self.acknowledged = (await self.next("acknowledged")).acknowledged.sequence

    async def carry_out(self, kind: str, code: str = "") -> pb.Lease:
        """Takes the next lease to its end."""
        lease = await self.lease()
        assert await self.start(lease)
        await self.end(lease, kind, code)
        return lease


async def enrolled(hub: Hub, name: str = "desk", channel: str = "main") -> pb.EnrolResponse:
    """A new agent's credential."""
    token = await hub.enrolment(name, channel)
    return await hub.programs.agents.Enrol(pb.EnrolRequest(token=token), timeout=SECONDS)


@asynccontextmanager
async def connected(
    hub: Hub,
    channel_id: int,
    credential: pb.EnrolResponse,
    *,
    hello: bool = True,
    linked: bool = True,
    wa_js: pb.WaJsStanding | None = None,
    examines: bool = False,
) -> AsyncIterator[ScriptedAgent]:
    """An open stream, with the channel opened and linked unless told otherwise. Without `wa_js` it is one of a version that cannot be
    asked for an update, and without `examines` one that cannot be asked what it sees of itself."""
    metadata: Sequence[tuple[str, str]] = (("authorization", f"Bearer {credential.credential}"),)
    call = hub.programs.agents.Connect(metadata=metadata)
    agent = ScriptedAgent(credential.agent_id, credential.credential, channel_id, call)
    try:
        in_use = wa_js.in_use if wa_js is not None else ""
        first = pb.AgentHello(
            version="test", platform="test", wa_js_version=in_use, wa_js_standing=wa_js, examines=examines
        )
        await agent.write(pb.ConnectRequest(agent_hello=first))
        await agent.next("assignments")
        if linked:
            await agent.report()
        if hello:
            await agent.hello()
        yield agent
    finally:
        call.cancel()
