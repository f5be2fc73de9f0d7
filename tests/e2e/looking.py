"""What `agent list` and `channel list` show, for what is looked at until it is so: a process for each look would take the cores from
what it waits for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from messenger_hub.admin.v1 import agent_admin_service_pb2 as agents_pb
from messenger_hub.admin.v1 import agent_admin_service_pb2_grpc as agents_grpc
from messenger_hub.admin.v1 import channel_admin_service_pb2 as channels_pb
from messenger_hub.admin.v1 import channel_admin_service_pb2_grpc as channels_grpc
from messenger_hub_cli.messages import plain
from messenger_hub_cli.running_hub import admin_door

SECONDS = 30.0
Metadata = Sequence[tuple[str, str]]


def agents(data_dir: Path) -> Sequence[Any]:
    """Those of a running hub, each as the command line prints it as JSON."""
    with _door(data_dir) as (channel, metadata):
        stub = agents_grpc.AgentAdminServiceStub(channel)
        answer = stub.ListAgents(agents_pb.ListAgentsRequest(), metadata=metadata, timeout=SECONDS)
        return [plain(one) for one in answer.agents]


def channels(data_dir: Path) -> Sequence[Any]:
    """The same for its channels."""
    with _door(data_dir) as (channel, metadata):
        stub = channels_grpc.ChannelAdminServiceStub(channel)
        answer = stub.ListChannels(channels_pb.ListChannelsRequest(), metadata=metadata, timeout=SECONDS)
        return [plain(one) for one in answer.channels]


@contextmanager
def _door(data_dir: Path) -> Iterator[tuple[grpc.Channel, Metadata]]:
    address, token = admin_door(data_dir)
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        yield channel, [("authorization", f"Bearer {token}")]
