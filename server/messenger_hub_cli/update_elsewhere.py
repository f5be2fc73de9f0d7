"""Another wa-js on another desktop, asked of it through the hub."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import click
from messenger_hub.admin.v1 import agent_admin_service_pb2 as pb
from messenger_hub.admin.v1 import hub_admin_service_pb2
from messenger_hub.agent.v1 import agent_service_pb2

from messenger_hub_cli.failures import CliError, Conflict, Failed, Misused, Refused
from messenger_hub_cli.messages import plain
from messenger_hub_cli.output import Json, Record
from messenger_hub_cli.running_hub import RunningHub

# npm is asked twice, each time for two minutes at most; then a page has to get ready, or is given up.
SECONDS = 480.0
UNDER_WAY = frozenset({agent_service_pb2.WA_JS_STAGE_LOOKING, agent_service_pb2.WA_JS_STAGE_CANDIDATE})
NOTHING_TO_GAIN = frozenset({agent_service_pb2.WA_JS_STAGE_NOTHING_NEWER, agent_service_pb2.WA_JS_STAGE_PROVING})
FAILURES: Mapping[int, tuple[type[CliError], str]] = {
    agent_service_pb2.WA_JS_STAGE_REJECTED: (Failed, "rejected"),
    agent_service_pb2.WA_JS_STAGE_REJECTED_BEFORE: (Conflict, "rejected"),
    agent_service_pb2.WA_JS_STAGE_NO_NPM: (Refused, "npm_missing"),
    agent_service_pb2.WA_JS_STAGE_NPM_FAILED: (Failed, "npm"),
    agent_service_pb2.WA_JS_STAGE_UNUSABLE: (Misused, "unusable"),
    agent_service_pb2.WA_JS_STAGE_NOT_STORED: (Refused, "not_stored"),
    agent_service_pb2.WA_JS_STAGE_FAULT: (Failed, "fault"),
}
"""What a stage in which nothing was gained ends with; the exit code is that of the same failure on this machine."""


async def update_elsewhere(hub: RunningHub, *, agent: str, to: str, back: bool) -> Record:
    """Has that desktop begin, and waits for what comes of it. Raises CliError when it is not what was asked for."""
    begun = (await hub.agents.UpdateWaJs(pb.UpdateWaJsRequest(agent=agent, version=to, back=back))).agent
    found = await _settled(hub, begun)
    standing = found.wa_js_standing
    if not _is_as_asked(standing, begun.wa_js_standing, to, back=back):
        raise _failure(found, begun.wa_js_standing)
    told = plain(standing)
    data: Mapping[str, Json] = {
        "agent": found.name,
        "wa_js": standing.in_use,
        "stage": told["stage"],
        "shipped": standing.shipped,
    }
    return Record(data=data, sentence=f"{found.name}: {standing.sentence}")


async def _settled(hub: RunningHub, begun: pb.Agent) -> pb.Agent:
    """The desktop, once nothing of it is under way any more; says meanwhile what is."""
    latest, said = begun, ""
    try:
        async with asyncio.timeout(SECONDS):
            async for _ in hub.hub.WatchHub(hub_admin_service_pb2.WatchHubRequest()):
                agents = (await hub.agents.ListAgents(pb.ListAgentsRequest())).agents
                latest = next((one for one in agents if one.id == begun.id), latest)
                if not latest.active:
                    break
                if latest.wa_js_standing.stage not in UNDER_WAY:
                    return latest
                if latest.wa_js_standing.sentence != said:
                    said = latest.wa_js_standing.sentence
                    click.echo(f"{latest.name}: {said}", err=True)
    except TimeoutError:
        pass
    why = latest.wa_js_standing.sentence
    if not latest.active:
        why = "It was revoked meanwhile."
    elif not latest.connected:
        why = "It is not connected any more."
    raise Failed(
        f"{latest.name} has not told what came of it. {why} See messenger-hub agent list --json for where it stands.",
        code="not_settled",
    )


def _is_as_asked(
    now: agent_service_pb2.WaJsStanding, begun: agent_service_pb2.WaJsStanding, to: str, *, back: bool
) -> bool:
    if back:
        return now.in_use == now.shipped
    if to:
        return now.in_use == to
    if now.looked_at == begun.looked_at and now.stage in NOTHING_TO_GAIN:
        return True
    return now.in_use != begun.in_use and now.stage not in FAILURES


def _failure(found: pb.Agent, begun: agent_service_pb2.WaJsStanding) -> CliError:
    """What it tells of another look than the one that has begun says nothing of that one."""
    standing = found.wa_js_standing
    if standing.looked_at == begun.looked_at and standing.stage in FAILURES:
        kind, code = FAILURES[standing.stage]
        return kind(f"{found.name}: {standing.sentence}", code=code)
    return Failed(f"{found.name}: the look was lost (the desktop app was restarted): ask again.", code="lost")
