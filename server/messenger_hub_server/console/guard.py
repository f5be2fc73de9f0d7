"""What stands before every page: the right host, the right origin, a browser that is signed in, and answers that stay private."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web
from multidict import MultiDictProxy

from messenger_hub_server.console.words import _
from messenger_hub_server.errors import MalformedRequest
from messenger_hub_server.identity.keeping import SignIn
from messenger_hub_server.identity.proxies import Network, caller_address
from messenger_hub_server.identity.signins import SIGNED_IN_MS, SignIns

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Without any, browsers hide where a form came from, and every change would be refused.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
STRANGE_HOST = _(
    "The console does not answer to this host name. Use the machine's IP address or localhost, or set --api-address to the name by "
    "which other machines know this hub."
)
OPEN = frozenset({"/", "/console", "/console/sign-in", "/console/open"})
STATIC = "/console/static/"
SIGN_INS = web.AppKey("sign_ins", SignIns)
HOSTS = web.AppKey("hosts", frozenset)
API_ADDRESS = web.AppKey("api_address", str)
PROXIES = web.AppKey("proxies", tuple)
SIGN_IN = "/console/sign-in"
SIGNED_IN = web.RequestKey("signed_in", SignIn)
"""The browser that asks; not there when it is not signed in."""
SAFE = frozenset({"GET", "HEAD"})


def own_hosts(api_address: str) -> frozenset[str]:
    """Names by which the console may be called, beside IP addresses: a foreign name that leads here is an attack."""
    machine = socket.gethostname().lower()
    named = urlsplit(api_address).hostname if api_address else None
    return frozenset({"localhost", machine, f"{machine}.local", *([named] if named else [])})


async def private(request: web.Request, response: web.StreamResponse) -> None:
    """What every answer carries, streams and refusals too: a signal of aiohttp, sent before the headers go out."""
    response.headers.update(HEADERS)
    if not request.path.startswith(STATIC):
        response.headers["Cache-Control"] = "no-store"


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Everything that decides whether a page is asked at all."""
    if not _ours(_host(request), request.app[HOSTS]):
        raise web.HTTPMisdirectedRequest(text=STRANGE_HOST)
    if request.path.startswith(STATIC):
        return await handler(request)
    if request.method not in SAFE and not _same_origin(request):
        raise web.HTTPForbidden(text=_("This came from another web page and was not carried out."))
    signed_in = await browser_of(request)
    if signed_in is not None:
        request[SIGNED_IN] = signed_in
    if request.path not in OPEN:
        if signed_in is None:
            raise _to_sign_in(request)
        if request.method not in SAFE and not await _has_token(request, signed_in):
            raise web.HTTPForbidden(text=_("This page is out of date: load it again, then repeat what you did."))
    return await handler(request)


def wants_page(request: web.Request) -> bool:
    """A person reads the answer, no script."""
    return "HX-Request" not in request.headers and "text/html" in request.headers.get("Accept", "")


async def browser_of(request: web.Request) -> SignIn | None:
    """The browser that asks, as long as it is signed in."""
    return await request.app[SIGN_INS].signed_in(request.cookies.get(cookie_name(request), ""))


def address_of(request: web.Request) -> str:
    """The address that the browser has, as far as that can be believed."""
    proxies: tuple[Network, ...] = request.app[PROXIES]
    return caller_address(request.remote or "", request.headers.getall("X-Forwarded-For", ()), proxies)


def cookie_name(request: web.Request) -> str:
    """Cookies know no ports: two hubs on one machine would sign each other out."""
    return f"messenger_hub_{request.url.port}"


def keep(response: web.StreamResponse, request: web.Request, token: str) -> None:
    """Gives the browser its cookie."""
    response.set_cookie(
        cookie_name(request),
        token,
        path="/console",
        max_age=SIGNED_IN_MS // 1000,
        httponly=True,
        samesite="Strict",
        secure=request.secure or request.headers.get("X-Forwarded-Proto") == "https",
    )


def forget(response: web.StreamResponse, request: web.Request) -> None:
    """Takes it away."""
    response.del_cookie(cookie_name(request), path="/console")


def _host(request: web.Request) -> str:
    try:
        return request.url.host or ""
    except ValueError:  # a host that is none
        return ""


def _ours(host: str, names: frozenset[str]) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.lower() in names
    return True


def _same_origin(request: web.Request) -> bool:
    origin = request.headers.get("Origin")
    if origin is None:  # every browser of today sends one of the two with a POST
        return request.headers.get("Sec-Fetch-Site") == "same-origin"
    # Behind a proxy that does TLS the scheme differs; the host too, where the proxy does not hand it on.
    ours = {request.host.lower(), urlsplit(request.app[API_ADDRESS]).netloc.lower()}
    try:
        return urlsplit(origin).netloc.lower() in ours - {""}
    except ValueError:
        return False


async def posted(request: web.Request) -> MultiDictProxy[str | bytes | bytearray | web.FileField]:
    """The fields of a form. Raises MalformedRequest."""
    try:
        return await request.post()
    except (ValueError, LookupError, AssertionError, RuntimeError) as error:
        raise MalformedRequest from error


async def _has_token(request: web.Request, signed_in: SignIn) -> bool:
    given = (await posted(request)).get("csrf")
    return isinstance(given, str) and secrets.compare_digest(given.encode(), signed_in.csrf.encode())


def _to_sign_in(request: web.Request) -> web.HTTPException:
    if request.method in SAFE and wants_page(request):
        return web.HTTPSeeOther(SIGN_IN)
    # htmx follows the header; a page's script loads the page again.
    text = _("You are signed out: load the page again and sign in.")
    return web.HTTPUnauthorized(text=text, headers={"HX-Redirect": SIGN_IN})
