"""A gRPC channel to a hub: plaintext on loopback, TLS elsewhere, pinned by fingerprint where the certificate has no known issuer."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc

CONNECT_SECONDS = 10

# Proxies cut silent connections after about a minute. HTTP/2 pings keep the connection, heartbeats (which proxies do not answer
# themselves) tell whether the other end lives.
OPTIONS: Sequence[tuple[str, int]] = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 15_000),  # of what the other machine has not received
    ("grpc.http2.ping_timeout_ms", 15_000),  # of a ping that was received: gRPC would wait a minute
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)


class DialRefused(Exception):
    """The hub cannot be dialled as asked; `sentence` says what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class NobodyAnswers(DialRefused):
    """Nothing that speaks TLS is there: it may be back in a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a hub is, and what it is recognised by.

    `address` is HOST:PORT. Without `ca` and `fingerprint` (SHA-256 of the certificate, hexadecimal) the system's authorities
    decide; `plaintext` is for an address off loopback whose TLS somebody else does.
    """

    address: str
    tls: bool = False
    ca: Path | None = None
    fingerprint: str = ""
    plaintext: bool = False

    @property
    def encrypted(self) -> bool:
        """TLS is asked for in one way or another."""
        return self.tls or self.ca is not None or bool(self.fingerprint)


async def dial(target: Target) -> grpc.aio.Channel:
    """A channel that connects when it is first used. Raises DialRefused; NobodyAnswers where a pinned certificate cannot be seen."""
    host, port = split(target.address)
    options = list(OPTIONS)
    if is_loopback(host):
        # An http_proxy in the environment is not meant for this machine's own addresses.
        options.append(("grpc.enable_http_proxy", 0))
    if not target.encrypted:
        if not (is_loopback(host) or target.plaintext):
            raise DialRefused(
                f"{target.address} is another machine, and without TLS everybody on the way could read along: "
                "use TLS, or --insecure if the network between is trusted."
            )
        return grpc.aio.insecure_channel(target.address, options=options)
    if target.fingerprint:
        roots, name = await _pinned(host, port, target.fingerprint)
        named = [*options, ("grpc.ssl_target_name_override", name), ("grpc.default_authority", name)]
        return grpc.aio.secure_channel(target.address, grpc.ssl_channel_credentials(roots), options=named)
    return grpc.aio.secure_channel(target.address, grpc.ssl_channel_credentials(_roots(target.ca)), options=options)


def bearer(credential: str) -> Sequence[tuple[str, str]]:
    """The metadata that carries a credential."""
    return (("authorization", f"Bearer {credential}"),)


def split(address: str) -> tuple[str, int]:
    """HOST:PORT or [HOST]:PORT in its parts. Raises DialRefused."""
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise DialRefused(f"{address!r} is not an address: write HOST:PORT, for example hub.example.org:8643.")
    return host.removeprefix("[").removesuffix("]"), int(port)


def is_loopback(host: str) -> bool:
    """Only this machine answers there."""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _roots(ca: Path | None) -> bytes | None:
    try:
        return ca.read_bytes() if ca else None
    except OSError as error:
        raise DialRefused(f"The certificate {ca} cannot be read: {error.strerror}.") from error


async def _pinned(host: str, port: int, fingerprint: str) -> tuple[bytes, str]:
    """The server's certificate as the only root, when it has that fingerprint, and a name that it holds for."""
    anybody = ssl.create_default_context()
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    shown = (await _peer(host, port, anybody)).getpeercert(binary_form=True) or b""
    if hashlib.sha256(shown).hexdigest() != fingerprint.replace(":", "").lower():
        raise DialRefused(
            f"{host}:{port} shows another certificate than the one that the enrolment names: somebody may be in between, "
            "or the hub has a new certificate; ask the operator for a new enrolment."
        )
    pem = ssl.DER_cert_to_PEM_cert(shown)
    only = ssl.create_default_context(cadata=pem)
    only.check_hostname = False
    only.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return pem.encode(), _name(await _peer(host, port, only), host)


def _name(peer: ssl.SSLObject, host: str) -> str:
    certificate = peer.getpeercert() or {}
    for entry in certificate.get("subjectAltName", ()):
        if "*" not in str(entry[1]):
            return str(entry[1])
    return host


async def _peer(host: str, port: int, context: ssl.SSLContext) -> ssl.SSLObject:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError) as error:
        raise NobodyAnswers(
            f"{host}:{port} does not answer with TLS: check the address, and that the hub runs."
        ) from error
    peer: ssl.SSLObject = writer.get_extra_info("ssl_object")
    writer.close()
    return peer
