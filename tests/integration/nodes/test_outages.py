"""What becomes of desktops and messages when a node stops, is killed or loses the database."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import grpc
import pytest
from messenger_hub.admin.v1 import hub_admin_service_pb2
from messenger_hub.v1 import channel_service_pb2, operation_pb2

from tests.integration.cli.test_first_steps import command
from tests.integration.nodes.estate import Estate, let_in, until
from tests.integration.nodes.looking import all_there, at_a_glance, is_away, is_connected
from tests.integration.server.agent import ScriptedAgent, connected, enrolled
from tests.integration.server.hub import BASE, SECONDS, Hub, SessionApi
from tests.integration.server.test_operations import find, send
from tests.postgresql import PostgresqlServer

OFFLINE = channel_service_pb2.CHANNEL_STATE_OFFLINE
PENDING, SENT = operation_pb2.OPERATION_STATUS_PENDING, operation_pb2.OPERATION_STATUS_SENT
NOTICED_SECONDS = 2.0
"""In which the others know that a node is gone."""


class Killable:
    """A node in a process of its own, on the folder of one that has stopped."""

    def __init__(self, estate: Estate, number: int) -> None:
        given = ("--data-dir", str(estate.folder(number)), "--store", estate.url, "--json")
        arguments = command("server", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", *given)
        self._process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        text = ""
        while line := self._process.stdout.readline():
            text += line
            try:
                self.told = json.loads(text)
            except json.JSONDecodeError:
                continue
            return
        raise AssertionError("the node did not start")

    def kill(self) -> None:
        """As a power cut does."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()
