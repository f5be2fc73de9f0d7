"""Who is signed in to the console: one-time links, the admin token or a password, and the browsers that came in by them.

What a browser holds is a random token; kept is its HMAC, in a private file, so that a restart signs nobody out.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Sequence

import msgspec
from messenger_hub.runtime.clock import Clock
from messenger_hub.runtime.folder import FolderError, PrivateFolder
from messenger_hub.runtime.log import logger

from messenger_hub_server.errors import InvalidCredential, RateLimited, StoreUnavailable, ValidationFailed
from messenger_hub_server.identity.keys import Keys
from messenger_hub_server.identity.limits import Bucket

FILE = "console.json"
LINK_MS = 10 * 60 * 1000
SIGNED_IN_MS = 7 * 24 * 3600 * 1000
TRIES_PER_MINUTE = 5  # from one address
ALL_TRIES_PER_MINUTE = 30  # from everywhere: guessing from many addresses is guessing too
MOST_PLACES = 1_000
MOST_SIGN_INS = 50
MOST_LINKS = 20
PASSWORD_LENGTHS = range(10, 201)
NOT_KEPT = (
    "The password holds, but only until the hub ends: it could not be written (is the disk full?). Set it again later."
)

log = logger(__name__)


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """One browser. `csrf` must come back with everything that it changes."""

    id: str
    digest: bytes
    csrf: str
    browser: str
    at_ms: int
    expires_at_ms: int


class Password(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a password: scrypt's output."""

    salt: bytes
    digest: bytes

    @classmethod
    def of(cls, text: str) -> Password:
        """A new one."""
        salt = secrets.token_bytes(16)
        return cls(salt=salt, digest=_stretched(text, salt))

    def matches(self, text: str) -> bool:
        """In constant time."""
        return hmac.compare_digest(self.digest, _stretched(text, self.salt))


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The file."""

    password: Password | None = None
    sign_ins: tuple[SignIn, ...] = ()


class SignIns:
    """All of one hub."""

    def __init__(self, folder: PrivateFolder, keys: Keys, admin_token: str, clock: Clock) -> None:
        self._folder = folder
        self._keys = keys
        self._admin_token = admin_token
        self._clock = clock
        self._links: dict[bytes, int] = {}
        self._tries: dict[str, Bucket] = {}
        self._all_tries = Bucket(ALL_TRIES_PER_MINUTE)
        self._writing = asyncio.Lock()
        self._kept = self._read()

    @property
    def has_password(self) -> bool:
        """Beside the admin token, which always works."""
        return self._kept.password is not None

    def link(self) -> tuple[str, int]:
        """A token that signs one browser in, and when it ends."""
        now = self._clock.now_ms()
        self._links = {digest: end for digest, end in self._links.items() if end > now}
        while len(self._links) >= MOST_LINKS:
            del self._links[next(iter(self._links))]
        token, digest = self._keys.token()
        self._links[digest] = now + LINK_MS
        return token, now + LINK_MS

    async def follow(self, token: str, browser: str) -> tuple[SignIn, str]:
        """Signs a browser in with a link's token, which ends with it. Raises InvalidCredential."""
        if self._links.pop(self._keys.digest(token), 0) <= self._clock.now_ms():
            raise InvalidCredential("This link was used, or is older than ten minutes: make another one.")
        return await self._enter(browser)

    async def sign_in(self, secret: str, place: str, browser: str) -> tuple[SignIn, str]:
        """Signs a browser in with the admin token or the password. Returns it and its token, which is shown to it once.

        `place` is the address that it comes from. Raises InvalidCredential or RateLimited.
        """
        self._slow_down(place)
        password = self._kept.password
        good = hmac.compare_digest(secret.encode("utf-8", "surrogatepass"), self._admin_token.encode())
        if not good and password is not None:
            good = await asyncio.to_thread(password.matches, secret) and self._kept.password is password
        if not good:
            log.warning("console sign-in refused")
            raise InvalidCredential("That is neither the admin token nor the console's password.")
        self._tries.pop(place, None)
        return await self._enter(browser)

    def signed_in(self, token: str) -> SignIn | None:
        """Whose token that is."""
        digest, now = self._keys.digest(token), self._clock.now_ms()
        for one in self._kept.sign_ins:
            if hmac.compare_digest(one.digest, digest) and one.expires_at_ms > now:
                return one
        return None

    def all(self) -> Sequence[SignIn]:
        """Newest first."""
        now = self._clock.now_ms()
        return [one for one in reversed(self._kept.sign_ins) if one.expires_at_ms > now]

    async def sign_out(self, sign_in_id: str) -> None:
        """Ends one; harmless when it has ended."""
        await self._write(self._kept.password, tuple(one for one in self._kept.sign_ins if one.id != sign_in_id))

    async def set_password(self, text: str, keep: SignIn) -> None:
        """Takes the place of the one before; every browser but `keep` is signed out. Raises ValidationFailed or StoreUnavailable."""
        if len(text) not in PASSWORD_LENGTHS:
            raise ValidationFailed({"password": ["The password field must have 10 to 200 characters."]})
        password = await asyncio.to_thread(Password.of, text)
        if not await self._write(password, tuple(one for one in self._kept.sign_ins if one.id == keep.id)):
            raise StoreUnavailable(NOT_KEPT)

    def _slow_down(self, place: str) -> None:
        now = self._clock.monotonic()
        while len(self._tries) >= MOST_PLACES:
            del self._tries[next(iter(self._tries))]
        wait = self._tries.setdefault(place, Bucket(TRIES_PER_MINUTE)).take(now)
        # Only what its own address lets through counts for all: one guesser must not use up everybody's.
        if wait is None:
            wait = self._all_tries.take(now)
        if wait is not None:
            raise RateLimited(wait)

    async def _enter(self, browser: str) -> tuple[SignIn, str]:
        token, digest = self._keys.token()
        now = self._clock.now_ms()
        entered = SignIn(
            id=secrets.token_hex(8),
            digest=digest,
            csrf=secrets.token_urlsafe(24),
            browser=browser[:120].encode("utf-8", "replace").decode(),
            at_ms=now,
            expires_at_ms=now + SIGNED_IN_MS,
        )
        living = [one for one in self._kept.sign_ins if one.expires_at_ms > now]
        await self._write(self._kept.password, (*living[-MOST_SIGN_INS + 1 :], entered))
        return entered, token

    async def _write(self, password: Password | None, sign_ins: tuple[SignIn, ...]) -> bool:
        """True when it survives a restart."""
        # In memory at once: who was signed out must not come in while the disk is busy, or full.
        self._kept = _Kept(password=password, sign_ins=sign_ins)
        async with self._writing:
            try:
                # What is kept by now: of two that wait here the second writes the same.
                await asyncio.to_thread(self._folder.write_private, FILE, msgspec.json.encode(self._kept))
            except OSError:
                log.warning("console sign-ins not written", exc_info=True)
                return False
        return True

    def _read(self) -> _Kept:
        try:
            return msgspec.json.decode(self._folder.read(FILE) or b"{}", type=_Kept)
        except (FolderError, msgspec.DecodeError):
            log.warning("console sign-ins not read", exc_info=True)
            return _Kept()


def _stretched(text: str, salt: bytes) -> bytes:
    return hashlib.scrypt(text.encode("utf-8", "surrogatepass"), salt=salt, n=2**15, r=8, p=1, maxmem=64 * 1024 * 1024)
