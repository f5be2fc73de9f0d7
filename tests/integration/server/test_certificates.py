"""Certificates on real sockets: reloaded without a restart, pinned by fingerprint."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from messenger_hub.runtime.dial import DialRefused, NobodyAnswers, Target, dial
from messenger_hub_server.certificates import Certificates
from messenger_hub_server.startup import StartupProblem

from tests.integration.server import authority


async def shown(port: int) -> str:
    """The fingerprint of the certificate that a port shows."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    async with asyncio.timeout(10):
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return hashlib.sha256(der).hexdigest()


@asynccontextmanager
async def grpc_server(certificates: Certificates) -> AsyncIterator[int]:
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    port = server.add_secure_port("127.0.0.1:0", certificates.for_grpc())
    await server.start()
    yield port
    await server.stop(0)


async def check(channel: grpc.aio.Channel) -> int:
    async with channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    return int(answer.status)


async def test_http_shows_a_new_certificate_without_a_restart(tmp_path: Path) -> None:
    first = authority.make(tmp_path)
    certificates = Certificates(first.certificate, first.key)
    server = await asyncio.start_server(lambda _, w: w.close(), "127.0.0.1", 0, ssl=certificates.for_http())
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await shown(port) == first.fingerprint
        second = authority.make(tmp_path)
        assert await shown(port) == second.fingerprint != first.fingerprint


async def test_grpc_shows_a_new_certificate_without_a_restart(tmp_path: Path) -> None:
    first = authority.make(tmp_path)
    async with grpc_server(Certificates(first.certificate, first.key)) as port:
        assert await shown(port) == first.fingerprint
        second = authority.make(tmp_path)
        assert await shown(port) == second.fingerprint != first.fingerprint


async def test_a_half_written_certificate_leaves_the_old_one_in_force(tmp_path: Path) -> None:
    first = authority.make(tmp_path)
    async with grpc_server(Certificates(first.certificate, first.key)) as port:
        first.certificate.write_text("-----BEGIN CERTIFICATE-----\n")
        assert await shown(port) == first.fingerprint
        second = authority.make(tmp_path)
        assert await shown(port) == second.fingerprint


async def test_a_pinned_certificate_is_enough_and_another_one_is_refused(tmp_path: Path) -> None:
    pair = authority.make(tmp_path, "hub.example")
    async with grpc_server(Certificates(pair.certificate, pair.key)) as port:
        address = f"127.0.0.1:{port}"
        assert await check(await dial(Target(address=address, fingerprint=pair.fingerprint))) == 1
        colons = ":".join(pair.fingerprint[i : i + 2] for i in range(0, 64, 2)).upper()
        assert await check(await dial(Target(address=address, fingerprint=colons))) == 1
        with pytest.raises(DialRefused, match="another certificate"):
            await dial(Target(address=address, fingerprint="00" * 32))


async def test_an_authority_of_ones_own_is_enough(tmp_path: Path) -> None:
    pair = authority.make(tmp_path)
    async with grpc_server(Certificates(pair.certificate, pair.key)) as port:
        assert await check(await dial(Target(address=f"localhost:{port}", ca=pair.certificate))) == 1


async def test_plaintext_leaves_this_machine_only_when_somebody_says_so() -> None:
    with pytest.raises(DialRefused, match="--insecure"):
        await dial(Target(address="192.0.2.1:8643"))
    await (await dial(Target(address="192.0.2.1:8643", plaintext=True))).close()
    await (await dial(Target(address="127.0.0.1:8643"))).close()


@pytest.mark.parametrize("address", ["", "hub", "hub:", "hub:99999", ":80"])
async def test_a_wrong_address_gets_one_sentence(address: str) -> None:
    with pytest.raises(DialRefused, match="HOST:PORT"):
        await dial(Target(address=address))


async def test_a_server_that_is_away_or_speaks_no_tls_gets_one_sentence() -> None:
    server = await asyncio.start_server(lambda _, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(NobodyAnswers, match="does not answer with TLS"):
            await dial(Target(address=f"127.0.0.1:{port}", fingerprint="00" * 32))
    with pytest.raises(NobodyAnswers, match="does not answer with TLS"):
        await dial(Target(address=f"127.0.0.1:{port}", fingerprint="00" * 32))


def test_files_that_do_not_belong_together_get_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = authority.make(tmp_path / "a"), authority.make(tmp_path / "b")
    with pytest.raises(StartupProblem, match="do not work together"):
        Certificates(one.certificate, other.key)
    with pytest.raises(StartupProblem, match="cannot be read"):
        Certificates(tmp_path / "missing.pem", one.key)
