"""Agents: the desktops, how another one joins, how one gets a newer wa-js, and how one is shut out."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from aiohttp import web
from messenger_hub.admin.v1 import agent_admin_service_pb2 as pb
from messenger_hub.admin.v1 import channel_admin_service_pb2, hub_admin_service_pb2

from messenger_hub_server.console.showing import done, form_page, page
from messenger_hub_server.console.views.visit import call, form
from messenger_hub_server.errors import HubError

LIST = "/console/agents"


async def listed(request: web.Request) -> web.Response:
    """All of them, and the form for another one."""
    return await _list(request)


async def enrol(request: web.Request) -> web.Response:
    """Shows a token, once."""
    given = await form(request)
    wanted = pb.CreateEnrolmentRequest(name=given.get("name", ""), channel=given.get("channel", ""))
    try:
        made = await call(request, wanted, pb.CreateEnrolmentResponse)
    except HubError as error:
        return await _list(request, given, error)
    hub = await call(request, hub_admin_service_pb2.GetHubRequest(), hub_admin_service_pb2.GetHubResponse)
    host, _, port = hub.grpc_addresses[0].rpartition(":")
    only_here = ipaddress.ip_address(host.strip("[]")).is_loopback
    values = {
        "enrolment": made,
        "name": wanted.name,
        # By the name that has led here a desktop elsewhere finds a hub that a proxy protects too.
        "server": hub.grpc_addresses[0] if only_here else f"{request.url.raw_host}:{port}",
        "only_here": only_here,
    }
    return page(request, "enrolment.html", values)


async def revoke(request: web.Request) -> web.Response:
    """Its credential and its streams end."""
    await call(request, pb.RevokeAgentRequest(agent=request.match_info["id"]), pb.RevokeAgentResponse)
    raise done(LIST, "revoked")


async def update_wa_js(request: web.Request) -> web.Response:
    """Has a desktop look for a newer one; what comes of it the list tells."""
    try:
        await call(request, pb.UpdateWaJsRequest(agent=request.match_info["id"]), pb.UpdateWaJsResponse)
    except HubError as error:
        return await _list(request, error=error, about="wa-js")
    raise done(LIST, "wa-js")


async def asked(request: web.Request) -> web.Response:
    """Before it is done."""
    found = await call(request, pb.ListAgentsRequest(), pb.ListAgentsResponse)
    agent = next((one for one in found.agents if str(one.id) == request.match_info["id"]), None)
    if agent is None:
        raise web.HTTPNotFound
    return page(request, "agent-confirm.html", {"agent": agent})


async def _list(
    request: web.Request,
    given: Mapping[str, str] | None = None,
    error: HubError | None = None,
    about: str = "enrolment",
) -> web.Response:
    """`about`: the part of the page that the error is about."""
    found = await call(request, pb.ListAgentsRequest(), pb.ListAgentsResponse)
    channels = await call(
        request, channel_admin_service_pb2.ListChannelsRequest(), channel_admin_service_pb2.ListChannelsResponse
    )
    values = {
        "agents": found.agents,
        "channels": channels.channels,
        "given": given or {},
        "about": about,
        "here": LIST,  # also after a refusal, whose address cannot be fetched
    }
    return form_page(request, "agents.html", values, error)


ROUTES = [
    web.get(LIST, listed),
    web.post(LIST, enrol),
    web.get(LIST + "/{id:[0-9]+}/revoke", asked),
    web.post(LIST + "/{id:[0-9]+}/revoke", revoke),
    web.post(LIST + "/{id:[0-9]+}/wa-js", update_wa_js),
]
