"""Encryption of back-ups in the age format (age-encryption.org/v1). The only module that knows pyrage.

pyrage encrypts with a passphrase in memory only, so a fresh key encrypts the stream, and the passphrase encrypts that key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, cast

import pyrage


class NotDecrypted(Exception):
    """Another key, or bytes that were changed or are missing."""


class Key:
    """A key of one back-up. It decrypts and encrypts; nothing of it is ever printed."""

    def __init__(self, identity: pyrage.x25519.Identity) -> None:
        self._identity = identity

    @classmethod
    def make(cls) -> Key:
        """A fresh one."""
        return cls(pyrage.x25519.Identity.generate())

    @classmethod
    def unlock(cls, locked: bytes, passphrase: str) -> Key:
        """The key that `locked` made. Takes a second or more, which is what makes guessing slow. Raises NotDecrypted."""
        try:
            text = pyrage.passphrase.decrypt(locked, passphrase).decode()
            return cls(pyrage.x25519.Identity.from_str(text.strip()))
        except (pyrage.DecryptError, pyrage.IdentityError, UnicodeDecodeError) as error:
            raise NotDecrypted from error

    def locked(self, passphrase: str) -> bytes:
        """This key, encrypted with a passphrase."""
        return cast("bytes", pyrage.passphrase.encrypt(f"{self._identity}\n".encode(), passphrase))

    def encrypt(self, source: BinaryIO, target: BinaryIO) -> None:
        """Until the end of `source`. Raises what reading or writing raises."""
        recipient = self._identity.to_public()
        _stream(lambda one, other: pyrage.encrypt_io(one, other, [recipient]), source, target)

    def decrypt(self, source: BinaryIO, target: BinaryIO) -> None:
        """Until the end of `source`; what is written before an error is authentic. Raises NotDecrypted, or what reading or writing
        raises."""
        _stream(lambda one, other: pyrage.decrypt_io(one, other, [self._identity]), source, target)


class _Ends:
    """The two ends of a stream. What they raise is kept, because pyrage turns it into a text."""

    def __init__(self, source: BinaryIO, target: BinaryIO) -> None:
        self._source = source
        self._target = target
        self.raised: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            return self._source.read(size)
        except BaseException as error:
            self.raised = error
            raise

    def write(self, data: bytes) -> int:
        try:
            return self._target.write(data)
        except BaseException as error:
            self.raised = error
            raise

    def flush(self) -> None:
        try:
            self._target.flush()
        except BaseException as error:
            self.raised = error
            raise


def _stream(run: Callable[[_Ends, _Ends], object], source: BinaryIO, target: BinaryIO) -> None:
    ends = _Ends(source, target)
    try:
        run(ends, ends)
    except (pyrage.EncryptError, pyrage.DecryptError, OSError) as error:
        if ends.raised is not None:
            raise ends.raised from None
        raise NotDecrypted from error
    if ends.raised is not None:
        raise ends.raised
