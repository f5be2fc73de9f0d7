"""What stands in queries.sql, by name."""

from __future__ import annotations

from messenger_hub_server.store.statements import load

SQL = load(__package__)
