"""A hub on a local network: loopback stays as it is, everybody else gets TLS with a certificate of the hub's own making."""

from __future__ import annotations

import ssl
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc
from messenger_hub.admin.v1 import agent_admin_service_pb2, hub_admin_service_pb2
from messenger_hub.agent.v1 import agent_service_pb2, agent_service_pb2_grpc
from messenger_hub.runtime.dial import DialRefused, Target, dial
from messenger_hub.runtime.folder import PrivateFolder
from messenger_hub.runtime.join_link import JoinLink
from messenger_hub_server import config
from messenger_hub_server.own_certificate import lan_address, machine_name, own_certificate
from messenger_hub_server.startup import StartupProblem

from tests.integration.server.console.guest import guest
from tests.integration.server.hub import SECONDS, Hub, running_hub
from tests.integration.server.test_doors import refused

LAN = {"lan": True, "lan_http": "127.0.0.1:0", "lan_grpc": "127.0.0.1:0"}


@pytest_asyncio.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with running_hub(tmp_path / "data", **LAN) as running:
        await running.channel()
        yield running


async def enrolment(hub: Hub) -> agent_admin_service_pb2.CreateEnrolmentResponse:
    request = agent_admin_service_pb2.CreateEnrolmentRequest(name="laptop", channel="main")
    return await hub.operator.agents.CreateEnrolment(request, metadata=hub.operator.metadata, timeout=SECONDS)


async def test_a_desktop_enrols_over_tls_with_nothing_but_the_link(hub: Hub) -> None:
    made = await enrolment(hub)
    link = JoinLink.read(made.link)
    assert link.token == made.token
    async with await dial(Target(address=link.address, fingerprint=link.fingerprint)) as channel:
        stub = agent_service_pb2_grpc.AgentServiceStub(channel)
        answer = await stub.Enrol(agent_service_pb2.EnrolRequest(token=link.token), timeout=SECONDS)
    assert answer.name == "laptop"


async def test_a_hub_with_another_certificate_is_not_talked_to(hub: Hub) -> None:
    link = JoinLink.read((await enrolment(hub)).link)
    with pytest.raises(DialRefused, match="another certificate"):
        await dial(Target(address=link.address, fingerprint="0" * 64))


async def test_a_program_trusts_the_certificate_that_the_hub_hands_out(hub: Hub) -> None:
    async with hub.http.get(f"{hub.running.http[0]}/certificate.pem") as answer:
        context = ssl.create_default_context(cadata=await answer.text())
    assert hub.running.lan is not None
    url = hub.running.lan.reach.http
    assert url.startswith("https://127.0.0.1:")
    async with aiohttp.ClientSession() as client, client.get(f"{url}/healthz", ssl=context) as answer:
        assert await answer.json() == {"status": "alive"}
    async with hub.http.get(f"{hub.running.http[0]}/healthz") as answer:
        assert answer.status == 200


async def test_without_lan_there_is_no_certificate_and_no_link(tmp_path: Path) -> None:
    async with running_hub(tmp_path / "data") as hub:
        await hub.channel()
        async with hub.http.get(f"{hub.running.http[0]}/certificate.pem") as answer:
            assert answer.status == 404
        assert (await enrolment(hub)).link == ""
        assert not (hub.data_dir / "lan.key").exists()


async def test_the_certificate_is_the_same_after_a_restart_and_only_its_owner_reads_the_key(tmp_path: Path) -> None:
    seen = set()
    for _ in range(2):
        async with running_hub(tmp_path / "data", **LAN) as hub:
            assert hub.running.lan is not None
            seen.add(hub.running.lan.certificate.fingerprint)
    assert len(seen) == 1
    assert stat.S_IMODE((tmp_path / "data" / "lan.key").stat().st_mode) == 0o600


async def test_the_hub_tells_where_other_machines_find_it(hub: Hub) -> None:
    request = hub_admin_service_pb2.GetHubRequest()
    told = await hub.operator.hub.GetHub(request, metadata=hub.operator.metadata, timeout=SECONDS)
    assert hub.running.lan is not None
    reach = hub.running.lan.reach
    assert (told.lan_http_address, told.lan_grpc_address) == (reach.http, reach.grpc)
    async with await dial(Target(address=reach.grpc, fingerprint=reach.fingerprint)) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        assert (await stub.Check(health_pb2.HealthCheckRequest(), timeout=SECONDS)).status == 1


async def test_the_console_shows_the_link_and_where_a_program_elsewhere_calls(hub: Hub) -> None:
    assert hub.running.lan is not None
    async with guest(hub) as one:
        _, enrolled, _ = await one.post("/console/agents", name="laptop", channel="main")
        _, keys, _ = await one.post("/console/session-apis", name="shop", channel="main", scopes="1")
        _, settings, _ = await one.get("/console/settings")
    assert f"messenger-hub join 'messenger-hub://{hub.running.lan.reach.grpc}/join?token=" in enrolled
    assert f"fingerprint={hub.running.lan.certificate.fingerprint}" in enrolled
    for page in (keys, settings):
        assert hub.running.lan.reach.http in page
        assert "/certificate.pem" in page


def test_the_certificate_names_this_machine_and_its_addresses(tmp_path: Path) -> None:
    made = own_certificate(PrivateFolder(tmp_path))
    assert {machine_name(), f"{machine_name()}.local", "localhost", "127.0.0.1", "::1", lan_address()} == made.hosts
    certificate = x509.load_pem_x509_certificate(made.certificate.read_bytes())
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days > 3650


async def test_a_certificate_without_its_key_stops_the_start_and_says_what_to_do(tmp_path: Path) -> None:
    async with running_hub(tmp_path / "data", **LAN):
        pass
    (tmp_path / "data" / "lan.key").unlink()
    problem = await refused(tmp_path / "data", **LAN)
    assert "put both back from a back-up" in problem.sentence


async def test_a_start_that_was_cut_off_after_the_key_makes_both_anew(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "lan.key").write_text("half")
    async with running_hub(tmp_path / "data", **LAN) as hub:
        await hub.channel()
        link = JoinLink.read((await enrolment(hub)).link)
        await (await dial(Target(address=link.address, fingerprint=link.fingerprint))).close()


async def test_a_damaged_certificate_stops_the_start_and_says_what_to_do(tmp_path: Path) -> None:
    async with running_hub(tmp_path / "data", **LAN):
        pass
    (tmp_path / "data" / "lan.pem").write_text("nothing")
    assert "put both back from a back-up" in (await refused(tmp_path / "data", **LAN)).sentence


def test_a_certificate_of_ones_own_and_the_hubs_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(StartupProblem, match="leave --tls-cert and --tls-key out"):
        config.load({"data_dir": tmp_path, "lan": True, "tls_cert": "a.pem", "tls_key": "a.key"}, {})
