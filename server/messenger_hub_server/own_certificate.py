"""A certificate of the hub's own making, for a local network where no authority gives one.

Whoever talks to it pins it by its fingerprint (desktops, by their enrolment link) or takes it as an authority (programs). So it is
made once and lives long: another one would shut out everybody who knows this one.
"""

from __future__ import annotations

import hashlib
import ipaddress
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from messenger_hub.runtime.folder import PrivateFolder

from messenger_hub_server.data_folder import LAN_CERTIFICATE, LAN_KEY
from messenger_hub_server.startup import StartupProblem

YEARS = 10
# A desktop whose clock is a day behind must still believe it.
BEFORE = timedelta(days=2)
# No packet is sent: the system only says which of its own addresses it would use. TEST-NET-1 (RFC 5737) is nobody's.
ELSEWHERE = ("192.0.2.1", 9)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCertificate:
    """Where it lies, the SHA-256 of the certificate in hexadecimal digits, and every host name and address that it holds for."""

    certificate: Path
    key: Path
    fingerprint: str
    hosts: frozenset[str]


def machine_name() -> str:
    """By which other machines on the network may know this one."""
    return socket.gethostname().lower()


def lan_address() -> str:
    """This machine's address on its network; a loopback address when it is on none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(ELSEWHERE)
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def own_certificate(folder: PrivateFolder) -> OwnCertificate:
    """The one that is there, or else a new one for this machine's names and addresses. Raises StartupProblem."""
    stored, key = folder.read(LAN_CERTIFICATE), folder.read(LAN_KEY)
    if stored is None:  # or a start was cut off between the two
        stored, key = _made(datetime.now(UTC))
        folder.write_private(LAN_KEY, key)
        folder.write_private(LAN_CERTIFICATE, stored)
    try:
        certificate = x509.load_pem_x509_certificate(stored)
        serialization.load_pem_private_key(key or b"", None)
    except ValueError as error:
        raise StartupProblem(
            f"{folder.file(LAN_CERTIFICATE)} or {LAN_KEY} beside it is damaged: put both back from a back-up, or remove both; the hub then "
            "makes new ones, and desktops on other machines have to be enrolled again."
        ) from error
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return OwnCertificate(
        certificate=folder.file(LAN_CERTIFICATE),
        key=folder.file(LAN_KEY),
        fingerprint=hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest(),
        hosts=frozenset(
            [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
        ),
    )


def _made(now: datetime) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = machine_name()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"Messenger Hub on {name}"[:64])])
    addresses = dict.fromkeys((lan_address(), "127.0.0.1", "::1"))
    hosts: list[x509.GeneralName] = [x509.DNSName(one) for one in dict.fromkeys((name, f"{name}.local", "localhost"))]
    hosts += [x509.IPAddress(ipaddress.ip_address(one)) for one in addresses]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BEFORE)
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        # It vouches for itself alone: whoever trusts it trusts nothing else that its key could sign.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private
