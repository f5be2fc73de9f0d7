"""OperationService: look-ups, cancelling, a person's decisions, and watching."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from messenger_hub.v1 import operation_pb2
from messenger_hub.v1 import operation_service_pb2 as pb

from messenger_hub_server.identity.callers import Caller
from messenger_hub_server.model import OperationId
from messenger_hub_server.queue import Decision, Queue
from messenger_hub_server.rpc.chain import CallContext
from messenger_hub_server.services.sights import Sights
from messenger_hub_server.services.translation import cursor, cursor_number, kind_of, state_of, transition
from messenger_hub_server.store.base import Filter
from messenger_hub_server.watch import Watch

PAGE = 50
CANCELLED = "Cancelled by the caller"
DECISIONS = {
    operation_pb2.DECISION_SENT: Decision.SENT,
    operation_pb2.DECISION_NOT_SENT: Decision.NOT_SENT,
    operation_pb2.DECISION_SEND_AGAIN: Decision.SEND_AGAIN,
}


class OperationHandlers:
    """Handlers of OperationService: only the caller's own operations exist. `confirm` raises when a caller would not be let in any more."""

    def __init__(
        self, queue: Queue, watch: Watch, sights: Sights, confirm: Callable[[Caller], Awaitable[None]]
    ) -> None:
        self._queue = queue
        self._confirm = confirm
        self._watch = watch
        self._sights = sights

    async def get_operation(self, request: pb.GetOperationRequest, context: CallContext) -> pb.GetOperationResponse:
        """One operation with its timeline."""
        operation_id = OperationId(request.operation_id)
        operation = await self._queue.find(operation_id, context.session_api.id)
        timeline = await self._queue.timeline(operation_id)
        return pb.GetOperationResponse(operation=await self._sights.operation(operation, timeline))

    async def list_operations(
        self, request: pb.ListOperationsRequest, context: CallContext
    ) -> pb.ListOperationsResponse:
        """One page, newest first."""
        limit = request.limit if request.HasField("limit") else PAGE
        before = cursor_number(request.cursor)
        found = await self._queue.list(
            Filter(
                session_api_id=context.session_api.id,
                state=state_of(request.status),
                kind=kind_of(request.type),
                reference=request.reference or None,
                before=OperationId(before) if before is not None else None,
                limit=limit + 1,
            )
        )
        page = found[:limit]
        return pb.ListOperationsResponse(
            operations=await self._sights.operations(page),
            next_cursor=cursor(page[-1].id) if len(found) > limit else "",
        )

    async def cancel_operation(
        self, request: pb.CancelOperationRequest, context: CallContext
    ) -> pb.CancelOperationResponse:
        """As long as it has not started."""
        operation_id = OperationId(request.operation_id)
        operation = await self._queue.cancel(operation_id, context.session_api.id, CANCELLED)
        timeline = await self._queue.timeline(operation_id)
        return pb.CancelOperationResponse(operation=await self._sights.operation(operation, timeline))

    async def cancel_operations(
        self, request: pb.CancelOperationsRequest, context: CallContext
    ) -> pb.CancelOperationsResponse:
        """All with a reference that have not started."""
        session_api = context.session_api
        cancelled = await self._queue.cancel_all(
            session_api.channel_id, session_api_id=session_api.id, reference=request.reference, reason=CANCELLED
        )
        return pb.CancelOperationsResponse(cancelled=cancelled)

    async def resolve_operation(
        self, request: pb.ResolveOperationRequest, context: CallContext
    ) -> pb.ResolveOperationResponse:
        """A person's decision on an uncertain one; for send_again the new operation."""
        operation = await self._queue.resolve(
            OperationId(request.operation_id),
            context.session_api.id,
            DECISIONS[request.decision],
            f"A person behind the session API {context.session_api.name}",
            request.reason,
        )
        timeline = await self._queue.timeline(operation.id)
        return pb.ResolveOperationResponse(operation=await self._sights.operation(operation, timeline))

    async def watch_operations(
        self, request: pb.WatchOperationsRequest, context: CallContext
    ) -> AsyncIterator[pb.WatchOperationsResponse]:
        """Every change after the cursor, then as they come."""
        after, session_api_id = cursor_number(request.cursor), context.session_api.id

        async def allowed() -> None:
            await self._confirm(context.caller)

        async for event, operation in self._watch.events(after, session_api_id, allowed):
            yield pb.WatchOperationsResponse(
                operation=await self._sights.operation(operation),
                transition=transition(event),
                cursor=cursor(event.id),
            )
