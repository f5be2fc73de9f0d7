"""A hub that does with an agent's stream what a test says, over real gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.agent.v1 import agent_service_pb2_grpc as rpc

SECONDS = 10
DETAILS = (("grpc-status-details-bin", b""),)
"""What a hub's refusals carry, and those of a proxy do not."""


class Hub(rpc.AgentServiceServicer):
    """`says` is sent when a stream opens; `ends` refuses it instead, and `cut` does so in the name of a proxy before the hub."""

    def __init__(self, says: Sequence[pb.ConnectResponse] | None = None) -> None:
        self.says = says or [pb.ConnectResponse(assignments=pb.Assignments(api_address="http://hub"))]
        self.ends: tuple[grpc.StatusCode, str] | None = None
        self.cut: tuple[grpc.StatusCode, str] | None = None
        self.heard: asyncio.Queue[pb.ConnectRequest] = asyncio.Queue(1000)
        self.decided: asyncio.Queue[pb.DecideBacklogRequest] = asyncio.Queue(10)
        self.metadata: dict[str, str] = {}
        self.closed = asyncio.Event()

    async def Connect(  # noqa: N802
        self, requests: AsyncIterator[pb.ConnectRequest], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[pb.ConnectResponse]:
        self.metadata = dict(context.invocation_metadata() or ())
        if self.ends:
            await context.abort(*self.ends, DETAILS)
        if self.cut:
            await context.abort(*self.cut)
        for frame in self.says:
            yield frame
        async for request in requests:
            self.heard.put_nowait(request)
        self.closed.set()

    async def DecideBacklog(  # noqa: N802
        self, request: pb.DecideBacklogRequest, _: grpc.aio.ServicerContext
    ) -> pb.DecideBacklogResponse:
        self.decided.put_nowait(request)
        return pb.DecideBacklogResponse()

    async def Enrol(self, request: pb.EnrolRequest, context: grpc.aio.ServicerContext) -> pb.EnrolResponse:  # noqa: N802
        if request.token != "good":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "The token was used already.", DETAILS)
        return pb.EnrolResponse(agent_id=7, name="desktop", credential="mha_secret")

    async def heard_of(self, kind: str) -> pb.ConnectRequest:
        """The next frame of a kind; others are dropped."""
        async with asyncio.timeout(SECONDS):
            while (request := await self.heard.get()).WhichOneof("frame") != kind:
                pass
        return request

    def heard_all(self) -> list[str]:
        """The kinds of all frames that nobody has taken yet."""
        kinds = []
        while not self.heard.empty():
            kinds.append(self.heard.get_nowait().WhichOneof("frame") or "")
        return kinds


@asynccontextmanager
async def serving(hub: Hub) -> AsyncIterator[str]:
    """The hub on loopback; its address."""
    server = grpc.aio.server()
    rpc.add_AgentServiceServicer_to_server(hub, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
