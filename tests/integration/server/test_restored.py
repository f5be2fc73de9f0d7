"""An older copy of the database is put back (rule 11): real server, real SQLite, a scripted desktop app with its journal."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as agent_pb
from messenger_hub.v1 import operation_pb2
from messenger_hub.v1 import operation_service_pb2 as pb

from tests.integration.server.agent import ScriptedAgent, connected, enrolled
from tests.integration.server.hub import BASE, SECONDS, Hub, SessionApi, running_hub
from tests.integration.server.test_operations import find, reason, send

DATABASE = ("hub.db", "hub.db-wal", "hub.db-shm")


@dataclass
class Story:
    """A hub with one channel; a copy of its database that was made while `early` waited."""

    folder: Path
    credential: agent_pb.EnrolResponse
    api: SessionApi
    early: int
    agent: ScriptedAgent

    def put_back(self) -> None:
        for name in DATABASE:
            (self.folder / name).unlink(missing_ok=True)
        shutil.copy(self.folder / "copy.db", self.folder / "hub.db")

    @asynccontextmanager
    async def desktop(self, hub: Hub, *, journal: bool = True) -> AsyncIterator[ScriptedAgent]:
        async with connected(hub, 1, self.credential, hello=False) as agent:
            if journal:
                agent.continues(self.agent)
            self.agent = agent
            yield agent


@pytest.fixture
async def story(tmp_path: Path) -> Story:
    """The copy is made after a hello, so the journal has seen everything since."""
    async with running_hub(tmp_path) as hub:
        await hub.channel()
        credential, api = await enrolled(hub), await hub.session_api()
        async with connected(hub, 1, credential) as agent:
            pass
        early = await send(hub, api, message="early")
    shutil.copy(tmp_path / "hub.db", tmp_path / "copy.db")
    return Story(tmp_path, credential, api, early, agent)


async def carried_out(story: Story, hub: Hub, kind: str, hellos: int = 2) -> agent_pb.Lease:
    """Some hellos, so that the high-water file is ahead of the copy; in the last one the next operation is carried out."""
    for _ in range(hellos - 1):
        async with story.desktop(hub) as agent:
            await agent.hello(window=0)
    async with story.desktop(hub) as agent:
        await agent.hello()
        return await agent.carry_out(kind)


async def states(hub: Hub, story: Story) -> dict[int, str]:
    listed = await hub.programs.operations.ListOperations(pb.ListOperationsRequest(), metadata=story.api.metadata)
    name = operation_pb2.OperationStatus.Name
    return {o.operation_id: name(o.status).removeprefix("OPERATION_STATUS_").lower() for o in listed.operations}


async def test_what_was_sent_since_the_copy_is_known_again_and_not_sent_again(story: Story) -> None:
    async with running_hub(story.folder) as hub:
        await carried_out(story, hub, "SENT")
        late = await send(hub, story.api, message="late", mobile="4930777", idempotency_key="k")
        async with story.desktop(hub) as agent:
            await agent.hello()
            await agent.carry_out("DELIVERED")
    story.put_back()
    async with running_hub(story.folder) as hub:
        repeated = await send(hub, story.api, message="late", mobile="4930777", idempotency_key="k")
        assert repeated > late + 900_000
        assert await states(hub, story) == {story.early: "pending", repeated: "pending"}
        async with story.desktop(hub) as agent:
            await agent.hello()
            fresh = await send(hub, story.api, message="fresh", mobile="4930888")
            assert (await agent.carry_out("SENT")).provenance.operation_id == fresh
        # The repeat with the same key is the message that went out before, under its number of now.
        assert await states(hub, story) == {story.early: "sent", repeated: "delivered", fresh: "sent"}


async def test_until_the_desktop_has_told_nothing_is_leased_cancelled_or_deleted(story: Story) -> None:
    async with running_hub(story.folder) as hub:
        await carried_out(story, hub, "SENT", hellos=3)
    story.put_back()
    async with running_hub(story.folder) as hub:
        cancel = pb.CancelOperationRequest(operation_id=story.early)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await hub.programs.operations.CancelOperation(cancel, metadata=story.api.metadata, timeout=SECONDS)
        assert (refused.value.code(), reason(refused.value)) == (grpc.StatusCode.UNAVAILABLE, "RESTORED")
        async with hub.http.post(f"{BASE}/operations/{story.early}/cancel", headers=story.api.headers) as answer:
            assert (answer.status, (await answer.json())["code"]) == (503, "restored")
        async with hub.http.get(f"{BASE}/status", headers=story.api.headers) as answer:
            status = (await answer.json())["data"]
        assert (status["can_send"], "restored" in status["reason"]) == (False, True)
        async with story.desktop(hub) as agent:
            await agent.hello()
        assert await states(hub, story) == {story.early: "sent"}


async def test_a_journal_that_took_over_later_leaves_what_was_open_uncertain(story: Story) -> None:
    async with running_hub(story.folder) as hub:
        async with story.desktop(hub, journal=False) as agent:
            await agent.hello()
            await agent.carry_out("SENT")
        await carried_out_nothing(story, hub)
    story.put_back()
    async with running_hub(story.folder) as hub:
        after = await send(hub, story.api, message="after the restore", mobile="4930888")
        async with story.desktop(hub, journal=False) as agent:
            await agent.hello()
            assert (await agent.carry_out("SENT")).provenance.operation_id == after
        found = await find(hub, story.api, story.early)
        assert (found.status, found.error.code) == (operation_pb2.OPERATION_STATUS_UNCERTAIN, "restored")
        assert (await states(hub, story))[after] == "sent"


async def carried_out_nothing(story: Story, hub: Hub) -> None:
    for _ in range(2):
        async with story.desktop(hub) as agent:
            await agent.hello(window=0)


async def test_what_was_void_since_the_copy_is_sent_after_all_and_once(story: Story) -> None:
    async with running_hub(story.folder) as hub:
        await carried_out(story, hub, "VOID", hellos=3)
    story.put_back()
    async with running_hub(story.folder) as hub:
        async with story.desktop(hub) as agent:
            await agent.hello()
            assert (await agent.carry_out("SENT")).send_text.text == "early"
        assert await states(hub, story) == {story.early: "sent"}


async def test_what_is_open_in_the_journal_is_left_to_the_desktop(story: Story) -> None:
    async with running_hub(story.folder) as hub:
        await carried_out_nothing(story, hub)
        async with story.desktop(hub) as agent:
            await agent.hello()
            lease = await agent.lease()
            assert await agent.start(lease)
    story.put_back()
    async with running_hub(story.folder) as hub:
        async with story.desktop(hub) as agent:
            await agent.hello(open_lease_ids=[lease.lease_id])
            assert await states(hub, story) == {story.early: "processing"}
            await agent.end(lease, "SENT")
        assert await states(hub, story) == {story.early: "sent"}


async def test_an_older_copy_that_the_file_does_not_betray_is_noticed_by_the_desktop(story: Story) -> None:
    async with running_hub(story.folder) as hub, story.desktop(hub) as agent:
        await agent.hello()
        await agent.carry_out("SENT")
    story.put_back()
    for name in ("high-water.json",):
        assert (story.folder / name).exists()
    async with running_hub(story.folder) as hub:
        # One epoch ahead is what a commit that failed leaves, so nothing is marked at the start.
        async with hub.http.get(f"{BASE}/status", headers=story.api.headers) as answer:
            assert "restored" not in (await answer.json())["data"]["reason"]
        async with story.desktop(hub) as agent:
            assert agent.acknowledged == agent.sequence == 2
            await agent.hello()
        assert await states(hub, story) == {story.early: "sent"}


async def test_a_copy_of_a_restored_channel_doubts_what_a_journal_has_forgotten(story: Story) -> None:
    async with running_hub(story.folder) as hub:
        await carried_out(story, hub, "SENT", hellos=3)
    story.put_back()
    async with running_hub(story.folder) as hub:
        later = await send(hub, story.api, message="after the restore", mobile="4930888")
    for name in ("hub.db", "high-water.json"):
        shutil.copy(story.folder / name, story.folder / f"{name}.then")
    async with running_hub(story.folder) as hub, story.desktop(hub) as agent:
        await agent.hello()
        await agent.carry_out("SENT")
    for name in ("hub.db", "high-water.json"):
        shutil.copy(story.folder / f"{name}.then", story.folder / name)
    for name in DATABASE[1:]:
        (story.folder / name).unlink(missing_ok=True)
    async with running_hub(story.folder) as hub, story.desktop(hub) as agent:
        # The desktop's retention is over: it has forgotten all that the hub had, and is refused.
        opened = agent_pb.ChannelHello(
            journal_id=agent.journal_id, first_sequence=agent.sequence + 1, last_sequence=agent.sequence
        )
        await agent.send(channel_hello=opened)
        await agent.next("journal_refused")
        agent.journal_id, agent.sequence, agent.acknowledged, agent.entries = "f" * 32, 0, 0, []
        await agent.hello()
        assert await states(hub, story) == {story.early: "uncertain", later: "uncertain"}
