"""The registry on several nodes: changed by one at a time, on top of what the others have changed, and read anew when one of them has.

Memory is what a call is judged by. A node vouches for it as long as it has looked at the version in the database within the last second;
after that a call waits for another look, and is refused when there is none: a key that was revoked elsewhere must not work here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from messenger_hub.runtime.clock import Clock
from messenger_hub.runtime.log import logger

from messenger_hub_server.errors import InvalidCredential, StoreUnavailable
from messenger_hub_server.model import AgentId
from messenger_hub_server.nodes.notices import Notices
from messenger_hub_server.registry import Registry
from messenger_hub_server.store.base import Registry as Stored
from messenger_hub_server.store.base import StoreError

CHANGED = "registry"
LOOK_SECONDS = 0.4
VOUCH_SECONDS = 1.0
AWAY = (
    "The hub cannot look up right now whether this key still works, as its database does not answer: try again later."
)

log = logger(__name__)


class SharedRecords(Protocol):
    """The records in the database, their version and the lock of whoever changes them. All raise StoreError."""

    @property
    def known(self) -> int:
        """The version that memory is of: what is written on top of another is refused. Grows with what this node writes."""
        ...

    async def version(self) -> int:
        """Of what is stored now; asked at once, or not at all."""
        ...

    async def records(self) -> Stored:
        """All, as they are now; `known` is their version."""
        ...

    async def take(self) -> None:
        """Waits for the lock."""
        ...

    async def give(self) -> None:
        """Lets go of it."""
        ...


class SharedRegistry:
    """One node's part: the turn of its registry (an asynchronous context, which raises StoreUnavailable) and the chain's Vouching."""

    def __init__(self, shared: SharedRecords, notices: Notices, clock: Clock) -> None:
        self._shared = shared
        self._notices = notices
        self._clock = clock
        self._registry: Registry | None = None
        self._end_agent: Callable[[AgentId, InvalidCredential], None] = lambda _, __: None
        self._turn = asyncio.Lock()
        self._memory = asyncio.Lock()  # held while memory is compared with what is stored, or both are changed
        self._news = asyncio.Event()
        self._vouched_at = float("-inf")
        notices.subscribe(CHANGED, lambda _, __: self._news.set(), self._news.set)

    def serve(self, registry: Registry, end_agent: Callable[[AgentId, InvalidCredential], None]) -> None:
        """Whose memory it is, before anything else. `end_agent` ends the streams of one that is revoked."""
        self._registry = registry
        self._end_agent = end_agent

    # ---- a turn --------------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> None:
        """Memory is what is stored."""
        await self._turn.acquire()
        try:
            await self._take()
        except BaseException:
            self._turn.release()
            raise

    async def _take(self) -> None:
        try:
            await self._shared.take()
            try:
                await self._remember()
            except BaseException:
                await self._give()
                raise
        except StoreError as error:
            raise StoreUnavailable from error

    async def _remember(self) -> None:
        await self._memory.acquire()
        try:
            await self._refresh()
        except BaseException:
            self._memory.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        """The next one may."""
        self._memory.release()
        self._notices.tell(CHANGED)
        try:
            await self._give()
        finally:
            self._turn.release()

    async def _give(self) -> None:
        try:
            await self._shared.give()
        except StoreError:
            log.warning("the registry's lock went with its connection")

    # ---- vouching -----------------------------------------------------------------------------------------------------------

    def vouches(self) -> bool:
        """Memory was what is stored, within the last second."""
        return self._clock.monotonic() - self._vouched_at <= VOUCH_SECONDS

    async def look(self) -> None:
        """It is. Raises StoreUnavailable when that cannot be told."""
        if self.vouches():
            return
        try:
            async with asyncio.timeout(VOUCH_SECONDS), self._memory:
                if not self.vouches():
                    await self._refresh()
        except (StoreError, TimeoutError) as error:
            raise StoreUnavailable(AWAY) from error

    async def catch_up(self) -> None:
        """It is what was stored when this was called. Raises StoreUnavailable when that cannot be told."""
        called_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(VOUCH_SECONDS), self._memory:
                if self._vouched_at < called_at:  # else another caller has looked for this one, too
                    await self._refresh()
        except (StoreError, TimeoutError) as error:
            raise StoreUnavailable(AWAY) from error

    async def run(self) -> None:
        """Looks when another node has changed something, and now and then in any case. Endless; ends by cancellation."""
        while True:
            self._news.clear()
            try:
                async with self._memory:
                    await self._refresh()
            except StoreError:
                log.debug("the registry's version is not known")
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _refresh(self) -> None:
        """With `_memory` held. Raises StoreError."""
        began = self._clock.monotonic()
        if await self._shared.version() != self._shared.known and self._registry is not None:
            stored = await self._shared.records()
            # Before they hear that their channels are gone.
            for agent_id in self._registry.revoked_in(stored):
                self._end_agent(agent_id, InvalidCredential())
            self._registry.load(stored)
        self._vouched_at = began
