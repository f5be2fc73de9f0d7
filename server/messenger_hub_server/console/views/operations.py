"""Operations: the list as it grows, one with its timeline, and what a person may decide."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from urllib.parse import urlencode

from aiohttp import web
from google.protobuf.message import Message
from messenger_hub.admin.v1 import channel_admin_service_pb2
from messenger_hub.admin.v1 import operation_admin_service_pb2 as pb
from messenger_hub.v1 import operation_pb2

from messenger_hub_server.console.showing import done, form_page, page
from messenger_hub_server.console.views.visit import call, form, number
from messenger_hub_server.errors import HubError

LIST = "/console/operations"
PAGE = 50
EXPORT_PAGE = 100
MOST_ID = 2**63 - 1
FILTERS = ("channel", "status", "type", "reference", "recipient")
COLUMNS = (
    "id",
    "type",
    "recipient",
    "status",
    "reason",
    "reference",
    "channel",
    "session_api",
    "attempts",
    "error",
    "accepted_at",
    "changed_at",
)
CANCELLABLE = frozenset({operation_pb2.OPERATION_STATUS_PENDING, operation_pb2.OPERATION_STATUS_PROCESSING})


async def listed(request: web.Request) -> web.Response:
    """A page of them, newest first."""
    if wanted := request.query.get("find", "").strip():
        raise web.HTTPSeeOther(f"{LIST}/{number(wanted.removeprefix('#'), MOST_ID)}")
    found = await call(request, _wanted(request.query, PAGE), pb.ListOperationsResponse)
    channels = await call(
        request, channel_admin_service_pb2.ListChannelsRequest(), channel_admin_service_pb2.ListChannelsResponse
    )
    filters = _filters(request.query)
    values = {
        "operations": found.operations,
        "channels": channels.channels,
        "filters": filters,
        "is_first": not request.query.get("cursor"),
        "query": urlencode(filters),
        "cancellable": number(filters.get("status", "")) in {0, operation_pb2.OPERATION_STATUS_PENDING},
        "older": urlencode({**filters, "cursor": found.next_cursor}) if found.next_cursor else "",
    }
    return page(request, "operations.html", values)


async def exported(request: web.Request) -> web.StreamResponse:
    """All that the filter finds, as CSV."""
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": 'attachment; filename="operations.csv"',
            "Cache-Control": "no-store",
        }
    )
    wanted = _wanted(request.query, EXPORT_PAGE)
    first = await call(request, wanted, pb.ListOperationsResponse)
    await response.prepare(request)
    await response.write(_lines([COLUMNS]))
    async for operations in _pages(request, wanted, first):
        await response.write(_lines([_row(one) for one in operations]))
    await response.write_eof()
    return response


async def shown(request: web.Request) -> web.Response:
    """One with its timeline."""
    return await _one(request)


async def act(request: web.Request) -> web.Response:
    """Cancels, or decides what is uncertain."""
    operation_id, given = number(request.match_info["id"], MOST_ID), await form(request)
    actions: Mapping[str, tuple[Message, type[Message]]] = {
        "cancel": (pb.CancelOperationRequest(operation_id=operation_id), pb.CancelOperationResponse),
        "resolve": (
            pb.ResolveOperationRequest(
                operation_id=operation_id,
                decision=number(given.get("decision", "")),  # type: ignore[arg-type]
                reason=given.get("reason", ""),
            ),
            pb.ResolveOperationResponse,
        ),
    }
    action = request.match_info["action"]
    try:
        answer = await call(request, *actions[action])
    except HubError as error:
        return await _one(request, given, error)
    raise done(f"{LIST}/{answer.operation.operation.operation_id}", action)  # type: ignore[attr-defined]


async def asked(request: web.Request) -> web.Response:
    """How many would be cancelled."""
    wanted = _cancelling(request.query, validate_only=True)
    found = await call(request, wanted, pb.CancelOperationsResponse)
    filters = {name: value for name, value in _filters(request.query).items() if name != "status"}
    values = {"found": found, "query": urlencode(filters)}
    return page(request, "operations-confirm.html", values)


async def cancel_all(request: web.Request) -> web.Response:
    """Cancels what was counted."""
    newest = number((await form(request)).get("newest", ""), MOST_ID - 1)
    if not newest:  # which would stand for whatever there is
        raise web.HTTPBadRequest
    wanted = _cancelling(request.query, newest_operation_id=newest)
    while (await call(request, wanted, pb.CancelOperationsResponse)).more:
        pass
    raise done(LIST, "cancelled")


def _filters(query: Mapping[str, str]) -> Mapping[str, str]:
    return {name: query[name] for name in FILTERS if query.get(name)}


def _cancelling(query: Mapping[str, str], **given: object) -> pb.CancelOperationsRequest:
    return pb.CancelOperationsRequest(
        channel=query.get("channel", ""),
        type=number(query.get("type", "")),  # type: ignore[arg-type]
        reference=query.get("reference", ""),
        recipient=query.get("recipient", ""),
        **given,  # type: ignore[arg-type]
    )


def _wanted(query: Mapping[str, str], limit: int) -> pb.ListOperationsRequest:
    return pb.ListOperationsRequest(
        channel=query.get("channel", ""),
        status=number(query.get("status", "")),  # type: ignore[arg-type]
        type=number(query.get("type", "")),  # type: ignore[arg-type]
        reference=query.get("reference", ""),
        recipient=query.get("recipient", ""),
        cursor=query.get("cursor", ""),
        limit=limit,
    )


async def _pages(
    request: web.Request, wanted: pb.ListOperationsRequest, found: pb.ListOperationsResponse
) -> AsyncIterator[Sequence[pb.AdminOperation]]:
    yield found.operations
    while found.next_cursor:
        wanted.cursor = found.next_cursor
        found = await call(request, wanted, pb.ListOperationsResponse)
        yield found.operations


async def _one(
    request: web.Request, given: Mapping[str, str] | None = None, error: HubError | None = None
) -> web.Response:
    wanted = pb.GetOperationRequest(operation_id=number(request.match_info["id"], MOST_ID))
    found = (await call(request, wanted, pb.GetOperationResponse)).operation
    operation = found.operation
    values = {
        "found": found,
        "operation": operation,
        "uncertain": operation.status == operation_pb2.OPERATION_STATUS_UNCERTAIN,
        "given": given or {},
        "cancellable": operation.status in CANCELLABLE,
    }
    return form_page(request, "operation.html", values, error)


def _row(one: pb.AdminOperation) -> Sequence[object]:
    operation = one.operation
    status = operation_pb2.OperationStatus.Name(operation.status).removeprefix("OPERATION_STATUS_").lower()
    kind = operation_pb2.OperationType.Name(operation.type).removeprefix("OPERATION_TYPE_").lower()
    row = (operation.operation_id, kind, operation.recipient, status, operation.reason, operation.reference)
    belongs = (one.channel_name, one.session_api_name, operation.attempts, operation.error.code)
    return (*row, *belongs, one.accepted_at.ToJsonString(), one.changed_at.ToJsonString())


def _lines(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([[_plain(value) for value in row] for row in rows])
    return text.getvalue().encode()


def _plain(value: object) -> object:
    """A spreadsheet would carry out what begins like a formula, and a caller chooses the reference."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


ROUTES = [
    web.get(LIST, listed),
    web.get(LIST + ".csv", exported),
    web.get(LIST + "/cancel", asked),
    web.post(LIST + "/cancel", cancel_all),
    web.get(LIST + "/{id:[0-9]+}", shown),
    web.post(LIST + "/{id:[0-9]+}/{action:cancel|resolve}", act),
]
