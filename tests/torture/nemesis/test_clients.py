"""What a nemesis's program does: it must keep the hub busy for as long as it is disturbed."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest
from messenger_hub.v1 import operation_pb2

from tests.torture.answers import ACCEPTED, SETTLED, status_name
from tests.torture.nemesis.clients import UNSETTLED_MOST, Client
from tests.torture.nemesis.record import Attempt, Cancelling, Look, Wish

OPEN = frozenset({operation_pb2.OPERATION_STATUS_PENDING, operation_pb2.OPERATION_STATUS_PROCESSING})
MANY = UNSETTLED_MOST * 3


class Hub:
    """A door behind which every operation is at once in the same state."""

    name = "rest"

    def __init__(self, status: str, stop: asyncio.Event) -> None:
        self._status, self._stop = status, stop
        self.asked = 0

    async def send(self, wish: Wish) -> Attempt:
        self.asked += 1
        if self.asked == MANY:
            self._stop.set()
        return Attempt(begun=0.0, ended=0.0, status=ACCEPTED, operation_id=self.asked)

    async def look(self, channel: str, operation_id: int) -> Look | None:
        return Look(begun=0.0, ended=0.0, operation_id=operation_id, status=self._status)

    async def cancel(self, channel: str, operation_id: int) -> Cancelling:
        return Cancelling(begun=0.0, ended=0.0, operation_id=operation_id, done=False)


@pytest.mark.parametrize("status", sorted(SETTLED))
async def test_a_program_goes_on_asking_whatever_its_operations_end_as(status: str) -> None:
    stop = asyncio.Event()
    hub = Hub(status, stop)
    texts = (str(number) for number in itertools.count())
    client = Client("shop 0", "shop", ["12025550111@c.us"], ["12025550150"], hub, random.Random(1), texts)
    async with asyncio.timeout(10):
        await client.run(stop)
    assert hub.asked >= MANY


def test_every_state_of_the_contract_is_either_open_or_settled() -> None:
    told = set(operation_pb2.OperationStatus.values()) - {operation_pb2.OPERATION_STATUS_UNSPECIFIED}
    assert {status_name(one) for one in told - OPEN} == SETTLED
