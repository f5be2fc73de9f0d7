"""The one shape of every answer under the API's prefix."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from messenger_hub_server.errors import HubError, InvalidApiKey, MethodNotAllowed, ValidationFailed
from messenger_hub_server.gateway.codec import encode

CONTENT_TYPE = "application/json; charset=utf-8"


def success(status: int, sentence: str, data: object) -> web.Response:
    """{"success": true, "message": …, "data": …}"""
    return _response(status, {"success": True, "message": sentence, "data": data})


def failure(error: HubError) -> web.Response:
    """{"success": false, "message": …}; errors with 422, code with all others but 401."""
    body: dict[str, object] = {"success": False, "message": error.sentence}
    if isinstance(error, ValidationFailed):
        body["errors"] = error.violations
    elif not isinstance(error, InvalidApiKey):
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
