"""HubAdminService: the hub at a glance, for operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from messenger_hub.admin.v1 import hub_admin_service_pb2 as pb

from messenger_hub_server.model import OperationState
from messenger_hub_server.presence import Presence
from messenger_hub_server.queue import Queue
from messenger_hub_server.registry import Registry
from messenger_hub_server.rpc.chain import CallContext
from messenger_hub_server.services.explanation import ChannelState
from messenger_hub_server.services.sights import Sights
from messenger_hub_server.services.translation import timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFacts:
    """What does not change while the hub runs."""

    version: str
    started_at_ms: int
    data_dir: str
    http_addresses: Sequence[str]
    grpc_addresses: Sequence[str]


class HubAdminHandlers:
    """Handlers of HubAdminService. `facts` is asked when the addresses are known."""

    def __init__(
        self, queue: Queue, registry: Registry, presence: Presence, sights: Sights, facts: Callable[[], HubFacts]
    ) -> None:
        self._queue = queue
        self._registry = registry
        self._presence = presence
        self._sights = sights
        self._facts = facts

    async def get_hub(self, _: pb.GetHubRequest, __: CallContext) -> pb.GetHubResponse:
        """The hub at a glance."""
        counts = await self._queue.store.counts()
        channels = self._registry.channels()
        facts = self._facts()
        return pb.GetHubResponse(
            version=facts.version,
            started_at=timestamp(facts.started_at_ms),
            http_addresses=facts.http_addresses,
            grpc_addresses=facts.grpc_addresses,
            data_dir=facts.data_dir,
            channels=len(channels),
            channels_linked=sum(1 for c in channels if self._sights.view(c).state is ChannelState.LINKED),
            agents_connected=self._presence.connected_agents(),
            pending=counts.get(OperationState.PENDING, 0),
            uncertain=counts.get(OperationState.UNCERTAIN, 0),
        )
