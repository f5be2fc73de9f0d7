"""Channels: where each stands, what to do about it, and everything that an operator may do with one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from aiohttp import web
from google.protobuf.message import Message
from messenger_hub.admin.v1 import agent_admin_service_pb2
from messenger_hub.admin.v1 import channel_admin_service_pb2 as pb

from messenger_hub_server.console.showing import done, form_page, page
from messenger_hub_server.console.views.checks import looked
from messenger_hub_server.console.views.visit import call, form, number
from messenger_hub_server.errors import HubError
from messenger_hub_server.model import LATEST_MS

LIST = "/console/channels"
HOUR_MS = 3_600_000
MOST_HOURS = 24 * 365


async def listed(request: web.Request) -> web.Response:
    """All of them."""
    return await _list(request)


async def create(request: web.Request) -> web.Response:
    """A new one; its page is where it is linked."""
    given = await form(request)
    wanted = pb.CreateChannelRequest(name=given.get("name", ""), pace=number(given.get("pace", "")))  # type: ignore[arg-type]
    try:
        made = await call(request, wanted, pb.CreateChannelResponse)
    except HubError as error:
        return await _list(request, given, error)
    raise done(f"{LIST}/{made.channel.id}", "made")


async def shown(request: web.Request) -> web.Response:
    """One, and where that was asked for what is looked at of it and of its desktop."""
    return await _one(request, looks="look" in request.query)


async def act(request: web.Request) -> web.Response:
    """Carries out what one of the page's buttons says."""
    channel, given = request.match_info["channel"], await form(request)
    actions: Mapping[str, tuple[Message, type[Message]]] = {
        "pause": (pb.PauseChannelRequest(channel=channel, reason=given.get("reason", "")), pb.PauseChannelResponse),
        "resume": (pb.ResumeChannelRequest(channel=channel), pb.ResumeChannelResponse),
        "unlink": (pb.UnlinkChannelRequest(channel=channel), pb.UnlinkChannelResponse),
        "clear": (pb.ClearQueueRequest(channel=channel), pb.ClearQueueResponse),
        "pace": (
            pb.UpdateChannelRequest(channel=channel, pace=number(given.get("pace", ""))),  # type: ignore[arg-type]
            pb.UpdateChannelResponse,
        ),
        "move": (
            pb.MoveChannelRequest(channel=channel, agent=given.get("agent", ""), force="force" in given),
            pb.MoveChannelResponse,
        ),
        "delete": (pb.DeleteChannelRequest(channel=channel), pb.DeleteChannelResponse),
        "backlog": (_backlog(channel, _before_ms(given)), pb.DecideBacklogResponse),
    }
    action = request.match_info["action"]
    if action not in actions:
        raise web.HTTPNotFound
    try:
        await call(request, *actions[action])
    except HubError as error:
        return await _one(request, error)
    raise done(LIST if action == "delete" else f"{LIST}/{channel}", action)


async def pictured(request: web.Request) -> web.Response:
    """What its page looks like, for a person."""
    channel, error = await _channel(request), None
    try:
        await _picture(request)
    except HubError as problem:
        error = problem
    return form_page(request, "channel-page.html", {"channel": channel}, error)


async def picture(request: web.Request) -> web.Response:
    """The picture itself."""
    jpeg = (await _picture(request)).jpeg
    return web.Response(body=jpeg, content_type="image/jpeg", headers={"Cache-Control": "no-store"})


async def _picture(request: web.Request) -> pb.GetPagePictureResponse:
    wanted = pb.GetPagePictureRequest(channel=request.match_info["channel"])
    return await call(request, wanted, pb.GetPagePictureResponse)


async def asked_backlog(request: web.Request) -> web.Response:
    """How many would be cancelled."""
    hours = number(request.query.get("hours", ""), MOST_HOURS)
    if not hours:
        raise web.HTTPBadRequest
    before_ms = round(time.time() * 1000) - hours * HOUR_MS
    wanted = _backlog(request.match_info["channel"], before_ms)
    wanted.validate_only = True
    found = await call(request, wanted, pb.DecideBacklogResponse)
    shown = {
        "channel": found.channel,
        "action": "backlog",
        "failed": found.cancelled,
        "more": found.more,
        "hours": hours,
    }
    return page(request, "channel-confirm.html", {**shown, "session_apis": 0, "before_ms": before_ms})


def _before_ms(given: Mapping[str, str]) -> int:
    """0: nothing is to be cancelled. What cannot be read must not stand for that."""
    if "before_ms" not in given:
        return 0
    before_ms = number(given["before_ms"], LATEST_MS)
    if not before_ms:
        raise web.HTTPBadRequest
    return before_ms


def _backlog(channel: str, before_ms: int) -> pb.DecideBacklogRequest:
    """`before_ms`: 0 cancels nothing."""
    wanted = pb.DecideBacklogRequest(channel=channel)
    if before_ms:
        wanted.cancel_accepted_before.FromMilliseconds(before_ms)
    return wanted


async def asked(request: web.Request) -> web.Response:
    """What clearing or deleting would do, before it is done."""
    channel, action = request.match_info["channel"], request.match_info["action"]
    values: dict[str, object] = {"channel": await _channel(request), "action": action, "failed": 0, "session_apis": 0}
    if action == "clear":
        cleared = await call(request, pb.ClearQueueRequest(channel=channel, validate_only=True), pb.ClearQueueResponse)
        values["failed"] = cleared.cancelled
    elif action == "delete":
        deleted = await call(
            request, pb.DeleteChannelRequest(channel=channel, validate_only=True), pb.DeleteChannelResponse
        )
        values |= {"failed": deleted.failed, "session_apis": deleted.session_apis}
    elif action != "unlink":
        raise web.HTTPNotFound
    return page(request, "channel-confirm.html", values)


async def _channel(request: web.Request) -> pb.Channel:
    wanted = pb.GetChannelRequest(channel=request.match_info["channel"])
    return (await call(request, wanted, pb.GetChannelResponse)).channel


async def _list(
    request: web.Request, given: Mapping[str, str] | None = None, error: HubError | None = None
) -> web.Response:
    found = await call(request, pb.ListChannelsRequest(), pb.ListChannelsResponse)
    values = {
        "channels": found.channels,
        "given": given or {},
    }
    return form_page(request, "channels.html", values, error)


async def _one(request: web.Request, error: HubError | None = None, *, looks: bool = False) -> web.Response:
    channel = await _channel(request)
    values = {
        "channel": channel,
        "groups": await looked(request, str(channel.id)) if looks else [],
        "here": f"{LIST}/{channel.id}",  # the page is fetched again after each change, and the desktop must not be asked each time
        "others": [agent for agent in await _agents(request) if agent.active and agent.id != channel.agent_id],
    }
    return form_page(request, "channel.html", values, error)


async def _agents(request: web.Request) -> Sequence[agent_admin_service_pb2.Agent]:
    wanted = agent_admin_service_pb2.ListAgentsRequest()
    return (await call(request, wanted, agent_admin_service_pb2.ListAgentsResponse)).agents


ROUTES = [
    web.get(LIST, listed),
    web.post(LIST, create),
    web.get(LIST + "/{channel:[0-9]+}", shown),
    web.get(LIST + "/{channel:[0-9]+}/page", pictured),
    web.get(LIST + "/{channel:[0-9]+}/page.jpg", picture),
    web.get(LIST + "/{channel:[0-9]+}/backlog", asked_backlog),
    web.get(LIST + "/{channel:[0-9]+}/{action:clear|delete|unlink}", asked),
    web.post(LIST + "/{channel:[0-9]+}/{action}", act),
]
