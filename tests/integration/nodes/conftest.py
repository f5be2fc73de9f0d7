"""A database for each test, and a server that a test may stop."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from messenger_hub.runtime import log
from messenger_hub_server.app import LOG_FIELDS

from tests.integration.nodes.estate import Estate
from tests.postgresql import PostgresqlServer, postgresql_server


@pytest.fixture
def estate(tmp_path: Path, postgresql: PostgresqlServer) -> Estate:
    """Nodes that no test has started yet."""
    return Estate(tmp_path, postgresql)


@pytest.fixture(autouse=True)
def logs_as_in_service() -> Iterator[None]:
    """Tracebacks drawn for people hold up all nodes for seconds."""
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    log.configure(LOG_FIELDS, form="json")
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


@pytest.fixture
def own() -> Iterator[PostgresqlServer]:
    """A server that a test may stop."""
    with postgresql_server() as server:
        yield server
