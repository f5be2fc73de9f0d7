"""Random bytes from the system, fetched many at a time.

Each fetch is a system call during which another thread may take the interpreter; one for every id of every request was felt.
"""

from __future__ import annotations

import secrets

FETCHED = 4_096  # bytes


class Randomness:
    """Call it for bytes; none is ever given out twice. For one thread."""

    def __init__(self) -> None:
        self._bytes = b""
        self._next = 0

    def __call__(self, count: int) -> bytes:
        """`count` random bytes."""
        end = self._next + count
        if end > len(self._bytes):
            self._bytes = secrets.token_bytes(max(FETCHED, count))
            self._next, end = 0, count
        taken = self._bytes[self._next : end]
        self._next = end
        return taken
