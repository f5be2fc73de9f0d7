"""Opens the store that the settings name, and refuses to serve an empty one, or an old one, in the place of the one that was used."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from messenger_hub.runtime.clock import SystemClock
from messenger_hub.runtime.folder import PrivateFolder

from messenger_hub_server.data_folder import DATABASE, ELSEWHERE, DataFolder
from messenger_hub_server.highwater import HighWater
from messenger_hub_server.identity.keeping import FileKeeping, Keeping, SharedKeeping
from messenger_hub_server.model import OperationId
from messenger_hub_server.nodes.notices import Alone, Notices
from messenger_hub_server.nodes.turns import SharedRecords
from messenger_hub_server.registry_ids import RegistryIds
from messenger_hub_server.startup import REFUSED, StartupProblem
from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.base import Store
from messenger_hub_server.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from messenger_hub_server.store.postgresql.store import PostgresqlStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """A store, what it tells of other nodes on it, and what outlives an older copy of it: which numbers were given out. Alone they are
    counted in the data folder's files, and on PostgreSQL in the database as well, for all nodes. `on_failover` takes what is called when the
    store may have lost what it committed last, which a file does not."""

    store: Store
    highwater: HighWater
    registry_ids: RegistryIds
    on_failover: Callable[[Callable[[OperationId], None]], None]
    notices: Notices
    console: Keeping
    records: SharedRecords | None
    """The registry as other nodes change it too; None where there are none."""


async def open_store(folder: DataFolder, address: StoreAddress | None) -> Storage:
    """SQLite's file in the folder, or the PostgreSQL database. Raises StartupProblem, DatabaseError, FolderError or StoreError."""
    private, clock, name = folder.private, SystemClock(), socket.gethostname()
    if address is None:
        refuse_elsewhere(private)
        file, registry_ids = HighWater(private), RegistryIds(private)
        return Storage(
            store=await SqliteStore.open(private.file(DATABASE)),
            highwater=file,
            registry_ids=registry_ids,
            on_failover=lambda _: None,
            notices=Alone(name, clock.now_ms()),
            console=FileKeeping(private),
            records=None,
        )
    if private.file(DATABASE).exists():
        raise StartupProblem(
            f"{private.path} holds a hub in SQLite, and {address} would be another one without its messages and keys: move it with "
            "messenger-hub migrate-store, or leave --store out.",
            REFUSED,
        )
    store = await postgresql().open(address, folder.digest)
    try:
        private.write_private(ELSEWHERE, f"{address}\n".encode())
        notices, console = store.notices(name, clock), SharedKeeping(store.console())
        await console.take_over(private)
        return Storage(
            store=store,
            highwater=await store.highwater(private),
            registry_ids=store.registry_ids(private),
            on_failover=store.on_failover,
            notices=notices,
            console=console,
            records=store.shared_records(notices),
        )
    except BaseException:
        await store.close()
        raise


def elsewhere(folder: PrivateFolder) -> str | None:
    """The PostgreSQL database that this folder's hub has used, None when it has used none."""
    found = folder.read(ELSEWHERE)
    return None if found is None else found.decode(errors="replace").strip()


def refuse_elsewhere(folder: PrivateFolder) -> None:
    """A file made now, or put back from before, would send again what was sent since. Raises StartupProblem."""
    if (place := elsewhere(folder)) is not None:
        raise StartupProblem(
            f"The data of the hub in {folder.path} is in {place}: give its address as --store, MESSENGER_HUB_STORE or store in config.toml. "
            "docs/postgresql.md tells how to go back to SQLite.",
            REFUSED,
        )


def postgresql() -> type[PostgresqlStore]:
    """Raises StartupProblem where asyncpg is not installed."""
    try:
        from messenger_hub_server.store.postgresql.store import PostgresqlStore  # noqa: PLC0415 an extra of the project
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        raise StartupProblem(
            "PostgreSQL needs a library that is not installed: pip install 'messenger-hub[postgresql]' (beside ./hub: .venv/bin/pip install "
            "asyncpg).",
            REFUSED,
        ) from error
    return PostgresqlStore
