"""CORS: off, but for the origins that session APIs list.

A preflight carries no key, so it is allowed when any active session API lists the page's origin. What protects is the answer to the
call itself: a page may read it only when the session API of its own key lists the origin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from aiohttp import web

from messenger_hub_server.gateway.request import KEY_HEADERS
from messenger_hub_server.gateway.routes import Route
from messenger_hub_server.identity.callers import Caller

EXPOSED = ", ".join(("X-Request-Id", "Retry-After", "Idempotent-Replayed"))
MAX_AGE_SECONDS = 600
PREFLIGHT_VARIES = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"

Origins = Callable[[str], bool]
"""Does some active session API list this origin?"""


class Cors:
    """What pages of other origins may do."""

    def __init__(self, origins: Origins, routes: Iterable[Route]) -> None:
        self._origins = origins
        named = {header for route in routes for _, header in route.headers}
        self._request_headers = ", ".join(sorted({*KEY_HEADERS, "Content-Type", *named}))

    def preflight(self, http: web.BaseRequest, verbs: Sequence[str]) -> web.Response | None:
        """The answer to OPTIONS for a path with these methods; None when CORS is off for the origin that asks."""
        origin = http.headers.get("Origin", "")
        if not origin or not self._origins(origin):
            return None
        headers = {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": ", ".join(verbs),
            "Access-Control-Allow-Headers": self._request_headers,
            "Access-Control-Max-Age": str(MAX_AGE_SECONDS),
            "Vary": PREFLIGHT_VARIES,
        }
        return web.Response(status=204, headers=headers)

    def open_answer(self, response: web.StreamResponse, http: web.BaseRequest, caller: Caller | None) -> None:
        """Lets the page that called read the answer, if the session API of the key lists its origin."""
        response.headers.setdefault("Vary", "Origin")
        session_api = caller.session_api if caller is not None else None
        origin = http.headers.get("Origin", "")
        if origin and session_api is not None and origin in session_api.cors_origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = EXPOSED
