"""Where other machines reach this hub, and what they recognise it by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from messenger_hub_server.config import Address, Settings
from messenger_hub_server.own_certificate import OwnCertificate, lan_address, machine_name

HTTPS = 443
EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 compared with, not bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """`http` is a URL, `grpc` HOST:PORT; `fingerprint` is the SHA-256 of a certificate of the hub's own making, else empty."""

    http: str
    grpc: str
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lan:
    """The local network's listeners: their sockets' ports and the certificate that both show."""

    http: Address
    grpc: Address
    certificate: OwnCertificate

    @property
    def reach(self) -> Reach:
        """As other machines see it now: a machine may get another address while it runs."""
        http, grpc = (Address(host=_shown(one.host, lan_address()), port=one.port) for one in (self.http, self.grpc))
        return Reach(http=f"https://{http}", grpc=str(grpc), fingerprint=self.certificate.fingerprint)


def reach(settings: Settings, http: Sequence[str], grpc: Sequence[str], lan: Lan | None) -> Reach | None:
    """None when only this machine reaches it. `http` and `grpc`: where the hub listens, without `lan`."""
    if lan is not None:
        return lan.reach
    if (proxied := _through_proxy(settings)) is not None:
        return proxied
    if settings.grpc.loopback or not grpc or settings.tls_cert is None:
        return None
    named = urlsplit(settings.api_address).hostname or _shown(settings.grpc.host, machine_name())
    port = int(grpc[0].rpartition(":")[2])
    return Reach(http=settings.api_address or http[0], grpc=str(Address(host=named, port=port)))


def _through_proxy(settings: Settings) -> Reach | None:
    """When others reach it by https alone, which it does not speak there itself: a proxy does, for REST and gRPC on one port."""
    public = urlsplit(settings.api_address)
    if public.scheme != "https" or not public.hostname:
        return None
    if settings.tls_cert is not None and not settings.grpc.loopback:
        return None
    return Reach(http=settings.api_address, grpc=str(Address(host=public.hostname, port=public.port or HTTPS)))


def _shown(host: str, here: str) -> str:
    return here if host in EVERYWHERE else host
