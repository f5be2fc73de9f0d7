"""The certificate of both doors, read again when its files change: new connections get the new one, open ones keep theirs.

Nothing polls: each handshake looks at the files' times. What cannot be read is left for the next handshake, the old one stays.
"""

from __future__ import annotations

import ssl
import threading
from pathlib import Path

import grpc
from messenger_hub.runtime import log

from messenger_hub_server.startup import StartupProblem

_log = log.logger(__name__)


class Certificates:
    """Raises StartupProblem when the files cannot be used at start."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self._lock = threading.Lock()
        try:
            self._seen = self._times()
            self._context = self._load()
            self._pair = self._read()
        except ssl.SSLError as error:
            raise StartupProblem(
                f"The certificate {certificate} and the key {key} do not work together: both must be PEM, and belong together."
            ) from error
        except OSError as error:
            raise StartupProblem(
                f"The certificate or its key cannot be read ({error.filename or certificate}: {error.strerror})."
            ) from error

    def for_http(self) -> ssl.SSLContext:
        """A context that hands every handshake to the newest certificate."""
        context = self._load()
        context.sni_callback = self._newest
        return context

    def for_grpc(self) -> grpc.ServerCredentials:
        """Credentials that ask for the newest certificate at every handshake."""
        given = [self._pair]

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            self._reload()
            if self._pair == given[0]:
                return None
            given[0] = self._pair
            return grpc.ssl_server_certificate_configuration([self._pair])

        first = grpc.ssl_server_certificate_configuration([self._pair])
        return grpc.dynamic_ssl_server_credentials(
            first, fetch, require_client_authentication=False
        )  # the stub forgets that None means unchanged

    def _newest(self, connection: ssl.SSLObject | ssl.SSLSocket, _: str | None, __: ssl.SSLContext) -> None:
        self._reload()
        connection.context = self._context

    def _reload(self) -> None:
        with self._lock:
            try:
                times = self._times()
                if times == self._seen:
                    return
                context, pair = self._load(), self._read()
            except OSError:  # ssl.SSLError is one of them
                _log.warning("certificate not reloaded", exc_info=True)
                return
            self._seen, self._context, self._pair = times, context, pair
            _log.info("certificate reloaded")

    def _load(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self._certificate, self._key)
        return context

    def _read(self) -> tuple[bytes, bytes]:
        return self._key.read_bytes(), self._certificate.read_bytes()

    def _times(self) -> tuple[tuple[int, int, int], ...]:
        stats = [path.stat() for path in (self._certificate, self._key)]
        return tuple((s.st_mtime_ns, s.st_ino, s.st_size) for s in stats)
