"""MessageService: queues messages, one by one or in batches."""

from __future__ import annotations

from messenger_hub.v1 import message_service_pb2 as pb
from messenger_hub.v1 import operation_pb2

from messenger_hub_server.delivery.acceptance import Draft, Receipt
from messenger_hub_server.errors import HubError, ValidationFailed
from messenger_hub_server.model import OperationKind, SessionApi
from messenger_hub_server.queue import Queue
from messenger_hub_server.rpc.chain import CallContext
from messenger_hub_server.rpc.fields import violations
from messenger_hub_server.rpc.statuses import status_of_error
from messenger_hub_server.services import recipients
from messenger_hub_server.services.intake import Intake, idempotency
from messenger_hub_server.services.recipients import Recipient
from messenger_hub_server.services.translation import milliseconds, priority_of

SEND = "messenger_hub.v1.MessageService.SendMessage"
MOST = 100


class MessageHandlers:
    """Handlers of MessageService."""

    def __init__(self, queue: Queue, intake: Intake) -> None:
        self._queue = queue
        self._intake = intake

    async def send_message(self, request: pb.SendMessageRequest, context: CallContext) -> pb.SendMessageResponse:
        """Queues one message."""
        draft = self._draft(request, context.session_api)
        receipt, status = await self._intake.accept(draft, request.wait, context)
        return pb.SendMessageResponse(message_id=receipt.operation_id, recipient=receipt.recipient, status=status)

    async def batch_send_messages(
        self, request: pb.BatchSendMessagesRequest, context: CallContext
    ) -> pb.BatchSendMessagesResponse:
        """One commit; an outcome each, in order."""
        if not 1 <= len(request.requests) <= MOST:
            raise ValidationFailed({"requests": [f"The requests field must have between 1 and {MOST} items."]})
        drafts = [self._draft_or_error(one, context) for one in request.requests]
        accepted = iter(await self._queue.accept([draft for draft in drafts if isinstance(draft, Draft)]))
        outcomes = [next(accepted) if isinstance(draft, Draft) else draft for draft in drafts]
        return pb.BatchSendMessagesResponse(results=[_result(outcome) for outcome in outcomes])

    def _draft_or_error(self, request: pb.SendMessageRequest, context: CallContext) -> Draft | HubError:
        try:
            wrong = violations(request, context)
            return ValidationFailed(wrong) if wrong else self._draft(request, context.session_api)
        except ValidationFailed as error:
            return error

    def _draft(self, request: pb.SendMessageRequest, session_api: SessionApi) -> Draft:
        recipient = _recipient(request, session_api.default_country)
        send_at = milliseconds(request.send_at) if request.HasField("send_at") else None
        expires_at = milliseconds(request.expires_at) if request.HasField("expires_at") else None
        return Draft(
            channel_id=session_api.channel_id,
            session_api_id=session_api.id,
            kind=OperationKind.SEND_MESSAGE,
            recipient=recipient.shown,
            target=recipient.target,
            body=request.message,
            priority=priority_of(request.priority),
            send_at_ms=send_at,
            expires_at_ms=self._intake.expires_at_ms(session_api, expires_at, send_at),
            reference=request.reference,
            idempotency=idempotency(session_api, SEND, request.idempotency_key, _normalised(request, recipient))
            if request.idempotency_key
            else None,
        )


def _recipient(request: pb.SendMessageRequest, country: str) -> Recipient:
    field, found = (
        ("group_id", recipients.group(request.group_id))
        if request.group_id
        else ("mobile", recipients.mobile(request.mobile, country))
    )
    if found is None:
        raise ValidationFailed({field: [f"The {field.replace('_', ' ')} field format is invalid."]})
    return found


def _normalised(request: pb.SendMessageRequest, recipient: Recipient) -> pb.SendMessageRequest:
    normalised = pb.SendMessageRequest()
    normalised.CopyFrom(request)
    if request.group_id:
        normalised.group_id = recipient.shown
    else:
        normalised.mobile = recipient.shown
    return normalised


def _result(outcome: Receipt | HubError) -> pb.BatchSendMessagesResponse.Result:
    if isinstance(outcome, HubError):
        return pb.BatchSendMessagesResponse.Result(error=status_of_error(outcome))
    response = pb.SendMessageResponse(
        message_id=outcome.operation_id,
        recipient=outcome.recipient,
        status=operation_pb2.OPERATION_STATUS_PENDING,
    )
    return pb.BatchSendMessagesResponse.Result(response=response, replayed=outcome.replayed)
