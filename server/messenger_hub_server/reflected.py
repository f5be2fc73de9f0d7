"""Health and reflection. Reflection answers from a pool of its own that holds only what this port serves: the default pool of the
process would describe the operators' services to anybody who asks for them by name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import Default, DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha._async import ReflectionServicer
from grpc_reflection.v1alpha.reflection import SERVICE_NAME as REFLECTION

from messenger_hub_server.rpc.reading import Careful

DESCRIPTORS = "descriptors.binpb"
PUBLIC = ("messenger_hub.v1", "messenger_hub.agent.v1")


class Health:
    """Says of every service whether it is served."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = ("", *services)
        self._servicer = HealthServicer()

    async def add_to(self, server: grpc.aio.Server) -> None:
        """Answers Check and Watch; serving from now on."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, Careful(server))
        for service in self._services:
            await self._servicer.set(service, health_pb2.HealthCheckResponse.SERVING)

    async def stopping(self) -> None:
        """Load balancers send nothing more."""
        await self._servicer.enter_graceful_shutdown()


def published(packages: Sequence[str] = PUBLIC) -> FileDescriptorSet:
    """The files of these packages and what they import: what anybody may know."""
    described = FileDescriptorSet.FromString((files("messenger_hub") / DESCRIPTORS).read_bytes())
    known = [f for f in described.file if not f.package.startswith("messenger_hub.") or f.package in packages]
    return FileDescriptorSet(file=known)


def add_reflection(server: grpc.aio.Server, services: Sequence[str], packages: Sequence[str] = PUBLIC) -> None:
    """Describes these services and the files of these packages, and nothing else."""
    names = (*services, HEALTH, REFLECTION)
    servicer = ReflectionServicer(names, _pool(packages))
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, Careful(server))


def _pool(packages: Sequence[str]) -> DescriptorPool:
    pool = DescriptorPool()
    for file in published(packages).file:
        pool.Add(file)
    for module in (health_pb2, reflection_pb2):
        copy = Default().FindFileByName(module.DESCRIPTOR.name)
        pool.AddSerializedFile(copy.serialized_pb)
    return pool
