"""An update of wa-js on another desktop, asked of it through the hub."""

from __future__ import annotations

import asyncio

from messenger_hub.admin.v1 import agent_admin_service_pb2 as pb
from messenger_hub.admin.v1 import hub_admin_service_pb2
from messenger_hub.agent.v1 import agent_service_pb2

from messenger_hub_cli.failures import CliError, Conflict, Failed, Misused, Refused
from messenger_hub_cli.messages import plain
from messenger_hub_cli.output import Record
from messenger_hub_cli.running_hub import RunningHub

# npm is asked twice, each time for two minutes at most; then a page has to get ready, or is given up.
SECONDS = 480.0
UNDER_WAY = frozenset({agent_service_pb2.WA_JS_STAGE_LOOKING, agent_service_pb2.WA_JS_STAGE_CANDIDATE})
FAILURES: dict[int, tuple[type[CliError], str]] = {
    agent_service_pb2.WA_JS_STAGE_REJECTED: (Failed, "rejected"),
    agent_service_pb2.WA_JS_STAGE_REJECTED_BEFORE: (Conflict, "rejected"),
    agent_service_pb2.WA_JS_STAGE_NO_NPM: (Refused, "npm_missing"),
    agent_service_pb2.WA_JS_STAGE_NPM_FAILED: (Failed, "npm"),
    agent_service_pb2.WA_JS_STAGE_UNUSABLE: (Misused, "unusable"),
    agent_service_pb2.WA_JS_STAGE_NOT_STORED: (Refused, "not_stored"),
}
"""Stages in which nothing was gained: exit code and code, as for an update on this machine."""


async def update_elsewhere(hub: RunningHub, *, agent: str, to: str, back: bool) -> Record:
    """Has that desktop begin, and waits for what comes of it. Raises CliError when it did not do."""
    begun = (await hub.agents.UpdateWaJs(pb.UpdateWaJsRequest(agent=agent, version=to, back=back))).agent
    found = await _outcome(hub, begun.id)
    update = found.wa_js_update
    sentence = f"{found.name}: {update.sentence}"
    if update.stage in FAILURES:
        kind, code = FAILURES[update.stage]
        raise kind(sentence, code=code)
    return Record(data={"agent": found.name, **plain(update)}, sentence=sentence)


async def _outcome(hub: RunningHub, agent_id: int) -> pb.Agent:
    """The desktop, once nothing of it is under way any more."""
    latest = pb.Agent()
    try:
        async with asyncio.timeout(SECONDS):
            async for _ in hub.hub.WatchHub(hub_admin_service_pb2.WatchHubRequest()):
                agents = (await hub.agents.ListAgents(pb.ListAgentsRequest())).agents
                latest = next((one for one in agents if one.id == agent_id), latest)
                if latest.wa_js_update.stage not in UNDER_WAY:
                    return latest
    except TimeoutError:
        pass
    why = latest.wa_js_update.sentence if latest.connected else "It is not connected any more."
    raise Failed(
        f"{latest.name} has not told what came of it. {why} See messenger-hub agent list --json for where it stands.",
        code="not_settled",
    )
