"""Listeners: health, reflection, metrics, TLS, and what a person can get wrong at the start."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from pathlib import Path

import aiohttp
import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from messenger_hub.admin.v1 import hub_admin_service_pb2
from messenger_hub.runtime.dial import Target, dial
from messenger_hub_server import app, config
from messenger_hub_server.startup import StartupProblem

from tests.integration.server import authority
from tests.integration.server.hub import BASE, SECONDS, Hub, running_hub
from tests.integration.server.test_operations import send

PUBLIC = {
    "messenger_hub.v1.ChannelService",
    "messenger_hub.v1.ContactService",
    "messenger_hub.v1.MessageService",
    "messenger_hub.v1.OperationService",
    "messenger_hub.agent.v1.AgentService",
    "grpc.health.v1.Health",
    "grpc.reflection.v1alpha.ServerReflection",
}


async def reflected(hub: Hub, **asked: str) -> reflection_pb2.ServerReflectionResponse:
    stub = reflection_pb2_grpc.ServerReflectionStub(hub.programs.channel)

    async def requests():  # type: ignore[no-untyped-def]
        yield reflection_pb2.ServerReflectionRequest(**asked)

    async for response in stub.ServerReflectionInfo(requests(), timeout=SECONDS):
        return response
    raise AssertionError("no answer")


async def test_reflection_lists_the_public_services_and_describes_them(hub: Hub) -> None:
    listed = await reflected(hub, list_services="")
    assert {service.name for service in listed.list_services_response.service} == PUBLIC
    for service in PUBLIC:
        found = await reflected(hub, file_containing_symbol=service)
        files = [FileDescriptorProto.FromString(f) for f in found.file_descriptor_response.file_descriptor_proto]
        assert any(service.startswith(file.package) for file in files)


@pytest.mark.parametrize(
    "asked",
    [
        {"file_containing_symbol": "messenger_hub.admin.v1.HubAdminService"},
        {"file_containing_symbol": "messenger_hub.admin.v1.Channel"},
        {"file_by_filename": "messenger_hub/admin/v1/hub_admin_service.proto"},
    ],
    ids=str,
)
async def test_reflection_knows_nothing_of_the_operators_services(hub: Hub, asked: dict[str, str]) -> None:
    assert (await reflected(hub, **asked)).error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


async def test_the_served_descriptors_hold_the_public_packages_only(hub: Hub) -> None:
    async with hub.http.get("/descriptor.pb") as http:
        described = FileDescriptorSet.FromString(await http.read())
    packages = {file.package for file in described.file}
    assert {"messenger_hub.v1", "messenger_hub.agent.v1"} <= packages
    assert "messenger_hub.admin.v1" not in packages


async def test_health_says_of_every_public_service_that_it_serves(hub: Hub) -> None:
    stub = health_pb2_grpc.HealthStub(hub.programs.channel)
    for service in ("", *(name for name in PUBLIC if name.startswith("messenger_hub"))):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=SECONDS)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    for path in ("/healthz", "/readyz"):
        async with hub.http.get(path) as http:
            assert http.status == 200


async def test_the_hub_tells_operators_where_it_answers(hub: Hub) -> None:
    answer = await hub.operator.hub.GetHub(hub_admin_service_pb2.GetHubRequest(), metadata=hub.operator.metadata)
    assert list(answer.http_addresses) == list(hub.running.http)
    assert list(answer.grpc_addresses) == list(hub.running.grpc)
    assert (answer.channels, answer.pending, answer.version) == (1, 0, "0.1.0")
    assert (hub.data_dir / "admin-address").read_text() == hub.running.admin


async def test_only_the_owner_can_read_what_the_hub_writes(hub: Hub) -> None:
    api = await hub.session_api()
    await send(hub, api)
    assert stat.S_IMODE(hub.data_dir.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in hub.data_dir.iterdir()}
    assert set(modes.values()) == {0o600}, modes


async def test_by_default_both_loopback_addresses_answer(tmp_path: Path) -> None:
    async with running_hub(tmp_path / "data", http="localhost:0", grpc="localhost:0") as hub:
        for address in hub.running.http:
            async with aiohttp.ClientSession() as client, client.get(f"{address}/healthz") as http:
                assert http.status == 200
        for address in hub.running.grpc:
            async with grpc.aio.insecure_channel(address) as channel:
                stub = health_pb2_grpc.HealthStub(channel)
                assert (await stub.Check(health_pb2.HealthCheckRequest(), timeout=SECONDS)).status == 1


async def test_both_doors_speak_tls_and_take_a_new_certificate_without_a_restart(tmp_path: Path) -> None:
    first = authority.make(tmp_path)
    flags = {"tls_cert": first.certificate, "tls_key": first.key}
    async with running_hub(tmp_path / "data", **flags) as hub:
        await check_tls(hub, first)
        second = authority.make(tmp_path)
        assert second.fingerprint != first.fingerprint
        await check_tls(hub, second)


async def check_tls(hub: Hub, pair: authority.Pair) -> None:
    pinned = aiohttp.Fingerprint(bytes.fromhex(pair.fingerprint))
    async with aiohttp.ClientSession() as client, client.get(f"{hub.running.http[0]}/healthz", ssl=pinned) as http:
        assert http.status == 200
    async with await dial(Target(address=hub.running.grpc[0], fingerprint=pair.fingerprint)) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        assert (await stub.Check(health_pb2.HealthCheckRequest(), timeout=SECONDS)).status == 1


async def refused(data_dir: Path, **flags: object) -> StartupProblem:
    """Why a hub does not start."""
    with pytest.raises(StartupProblem) as caught:
        given = {"http": "127.0.0.1:0", "grpc": "127.0.0.1:0", "data_dir": data_dir, **flags}
        async with asyncio.timeout(SECONDS):
            await app.run(config.load(given, {}), lambda _: None, asyncio.Event())
    assert "\n" not in caught.value.sentence
    return caught.value


@pytest.mark.parametrize("flag", ["http", "grpc", "admin"])
async def test_a_port_in_use_gets_one_sentence_and_leaves_the_folder_free(tmp_path: Path, flag: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        problem = await refused(tmp_path, **{flag: address})
    assert f"--{flag} {address} is in use by another program" in problem.sentence
    assert problem.exit_code == 6
    async with running_hub(tmp_path):
        pass


async def test_a_folder_that_another_hub_has_gets_one_sentence(hub: Hub) -> None:
    problem = await refused(hub.data_dir)
    assert "is in use by messenger-hub server" in problem.sentence
    async with hub.http.get("/readyz") as http:
        assert http.status == 200


async def test_a_folder_of_a_newer_version_gets_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "version").write_text("99\n")
    assert "newer version" in (await refused(tmp_path)).sentence


async def test_a_damaged_database_gets_one_sentence(tmp_path: Path) -> None:
    async with running_hub(tmp_path):
        pass
    (tmp_path / "hub.db").write_bytes(b"no database at all" * 100)
    assert "hub.db" in (await refused(tmp_path)).sentence


async def test_a_database_without_its_high_water_file_is_not_served(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        await hub.channel()
        await send(hub, await hub.session_api())
    (tmp_path / "high-water.json").unlink()
    assert "restore --in-place" in (await refused(tmp_path)).sentence


async def test_a_wrong_certificate_gets_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text("x")
    problem = await refused(tmp_path / "data", tls_cert=tmp_path / "a.pem", tls_key=tmp_path / "a.pem")
    assert "do not work together" in problem.sentence


async def test_what_is_no_call_at_all_is_answered_in_the_documented_shape(hub: Hub) -> None:
    async with hub.http.get(f"{BASE}/nothing") as http:
        assert http.status == 404
        assert json.loads(await http.read())["success"] is False
