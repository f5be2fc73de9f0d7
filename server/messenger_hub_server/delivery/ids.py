"""Ids: WhatsApp ids and lease ids are random, operation ids grow with time and come in blocks.

A WhatsApp id is never derived from a number that a restored database could give out again.
"""

from __future__ import annotations

from collections import deque
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


class Reserved:
    """Operation ids that are this process's alone, in blocks, smallest first."""

    def __init__(self) -> None:
        self._blocks: deque[range] = deque()
        self._left = 0

    def short_of(self, count: int) -> int:
        """How many more must be reserved before `count` can be taken, in whole blocks; 0 when they are there."""
        missing = count - self._left
        return -(-missing // BLOCK) * BLOCK if missing > 0 else 0

    def add(self, block: range) -> None:
        """Nobody else will ever have these."""
        self._blocks.append(block)
        self._left += len(block)

    def take(self) -> OperationId:
        """The next number. Raises LookupError when none is left."""
        if not self._left:
            raise LookupError("more operation ids have to be reserved first")
        block = self._blocks[0]
        self._left -= 1
        if len(block) > 1:
            self._blocks[0] = block[1:]
        else:
            self._blocks.popleft()
        return OperationId(block[0])
