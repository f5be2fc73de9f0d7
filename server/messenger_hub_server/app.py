"""The composition root: one data folder, one store, one task group, one ordered list of what stops when.

stop asked for → health says so, nothing new is accepted → waiting callers are answered, watchers and agents told → calls in
flight end → what was noticed is written → the queue drains → the store closes → the folder is free
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version

from messenger_hub.runtime import log
from messenger_hub.runtime.clock import SystemClock
from messenger_hub.runtime.database import DatabaseAway, DatabaseError
from messenger_hub.runtime.folder import FolderError

from messenger_hub_server import restoring, shared_secrets
from messenger_hub_server.backup.staging import discard_leftovers
from messenger_hub_server.certificates import Certificates
from messenger_hub_server.config import ASK, Settings, in_force
from messenger_hub_server.data_folder import DataFolder
from messenger_hub_server.doors import Doors, Running
from messenger_hub_server.errors import HubError, StoreUnavailable
from messenger_hub_server.highwater import HighWaterLost
from messenger_hub_server.nodes.notices import telling
from messenger_hub_server.parts import Parts, assemble
from messenger_hub_server.reach import reach
from messenger_hub_server.services.admin.facts import HubFacts
from messenger_hub_server.startup import REFUSED, StartupProblem
from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.base import StoreError
from messenger_hub_server.stores import Storage, elsewhere, open_store
from messenger_hub_server.upkeep.retention import Keep

__all__ = ["Running", "StartupProblem", "configure_logging", "run"]

# Fields that a log line may show; any other prints as dots.
LOG_FIELDS = frozenset(
    {
        "agent",
        "channel",
        "code",
        "count",
        "epoch",
        "grpc",
        "http",
        "job",
        "kinds",
        "lease",
        "operation",
        "request",
        "rpc",
    }
    | {"seconds", "session_api", "state", "version"}
)

# How often what was noticed on the way (last use of a key, last frame of an agent) is written.
NOTICE_SECONDS = 60.0
# Between two looks for a database that is away at the start.
AWAY_SECONDS = 2.0
TOLD_EVERY = 30  # looks
# Calls in flight get this long at a stop; a commit takes milliseconds.
GRACE_SECONDS = 5.0

_log = log.logger(__name__)


def configure_logging(settings: Settings) -> log.Recent:
    """Sends the log to standard error, as the settings say. For the process that runs a hub, once, before `run`."""
    return log.configure(LOG_FIELDS, form=settings.log_format, level=settings.log_level)


async def run(
    settings: Settings,
    on_ready: Callable[[Running], None],
    stop: asyncio.Event,
    warnings: Iterable[Mapping[str, object]] = (),
) -> None:
    """Serves until `stop` is set, then ends within `settings.stop_seconds`. Raises StartupProblem when it cannot start.

    `warnings`: the last lines of the log, which operators may look at.
    """
    certificates = None
    if settings.tls_cert is not None and settings.tls_key is not None:
        certificates = Certificates(settings.tls_cert, settings.tls_key)
    folder = DataFolder(settings.data_dir, None if settings.secrets is None else shared_secrets.read(settings.secrets))
    try:
        discard_leftovers(folder.private.path)
        if (storage := await _patiently(folder, settings.store, stop)) is not None:
            async with _noticed(storage):
                await _Hub(settings, folder, certificates, warnings).serve(storage, on_ready, stop)
    except (DatabaseError, StoreError, HighWaterLost, FolderError) as error:
        raise StartupProblem(str(error), REFUSED) from error
    finally:
        folder.close()


async def _patiently(folder: DataFolder, address: StoreAddress | None, stop: asyncio.Event) -> Storage | None:
    """Waits for a database that this hub has used before: it may start later than the hub, or be failing over. None when the hub is to
    stop meanwhile. One that was never reached is more likely a mistake in the setting, and that is told."""
    for look in itertools.count():
        try:
            return await open_store(folder, address)
        except DatabaseAway as away:
            if elsewhere(folder.private) != str(address):
                raise
            if look % TOLD_EVERY == 0:
                _log.warning("the database is away: the hub starts once it is back", exc_info=away)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), AWAY_SECONDS)
        if stop.is_set():
            break
    return None


@asynccontextmanager
async def _noticed(storage: Storage) -> AsyncIterator[None]:
    try:
        await restoring.notice(storage.store, storage.highwater)
        yield
    finally:
        await storage.store.close()


class _Hub:
    """One run of a hub."""

    def __init__(
        self,
        settings: Settings,
        folder: DataFolder,
        certificates: Certificates | None,
        warnings: Iterable[Mapping[str, object]],
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._certificates = certificates
        self._warnings = warnings
        self._in_force = in_force(settings)
        self._clock = SystemClock()
        self._started_at_ms = self._clock.now_ms()
        self._running: Running | None = None
        self._end_streams = asyncio.Event()

    async def serve(self, storage: Storage, on_ready: Callable[[Running], None], stop: asyncio.Event) -> None:
        """Until `stop`."""
        parts = await assemble(
            storage,
            folder=self._folder,
            clock=self._clock,
            rate_per_minute=self._settings.rate_per_minute,
            keep=Keep(text_days=self._settings.text_retention_days, record_days=self._settings.retention_days),
            asks_about_backlogs=self._settings.backlog == ASK,
            facts=self._facts,
            api_address=self._api_address,
        )
        doors = Doors(self._settings, self._folder, parts, self._certificates)
        try:
            # What is told last, of what ends here, still reaches the other nodes.
            async with telling(storage.notices), self._working(parts):
                try:
                    self._running = await doors.open()
                    self._folder.announce(self._running.admin, self._running.admin_http)
                    _log.info("hub ready", http=self._running.http[0], grpc=self._running.grpc[0])
                    on_ready(self._running)
                    await stop.wait()
                finally:
                    async with asyncio.timeout(self._settings.stop_seconds):
                        await self._close(parts, doors)
        except* StartupProblem as group:
            raise _first(group) from None

    @asynccontextmanager
    async def _working(self, parts: Parts) -> AsyncIterator[None]:
        """Runs what works behind the doors, and ends it in order."""
        async with asyncio.TaskGroup() as group:
            group.create_task(parts.queue.run())
            group.create_task(parts.streams.run(self._end_streams))
            endless = [
                group.create_task(parts.depths.run()),
                group.create_task(self._notice(parts)),
                group.create_task(parts.rounds.run()),
                group.create_task(parts.desktops.run()),
                group.create_task(parts.queue.restored.run()),
            ]
            if parts.sharing is not None:
                endless.append(group.create_task(parts.sharing.run()))
            try:
                await self._have_ids(parts)
                await self._hold_backlogs(parts)
                yield
            finally:
                for task in endless:
                    task.cancel()
                self._end_streams.set()
                await self._write_noticed(parts)
                parts.queue.close()

    async def _have_ids(self, parts: Parts) -> None:
        """Raises StartupProblem where none can be reserved: the disk has filled since the database was opened, or the database has gone."""
        try:
            await parts.queue.operation_ids.prepare()
        except StoreUnavailable as error:
            raise StartupProblem(f"No operation id can be reserved: {error.__cause__}", REFUSED) from error

    async def _hold_backlogs(self, parts: Parts) -> None:
        """Before any desktop gets in. A hub that cannot write starts all the same, and tries again soon."""
        try:
            await parts.backlogs.run_once(parts.clock.now_ms())
        except (HubError, StoreError):
            _log.warning("backlogs not looked at", exc_info=True)

    async def _close(self, parts: Parts, doors: Doors) -> None:
        async with asyncio.TaskGroup() as group:
            closing = group.create_task(doors.close(GRACE_SECONDS))
            parts.queue.hurry()
            parts.watch.close()
            self._end_streams.set()
            await closing
        _log.info("hub stopped")

    async def _notice(self, parts: Parts) -> None:
        while True:
            await asyncio.sleep(NOTICE_SECONDS)
            await self._write_noticed(parts)

    async def _write_noticed(self, parts: Parts) -> None:
        """A loss costs a minute of "last seen"; nobody waits for it."""
        for agent in parts.registry.agents():
            presence = parts.presence.agent(agent.id)
            if presence is not None and not presence.node:  # the others write what they see
                parts.registry.agent_seen(agent.id, presence.last_seen_ms, presence.version, presence.wa_js_version)
        with suppress(HubError):
            await parts.registry.flush()

    def _facts(self) -> HubFacts:
        running = self._running
        return HubFacts(
            version=version("messenger-hub"),
            started_at_ms=self._started_at_ms,
            data_dir=str(self._settings.data_dir),
            http_addresses=running.http if running else (),
            grpc_addresses=running.grpc if running else (),
            reach=reach(self._settings, running.http, running.grpc, running.lan) if running else None,
            lan=running.lan if running else None,
            console_address=self._api_address().rstrip("/"),
            settings=self._in_force,
            warnings=self._warnings,
        )

    def _api_address(self) -> str:
        return self._settings.api_address or (self._running.http[0] if self._running else "")


def _first(group: BaseExceptionGroup[StartupProblem]) -> StartupProblem:
    """Of those in the groups in it."""
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
