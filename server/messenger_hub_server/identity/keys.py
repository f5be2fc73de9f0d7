"""Keys and tokens: made once, shown once, stored as an HMAC with a pepper that lies outside the database.

A key reads `mh_<key id>_<256-bit secret>_<checksum>`; the parts are base62. The checksum lets scanners and people see a typo, it
protects nothing. A fast hash is right for a random secret.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import zlib
from dataclasses import dataclass, field

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PREFIX = "mh"
SECRET_DIGITS = 43  # 256 bits in base62
CHECK_DIGITS = 6
IMPORTED = "imported-"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedKey:
    """A key in its parts."""

    key_id: str
    secret: str = field(repr=False)


def parse(text: str) -> ParsedKey | None:
    """None when it is no key of ours: another shape, or a wrong checksum."""
    parts = text.split("_")
    if len(parts) != 4 or parts[0] != PREFIX or parts[3] != _check(parts[1], parts[2]):
        return None
    return ParsedKey(key_id=parts[1], secret=parts[2])


def _check(key_id: str, secret: str) -> str:
    return _base62(zlib.crc32(f"{key_id}_{secret}".encode("utf-8", "surrogatepass")), CHECK_DIGITS)


def _base62(number: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        number, digit = divmod(number, 62)
        text = ALPHABET[digit] + text
    return text


class Keys:
    """Makes and checks secrets. `pepper`: 32 random bytes of the data folder."""

    def __init__(self, pepper: bytes) -> None:
        # Copied for every digest: unlike hmac.digest() a copy does not give the interpreter away, which a busy hub pays for.
        self._keyed = hmac.new(pepper, digestmod="sha256")

    def api_key(self) -> tuple[str, bytes, str]:
        """Public id, digest, and the text that is shown once."""
        key_id = _base62(secrets.randbits(64), 11)
        secret = _base62(secrets.randbits(256), SECRET_DIGITS)
        return key_id, self.digest(secret), f"{PREFIX}_{key_id}_{secret}_{_check(key_id, secret)}"

    def imported_key(self, text: str) -> tuple[str, bytes]:
        """Public id and digest of a key of the hosted product; the id is derived from the digest, so that it can be found."""
        digest = self.digest(text)
        return IMPORTED + hashlib.sha256(digest).hexdigest()[:24], digest

    def token(self) -> tuple[str, bytes]:
        """A one-time token or credential: the text that is shown once, and its digest."""
        text = secrets.token_urlsafe(32)
        return text, self.digest(text)

    def digest(self, text: str) -> bytes:
        """HMAC-SHA256 with the pepper."""
        keyed = self._keyed.copy()
        keyed.update(text.encode("utf-8", "surrogatepass"))
        return keyed.digest()

    def matches(self, secret: str, digest: bytes) -> bool:
        """In constant time. Call it with any digest on a miss, so that a miss takes as long as a hit."""
        return hmac.compare_digest(self.digest(secret), digest)


class Names:
    """Short-lived names for secrets: this process tells one from another by them, without keeping any."""

    def __init__(self) -> None:
        self._keyed = hashlib.blake2b(key=secrets.token_bytes(32), digest_size=16)

    def name(self, text: str) -> bytes:
        """The same for the same text, and for no other."""
        keyed = self._keyed.copy()
        keyed.update(text.encode("utf-8", "surrogatepass"))
        return keyed.digest()
