"""What becomes of desktops and messages when a node stops, is killed or loses the database."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from messenger_hub.agent.v1 import agent_service_pb2
from messenger_hub.v1 import channel_service_pb2, operation_pb2
from messenger_hub_server import app
from messenger_hub_server.data_folder import ADMIN_ADDRESS

from tests.integration.cli.test_first_steps import command
from tests.integration.nodes.estate import SECRETS, Estate, let_in, until
from tests.integration.nodes.looking import all_there, counts, enrolled_on_all, is_away, is_connected, is_in
from tests.integration.server.agent import ScriptedAgent, connected
from tests.integration.server.hub import BASE, Hub, SessionApi, clients
from tests.integration.server.test_operations import find, send
from tests.postgresql import PostgresqlServer

OFFLINE, LINKED = channel_service_pb2.CHANNEL_STATE_OFFLINE, channel_service_pb2.CHANNEL_STATE_LINKED
SENT = operation_pb2.OPERATION_STATUS_SENT
NOTICED_SECONDS = 2.0
"""In which the others know that a node is gone."""
BODY = {"mobile": "12025550116", "message": "hello"}


@asynccontextmanager
async def killable(folder: Path, url: str) -> AsyncIterator[tuple[Hub, subprocess.Popen[str]]]:
    """A node in a process of its own, which ends with the block at the latest."""
    given = ("--data-dir", str(folder), "--store", url, "--json")
    arguments = command("server", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", *given)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            told = await asyncio.to_thread(_ready, process)
            running = app.Running(
                http=told["http"],
                grpc=told["grpc"],
                admin=(folder / ADMIN_ADDRESS).read_text(),
                admin_http="",
                data_dir=folder,
            )
            async with clients(running, folder, asyncio.Event()) as hub:
                yield hub, process
        finally:
            process.kill()


def _prepared(folder: Path, number: int) -> Path:
    """A data folder with the secrets of the estate in that one."""
    made = folder / f"node-{number}"
    made.mkdir(mode=0o700)
    for name in SECRETS:
        shutil.copy(folder / "secrets" / name, made / name)
    return made


def _ready(process: subprocess.Popen[str]) -> dict[str, list[str]]:
    """What a node prints once it serves."""
    text, told = "", None
    assert process.stdout is not None
    while told is None and (line := process.stdout.readline()):
        text += line
        try:
            told = json.loads(text)
        except json.JSONDecodeError:
            continue
    assert told is not None, "the node did not start"
    return dict(told)


async def test_a_killed_node_takes_nothing_along_but_its_desktops_connection_and_they_go_on_at_another_one(
    estate: Estate, tmp_path: Path
) -> None:
    async with estate.nodes(2) as hubs:
        first, second = await all_there(hubs, OFFLINE)
        api, credential = await first.session_api(), await enrolled_on_all(hubs)
        async with killable(_prepared(tmp_path, 3), estate.address.url) as (third, process):
            await until(lambda: is_in(third, OFFLINE))
            async with connected(third, 1, credential) as before:
                await until(lambda: is_connected(first))
                early, handed, started = [await send(third, api, mobile=f"493012345{n}") for n in (1, 2, 3)]
                assert (await before.carry_out("SENT")).provenance.operation_id == early
                unstarted, lease = await before.lease(), await before.lease()
                assert await before.start(lease)
                process.kill()
                await before.ended()
        await until(lambda: is_away(first), NOTICED_SECONDS)
        await until(lambda: counts(second, 2), NOTICED_SECONDS)
        async with connected(second, 1, credential, hello=False) as after:
            after.continues(before)
            await after.hello(open_lease_ids=[lease.lease_id])
            await after.end(lease, "SENT")
            again = await after.carry_out("SENT")
            assert again.provenance.operation_id == unstarted.provenance.operation_id == handed
            later = await send(first, api)
            assert (await after.carry_out("SENT")).provenance.operation_id == later
        for number in (early, handed, started, later):
            assert (await find(first, api, number)).status == SENT


async def test_while_the_database_is_away_every_node_refuses_and_all_go_on_by_themselves_when_it_is_back(
    tmp_path: Path, own: PostgresqlServer
) -> None:
    async with Estate(tmp_path, own).nodes(3) as hubs:
        first, second, third = await all_there(hubs, OFFLINE)
        api, credential = await first.session_api(), await enrolled_on_all(hubs)
        async with connected(second, 1, credential) as agent:
            number = await send(first, api)
            assert (await agent.carry_out("SENT")).provenance.operation_id == number
            await asyncio.to_thread(own.stop)
            for hub in hubs:
                async with hub.http.post(f"{BASE}/send", json=BODY, headers=api.headers) as answer:
                    assert answer.status == 503
                async with hub.http.get("/readyz") as answer:
                    assert answer.status == 503
        own.launch()
        await asyncio.to_thread(own.wait)
        for hub in hubs:
            await until(lambda hub=hub: _serves(hub, api))  # type: ignore[misc]  # a loop's variable
        async with connected(third, 1, credential, hello=False) as after:
            after.continues(agent)
            await after.hello()
            late = {await send(hub, api) for hub in hubs}
            done = set()
            while not late <= done:
                done.add((await after.carry_out("SENT")).provenance.operation_id)
            for hub in hubs:
                await until(lambda hub=hub: is_connected(hub))  # type: ignore[misc]
                await until(lambda hub=hub: is_in(hub, LINKED))  # type: ignore[misc]


async def _serves(hub: Hub, api: SessionApi) -> bool:
    async with hub.http.get("/readyz") as answer:
        return answer.status == 200 and await let_in(hub, api) == 200


async def test_nodes_that_are_restarted_one_after_the_other_while_messages_flow_lose_and_double_none(
    estate: Estate,
) -> None:
    async with Rolling(estate) as nodes:
        await nodes.hub(1).channel()
        for number in (2, 3):
            await until(lambda number=number: is_in(nodes.hub(number), OFFLINE))  # type: ignore[misc]
        api, credential = await nodes.hub(1).session_api(), await enrolled_on_all([nodes.hub(n) for n in (1, 2, 3)])
        journal: ScriptedAgent | None = None
        accepted: list[int] = []
        for number in (1, 2, 3):
            async with _goes_on(nodes.hub(number), credential, journal) as agent:
                accepted += [
                    await send(nodes.hub(n), api, mobile=f"49301234{number}{n}") for n in (number, number % 3 + 1)
                ]
                await agent.carry_out("SENT")
                lease = await agent.lease()
                assert await agent.start(lease)  # under way while its node is restarted
                nodes.hub(number).stop.set()
                await agent.ended()
            await nodes.stop(number)
            accepted.append(await send(nodes.hub(number % 3 + 1), api))
            async with _goes_on(nodes.hub(number % 3 + 1), credential, agent, lease.lease_id) as journal:
                await journal.end(lease, "SENT")
            await nodes.start(number)
        async with _goes_on(nodes.hub(1), credential, journal) as agent:
            while [one for one in accepted if (await find(nodes.hub(2), api, one)).status != SENT]:
                await agent.carry_out("SENT")
        sent = [entry.whatsapp_id for entry in agent.entries if entry.HasField("outcome")]
        assert len(sent) == len(set(sent)) == len(accepted)


@asynccontextmanager
async def _goes_on(
    hub: Hub, credential: agent_service_pb2.EnrolResponse, journal: ScriptedAgent | None, *open_lease_ids: str
) -> AsyncIterator[ScriptedAgent]:
    """The desktop's stream to another node, with its journal."""
    async with connected(hub, 1, credential, hello=False) as agent:
        if journal is not None:
            agent.continues(journal)
        await agent.hello(open_lease_ids=open_lease_ids)
        yield agent


class Rolling:
    """Three nodes, each of which can be restarted."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._running: dict[int, tuple[AsyncExitStack, Hub]] = {}

    def hub(self, number: int) -> Hub:
        """A node that runs."""
        return self._running[number][1]

    async def start(self, number: int) -> None:
        """Until it is ready."""
        stack = AsyncExitStack()
        self._running[number] = stack, await stack.enter_async_context(self._estate.node(number))

    async def stop(self, number: int) -> None:
        """In order."""
        stack, _ = self._running.pop(number)
        await stack.aclose()

    async def __aenter__(self) -> Rolling:
        for number in (1, 2, 3):
            await self.start(number)
        return self

    async def __aexit__(self, *_: object) -> None:
        for number in tuple(self._running):
            await self.stop(number)
