"""Looks at the running hub and asks its desktops for `ListChecks`: gathers what `checks` and `desktop_checks` judge."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from messenger_hub.admin.v1 import hub_admin_service_pb2 as pb
from messenger_hub.runtime.clock import Clock

from messenger_hub_server import checks, desktop_checks
from messenger_hub_server.checks import Finding, Verdict, Whose
from messenger_hub_server.desktop_checks import Desktop, Examined, Unexamined
from messenger_hub_server.model import Agent, AgentId, Channel, OperationState
from messenger_hub_server.nodes.overview import Overview
from messenger_hub_server.own_certificate import lan_address
from messenger_hub_server.presence import Presence
from messenger_hub_server.queue import Queue
from messenger_hub_server.registry import Registry
from messenger_hub_server.services.admin.examinations import Examinations
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
        examinations: Examinations,
        clock: Clock,
        facts: Callable[[], HubFacts],
        overview: Overview,
    ) -> None:
        self._queue = queue
        self._registry = registry
        self._presence = presence
        self._sights = sights
        self._examinations = examinations
        self._clock = clock
        self._facts = facts
        self._overview = overview

    async def checks(self, only: Channel | None = None) -> Sequence[pb.ListChecksResponse.Check]:
        """The hub first, then desktop by desktop, then channel by channel. `only`: of that channel, and of the desktop that owns it."""
        agents = [one for one in self._registry.agents() if one.active]
        channels = self._registry.channels()
        if only is not None:
            agents, channels = [one for one in agents if one.id == only.agent_id], [only]
        hub = () if only is not None else (*await self._machine(), *await self._hub(agents))
        seen = await self._ask(agents)
        found = [
            *hub,
            *(finding for one in agents for finding in self._desktop(one, seen.get(one.id))),
            *(finding for one in channels for finding in self._channel(one, seen)),
        ]
        return [_check(one) for one in found]

    async def _machine(self) -> Sequence[Finding]:
        facts = self._facts()
        data_dir = Path(facts.data_dir)
        found = [
            await asyncio.to_thread(checks.folder, data_dir),
            await asyncio.to_thread(checks.disk, data_dir, shutil.disk_usage),
            await self._database(),
        ]
        nodes = self._overview.nodes()
        if len(nodes) > 1:
            found.append(checks.nodes([one.name for one in nodes], next(one.name for one in nodes if one.answers)))
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

    async def _hub(self, agents: Sequence[Agent]) -> Sequence[Finding]:
        now = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        return [
            checks.log(self._facts().warnings, now),
            *([] if agents else [desktop_checks.no_desktop()]),
            *checks.doubts(await self._uncertain()),
        ]

    async def _uncertain(self) -> int:
        try:
            return (await self._queue.store.counts()).get(OperationState.UNCERTAIN, 0)
        except StoreError:
            return 0  # the database has a line of its own

    async def _ask(self, agents: Sequence[Agent]) -> Mapping[AgentId, Examined | Unexamined]:
        """What each connected one sees of itself; all of them are asked at once."""
        connected = [one.id for one in agents if (known := self._presence.agent(one.id)) and known.connected]
        return dict(zip(connected, await asyncio.gather(*map(self._examined, connected)), strict=True))

    async def _examined(self, agent_id: AgentId) -> Examined | Unexamined:
        presence = self._presence.agent(agent_id)
        if presence is None or not presence.examines:
            return Unexamined.TOO_OLD
        return await self._examinations.of(agent_id)

    def _desktop(self, agent: Agent, seen: Examined | Unexamined | None) -> Sequence[Finding]:
        """`seen`: None of one that was not there to be asked."""
        desktop = self._as_it_is(agent)
        found = [desktop_checks.connection(desktop, self._facts().version)]
        if seen is not None:
            found.extend(desktop_checks.desktop(desktop, seen))
        return [replace(one, whose=Whose(agent_id=agent.id, agent=agent.name)) for one in found]

    def _as_it_is(self, agent: Agent) -> Desktop:
        presence = self._presence.agent(agent.id)
        if presence is None:
            return Desktop(connected=False, version=agent.version, away_seconds=self._since(agent.last_seen_at_ms))
        return Desktop(
            connected=presence.connected,
            version=presence.version,
            away_seconds=None if presence.connected else self._since(presence.last_seen_ms),
            wa_js_version=presence.wa_js_version,
            platform=presence.platform,
            node=self._overview.node_of(agent.id),
        )

    def _since(self, at_ms: int | None) -> float | None:
        return None if at_ms is None else max(0.0, (self._clock.now_ms() - at_ms) / 1000)

    def _channel(self, channel: Channel, seen: Mapping[AgentId, Examined | Unexamined]) -> Sequence[Finding]:
        """Only its owner is believed what it tells of a channel's page."""
        view = self._sights.view(channel)
        verdict = Verdict.GOOD if view.can_send else Verdict.LOOK
        found = [Finding(name="State", verdict=verdict, said=f"{view.state.value}: {view.reason}")]
        owner = seen.get(channel.agent_id) if channel.agent_id is not None else None
        if isinstance(owner, Examined):
            found.append(desktop_checks.page(owner.told, channel.id))
        return [replace(one, whose=Whose(channel_id=channel.id, channel=channel.name)) for one in found]


def _check(found: Finding) -> pb.ListChecksResponse.Check:
    names = found.bindings
    return pb.ListChecksResponse.Check(
        name=found.name,
        verdict=pb.ListChecksResponse.Verdict.Value(f"VERDICT_{found.verdict.name}"),
        said=found.said,
        **asdict(found.whose),
        bindings=pb.ListChecksResponse.Bindings(**asdict(names)) if names is not None else None,
    )
