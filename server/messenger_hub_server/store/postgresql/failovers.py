"""Which server a connection leads to. After a failover to a replica what was committed last may be missing, numbers that were taken as
well: so whoever finds the database under another server first, or on another timeline, skips numbers before any node takes one."""

from __future__ import annotations

from typing import NamedTuple

import asyncpg

from messenger_hub_server.delivery.restoration import SKIPPED
from messenger_hub_server.model import OperationId
from messenger_hub_server.store.postgresql.types import Connection

# More than a hub makes of channels, session APIs and agents in the moments that a replica may be behind.
SKIPPED_RECORDS = 1_000

# Of servers whose owner keeps them from their users, or that are none of PostgreSQL's own.
_UNTOLD = (asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError, asyncpg.UndefinedFunctionError)

# The timeline of what is written now: that of the last checkpoint is the old one for a while.
_SERVER = """
SELECT (SELECT system_identifier FROM pg_control_system()) || '-' || left(pg_walfile_name(pg_current_wal_lsn()), 8)
"""
_NOTE = """
WITH before AS MATERIALIZED (SELECT server FROM hub FOR NO KEY UPDATE),
noted AS (UPDATE hub SET server = $1 FROM before WHERE before.server <> $1 RETURNING before.server),
skipped AS (
  UPDATE number SET last = last + CASE kind WHEN 'operation' THEN $2::bigint ELSE $3::bigint END
  WHERE EXISTS (SELECT FROM noted WHERE server <> '') RETURNING kind)
SELECT count(*) FROM skipped
"""
_COUNTED = "SELECT coalesce(max(last), 0) FROM number WHERE kind = 'operation'"


class Server(NamedTuple):
    """Its name with its timeline, "" where it tells neither; and the largest operation id that may have been used on it, or on the one
    before it."""

    name: str
    counted: OperationId


async def note(connection: Connection) -> Server:
    """The server, once numbers are skipped where that is due. Raises what asyncpg raises."""
    name = await _name(connection)
    if name:
        await connection.execute(_NOTE, name, SKIPPED, SKIPPED_RECORDS)
    return Server(name, OperationId(await connection.fetchval(_COUNTED)))


async def _name(connection: Connection) -> str:
    try:
        return str(await connection.fetchval(_SERVER))
    except _UNTOLD:
        return ""
