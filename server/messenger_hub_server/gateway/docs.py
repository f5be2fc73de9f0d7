"""The page to try calls on: Swagger UI on our own OpenAPI document, with nothing from another host and nothing inline."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from aiohttp import web

from messenger_hub_server.errors import NotFound
from messenger_hub_server.gateway.door import Page

PATH = "/docs"
ASSET_AGE_SECONDS = 3600
# Swagger UI's own pictures are data: in its style sheet.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PARTS: Mapping[str, tuple[str, str]] = {
    "": ("page/docs.html", "text/html"),
    "/docs.js": ("page/docs.js", "text/javascript"),
    "/docs.css": ("page/docs.css", "text/css"),
    "/swagger-ui-bundle.js": ("assets/swagger-ui-bundle.js", "text/javascript"),
    "/swagger-ui.css": ("assets/swagger-ui.css", "text/css"),
}
_MISSING = "This installation lacks the page's files: install Messenger Hub again, with the npm registry in reach."


def docs() -> Mapping[str, Page]:
    """Path → what answers a GET."""
    return {PATH + path: _page(name, kind) for path, (name, kind) in _PARTS.items()}


def _page(name: str, kind: str) -> Page:
    caching = "no-cache" if kind == "text/html" else f"max-age={ASSET_AGE_SECONDS}"

    async def page() -> web.Response:
        try:
            body = _read(name)
        except FileNotFoundError as error:
            raise NotFound(_MISSING) from error
        headers = {**_HEADERS, "Cache-Control": caching}
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)

    return page


@cache
def _read(name: str) -> bytes:
    """Read at the first use: the bundle is large, and most hubs never show it."""
    return (files(__package__) / name).read_bytes()
