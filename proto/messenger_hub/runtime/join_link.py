"""The link with which a desktop joins a hub: messenger-hub://HOST:PORT/join?token=…&fingerprint=…

It holds everything: where the hub's gRPC is, the one-time token, and the certificate that the hub is recognised by. Without a
fingerprint the system's authorities decide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit

SCHEME = "messenger-hub"
_PATH = "/join"
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class NoLink(ValueError):
    """The text is no such link; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinLink:
    """`address` is HOST:PORT; `fingerprint` the certificate's SHA-256 in hexadecimal digits, or empty."""

    address: str
    token: str = field(repr=False)
    fingerprint: str = ""

    def __str__(self) -> str:
        pinned = {"fingerprint": self.fingerprint} if self.fingerprint else {}
        return f"{SCHEME}://{self.address}{_PATH}?{urlencode({'token': self.token, **pinned})}"

    @classmethod
    def read(cls, text: str) -> JoinLink:
        """Raises NoLink."""
        try:
            parts = urlsplit(text.strip())
            port = parts.port
            given = parse_qs(parts.query, strict_parsing=bool(parts.query), max_num_fields=10)
        except ValueError as error:
            raise _no_link() from error
        tokens, fingerprints = given.get("token", []), given.get("fingerprint", [""])
        whole = parts.scheme == SCHEME and parts.path == _PATH and parts.hostname and port and "@" not in parts.netloc
        if not whole or len(tokens) != 1 or len(fingerprints) != 1:
            raise _no_link()
        fingerprint = fingerprints[0].replace(":", "").lower()
        if fingerprint and not _FINGERPRINT.fullmatch(fingerprint):
            raise _no_link()
        return cls(address=parts.netloc, token=tokens[0], fingerprint=fingerprint)


def _no_link() -> NoLink:
    return NoLink(
        f"This is no link to join a hub: it begins with {SCHEME}:// and is made on the hub with messenger-hub agent enrol, or in its "
        "console under Agents. Copy all of it, and put it in quotes."
    )
