"""Checks: what keeps messages from going out, of the hub, of each desktop and of each channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from aiohttp import web
from messenger_hub.admin.v1 import hub_admin_service_pb2 as pb

from messenger_hub_server.console.showing import page
from messenger_hub_server.console.views.visit import call

Check = pb.ListChecksResponse.Check


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """All that was looked at of one desktop or channel, or of the hub where both ids are 0."""

    agent_id: int
    agent: str
    channel_id: int
    channel: str
    checks: Sequence[Check]


async def checks(request: web.Request) -> web.Response:
    """What to look at when nothing goes out."""
    return page(request, "checks.html", {"groups": await looked(request)})


async def looked(request: web.Request, channel: str = "") -> Sequence[Group]:
    """Everything, or what is of one channel and of its desktop. Desktops are asked, which takes seconds where one is silent."""
    found = await call(request, pb.ListChecksRequest(channel=channel), pb.ListChecksResponse)
    return [
        Group(agent_id=agent_id, agent=agent, channel_id=channel_id, channel=name, checks=[*its])
        for (agent_id, agent, channel_id, name), its in groupby(found.checks, key=_whose)
    ]


def _whose(check: Check) -> tuple[int, str, int, str]:
    return check.agent_id, check.agent, check.channel_id, check.channel


ROUTES = [web.get("/console/checks", checks)]
