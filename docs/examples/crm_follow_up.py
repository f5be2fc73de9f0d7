"""A CRM writes to everybody whose offer is three days old: once each, however often it runs, and today or not at all."""

import json
import os
import urllib.request
from datetime import UTC, datetime

HUB = os.environ["MESSENGER_HUB_URL"] + "/api/whatsapp-session"
KEY = os.environ["MESSENGER_HUB_KEY"]

OFFERS = [
    {"id": 501, "name": "Ana", "phone": "+1 202 555 0111", "item": "the blue sofa"},
    {"id": 502, "name": "Ben", "phone": "+1 202 555 0112", "item": "two chairs"},
]


def follow_up(offer: dict[str, object]) -> int:
    """Queues the message. A second run finds the first one by its idempotency key, so its parameters must be the same."""
    tonight = datetime.now(UTC).replace(hour=23, minute=59, second=59, microsecond=0)
    body = {
        "mobile": offer["phone"],
        "message": f"Hi {offer['name']}, any questions about {offer['item']}?",
        "reference": f"offer-{offer['id']}",
        "expires_at": tonight.isoformat(),
    }
    headers = {"X-API-Key": KEY, "Content-Type": "application/json", "Idempotency-Key": f"follow-up-{offer['id']}"}
    request = urllib.request.Request(f"{HUB}/send", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["data"]["message_id"]


for offer in OFFERS:
    print(f"offer {offer['id']}: message {follow_up(offer)}")
