"""Settings, who is signed in, and the last warnings."""

from __future__ import annotations

from aiohttp import web
from messenger_hub.admin.v1 import hub_admin_service_pb2 as pb

from messenger_hub_server.console import guard
from messenger_hub_server.console.showing import done, form_page, page
from messenger_hub_server.console.views.visit import call, form
from messenger_hub_server.console.words import _
from messenger_hub_server.errors import HubError, ValidationFailed


async def settings(request: web.Request) -> web.Response:
    """What the hub is set to, and where from."""
    return await _settings(request)


async def set_password(request: web.Request) -> web.Response:
    """Signs out all other browsers."""
    given = await form(request)
    try:
        if given.get("password", "") != given.get("again", ""):
            raise ValidationFailed({"again": [_("The two passwords differ.")]})
        await request.app[guard.SIGN_INS].set_password(given.get("password", ""), request[guard.SIGNED_IN])
    except HubError as error:
        return await _settings(request, error)
    raise done("/console/settings", "password")


async def end_sign_in(request: web.Request) -> web.Response:
    """Of another browser, or of this one."""
    await request.app[guard.SIGN_INS].sign_out(request.match_info["id"])
    raise done("/console/settings", "signed-out")


async def warnings(request: web.Request) -> web.Response:
    """The last ones."""
    found = await call(request, pb.ListWarningsRequest(), pb.ListWarningsResponse)
    return page(request, "log.html", {"warnings": found.warnings})


async def _settings(request: web.Request, error: HubError | None = None) -> web.Response:
    found = await call(request, pb.ListSettingsRequest(), pb.ListSettingsResponse)
    values = {
        "hub": await call(request, pb.GetHubRequest(), pb.GetHubResponse),
        "settings": found.settings,
        "sign_ins": await request.app[guard.SIGN_INS].all(),
        "has_password": await request.app[guard.SIGN_INS].has_password(),
    }
    return form_page(request, "settings.html", values, error)


ROUTES = [
    web.get("/console/settings", settings),
    web.post("/console/settings/password", set_password),
    web.post("/console/settings/sign-ins/{id:[0-9a-f]+}/end", end_sign_in),
    web.get("/console/log", warnings),
]
