"""Static files, kept by browsers until they change."""

from __future__ import annotations

from aiohttp import web

from messenger_hub_server.console.showing import static

KINDS = {
    "console.css": "text/css",
    "console.js": "text/javascript",
    "htmx.min.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
YEAR_SECONDS = 365 * 24 * 3600


async def asset(request: web.Request) -> web.Response:
    """One file."""
    name = request.match_info["name"]
    if name not in KINDS:
        raise web.HTTPNotFound
    try:
        content, stamp = static(name)
    except FileNotFoundError:
        raise web.HTTPNotFound from None
    caching = f"max-age={YEAR_SECONDS}, immutable" if request.query_string == stamp else "no-cache"
    return web.Response(body=content, content_type=KINDS[name], charset="utf-8", headers={"Cache-Control": caching})


ROUTES = [web.get("/console/static/{name}", asset)]
