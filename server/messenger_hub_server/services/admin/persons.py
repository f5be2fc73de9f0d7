"""PersonAdminService: what is stored of a person, for operators."""

from __future__ import annotations

from collections.abc import AsyncIterator

from messenger_hub.admin.v1 import person_admin_service_pb2 as pb

from messenger_hub_server.errors import ValidationFailed
from messenger_hub_server.persons import Persons
from messenger_hub_server.queue import Queue
from messenger_hub_server.rpc.chain import CallContext
from messenger_hub_server.services import recipients
from messenger_hub_server.services.admin.operations import AdminSights


class PersonAdminHandlers:
    """Handlers of PersonAdminService."""

    def __init__(self, persons: Persons, queue: Queue, sights: AdminSights) -> None:
        self._persons = persons
        self._queue = queue
        self._sights = sights

    async def export_person(
        self, request: pb.ExportPersonRequest, _: CallContext
    ) -> AsyncIterator[pb.ExportPersonResponse]:
        """Every operation, oldest first."""
        async for operation in self._persons.operations(_target(request.person)):
            shown = await self._sights.operation(operation, await self._queue.timeline(operation.id))
            yield pb.ExportPersonResponse(operation=shown, body=operation.body)

    async def erase_person(self, request: pb.ErasePersonRequest, _: CallContext) -> pb.ErasePersonResponse:
        """Cancels what waits and blanks the rest."""
        target = _target(request.person)
        done = await (self._persons.count(target) if request.validate_only else self._persons.erase(target))
        return pb.ErasePersonResponse(erased=done.erased, cancelled=done.cancelled)


def _target(text: str) -> str:
    found = recipients.contact(text)
    if found is None:
        raise ValidationFailed({"person": ["The person field format is invalid."]})
    return found.target
