"""What is wrong or waiting, in one look."""

from __future__ import annotations

import time
from collections.abc import Sequence

from aiohttp import web
from messenger_hub.admin.v1 import (
    agent_admin_service_pb2,
    channel_admin_service_pb2,
    hub_admin_service_pb2,
    operation_admin_service_pb2,
    session_api_admin_service_pb2,
)
from messenger_hub.v1 import channel_service_pb2, operation_pb2

from messenger_hub_server.console import live
from messenger_hub_server.console.activity import chart
from messenger_hub_server.console.showing import page
from messenger_hub_server.console.views.visit import CALLS, call

LATEST = 8
STARTS_SECONDS = 120
"""A page is ready within seconds; longer, and WhatsApp Web is offline, or the desktop has no network."""

ATTENTION_MOST = 8
"""Channels that the first page names: a desktop that is away may have all of them."""

NEEDS_A_PERSON = frozenset(
    {
        channel_service_pb2.CHANNEL_STATE_OFFLINE,
        channel_service_pb2.CHANNEL_STATE_UNLINKED,
        channel_service_pb2.CHANNEL_STATE_PASSKEY_NEEDED,
        channel_service_pb2.CHANNEL_STATE_RESTRICTED,
        channel_service_pb2.CHANNEL_STATE_CHANGED_ACCOUNT,
        channel_service_pb2.CHANNEL_STATE_NEEDS_UPDATE,
    }
)


async def home(request: web.Request) -> web.Response:
    """The first page."""
    hub = await call(request, hub_admin_service_pb2.GetHubRequest(), hub_admin_service_pb2.GetHubResponse)
    channels = (
        await call(
            request,
            channel_admin_service_pb2.ListChannelsRequest(),
            channel_admin_service_pb2.ListChannelsResponse,
        )
    ).channels
    latest = await call(
        request,
        operation_admin_service_pb2.ListOperationsRequest(limit=LATEST),
        operation_admin_service_pb2.ListOperationsResponse,
    )
    uncertain = await call(
        request,
        operation_admin_service_pb2.ListOperationsRequest(
            status=operation_pb2.OPERATION_STATUS_UNCERTAIN, limit=LATEST
        ),
        operation_admin_service_pb2.ListOperationsResponse,
    )
    day = await call(request, hub_admin_service_pb2.GetActivityRequest(), hub_admin_service_pb2.GetActivityResponse)
    now = time.time()
    attention = [one for one in channels if needs_a_person(one, now)]
    values = {
        "hub": hub,
        "activity": chart(day.hours),
        "channels": channels,
        "attention": attention[:ATTENTION_MOST],
        "more": max(0, len(attention) - ATTENTION_MOST),
        "starting": any(_starts(one) for one in channels),
        "latest": latest.operations,
        "uncertain": uncertain.operations,
        "steps": await _steps(request, channels, bool(latest.operations)),
    }
    return page(request, "home.html", values)


def needs_a_person(channel: channel_admin_service_pb2.Channel, now: float) -> bool:
    """Whether somebody has to look at it, at Unix seconds `now`: one that starts gets there by itself, as long as it does not last."""
    lasts = now - channel.status.since.seconds > STARTS_SECONDS
    return (
        channel.status.channel in NEEDS_A_PERSON or channel.HasField("backlog_oldest") or (_starts(channel) and lasts)
    )


def _starts(channel: channel_admin_service_pb2.Channel) -> bool:
    return channel.status.channel == channel_service_pb2.CHANNEL_STATE_STARTING


async def changes(request: web.Request) -> web.StreamResponse:
    """Says that something has changed; the page fetches what it shows."""
    source = request.app[CALLS].stream(hub_admin_service_pb2.WatchHubRequest(), hub_admin_service_pb2.WatchHubResponse)
    return await live.events(request, source, lambda _: "changed")


async def _steps(
    request: web.Request, channels: Sequence[channel_admin_service_pb2.Channel], sent: bool
) -> Sequence[bool]:
    """Which steps of a first start are done: a desktop, a linked channel, a key, a message."""
    agents = await call(
        request, agent_admin_service_pb2.ListAgentsRequest(), agent_admin_service_pb2.ListAgentsResponse
    )
    session_apis = await call(
        request,
        session_api_admin_service_pb2.ListSessionApisRequest(),
        session_api_admin_service_pb2.ListSessionApisResponse,
    )
    return (
        any(agent.active for agent in agents.agents),
        any(channel.status.number for channel in channels),
        bool(session_apis.session_apis),
        sent,
    )


ROUTES = [web.get("/console/", home), web.get("/console/changes", changes)]
