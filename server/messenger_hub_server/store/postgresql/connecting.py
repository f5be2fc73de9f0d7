"""How a PostgreSQL database is connected to: with which settings, to what kind of server, and what its refusals mean to a person.

The only module that opens connections.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
from messenger_hub.runtime.database import DatabaseAway, DatabaseError, NothingCommitted

from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.postgresql import schema
from messenger_hub_server.store.postgresql.types import Connection, Pool

CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 30.0
READERS = 4
CONNECTIONS = READERS + 3  # one that writes, one that hears of other nodes, and one now and then that vacuums
OLDEST_VERSION = 140_000

_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_DURABLE = frozenset({"on", "remote_apply"})
SESSION = f"""
SET search_path = {schema.NAME};
SET default_transaction_isolation = 'read committed';
SET jit = off;
SET statement_timeout = '30s';
SET lock_timeout = '10s';
SET idle_in_transaction_session_timeout = '5s';
SET tcp_keepalives_idle = 10;
SET tcp_keepalives_interval = 5;
SET tcp_keepalives_count = 3;
"""
_READING = """
SET default_transaction_read_only = on;
SET plan_cache_mode = force_custom_plan;
"""

# The last of asyncpg's is what it says on a connection that ends just then.
BROKEN = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
FAULTS = (asyncpg.PostgresError, *BROKEN)
_AWAY = (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError)


async def connect(address: StoreAddress) -> Connection:
    """A connection with our settings. Raises DatabaseError."""
    _require_files(address)
    try:
        connection = await asyncpg.connect(
            address.url,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            server_settings={"application_name": "messenger-hub"},
            target_session_attrs=_attributes(address),
        )
    except (*FAULTS, ValueError) as error:
        raise refused(address, error) from error
    try:
        await _require_direct(connection, address)
        await connection.execute(SESSION)
    except FAULTS as error:
        connection.terminate()
        raise refused(address, error) from error
    except BaseException:
        connection.terminate()
        raise
    return connection


async def readers(address: StoreAddress) -> Pool:
    """Connections that only read, READERS at most, each made when it is wanted."""

    async def prepare(connection: Connection) -> None:
        await connection.execute(SESSION + _READING)

    async def leave(connection: Connection) -> None:
        """Nothing that a read does outlives it."""

    pool = asyncpg.create_pool(
        address.url,
        min_size=0,
        max_size=READERS,
        init=prepare,
        reset=leave,
        timeout=CONNECT_SECONDS,
        command_timeout=COMMAND_SECONDS,
        server_settings={"application_name": "messenger-hub reader"},
        target_session_attrs=_attributes(address),
    )
    await pool
    return pool


def _require_files(address: StoreAddress) -> None:
    """What cannot be read of certificates and keys is named: the library says only that something is not there."""
    parameters = parse_qs(urlsplit(address.url).query)
    for name in [one for one in _FILES if one in parameters]:
        file = parameters[name][-1]
        try:
            Path(file).open("rb").close()
        except OSError as error:
            raise NothingCommitted(
                f"The database {address} cannot be reached: {file}, its {name}, cannot be read ({error.strerror})."
            ) from error


def refused(address: StoreAddress, error: Exception) -> DatabaseError:
    """What kept a connection from being used, and what to do."""
    match error:
        case asyncpg.InvalidPasswordError() | asyncpg.InvalidAuthorizationSpecificationError():
            what = "does not let us in: mend the user's name or the password in the setting store (or in ~/.pgpass)"
        case asyncpg.InvalidCatalogNameError():
            what = "does not exist: make it with createdb"
        case asyncpg.InsufficientPrivilegeError():
            what = "does not let its user do this: make that user the database's owner"
        case asyncpg.TooManyConnectionsError():
            what = f"has no connection left for us: raise its max_connections (each hub uses {CONNECTIONS})"
        case ssl.SSLCertVerificationError():  # before ValueError, which it is too
            what = (
                f"shows a certificate that is not trusted ({error.verify_message.rstrip('.')}): name the one that has issued it "
                "with sslrootcert=FILE in the setting store, and the host as the certificate does"
            )
        case ValueError() | asyncpg.InterfaceError():
            what = "is not understood: write postgresql://USER@HOST/DATABASE"
        case _:
            what = f"cannot be reached ({words(error)}): is it running, and is the setting store right?"
    kind = DatabaseAway if isinstance(error, _AWAY) else NothingCommitted
    return kind(f"The database {address} {what}")


def _attributes(address: StoreAddress) -> asyncpg.connect_utils.SessionAttribute | None:
    """Of several servers the one that can be written to, unless the address says something else."""
    if "target_session_attrs" in address.url:
        return None
    return asyncpg.connect_utils.SessionAttribute.read_write


async def _require_direct(connection: Connection, address: StoreAddress) -> None:
    """Raises DatabaseError behind a pooler, whose connections have a number of their own: it could give every transaction another
    connection of the server's, and locks, settings and notifications stay with that one."""
    try:
        # Not as a prepared statement, which a pooler may give to somebody else.
        await connection.execute(f"SELECT 1 / (pg_backend_pid() = {connection.get_server_pid()})::integer")
    except asyncpg.DivisionByZeroError as error:
        raise DatabaseError(
            f"A pooler such as PgBouncer stands before {address}, and a hub's locks and notifications need a connection of their own: "
            f"give the address of PostgreSQL itself. A hub uses {CONNECTIONS} connections at most."
        ) from error


async def require_durable(connection: Connection, address: StoreAddress) -> None:
    """Raises DatabaseError for a server that forgets what it has committed when it crashes."""
    names = ("fsync", "full_page_writes", "synchronous_commit", "server_encoding", "server_version_num")
    found = {name: str(await connection.fetchval("SELECT current_setting($1)", name)) for name in names}
    for name in names[:2]:
        if found[name] != "on":
            raise DatabaseError(
                f"The server of {address} has {name} = off and would lose accepted messages when it crashes: set it to on in "
                "postgresql.conf and reload it."
            )
    if found["synchronous_commit"] not in _DURABLE:
        await connection.execute("SET synchronous_commit = on")
    if found["server_encoding"] != "UTF8":
        raise DatabaseError(
            f"{address} is encoded as {found['server_encoding']}, which cannot hold every text: make one with createdb --encoding=UTF8."
        )
    if int(found["server_version_num"]) < OLDEST_VERSION:
        raise DatabaseError(
            f"The server of {address} is too old: PostgreSQL {OLDEST_VERSION // 10_000} or newer is needed."
        )


def words(error: BaseException) -> str:
    """What happened, without the values that a server's details repeat."""
    if isinstance(error, asyncpg.PostgresError):
        return f"{type(error).__name__} {error.sqlstate}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
