"""HubAdminService: the hub at a glance, for operators."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime

from messenger_hub.admin.v1 import hub_admin_service_pb2 as pb
from messenger_hub.runtime.clock import Clock

from messenger_hub_server.errors import Stopping
from messenger_hub_server.identity.signins import SignIns
from messenger_hub_server.model import OperationState
from messenger_hub_server.nodes.overview import NodeSeen
from messenger_hub_server.presence import Presence
from messenger_hub_server.queue import Queue
from messenger_hub_server.registry import Registry
from messenger_hub_server.rpc.chain import CallContext
from messenger_hub_server.services.admin import activity
from messenger_hub_server.services.admin.checkup import Checkup
from messenger_hub_server.services.admin.facts import HubFacts
from messenger_hub_server.services.explanation import ChannelState
from messenger_hub_server.services.sights import Sights
from messenger_hub_server.services.translation import timestamp
from messenger_hub_server.watch import Watch

# A person looks at it: more often would only cost reads.
WATCH_SECONDS = 0.5
ACTIVITY_MS = 10_000
CONSOLE_LINK = "/console/open?token="
_OWN = frozenset({"event", "level", "timestamp"})


class HubAdminHandlers:
    """Handlers of HubAdminService. `facts` is asked when the addresses are known."""

    def __init__(
        self,
        queue: Queue,
        registry: Registry,
        presence: Presence,
        sights: Sights,
        watch: Watch,
        sign_ins: SignIns,
        checkup: Checkup,
        facts: Callable[[], HubFacts],
        nodes: Callable[[], Sequence[NodeSeen]],
        clock: Clock,
    ) -> None:
        self._queue = queue
        self._registry = registry
        self._presence = presence
        self._sights = sights
        self._watch = watch
        self._sign_ins = sign_ins
        self._checkup = checkup
        self._facts = facts
        self._nodes = nodes
        self._clock = clock
        self._activity: tuple[int, pb.GetActivityResponse] | None = None

    async def get_hub(self, _: pb.GetHubRequest, __: CallContext) -> pb.GetHubResponse:
        """The hub at a glance."""
        return await self._glance()

    async def watch_hub(self, _: pb.WatchHubRequest, __: CallContext) -> AsyncIterator[pb.WatchHubResponse]:
        """The same, again after every change."""
        changed = asyncio.Event()
        end = self._presence.on_change(changed.set)
        try:
            while True:
                changed.clear()
                seen = self._watch.news.count
                yield pb.WatchHubResponse(hub=await self._glance())
                await asyncio.sleep(WATCH_SECONDS)
                await self._watch.until(seen, changed)
                if self._watch.closed:
                    raise Stopping
        finally:
            end()

    async def get_activity(self, _: pb.GetActivityRequest, __: CallContext) -> pb.GetActivityResponse:
        """The last day, as it was within the last ACTIVITY_MS: it is read anew from all that happened."""
        now_ms = self._clock.now_ms()
        if self._activity is not None and 0 <= now_ms - self._activity[0] < ACTIVITY_MS:
            return self._activity[1]
        counts = await self._queue.store.counts()
        passed = await self._queue.store.passed(activity.begin_ms(now_ms), activity.HOUR_MS)
        hours = activity.hours(passed, sum(counts.get(state, 0) for state in activity.WAITING), now_ms)
        told = pb.GetActivityResponse(
            hours=[
                pb.GetActivityResponse.Hour(
                    begin=timestamp(hour.begin_ms),
                    accepted=hour.accepted,
                    sent=hour.sent,
                    failed=hour.failed,
                    uncertain=hour.uncertain,
                    waiting=hour.waiting,
                )
                for hour in hours
            ]
        )
        self._activity = now_ms, told
        return told

    async def list_settings(self, _: pb.ListSettingsRequest, __: CallContext) -> pb.ListSettingsResponse:
        """What the hub is set to."""
        shown = [
            pb.ListSettingsResponse.Setting(name=one.name, value=one.value, source=one.source, told=one.told)
            for one in self._facts().settings
        ]
        return pb.ListSettingsResponse(settings=shown)

    async def list_warnings(self, _: pb.ListWarningsRequest, __: CallContext) -> pb.ListWarningsResponse:
        """The last ones, newest first."""
        return pb.ListWarningsResponse(warnings=[_warning(line) for line in reversed([*self._facts().warnings])])

    async def list_checks(self, request: pb.ListChecksRequest, _: CallContext) -> pb.ListChecksResponse:
        """What to look at when nothing goes out."""
        only = self._registry.channel_named(request.channel) if request.channel else None
        return pb.ListChecksResponse(checks=await self._checkup.checks(only))

    async def create_console_link(
        self, _: pb.CreateConsoleLinkRequest, __: CallContext
    ) -> pb.CreateConsoleLinkResponse:
        """A link that signs in."""
        token, expires_at_ms = await self._sign_ins.link()
        url = f"{self._facts().console_address}{CONSOLE_LINK}{token}"
        return pb.CreateConsoleLinkResponse(url=url, expires_at=timestamp(expires_at_ms))

    async def _glance(self) -> pb.GetHubResponse:
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
            lan_http_address=facts.lan.reach.http if facts.lan else "",
            lan_grpc_address=facts.lan.reach.grpc if facts.lan else "",
            nodes=[
                pb.GetHubResponse.Node(
                    name=node.name,
                    started_at=timestamp(node.since_ms),
                    agents_connected=node.agents_connected,
                    answers=node.answers,
                )
                for node in self._nodes()
            ],
        )


def _warning(line: Mapping[str, object]) -> pb.ListWarningsResponse.Warning:
    at = datetime.fromisoformat(str(line["timestamp"]))
    fields = " ".join(f"{name}={value}" for name, value in line.items() if name not in _OWN)
    return pb.ListWarningsResponse.Warning(
        at=timestamp(int(at.timestamp() * 1000)),
        fault=line.get("level") != "warning",
        event=str(line.get("event", "")),
        fields=fields,
    )
