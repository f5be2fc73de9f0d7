"""A message on channel 1, as the services ask the queue for it."""

from __future__ import annotations

from messenger_hub_server.delivery.acceptance import Draft
from messenger_hub_server.model import ChannelId, OperationKind, SessionApiId

DRAFT = Draft(
    channel_id=ChannelId(1),
    session_api_id=SessionApiId(1),
    kind=OperationKind.SEND_MESSAGE,
    recipient="1",
    target="1@c.us",
    body="text",
)
