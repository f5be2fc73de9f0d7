"""Session APIs: the keys of programs, shown once with lines to try them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from types import MappingProxyType

from aiohttp import web
from google.protobuf.duration_pb2 import Duration
from messenger_hub.admin.v1 import channel_admin_service_pb2, hub_admin_service_pb2
from messenger_hub.admin.v1 import session_api_admin_service_pb2 as pb
from messenger_hub.v1 import message_service_pb2, rest_pb2

from messenger_hub_server.console.guard import API_ADDRESS
from messenger_hub_server.console.showing import done, form_page, page
from messenger_hub_server.console.views.visit import CALLS, call, chosen, form, number
from messenger_hub_server.console.words import _
from messenger_hub_server.errors import HubError, NotFound, ValidationFailed

LIST = "/console/session-apis"
HOUR_SECONDS = 3600
LIFETIME_HOURS = 24
MOST_OVERLAP_HOURS = 30 * 24
NUMBERS = {"rate_per_minute": 1_000_000, "quota_per_day": 100_000_000, "lifetime_hours": 24 * 365}
NOTHING: Mapping[str, str] = MappingProxyType({})
FIRST = {"lifetime_hours": str(LIFETIME_HOURS), "scopes": "1 2 3"}


async def listed(request: web.Request) -> web.Response:
    """All of them."""
    found = await call(request, pb.ListSessionApisRequest(), pb.ListSessionApisResponse)
    return page(request, "session-apis.html", {"session_apis": found.session_apis})


async def new(request: web.Request) -> web.Response:
    """The form."""
    return await _form(request, {**FIRST, "channel": request.query.get("channel", "")})


async def create(request: web.Request) -> web.Response:
    """Makes one and shows its key, once."""
    given = await _given(request)
    try:
        wanted = pb.CreateSessionApiRequest(
            name=given["name"], channel=given["channel"], scopes=_scopes(given), settings=_settings(given)
        )
        made = await call(request, wanted, pb.CreateSessionApiResponse)
    except HubError as error:
        return await _form(request, given, error)
    return await _key(request, made.session_api, made.key)


async def shown(request: web.Request) -> web.Response:
    """One, with its settings."""
    return await _one(request)


async def change(request: web.Request) -> web.Response:
    """Its settings."""
    given = await _given(request)
    try:
        settings = _settings(given, _as_given(await _found(request)))
        wanted = pb.UpdateSessionApiRequest(
            session_api=request.match_info["id"], scopes=_scopes(given), settings=settings
        )
        await call(request, wanted, pb.UpdateSessionApiResponse)
    except HubError as error:
        return await _one(request, given, error)
    raise done(f"{LIST}/{request.match_info['id']}", "saved")


async def rotate(request: web.Request) -> web.Response:
    """A new key; the old one works on for as long as was asked."""
    given = await form(request)
    try:
        wanted = pb.RotateSessionApiRequest(session_api=request.match_info["id"], overlap=_overlap(given))
        rotated = await call(request, wanted, pb.RotateSessionApiResponse)
    except HubError as error:
        return await _one(request, {**_as_given(await _found(request)), **given}, error)
    return await _key(request, rotated.session_api, rotated.key)


async def deactivate(request: web.Request) -> web.Response:
    """Its keys stop working."""
    cancel = "cancel_queued" in await form(request)
    wanted = pb.DeactivateSessionApiRequest(session_api=request.match_info["id"], cancel_queued=cancel)
    await call(request, wanted, pb.DeactivateSessionApiResponse)
    raise done(f"{LIST}/{request.match_info['id']}", "deactivated")


async def activate(request: web.Request) -> web.Response:
    """They work again."""
    wanted = pb.ActivateSessionApiRequest(session_api=request.match_info["id"])
    await call(request, wanted, pb.ActivateSessionApiResponse)
    raise done(f"{LIST}/{request.match_info['id']}", "activated")


async def test(request: web.Request) -> web.Response:
    """A message as a program would send it, with the key that was just shown."""
    given = await form(request)
    key = given.get("key", "")
    message = message_service_pb2.SendMessageRequest(
        mobile=given.get("mobile", ""),
        message=given.get("message", ""),
        idempotency_key=given.get("idempotency_key", ""),
    )
    try:
        queued = await request.app[CALLS].send(key, message)
    except HubError as error:
        return await _key(request, await _found(request), key, given, error)
    raise web.HTTPSeeOther(f"/console/operations/{queued.message_id}")


async def _found(request: web.Request) -> pb.SessionApi:
    listed = await call(request, pb.ListSessionApisRequest(), pb.ListSessionApisResponse)
    for one in listed.session_apis:
        if str(one.id) == request.match_info["id"]:
            return one
    raise NotFound


async def _key(
    request: web.Request,
    session_api: pb.SessionApi,
    key: str,
    given: Mapping[str, str] | None = None,
    error: HubError | None = None,
) -> web.Response:
    hub = await call(request, hub_admin_service_pb2.GetHubRequest(), hub_admin_service_pb2.GetHubResponse)
    values = {
        "session_api": session_api,
        "key": key,
        "lan": hub.lan_http_address,
        "once": (given or {}).get("idempotency_key") or secrets.token_hex(16),
        "address": request.app[API_ADDRESS].rstrip("/") or str(request.url.origin()),
        "given": given or {},
    }
    return form_page(request, "key.html", values, error)


async def _form(request: web.Request, given: Mapping[str, str], error: HubError | None = None) -> web.Response:
    channels = await call(
        request, channel_admin_service_pb2.ListChannelsRequest(), channel_admin_service_pb2.ListChannelsResponse
    )
    linked = next((one.name for one in channels.channels if one.status.number), "")
    values = {
        "channels": channels.channels,
        "given": {**given, "channel": given["channel"] or linked},
    }
    return form_page(request, "session-api-new.html", values, error)


async def _one(
    request: web.Request, given: Mapping[str, str] | None = None, error: HubError | None = None
) -> web.Response:
    found = await _found(request)
    values = {
        "session_api": found,
        "given": given or _as_given(found),
    }
    return form_page(request, "session-api.html", values, error)


def _as_given(found: pb.SessionApi) -> Mapping[str, str]:
    settings = found.settings
    lifetime = settings.default_lifetime.seconds
    return {
        "default_country": settings.default_country,
        "lifetime_hours": f"{lifetime / HOUR_SECONDS:g}" if lifetime else "",
        "rate_per_minute": str(settings.rate_per_minute) if settings.HasField("rate_per_minute") else "",
        "quota_per_day": str(settings.quota_per_day) if settings.HasField("quota_per_day") else "",
        "cors_origins": "\n".join(settings.cors_origins),
        "scopes": " ".join(str(scope) for scope in found.scopes),
    }


async def _given(request: web.Request) -> dict[str, str]:
    names = ("name", "channel", "default_country", "cors_origins", *NUMBERS)
    return {**dict.fromkeys(names, ""), **await form(request), "scopes": " ".join(await chosen(request, "scopes"))}


def _overlap(given: Mapping[str, str]) -> Duration:
    hours = given.get("overlap_hours", "")
    if hours != "0" and not 1 <= number(hours) <= MOST_OVERLAP_HOURS:
        raise ValidationFailed({"overlap_hours": [f"Write a whole number from 0 to {MOST_OVERLAP_HOURS}."]})
    return Duration(seconds=number(hours) * HOUR_SECONDS)


def _scopes(given: Mapping[str, str]) -> list[rest_pb2.Scope.ValueType]:
    scopes = [rest_pb2.Scope.ValueType(number(one)) for one in given["scopes"].split()]
    if not scopes:
        raise ValidationFailed({"scopes": [_("Choose at least one thing that the key may do.")]})
    return scopes


def _settings(given: Mapping[str, str], shown: Mapping[str, str] = NOTHING) -> pb.SessionApiSettings:
    """Of a form; what is empty takes a limit off. `shown`: what it held before: a lifetime that was not touched stays, to the second."""
    untouched = given["lifetime_hours"] == shown.get("lifetime_hours")
    wrong = {
        name: [f"Write a whole number from 1 to {most}, or leave it empty."]
        for name, most in NUMBERS.items()
        if given[name] and not 1 <= number(given[name]) <= most and not (untouched and name == "lifetime_hours")
    }
    if wrong:
        raise ValidationFailed(wrong)
    settings = pb.SessionApiSettings(
        default_country=given["default_country"],
        rate_per_minute=number(given["rate_per_minute"]),
        quota_per_day=number(given["quota_per_day"]),
        # In an update none would leave them as they are, and a lone empty one takes them all off.
        cors_origins=given["cors_origins"].split() or [""],
    )
    if not untouched:
        settings.default_lifetime.CopyFrom(Duration(seconds=number(given["lifetime_hours"]) * HOUR_SECONDS))
    return settings


ROUTES = [
    web.get(LIST, listed),
    web.get(LIST + "/new", new),
    web.post(LIST, create),
    web.get(LIST + "/{id:[0-9]+}", shown),
    web.post(LIST + "/{id:[0-9]+}", change),
    web.post(LIST + "/{id:[0-9]+}/rotate", rotate),
    web.post(LIST + "/{id:[0-9]+}/deactivate", deactivate),
    web.post(LIST + "/{id:[0-9]+}/activate", activate),
    web.post(LIST + "/{id:[0-9]+}/test", test),
]
