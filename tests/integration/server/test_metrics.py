"""/metrics of a real hub: who may read it, and what it tells while a desktop works and while it does not."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import grpc
import pytest
from messenger_hub.v1 import message_service_pb2
from messenger_hub_server.startup import StartupProblem
from messenger_hub_server.store.base import NothingWritten
from messenger_hub_server.store.sqlite import SqliteStore
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.server.agent import connected, enrolled
from tests.integration.server.hub import SECONDS, Hub, SessionApi, running_hub

SEND = "messenger_hub.v1.MessageService.SendMessage"
Series = Mapping[tuple[str, ...], float]


def token(hub: Hub, name: str = "metrics-token") -> str:
    return (hub.data_dir / name).read_text()


async def page(hub: Hub, given: str) -> tuple[int, str, aiohttp.typedefs.LooseHeaders]:
    """Status, text and headers."""
    url = f"{hub.running.admin_http}/metrics"
    async with hub.http.get(url, headers={"Authorization": f"Bearer {given}"}) as http:
        return http.status, await http.text(), http.headers


async def told(hub: Hub) -> Series:
    """Series → value; a series is its name and the values of its labels by their names."""
    status, text, _ = await page(hub, token(hub))
    assert status == 200
    return {
        (
            sample.name.removeprefix("messenger_hub_"),
            *(value for _, value in sorted(sample.labels.items())),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def send(hub: Hub, api: SessionApi, mobile: str = "4930123456") -> None:
    request = message_service_pb2.SendMessageRequest(mobile=mobile, message="Hi")
    await hub.programs.messages.SendMessage(request, metadata=api.metadata, timeout=SECONDS)


async def test_only_an_operators_token_and_the_one_for_metrics_open_the_page(hub: Hub) -> None:
    api = await hub.session_api()
    for wrong in ("", "x", api.key):
        status, text, _ = await page(hub, wrong)
        assert (status, "metrics-token" in text) == (401, True)
    for right in ("metrics-token", "admin-token"):
        assert (await page(hub, token(hub, right)))[0] == 200
    async with hub.http.get("/metrics") as http:
        assert http.status == 404


async def test_the_token_for_metrics_opens_nothing_else_and_outlives_a_restart(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        first = token(hub)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            hub.operator.metadata = (("authorization", f"Bearer {first}"),)
            await hub.channel()
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
    (tmp_path / "metrics-token").unlink()
    async with running_hub(tmp_path) as hub:
        assert token(hub) == first


async def test_metrics_listen_where_they_were_told_to_and_the_hub_says_so_when_it_cannot(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ExceptionGroup) as refused:
            async with running_hub(tmp_path, admin_http=address):
                pass
    (problem,) = refused.value.exceptions
    assert isinstance(problem, StartupProblem)
    assert f"--admin-http {address} is in use" in problem.sentence
    async with running_hub(tmp_path, admin_http=address) as hub:
        assert hub.running.admin_http == f"http://{address}"
        assert (await page(hub, token(hub)))[0] == 200


async def test_calls_and_commits_are_counted(hub: Hub) -> None:
    api = await hub.session_api()
    await send(hub, api)
    with pytest.raises(grpc.aio.AioRpcError):
        await send(hub, api, mobile="x")
    series = await told(hub)
    assert series["calls_total", "OK", SEND] == series["calls_total", "validation_failed", SEND] == 1
    assert series["call_seconds_count", SEND] == 2
    assert series["commit_seconds_count",] == series["commit_writes_count",] > 0
    assert series["operations", "pending"] == series["outcomes_total", "pending"] == 1
    assert series["disk_bytes",] > series["disk_free_bytes",] > 0


async def test_a_channel_without_a_desktop_is_offline_while_its_work_grows_old(hub: Hub) -> None:
    await send(hub, await hub.session_api())
    series = await told(hub)
    assert series["channel_state", "1", "offline"] == series["queue_depth", "1"] == 1
    assert series["agents_connected",] == 0
    before = series["queue_oldest_seconds", "1"]
    series = await told(hub)
    assert series["queue_oldest_seconds", "1"] > before
    assert ("last_confirmed_timestamp_seconds", "1") not in series


async def test_a_channel_tells_what_its_desktop_does(hub: Hub) -> None:
    api = await hub.session_api()
    since = time.time()
    async with connected(hub, 1, await enrolled(hub)) as desktop:
        await send(hub, api)
        lease = await desktop.lease()
        series = await told(hub)
        assert series["queue_depth", "1"] == 0
        assert series["queue_oldest_seconds", "1"] > 0  # under way, and not confirmed yet
        await desktop.start(lease)
        await desktop.end(lease, "SENT")
        await send(hub, api)
        await desktop.carry_out("UNCERTAIN", "evidence_lost")
        await desktop.report(browser_bytes=5_000, browser_restarts=3)
        await desktop.hello()  # answered after the report
        series = await told(hub)
    assert series["channel_state", "1", "linked"] == series["agents_connected",] == 1
    assert series["queue_oldest_seconds", "1"] == 0
    assert series["uncertain", "1"] == series["outcomes_total", "uncertain"] == series["outcomes_total", "sent"] == 1
    assert since - 1 < series["last_confirmed_timestamp_seconds", "1"] < time.time() + 1
    assert (series["browser_bytes", "1"], series["browser_restarts_total", "1"]) == (5_000, 3)


async def test_no_number_and_no_name_is_on_the_page(hub: Hub) -> None:
    api = await hub.session_api(name="sesame-shop")
    async with connected(hub, 1, await enrolled(hub, name="sesame-desk")) as desktop:
        await send(hub, api)
        await desktop.carry_out("SENT")
        _, text, _ = await page(hub, token(hub))
    for secret in ("4930123456", "4930999", "sesame", "main", api.key, token(hub)):
        assert secret not in text


async def test_a_database_that_cannot_be_read_is_told_with_a_time_to_come_back(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def locked(_: SqliteStore) -> None:
        raise NothingWritten

    monkeypatch.setattr(SqliteStore, "counts", locked)
    status, text, headers = await page(hub, token(hub))
    assert (status, headers["Retry-After"]) == (503, "5")
    assert "the log says why" in text
