"""The hub at a glance."""

from __future__ import annotations

from messenger_hub.admin.v1 import hub_admin_service_pb2 as pb

from messenger_hub_cli.messages import plain
from messenger_hub_cli.output import Record
from messenger_hub_cli.running_hub import RunningHub
from messenger_hub_cli.verb import operator_verb


async def _status(hub: RunningHub) -> Record:
    """Show whether the hub runs, where it answers, and what waits."""
    answer = await hub.hub.GetHub(pb.GetHubRequest())
    sentence = (
        f"Messenger Hub {answer.version} answers on {' and '.join(answer.http_addresses)}. "
        f"{answer.channels_linked} of {answer.channels} channels linked, {answer.agents_connected} agents connected, "
        f"{answer.pending} operations wait, {answer.uncertain} need a person's decision."
    )
    if len(answer.nodes) > 1:
        sentence += f" {len(answer.nodes)} nodes are at work: {', '.join(map(_node, answer.nodes))}."
    return Record(data=plain(answer), sentence=sentence)


def _node(node: pb.GetHubResponse.Node) -> str:
    return f"{node.name} ({node.agents_connected} agents{', this one' if node.answers else ''})"


status = operator_verb("status", example="messenger-hub status")(_status)
