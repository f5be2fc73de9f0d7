"""Looks at the running hub for `ListChecks`: gathers what `checks` judges."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from messenger_hub.admin.v1 import hub_admin_service_pb2 as pb
from messenger_hub.runtime.clock import Clock

from messenger_hub_server import checks
from messenger_hub_server.checks import Desktop, Finding, Verdict
from messenger_hub_server.model import Agent, Channel, OperationState
from messenger_hub_server.own_certificate import lan_address
from messenger_hub_server.presence import Presence
from messenger_hub_server.queue import Queue
from messenger_hub_server.registry import Registry
from messenger_hub_server.services.admin.facts import HubFacts
from messenger_hub_server.services.sights import Sights
from messenger_hub_server.store.base import StoreError


class Checkup:
    """Use `checks`."""

    def __init__(
        self,
        queue: Queue,
        registry: Registry,
        presence: Presence,
        sights: Sights,
        clock: Clock,
        facts: Callable[[], HubFacts],
    ) -> None:
        self._queue = queue
        self._registry = registry
        self._presence = presence
        self._sights = sights
        self._clock = clock
        self._facts = facts

    async def checks(self) -> Sequence[pb.ListChecksResponse.Check]:
        """The machine first, then desktops, then channels."""
        return [
            pb.ListChecksResponse.Check(
                name=one.name, verdict=pb.ListChecksResponse.Verdict.Value(f"VERDICT_{one.verdict.name}"), said=one.said
            )
            for one in (*await self._machine(), *await self._hub())
        ]

    async def _machine(self) -> Sequence[Finding]:
        facts = self._facts()
        data_dir = Path(facts.data_dir)
        found = [
            await asyncio.to_thread(checks.folder, data_dir),
            await asyncio.to_thread(checks.disk, data_dir, shutil.disk_usage),
            await self._database(),
        ]
        if facts.lan is not None:
            found.append(checks.network(facts.lan.certificate, lan_address()))
        return found

    async def _database(self) -> Finding:
        try:
            await self._queue.store.check_writable()
        except StoreError as error:
            return Finding(
                name="Database", verdict=Verdict.BAD, said=f"cannot be written, so nothing is accepted: {error}"
            )
        return Finding(name="Database", verdict=Verdict.GOOD, said="can be written")

    async def _hub(self) -> Sequence[Finding]:
        facts = self._facts()
        now_ms = self._clock.now_ms()
        agents = [self._desktop(one, now_ms) for one in self._registry.agents() if one.active]
        return [
            checks.log(facts.warnings, datetime.fromtimestamp(now_ms / 1000, UTC)),
            *checks.desktops(agents, facts.version),
            *[self._channel(one) for one in self._registry.channels()],
            *checks.doubts(await self._uncertain()),
        ]

    async def _uncertain(self) -> int:
        try:
            return (await self._queue.store.counts()).get(OperationState.UNCERTAIN, 0)
        except StoreError:
            return 0  # the database has a line of its own

    def _desktop(self, agent: Agent, now_ms: int) -> Desktop:
        presence = self._presence.agent(agent.id)
        seen_ms = presence.last_seen_ms if presence is not None else agent.last_seen_at_ms
        connected = presence is not None and presence.connected
        away = None if connected or seen_ms is None else max(0.0, (now_ms - seen_ms) / 1000)
        version = presence.version if presence is not None else agent.version
        return Desktop(name=agent.name, connected=connected, version=version, away_seconds=away)

    def _channel(self, channel: Channel) -> Finding:
        view = self._sights.view(channel)
        verdict = Verdict.GOOD if view.can_send else Verdict.LOOK
        return Finding(name=f"Channel {channel.name}", verdict=verdict, said=f"{view.state.value}: {view.reason}")
