"""An agent and the channel that it owns from then on are written in one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from messenger_hub_server.errors import StoreUnavailable
from messenger_hub_server.identity.keys import Keys
from messenger_hub_server.model import AgentId, Pace
from messenger_hub_server.registry import Registry
from messenger_hub_server.store import base
from messenger_hub_server.store.memory.store import MemoryStore

from tests.fakes.clock import FakeClock


class Commits:
    """A store that goes away after so many transactions."""

    def __init__(self, left: int) -> None:
        self.store = MemoryStore()
        self._left = left

    async def commit(self, writes: Sequence[base.Write]) -> Sequence[base.Outcome]:
        if not self._left:
            raise StoreUnavailable
        self._left -= 1
        return await self.store.apply(writes)


class Numbers:
    async def next(self, kind: str, taken: int) -> int:
        return taken + 1


async def test_a_hub_that_ends_right_after_it_has_enrolled_a_desktop_knows_whose_the_channel_is() -> None:
    commits = Commits(left=3)
    registry = Registry(commits, Keys(bytes(32)), Numbers(), FakeClock())
    channel = await registry.create_channel("shop", Pace.OFF)
    token, _ = await registry.create_enrolment("desk", channel.id)
    agent, _ = await registry.redeem(token)
    stored = await commits.store.registry()
    assert ([one.id for one in stored.agents], agent.id) == ([1], AgentId(1))
    assert [one.agent_id for one in stored.channels] == [agent.id]
    known = registry.channel(channel.id)
    assert known is not None and known.agent_id == agent.id
