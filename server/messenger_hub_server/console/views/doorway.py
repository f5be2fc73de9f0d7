"""Coming in and going out: one-time links, the admin token or the password, the reader's language."""

from __future__ import annotations

from aiohttp import web

from messenger_hub_server.console import guard
from messenger_hub_server.console.showing import LANGUAGE_COOKIE, page, problems
from messenger_hub_server.console.views.visit import form
from messenger_hub_server.console.words import LANGUAGES
from messenger_hub_server.errors import HubError

HOME = "/console/"
YEAR_SECONDS = 365 * 24 * 3600


async def root(_: web.Request) -> web.Response:
    """The hub's address leads to the console."""
    raise web.HTTPSeeOther(HOME)


async def sign_in_page(request: web.Request) -> web.Response:
    """Asks for the admin token or the password."""
    if guard.SIGNED_IN in request:
        raise web.HTTPSeeOther(HOME)
    return await _asked(request)


async def sign_in(request: web.Request) -> web.Response:
    """Lets a browser in."""
    secret = (await form(request)).get("secret", "")
    try:
        _, token = await request.app[guard.SIGN_INS].sign_in(secret, guard.address_of(request), _browser(request))
    except HubError as error:
        response = await _asked(request, error)
        if error.retry_after_seconds is not None:
            response.headers["Retry-After"] = str(error.retry_after_seconds)
        return response
    response = web.Response(status=303, headers={"Location": HOME})
    guard.keep(response, request, token)
    return response


async def follow(request: web.Request) -> web.Response:
    """A one-time link. The page goes on by itself: a redirect that began elsewhere would come without the new cookie."""
    if request.method == "HEAD" or _prefetches(request):
        return web.Response(status=204)
    try:
        _, token = await request.app[guard.SIGN_INS].follow(request.query.get("token", ""), _browser(request))
    except HubError as error:
        return await _asked(request, error)
    response = page(request, "entered.html")
    guard.keep(response, request, token)
    return response


async def sign_out(request: web.Request) -> web.Response:
    """This browser."""
    await request.app[guard.SIGN_INS].sign_out(request[guard.SIGNED_IN].id)
    response = web.Response(status=303, headers={"Location": "/console/sign-in"})
    guard.forget(response, request)
    return response


async def choose_language(request: web.Request) -> web.Response:
    """From now on, in this browser."""
    given = await form(request)
    back = given.get("back", HOME)
    response = web.Response(status=303, headers={"Location": back if back.startswith("/console/") else HOME})
    if given.get("language") in LANGUAGES:
        response.set_cookie(
            LANGUAGE_COOKIE, given["language"], path="/console", max_age=YEAR_SECONDS, httponly=True, samesite="Strict"
        )
    return response


async def _asked(request: web.Request, error: HubError | None = None) -> web.Response:
    values = {
        "problems": problems(error) if error is not None else {},
        "has_password": await request.app[guard.SIGN_INS].has_password(),
    }
    status = {401: 403}.get(error.http_status, error.http_status) if error is not None else 200
    return page(request, "sign-in.html", values, status=status)


def _browser(request: web.Request) -> str:
    return request.headers.get("User-Agent", "")


def _prefetches(request: web.Request) -> bool:
    return any("prefetch" in request.headers.get(name, "").lower() for name in ("Purpose", "Sec-Purpose"))


ROUTES = [
    web.get("/", root),
    web.get("/console", root),
    web.get("/console/sign-in", sign_in_page),
    web.post("/console/sign-in", sign_in),
    web.get("/console/open", follow),
    web.post("/console/sign-out", sign_out),
    web.post("/console/language", choose_language),
]
