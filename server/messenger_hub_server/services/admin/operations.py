"""OperationAdminService: operations of all channels, for operators."""

from __future__ import annotations

import re
from collections.abc import Sequence

from messenger_hub.admin.v1 import operation_admin_service_pb2 as pb
from messenger_hub.runtime.clock import Clock

from messenger_hub_server.errors import NotUncertain
from messenger_hub_server.model import ChannelId, Event, Operation, OperationId
from messenger_hub_server.queue import Decision, Queue
from messenger_hub_server.registry import Registry
from messenger_hub_server.rpc.chain import CallContext
from messenger_hub_server.services import bulk
from messenger_hub_server.services.operations import DECISIONS, PAGE
from messenger_hub_server.services.sights import Sights
from messenger_hub_server.services.translation import cursor, cursor_number, kind_of, state_of, timestamp
from messenger_hub_server.store.base import Filter

CANCELLED = "Cancelled by an operator"
OPERATOR = "An operator"
NO_CHANNEL = "Its channel was deleted, so nothing would ever send it again: decide sent or not_sent."
NUMBER = re.compile(r"(?!\d{8,}-\d{8,}$)[\d\s()+./-]+")  # an old group's id is two numbers with a dash between


class AdminSights:
    """Operations as operators see them: with the names of where they belong."""

    def __init__(self, registry: Registry, sights: Sights) -> None:
        self._registry = registry
        self._sights = sights

    async def operation(self, operation: Operation, timeline: Sequence[Event] = ()) -> pb.AdminOperation:
        """One operation; without a name where channel or session API are gone."""
        channel = self._registry.channel(operation.channel_id)
        session_api = self._registry.session_api(operation.session_api_id)
        return pb.AdminOperation(
            operation=await self._sights.operation(operation, timeline),
            channel_name=channel.name if channel is not None else "",
            session_api_name=session_api.name if session_api is not None else "",
            accepted_at=timestamp(operation.accepted_at_ms),
            changed_at=timestamp(operation.changed_at_ms),
        )


class OperationAdminHandlers:
    """Handlers of OperationAdminService."""

    def __init__(self, queue: Queue, registry: Registry, sights: AdminSights, clock: Clock) -> None:
        self._queue = queue
        self._registry = registry
        self._sights = sights
        self._clock = clock

    async def list_operations(self, request: pb.ListOperationsRequest, _: CallContext) -> pb.ListOperationsResponse:
        """One page, newest first."""
        limit = request.limit if request.HasField("limit") else PAGE
        before = cursor_number(request.cursor)
        found = await self._queue.list(
            Filter(
                channel_id=self._channel(request.channel),
                state=state_of(request.status),
                kind=kind_of(request.type),
                reference=request.reference or None,
                recipient=_part(request.recipient),
                before=OperationId(before) if before is not None else None,
                limit=limit + 1,
            )
        )
        page = found[:limit]
        return pb.ListOperationsResponse(
            operations=[await self._sights.operation(operation) for operation in page],
            next_cursor=cursor(page[-1].id) if len(found) > limit else "",
        )

    async def get_operation(self, request: pb.GetOperationRequest, _: CallContext) -> pb.GetOperationResponse:
        """One operation with its timeline."""
        operation = await self._queue.find(OperationId(request.operation_id), None)
        return pb.GetOperationResponse(operation=await self._with_timeline(operation))

    async def cancel_operation(self, request: pb.CancelOperationRequest, _: CallContext) -> pb.CancelOperationResponse:
        """As long as it has not started."""
        operation = await self._queue.cancel(OperationId(request.operation_id), None, CANCELLED)
        return pb.CancelOperationResponse(operation=await self._with_timeline(operation))

    async def cancel_operations(
        self, request: pb.CancelOperationsRequest, _: CallContext
    ) -> pb.CancelOperationsResponse:
        """All that the filters find."""
        wanted = Filter(
            channel_id=self._channel(request.channel),
            kind=kind_of(request.type),
            reference=request.reference or None,
            recipient=_part(request.recipient),
            limit=bulk.PAGE,
        )
        found = await bulk.find(self._queue, wanted, OperationId(request.newest_operation_id or bulk.ANY))
        if request.validate_only:
            count = len(found.operations)
            return pb.CancelOperationsResponse(cancelled=count, newest_operation_id=found.newest, more=found.more)
        cancelled = await bulk.cancel(self._queue, self._clock, found, CANCELLED)
        return pb.CancelOperationsResponse(cancelled=cancelled, more=found.more)

    async def resolve_operation(
        self, request: pb.ResolveOperationRequest, _: CallContext
    ) -> pb.ResolveOperationResponse:
        """A person's decision."""
        operation_id, decision = OperationId(request.operation_id), DECISIONS[request.decision]
        if decision is Decision.SEND_AGAIN:
            self._require_channel_of(await self._queue.find(operation_id, None))
        operation = await self._queue.resolve(operation_id, None, decision, OPERATOR, request.reason)
        return pb.ResolveOperationResponse(operation=await self._with_timeline(operation))

    def _require_channel_of(self, operation: Operation) -> None:
        if self._registry.channel(operation.channel_id) is None:
            raise NotUncertain(NO_CHANNEL)

    def _channel(self, named: str) -> ChannelId | None:
        return self._registry.channel_named(named).id if named else None

    async def _with_timeline(self, operation: Operation) -> pb.AdminOperation:
        return await self._sights.operation(operation, await self._queue.timeline(operation.id))


def _part(written: str) -> str | None:
    """A part of a recipient as it is stored: of a number as people write it, the digits."""
    wanted = written.strip()
    if not wanted:
        return None
    # What has no digit finds nothing: it must not stand for "all".
    return (re.sub(r"\D", "", wanted) if NUMBER.fullmatch(wanted) else "") or wanted
