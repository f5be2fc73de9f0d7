"""What all calls that queue something have in common: the idempotency record, the lifetime, and waiting for the end."""

from __future__ import annotations

import hashlib

from google.protobuf.message import Message
from messenger_hub.runtime.clock import Clock
from messenger_hub.v1 import operation_pb2

from messenger_hub_server.delivery.acceptance import Draft, Receipt
from messenger_hub_server.errors import HubError
from messenger_hub_server.model import LATEST_MS, Idempotency, SessionApi
from messenger_hub_server.queue import Queue
from messenger_hub_server.rpc.chain import CallContext
from messenger_hub_server.rpc.fields import fingerprint
from messenger_hub_server.services.translation import status_of


class Intake:
    """Accepts drafts for a call."""

    def __init__(self, queue: Queue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock

    async def accept(
        self, draft: Draft, wait_seconds: int, context: CallContext
    ) -> tuple[Receipt, operation_pb2.OperationStatus.ValueType]:
        """Queues one draft; with a wait, answers the status reached by then. A replay answers what the first call did: pending."""
        outcome = (await self._queue.accept([draft]))[0]
        if isinstance(outcome, HubError):
            raise outcome
        context.replayed = outcome.replayed
        if outcome.replayed or wait_seconds <= 0:
            return outcome, operation_pb2.OPERATION_STATUS_PENDING
        settled = await self._queue.settled(outcome.operation_id, float(wait_seconds))
        return outcome, status_of(settled.state)

    def expires_at_ms(self, session_api: SessionApi, given_ms: int | None, send_at_ms: int | None) -> int | None:
        """What the caller gave, else the session API's default lifetime, counted from when it may be sent."""
        if given_ms is not None or not session_api.default_lifetime_seconds:
            return given_ms
        from_ms = max(send_at_ms or 0, self._clock.now_ms())
        return min(from_ms + session_api.default_lifetime_seconds * 1000, LATEST_MS)


def idempotency(session_api: SessionApi, rpc: str, key: str, normalised: Message) -> Idempotency | None:
    """The record of a key; None without one. `normalised` is the request as it was understood."""
    if not key:
        return None
    scoped = b"\0".join((str(session_api.id).encode(), rpc.encode(), key.encode()))
    return Idempotency(key_hash=hashlib.sha256(scoped).digest(), parameters_hash=fingerprint(normalised))
