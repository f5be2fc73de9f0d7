"""A rival: grpc.aio behind a JSON proxy, as most have it. Two processes; nothing is stored. Says its port; see `children`.

`python -m tests.bench.json_proxy service` is the gRPC half, which the proxy starts.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from pathlib import Path
from typing import Any

import grpc
from aiohttp import web
from google.protobuf import json_format
from messenger_hub.v1 import message_service_pb2 as pb
from messenger_hub.v1 import message_service_pb2_grpc
from messenger_hub.v1 import operation_pb2 as operations

from tests.bench.baseline import PATH
from tests.bench.children import answer, commands

HALF = "service"


class Service(message_service_pb2_grpc.MessageServiceServicer):
    """Answers what the hub answers."""

    async def SendMessage(self, request: pb.SendMessageRequest, context: Any) -> pb.SendMessageResponse:  # noqa: N802
        """Queues nothing."""
        return pb.SendMessageResponse(
            message_id=1, recipient=request.mobile, status=operations.OPERATION_STATUS_PENDING
        )


async def service() -> None:
    """The gRPC half, until standard input ends."""
    server = grpc.aio.server()
    message_service_pb2_grpc.add_MessageServiceServicer_to_server(Service(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    answer({"port": port})
    await (await commands()).read()
    await server.stop(None)


async def proxy() -> None:
    """The HTTP half, until standard input ends."""
    half = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"tests.bench.{Path(__file__).stem}", HALF),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert half.stdout is not None
    port = json.loads(await half.stdout.readline())["port"]
    options = [("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        stub = message_service_pb2_grpc.MessageServiceStub(channel)

        async def send(request: web.Request) -> web.Response:
            said = await stub.SendMessage(json_format.ParseDict(await request.json(), pb.SendMessageRequest()))
            data = json_format.MessageToDict(said, preserving_proto_field_name=True)
            data["message_id"] = int(data["message_id"])  # protobuf's JSON writes 64 bits as text
            return web.json_response(
                {"success": True, "message": "Message queued successfully", "data": data}, status=201
            )

        app = web.Application()
        app.router.add_post(PATH, send)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        gc.collect()
        gc.freeze()
        answer({"port": runner.addresses[0][1]})
        await (await commands()).read()


if __name__ == "__main__":
    asyncio.run(service() if HALF in sys.argv[1:] else proxy())
