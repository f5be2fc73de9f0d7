"""The two doors, as programs use them: one call, and what came of it."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import aiohttp
import grpc
from messenger_hub.v1 import message_service_pb2, message_service_pb2_grpc

from tests.torture.answers import ACCEPTED, NO_ANSWER, told
from tests.torture.enqueue.record import Attempt, Wish

BASE = "/api/whatsapp-session"
CALL_SECONDS = 20.0
RECIPIENT = "4930123456"
LIMIT = 100  # of a listing
OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0)]


class Door(Protocol):
    """One way into a server that may die at any time."""

    name: str

    async def send(self, wish: Wish, life: int) -> Attempt:
        """One attempt; never raises for what becomes of the server."""
        ...


class Rest:
    """The HTTP API."""

    name = "rest"

    def __init__(self, http: aiohttp.ClientSession, url: str, api_key: str) -> None:
        self._http = http
        self._url = f"{url}{BASE}"
        self._headers = {"X-API-Key": api_key}

    async def send(self, wish: Wish, life: int) -> Attempt:
        """POST /send."""
        body = {"mobile": RECIPIENT, "message": wish.text, "reference": wish.reference}
        headers = {**self._headers, **({"Idempotency-Key": wish.key} if wish.key else {})}
        begun = time.time()
        try:
            async with self._http.post(f"{self._url}/send", json=body, headers=headers) as answer:
                status, told = answer.status, await answer.json()
                replayed = answer.headers.get("Idempotent-Replayed") == "true"
        except (aiohttp.ClientError, TimeoutError, json.JSONDecodeError):
            return Attempt(life=life, begun=begun, ended=time.time(), status=NO_ANSWER)
        return Attempt(
            life=life,
            begun=begun,
            ended=time.time(),
            status=status,
            code=told.get("code", ""),
            number=told["data"]["message_id"] if status == ACCEPTED else 0,
            replayed=replayed if status == ACCEPTED else None,
        )

    async def listed(self) -> Sequence[tuple[int, str]]:
        """Number and reference of every operation. Raises ClientError."""
        found: list[tuple[int, str]] = []
        query = {"limit": str(LIMIT)}
        while True:
            async with self._http.get(f"{self._url}/operations", params=query, headers=self._headers) as answer:
                answer.raise_for_status()
                data = (await answer.json())["data"]
            found += [(one["operation_id"], one["reference"]) for one in data["operations"]]
            if not (cursor := data.get("next_cursor")):
                return found
            query["cursor"] = cursor


class Grpc:
    """The gRPC API. Use `open`."""

    name = "grpc"

    def __init__(self, channel: grpc.aio.Channel, api_key: str) -> None:
        self._messages = message_service_pb2_grpc.MessageServiceStub(channel)
        self._metadata = (("x-api-key", api_key),)

    @classmethod
    @asynccontextmanager
    async def open(cls, address: str, api_key: str) -> AsyncIterator[Grpc]:
        """A client of one server."""
        async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
            yield cls(channel, api_key)

    async def send(self, wish: Wish, life: int) -> Attempt:
        """SendMessage."""
        request = message_service_pb2.SendMessageRequest(
            mobile=RECIPIENT, message=wish.text, reference=wish.reference, idempotency_key=wish.key
        )
        begun = time.time()
        try:
            answer = await self._messages.SendMessage(request, metadata=self._metadata, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            status, code = told(error)
            return Attempt(life=life, begun=begun, ended=time.time(), status=status, code=code)
        return Attempt(life=life, begun=begun, ended=time.time(), status=ACCEPTED, number=answer.message_id)
