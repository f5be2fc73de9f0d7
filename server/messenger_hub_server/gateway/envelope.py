"""The one shape of every answer under the API's prefix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiohttp import web

from messenger_hub_server.errors import HubError, InvalidApiKey, MethodNotAllowed, ValidationFailed
from messenger_hub_server.gateway.codec import encode

CONTENT_TYPE = "application/json; charset=utf-8"


def success(status: int, sentence: str, data: object) -> web.Response:
    """{"success": true, "message": …, "data": …}"""
    return _response(status, {"success": True, "message": sentence, "data": data})


def further_member(kind: type[HubError]) -> str:
    """What an error's body holds beside its sentence: errors with 422, nothing with 401, code with all others."""
    if issubclass(kind, ValidationFailed):
        return "errors"
    return "" if issubclass(kind, InvalidApiKey) else "code"


def example(kind: type[HubError], violations: Mapping[str, Sequence[str]]) -> Mapping[str, object]:
    """A body of this error as it may look."""
    further = {"errors": violations, "code": kind.word()}
    member = further_member(kind)
    return {"success": False, "message": kind.sentence} | ({member: further[member]} if member else {})


def failure(error: HubError) -> web.Response:
    """{"success": false, "message": …} and the further member."""
    body: dict[str, object] = {"success": False, "message": error.sentence}
    match further_member(type(error)), error:
        case "errors", ValidationFailed(violations=violations):
            body["errors"] = violations
        case "code", _:
            body["code"] = error.code
    response = _response(error.http_status, body)
    if error.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(error.allowed)
    return response


def _response(status: int, body: Mapping[str, object]) -> web.Response:
    headers = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
    return web.Response(status=status, body=encode(body), headers=headers)
