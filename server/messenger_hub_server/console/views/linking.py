"""Linking a WhatsApp account: the codes as they come."""

from __future__ import annotations

from aiohttp import web
from messenger_hub.admin.v1 import channel_admin_service_pb2 as pb

from messenger_hub_server.console import live
from messenger_hub_server.console.showing import fragment, page
from messenger_hub_server.console.views.visit import CALLS, call
from messenger_hub_server.errors import HubError


async def link(request: web.Request) -> web.Response:
    """The page with the code."""
    wanted = pb.GetChannelRequest(channel=request.match_info["channel"])
    found = await call(request, wanted, pb.GetChannelResponse)
    return page(request, "link.html", {"channel": found.channel, "phone": request.query.get("phone", "").strip()})


async def codes(request: web.Request) -> web.StreamResponse:
    """Every code and state until the channel is linked."""
    wanted = pb.LinkChannelRequest(channel=request.match_info["channel"], phone=request.query.get("phone", "").strip())
    latest = pb.LinkChannelResponse()

    def shown(one: pb.LinkChannelResponse) -> str:
        latest.CopyFrom(one)
        return fragment(request, "link-code.html", {"answer": one, "problem": "", "linked": False})

    def ended(error: HubError | None) -> str:
        linked = error is None and bool(latest.channel.status.number)
        problem = _sentence(error) if error is not None else ""
        return fragment(request, "link-code.html", {"answer": latest, "problem": problem, "linked": linked})

    source = request.app[CALLS].stream(wanted, pb.LinkChannelResponse)
    return await live.events(request, source, shown, ended)


def _sentence(error: HubError) -> str:
    violations = getattr(error, "violations", {})
    return " ".join(sentence for sentences in violations.values() for sentence in sentences) or error.sentence


ROUTES = [
    web.get("/console/channels/{channel:[0-9]+}/link", link),
    web.get("/console/channels/{channel:[0-9]+}/codes", codes),
]
