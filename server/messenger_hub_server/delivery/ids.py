"""Ids: WhatsApp ids and lease ids are random, operation ids grow with time and come in blocks.

A WhatsApp id is never derived from a number that a restored database could give out again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import overload

from messenger_hub_server.model import LeaseId, OperationId, WaId

BLOCK = 1_000


def wa_id(random_bytes: Callable[[int], bytes]) -> WaId:
    """WhatsApp's own shape: 3EB0 and 18 hexadecimal digits."""
    return WaId("3EB0" + random_bytes(9).hex().upper())


class LeaseIds(Sequence[LeaseId]):
    """16 hexadecimal digits each, counted up from a random start. They are made when they are looked at: a claim asks for as many
    as there is credit, and uses few."""

    def __init__(self, random_bytes: Callable[[int], bytes], count: int) -> None:
        first = int.from_bytes(random_bytes(8), "big")
        self._numbers = range(first, first + count)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> LeaseId: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[LeaseId]: ...

    def __getitem__(self, index: int | slice) -> LeaseId | Sequence[LeaseId]:
        if isinstance(index, slice):
            return [_lease_id(number) for number in self._numbers[index]]
        return _lease_id(self._numbers[index])


def _lease_id(number: int) -> LeaseId:
    return LeaseId(f"{number % 2**64:016x}")


class Block:
    """Numbers up to a limit that the high-water file already holds."""

    def __init__(self, last_used: int, limit: int) -> None:
        self._next = last_used + 1
        self._limit = limit

    def short_of(self, count: int) -> int | None:
        """The limit that the file must hold before `count` numbers can be taken; None when it does already."""
        needed = self._next + count - 1
        return None if needed <= self._limit else -(-needed // BLOCK) * BLOCK

    def raise_to(self, limit: int) -> None:
        """The file holds this limit now."""
        self._limit = max(self._limit, limit)

    def take(self) -> OperationId:
        """The next number. Raises LookupError past the limit."""
        if self._next > self._limit:
            raise LookupError("the high-water file has to be raised first")
        self._next += 1
        return OperationId(self._next - 1)
