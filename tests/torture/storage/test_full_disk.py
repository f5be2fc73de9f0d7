"""A full disk: what was acknowledged stays, what was refused never comes, and everything goes on once there is room."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from messenger_hub.v1 import operation_service_pb2 as pb

from tests.integration.server.hub import BASE, Hub, SessionApi, running_hub
from tests.torture.storage.disks import Disk, Tmpfs

CALLERS = 16
TEXT = "x" * 3_000
ENOUGH_REFUSALS = 40
MOST_SENDS = 4_000


@dataclass(slots=True)
class Answers:
    """References of what was accepted (with the id) and of what was refused (with status, code and Retry-After)."""

    accepted: dict[str, int] = field(default_factory=dict)
    refused: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    sent: int = 0

    async def send(self, hub: Hub, api: SessionApi) -> None:
        self.sent += 1
        reference = f"message {self.sent}"
        body = {"mobile": f"49301{self.sent:06d}", "message": TEXT, "reference": reference}
        async with hub.http.post(f"{BASE}/send", json=body, headers=api.headers) as http:
            told = await http.json()
            if http.status == 201:
                self.accepted[reference] = told["data"]["message_id"]
            else:
                self.refused[reference] = http.status, told["code"], http.headers.get("Retry-After", "")

    async def at_once(self, hub: Hub, api: SessionApi) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(self.send(hub, api))

    async def until_refused(self, hub: Hub, api: SessionApi) -> None:
        """What had room in the write-ahead log still goes through; then nothing does."""
        while len(self.refused) < ENOUGH_REFUSALS:
            assert self.sent < MOST_SENDS, "the disk never got full"
            await self.at_once(hub, api)


async def recorded(hub: Hub, api: SessionApi) -> dict[str, int]:
    """Reference → id of every operation, from all pages."""
    found: dict[str, int] = {}
    cursor = ""
    while True:
        request = pb.ListOperationsRequest(limit=100, cursor=cursor)
        page = await hub.programs.operations.ListOperations(request, metadata=api.metadata)
        for operation in page.operations:
            assert operation.reference not in found, f"{operation.reference} is there twice"
            found[operation.reference] = operation.operation_id
        cursor = page.next_cursor
        if not cursor:
            return found


async def test_a_full_disk_refuses_what_it_cannot_keep_and_loses_nothing(small: Disk) -> None:
    answers = Answers()
    async with running_hub(small.folder / "data") as hub:
        await hub.channel()
        api = await hub.session_api()
        await answers.at_once(hub, api)
        assert len(answers.accepted) == CALLERS
        small.fill()
        await answers.until_refused(hub, api)
        assert set(answers.refused.values()) == {(503, "store_unavailable", "5")}
        assert await recorded(hub, api) == answers.accepted
        small.free()
        before = len(answers.accepted)
        await answers.at_once(hub, api)
        assert len(answers.accepted) == before + CALLERS
        assert await recorded(hub, api) == answers.accepted
    async with running_hub(small.folder / "data") as hub:
        assert await recorded(hub, api) == answers.accepted
        await answers.at_once(hub, api)
        assert await recorded(hub, api) == answers.accepted


async def ready(hub: Hub) -> int:
    async with hub.http.get("/readyz") as http:
        return http.status


async def test_a_hub_on_a_full_disk_says_so_and_still_tells_what_became_of_operations(small: Disk) -> None:
    answers = Answers()
    async with running_hub(small.folder / "data") as hub:
        await hub.channel()
        api = await hub.session_api()
        await answers.send(hub, api)
        assert await ready(hub) == 200
        small.fill()
        await answers.until_refused(hub, api)
        if isinstance(small, Tmpfs):  # SQLite's own limit lets through what needs no new page
            assert await ready(hub) == 503
        for number in answers.accepted.values():
            async with hub.http.get(f"{BASE}/operations/{number}", headers=api.headers) as http:
                assert (http.status, (await http.json())["data"]["operation_id"]) == (200, number)
        small.free()
        assert await ready(hub) == 200
        await answers.send(hub, api)
        assert f"message {answers.sent}" in answers.accepted
