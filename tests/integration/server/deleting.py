"""A channel that is deleted while a program's message is on its way into the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from messenger_hub.admin.v1 import channel_admin_service_pb2
from messenger_hub_server.delivery.acceptance import Draft, Receipt
from messenger_hub_server.errors import HubError
from messenger_hub_server.queue import Queue

from tests.integration.server.hub import BASE, SECONDS, Hub, SessionApi


async def delete(hub: Hub, name: str = "main") -> int:
    """How many operations failed with it."""
    request = channel_admin_service_pb2.DeleteChannelRequest(channel=name)
    answer = await hub.operator.channels.DeleteChannel(request, metadata=hub.operator.metadata, timeout=SECONDS)
    return int(answer.failed)


async def answer_after_deletion(hub: Hub, api: SessionApi, at: Hub, monkeypatch: pytest.MonkeyPatch) -> int:
    """The status that a program gets from `hub`, which let it in before its channel was deleted at `at`."""
    accept, let_in, deleted = Queue.accept, asyncio.Event(), asyncio.Event()

    async def held(queue: Queue, drafts: Sequence[Draft]) -> Sequence[Receipt | HubError]:
        let_in.set()
        await deleted.wait()
        return await accept(queue, drafts)

    monkeypatch.setattr(Queue, "accept", held)
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(_status(hub, api))
        await let_in.wait()
        await delete(at, api.channel)
        deleted.set()
    return sending.result()


async def _status(hub: Hub, api: SessionApi) -> int:
    body = {"mobile": "12025550116", "message": "hello"}
    async with hub.http.post(f"{BASE}/send", json=body, headers=api.headers) as answer:
        return answer.status
