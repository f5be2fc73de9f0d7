"""A hub whose data is in PostgreSQL: real server, real database, a scripted desktop app."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from messenger_hub.v1 import operation_pb2
from messenger_hub_server import app, config
from messenger_hub_server.startup import StartupProblem

from tests.eventually import eventually
from tests.integration.server.agent import connected, enrolled
from tests.integration.server.hub import BASE, Hub, SessionApi, running_hub
from tests.integration.server.test_operations import find, send
from tests.postgresql import PostgresqlServer, Replicated, postgresql_server, replicated

SECONDS = 20
SECOND = {"mobile": "12025550116", "message": "second"}
ONCE = {"Idempotency-Key": "once"}
PENDING, SENT = operation_pb2.OPERATION_STATUS_PENDING, operation_pb2.OPERATION_STATUS_SENT


@pytest.fixture
def name(postgresql: PostgresqlServer) -> str:
    return postgresql.database()


@pytest.fixture(scope="module")
def stopped() -> Iterator[PostgresqlServer]:
    with postgresql_server() as server:
        server.stop()
        yield server


@pytest.fixture
def own(stopped: PostgresqlServer) -> Iterator[PostgresqlServer]:
    """A server that a test may stop."""
    stopped.start()
    yield stopped
    stopped.stop()


async def test_what_was_accepted_and_delivered_is_there_after_a_restart_and_the_rest_goes_out(
    tmp_path: Path, postgresql: PostgresqlServer, name: str
) -> None:
    url = postgresql.address(name).url
    async with running_hub(tmp_path, store=url) as hub:
        await hub.channel()
        credential, api = await enrolled(hub), await hub.session_api()
        async with connected(hub, 1, credential) as agent:
            first = await send(hub, api, message="first")
            await agent.carry_out("SENT")
        async with hub.http.post(f"{BASE}/send", json=SECOND, headers=api.headers | ONCE) as answer:
            second = (await answer.json())["data"]["message_id"]
    assert not (tmp_path / "hub.db").exists()
    async with running_hub(tmp_path, store=url) as hub:
        assert [(await find(hub, api, number)).status for number in (first, second)] == [SENT, PENDING]
        async with hub.http.post(f"{BASE}/send", json=SECOND, headers=api.headers | ONCE) as answer:
            assert (await answer.json())["data"]["message_id"] == second
        async with connected(hub, 1, credential, hello=False) as following:
            following.continues(agent)
            await following.hello()
            assert (await following.carry_out("SENT")).provenance.operation_id == second
        assert (await find(hub, api, second)).status == SENT


async def test_an_older_copy_of_the_database_is_noticed(
    tmp_path: Path, postgresql: PostgresqlServer, name: str
) -> None:
    async with running_hub(tmp_path, store=postgresql.address(name).url) as hub:
        await hub.channel()
        credential, api = await enrolled(hub), await hub.session_api()
        early = await send(hub, api)
    copy = postgresql.database(template=name)
    async with running_hub(tmp_path, store=postgresql.address(name).url) as hub:
        for _ in range(3):
            async with connected(hub, 1, credential):
                pass
    async with (
        running_hub(tmp_path, store=postgresql.address(copy).url) as hub,
        hub.http.post(f"{BASE}/operations/{early}/cancel", headers=api.headers) as answer,
    ):
        assert (answer.status, (await answer.json())["code"]) == (503, "restored")


async def test_while_the_database_is_away_nothing_is_accepted_and_the_hub_goes_on_when_it_is_back(
    tmp_path: Path, own: PostgresqlServer
) -> None:
    async with running_hub(tmp_path, store=own.address(own.database()).url) as hub:
        await hub.channel()
        api = await hub.session_api()
        own.stop()
        async with hub.http.post(f"{BASE}/send", json=SECOND, headers=api.headers | ONCE) as answer:
            assert answer.status == 503
        async with hub.http.get("/readyz") as answer:
            assert answer.status == 503
        own.start()
        async with hub.http.get("/readyz") as answer:
            assert answer.status == 200
        async with hub.http.post(f"{BASE}/send", json=SECOND, headers=api.headers | ONCE) as answer:
            assert answer.status == 201


@pytest.fixture
def pair() -> Iterator[Replicated]:
    with replicated() as one:
        yield one


async def test_after_a_failover_a_desktop_tells_what_the_replica_lacks_and_nothing_goes_out_before(
    tmp_path: Path, pair: Replicated
) -> None:
    async with running_hub(tmp_path, store=pair.address(pair.primary.database()).url) as hub:
        await hub.channel()
        credential, api = await enrolled(hub), await hub.session_api()
        async with connected(hub, 1, credential) as agent:
            first = await send(hub, api, message="first")
            pair.lose_what_follows()
            await agent.carry_out("SENT")
            await becomes(hub, api, first, SENT)
            pair.fail_over()
            await eventually_ready(hub)
            assert await agent.ended() is grpc.StatusCode.UNAVAILABLE
            await becomes(hub, api, first, PENDING)
        async with connected(hub, 1, credential, hello=False) as following:
            following.continues(agent)
            await following.hello()
            await becomes(hub, api, first, SENT)
            second = await send(hub, api, message="second")
            assert (await following.carry_out("SENT")).provenance.operation_id == second


async def becomes(hub: Hub, api: SessionApi, number: int, status: operation_pb2.OperationStatus) -> None:
    async with asyncio.timeout(SECONDS):
        while (await find(hub, api, number)).status != status:
            pass


async def eventually_ready(hub: Hub) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            async with hub.http.get("/readyz") as answer:
                if answer.status == 200:
                    return


async def test_a_hub_is_not_served_from_another_place_than_its_own(
    tmp_path: Path, postgresql: PostgresqlServer, name: str
) -> None:
    url = postgresql.address(name).url
    async with running_hub(tmp_path / "sqlite"):
        pass
    async with running_hub(tmp_path / "postgresql", store=url):
        pass
    assert "messenger-hub migrate-store" in await _refused(tmp_path / "sqlite", store=url)
    assert f"is in {postgresql.address(name)}: give its address as --store" in await _refused(tmp_path / "postgresql")
    assert "is the database of another hub" in await _refused(tmp_path / "third", store=url)


async def test_a_database_that_is_away_at_the_start_is_named_and_its_password_is_not(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('store = "postgresql://hub:geheim@127.0.0.1:1/hub"')
    sentence = await _refused(tmp_path)
    assert "postgresql://127.0.0.1:1/hub cannot be reached" in sentence
    assert "geheim" not in sentence


async def test_a_hub_that_has_used_its_database_before_waits_for_it_at_the_start(
    tmp_path: Path, own: PostgresqlServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after a power cut, when both machines start."""
    url = await _used_and_away(tmp_path, own)
    async with asyncio.TaskGroup() as group:
        starting = group.create_task(_started(tmp_path, url))
        await _waited_for(capsys)
        await asyncio.to_thread(own.start)
        await starting


async def test_a_hub_that_waits_for_its_database_ends_when_it_is_told_to(
    tmp_path: Path, own: PostgresqlServer, capsys: pytest.CaptureFixture[str]
) -> None:
    url = await _used_and_away(tmp_path, own)
    stop = asyncio.Event()
    settings = config.load({"data_dir": tmp_path, "store": url}, {})
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        group.create_task(app.run(settings, lambda _: None, stop))
        await _waited_for(capsys)
        stop.set()


async def _used_and_away(folder: Path, own: PostgresqlServer) -> str:
    url = own.address(own.database()).url
    async with running_hub(folder, store=url):
        pass
    own.stop()
    return url


async def _started(folder: Path, url: str) -> None:
    async with running_hub(folder, store=url) as hub, hub.http.get("/readyz") as answer:
        assert answer.status == 200


async def _waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    await asyncio.to_thread(eventually, lambda: "the database is away" in capsys.readouterr().out, SECONDS)


async def _refused(folder: Path, **flags: object) -> str:
    with pytest.raises((StartupProblem, ExceptionGroup)) as problem:
        async with running_hub(folder, **flags):
            pass
    found = problem.value
    while isinstance(found, ExceptionGroup):
        (found,) = found.exceptions
    assert isinstance(found, StartupProblem)
    return found.sentence
