"""ContactService: queues changes to the address book of the channel's phone."""

from __future__ import annotations

from messenger_hub.v1 import contact_service_pb2 as pb

from messenger_hub_server.delivery.acceptance import Draft
from messenger_hub_server.errors import ValidationFailed
from messenger_hub_server.model import OperationKind
from messenger_hub_server.rpc.chain import CallContext
from messenger_hub_server.services import recipients
from messenger_hub_server.services.intake import Intake, idempotency
from messenger_hub_server.services.recipients import Recipient

SAVE = "messenger_hub.v1.ContactService.SaveContact"
REMOVE = "messenger_hub.v1.ContactService.RemoveContact"


class ContactHandlers:
    """Handlers of ContactService."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def save_contact(self, request: pb.SaveContactRequest, context: CallContext) -> pb.SaveContactResponse:
        """Creates or renames a contact."""
        contact = _contact(request.contact_id, context)
        normalised = pb.SaveContactRequest()
        normalised.CopyFrom(request)
        normalised.contact_id = contact.shown
        draft = _draft(OperationKind.SAVE_CONTACT, SAVE, contact, normalised, context)
        receipt, status = await self._intake.accept(draft, request.wait, context)
        return pb.SaveContactResponse(operation_id=receipt.operation_id, contact_id=receipt.recipient, status=status)

    async def remove_contact(self, request: pb.RemoveContactRequest, context: CallContext) -> pb.RemoveContactResponse:
        """Removes a contact."""
        contact = _contact(request.contact_id, context)
        normalised = pb.RemoveContactRequest()
        normalised.CopyFrom(request)
        normalised.contact_id = contact.shown
        draft = _draft(OperationKind.REMOVE_CONTACT, REMOVE, contact, normalised, context)
        receipt, status = await self._intake.accept(draft, request.wait, context)
        return pb.RemoveContactResponse(operation_id=receipt.operation_id, contact_id=receipt.recipient, status=status)


def _contact(text: str, context: CallContext) -> Recipient:
    contact = recipients.contact(text, context.session_api.default_country)
    if contact is None:
        raise ValidationFailed({"contact_id": ["The contact id field format is invalid."]})
    return contact


def _draft(
    kind: OperationKind,
    rpc: str,
    contact: Recipient,
    request: pb.SaveContactRequest | pb.RemoveContactRequest,
    context: CallContext,
) -> Draft:
    session_api = context.session_api
    return Draft(
        channel_id=session_api.channel_id,
        session_api_id=session_api.id,
        kind=kind,
        recipient=contact.shown,
        target=contact.target,
        body=request.name if isinstance(request, pb.SaveContactRequest) else "",
        reference=request.reference,
        idempotency=idempotency(session_api, rpc, request.idempotency_key, request),
    )
