"""Sends one message as a program would: over gRPC, with the key of a session API."""

from __future__ import annotations

from datetime import datetime

import click
import grpc
from messenger_hub.admin.v1 import hub_admin_service_pb2
from messenger_hub.v1 import message_service_pb2 as pb
from messenger_hub.v1 import message_service_pb2_grpc

from messenger_hub_cli.failures import Failed, Misused
from messenger_hub_cli.messages import plain
from messenger_hub_cli.output import Record
from messenger_hub_cli.parameters import TIME
from messenger_hub_cli.running_hub import RunningHub
from messenger_hub_cli.verb import operator_verb

MOST_SECONDS = 30
CALL_SECONDS = MOST_SECONDS + 10.0
KEY_VARIABLE = "MESSENGER_HUB_KEY"


@operator_verb("send", example='messenger-hub send 5511987654321 "Your order is ready" --key mh_… --wait 20')
@click.argument("recipient")
@click.argument("message")
@click.option(
    "--key",
    envvar=KEY_VARIABLE,
    default="",
    help=f"The session API's key; {KEY_VARIABLE} in the environment is better.",
)
@click.option(
    "--wait", type=click.IntRange(0, MOST_SECONDS), default=0, help="Wait so many seconds for the message to be sent."
)
@click.option("--send-at", type=TIME, help="Hold it until then: a time, or a span from now like 12h.")
@click.option("--expires-at", type=TIME, help="Never send it later than this.")
@click.option("--reference", default="", help="Your own name for it, shown in look-ups.")
@click.option("--idempotency-key", default="", help="A repeat with the same key sends nothing again.")
async def send(
    hub: RunningHub,
    recipient: str,
    message: str,
    key: str,
    wait: int,
    send_at: datetime | None,
    expires_at: datetime | None,
    reference: str,
    idempotency_key: str,
) -> Record:
    """Send one message. RECIPIENT is a number with its country code, or a group's id (…@g.us)."""
    if not key:
        raise Misused(
            f"Whose message is it? Give --key, or set {KEY_VARIABLE}: messenger-hub session-api create shows one."
        )
    request = pb.SendMessageRequest(message=message, wait=wait, reference=reference, idempotency_key=idempotency_key)
    if recipient.endswith("@g.us"):
        request.group_id = recipient
    else:
        request.mobile = recipient
    if send_at is not None:
        request.send_at.FromDatetime(send_at)
    if expires_at is not None:
        request.expires_at.FromDatetime(expires_at)
    facts = await hub.hub.GetHub(hub_admin_service_pb2.GetHubRequest())
    async with _door(facts.grpc_addresses) as channel:
        stub = message_service_pb2_grpc.MessageServiceStub(channel)
        answer = await stub.SendMessage(request, metadata=(("x-api-key", key),), timeout=CALL_SECONDS)
    data = plain(answer)
    sentence = f"Message {answer.message_id} to {answer.recipient} is {data['status']}."
    return Record(data=data, sentence=sentence)


def _door(addresses: list[str]) -> grpc.aio.Channel:
    if not addresses:
        raise Failed("The hub has no gRPC address; its log says why.")
    return grpc.aio.insecure_channel(addresses[0], options=[("grpc.enable_http_proxy", 0)])
