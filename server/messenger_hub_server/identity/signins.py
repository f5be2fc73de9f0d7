"""Who is signed in to the console: one-time links, the admin token or a password, and the browsers that came in by them.

What a browser holds is a random token; kept is its HMAC, so that a restart signs nobody out, and on several nodes none of them.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Sequence

from messenger_hub.runtime.clock import Clock
from messenger_hub.runtime.log import logger
from msgspec.structs import replace

from messenger_hub_server.errors import InvalidCredential, RateLimited, StoreUnavailable, ValidationFailed
from messenger_hub_server.identity.keeping import Keeping, Kept, Link, Password, SignIn
from messenger_hub_server.identity.keys import Keys
from messenger_hub_server.identity.limits import Bucket

LINK_MS = 10 * 60 * 1000
SIGNED_IN_MS = 7 * 24 * 3600 * 1000
TRIES_PER_MINUTE = 5  # from one address
ALL_TRIES_PER_MINUTE = 30  # from everywhere: guessing from many addresses is guessing too
MOST_ADDRESSES = 1_000
MOST_SIGN_INS = 50
MOST_LINKS = 20
PASSWORD_LENGTHS = range(10, 201)
NOT_KEPT = (
    "The password holds, but only until the hub ends: it could not be written (is the disk full?). Set it again later."
)

log = logger(__name__)


class SignIns:
    """All of one hub. Everything raises StoreUnavailable where it cannot be told who is signed in."""

    def __init__(self, keeping: Keeping, keys: Keys, admin_token: str, clock: Clock) -> None:
        self._keeping = keeping
        self._keys = keys
        self._admin_token = admin_token
        self._clock = clock
        self._tries: dict[str, Bucket] = {}
        self._all_tries = Bucket(ALL_TRIES_PER_MINUTE)

    async def has_password(self) -> bool:
        """Beside the admin token, which always works."""
        return (await self._keeping.look()).password is not None

    async def link(self) -> tuple[str, int]:
        """A token that signs one browser in, and when it ends."""
        now = self._clock.now_ms()
        token, digest = self._keys.token()
        made = Link(digest=digest, expires_at_ms=now + LINK_MS)

        def add(kept: Kept) -> Kept:
            living = [link for link in kept.links if link.expires_at_ms > now]
            return replace(kept, links=(*living[-MOST_LINKS + 1 :], made))

        await self._keeping.change(add)
        return token, made.expires_at_ms

    async def follow(self, token: str, browser: str) -> tuple[SignIn, str]:
        """Signs a browser in with a link's token, which ends with it. Raises InvalidCredential."""
        digest, now = self._keys.digest(token), self._clock.now_ms()
        entered, own = self._entered(browser)

        def enter(kept: Kept) -> Kept:
            if not any(hmac.compare_digest(link.digest, digest) and link.expires_at_ms > now for link in kept.links):
                raise InvalidCredential("This link was used, or is older than ten minutes: make another one.")
            return replace(self._with(kept, entered), links=tuple(one for one in kept.links if one.digest != digest))

        await self._keeping.change(enter)
        return entered, own

    async def sign_in(self, secret: str, address: str, browser: str) -> tuple[SignIn, str]:
        """Signs a browser in with the admin token or the password. Returns it and its token, which is shown to it once.

        `address`: where it comes from. Raises InvalidCredential or RateLimited.
        """
        self._slow_down(address)
        good = hmac.compare_digest(secret.encode("utf-8", "surrogatepass"), self._admin_token.encode())
        password = None if good else (await self._keeping.look()).password
        if password is not None:
            good = await asyncio.to_thread(_matches, password, secret)
        if not good:
            raise _refused()
        entered, token = self._entered(browser)

        def enter(kept: Kept) -> Kept:
            if password is not None and kept.password != password:
                raise _refused()  # it was changed meanwhile
            return self._with(kept, entered)

        await self._keeping.change(enter)
        self._tries.pop(address, None)
        return entered, token

    async def signed_in(self, token: str) -> SignIn | None:
        """Whose token that is."""
        if not token:
            return None
        digest, now = self._keys.digest(token), self._clock.now_ms()
        for one in (await self._keeping.look()).sign_ins:
            if hmac.compare_digest(one.digest, digest) and one.expires_at_ms > now:
                return one
        return None

    async def all(self) -> Sequence[SignIn]:
        """Newest first."""
        now = self._clock.now_ms()
        return [one for one in reversed((await self._keeping.look()).sign_ins) if one.expires_at_ms > now]

    async def sign_out(self, sign_in_id: str) -> None:
        """Ends one; harmless when it has ended."""
        await self._keeping.change(
            lambda kept: replace(kept, sign_ins=tuple(one for one in kept.sign_ins if one.id != sign_in_id))
        )

    async def set_password(self, text: str, keep: SignIn) -> None:
        """Takes the place of the one before; every browser but `keep` is signed out. Raises ValidationFailed or StoreUnavailable."""
        if len(text) not in PASSWORD_LENGTHS:
            raise ValidationFailed({"password": ["The password field must have 10 to 200 characters."]})
        password = await asyncio.to_thread(_password, text)
        if not await self._keeping.change(
            lambda kept: replace(
                kept, password=password, sign_ins=tuple(one for one in kept.sign_ins if one.id == keep.id)
            )
        ):
            raise StoreUnavailable(NOT_KEPT)

    def _slow_down(self, address: str) -> None:
        now = self._clock.monotonic()
        while len(self._tries) >= MOST_ADDRESSES:
            del self._tries[next(iter(self._tries))]
        wait = self._tries.setdefault(address, Bucket(TRIES_PER_MINUTE)).take(now)
        # Only what its own address lets through counts for all: one guesser must not use up everybody's.
        if wait is None:
            wait = self._all_tries.take(now)
        if wait is not None:
            raise RateLimited(wait)

    def _entered(self, browser: str) -> tuple[SignIn, str]:
        """A browser that is about to come in, and its token."""
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
        return entered, token

    def _with(self, kept: Kept, entered: SignIn) -> Kept:
        living = [one for one in kept.sign_ins if one.expires_at_ms > entered.at_ms]
        return replace(kept, sign_ins=(*living[-MOST_SIGN_INS + 1 :], entered))


def _refused() -> InvalidCredential:
    log.warning("console sign-in refused")
    return InvalidCredential("That is neither the admin token nor the console's password.")


def _password(text: str) -> Password:
    salt = secrets.token_bytes(16)
    return Password(salt=salt, digest=_stretched(text, salt))


def _matches(password: Password, text: str) -> bool:
    """In constant time."""
    return hmac.compare_digest(password.digest, _stretched(text, password.salt))


def _stretched(text: str, salt: bytes) -> bytes:
    return hashlib.scrypt(text.encode("utf-8", "surrogatepass"), salt=salt, n=2**15, r=8, p=1, maxmem=64 * 1024 * 1024)
