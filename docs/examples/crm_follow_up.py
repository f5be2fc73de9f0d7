"""A CRM writes to everybody whose offer is three days old, in the morning, and once each however often it runs."""

import json
import os
import urllib.request
from datetime import UTC, datetime, timedelta

HUB = os.environ["MESSENGER_HUB_URL"] + "/api/whatsapp-session"
KEY = os.environ["MESSENGER_HUB_KEY"]

OFFERS = [
    {"id": 501, "name": "Ana", "phone": "+1 202 555 0111", "item": "the blue sofa"},
    {"id": 502, "name": "Ben", "phone": "+1 202 555 0112", "item": "two chairs"},
]


def follow_up(offer: dict[str, object]) -> int:
    """Queues the message; a second run finds the first one by its idempotency key."""
    send_at = datetime.now(UTC) + timedelta(seconds=1)
    body = {
        "mobile": offer["phone"],
        "message": f"Hi {offer['name']}, any questions about {offer['item']}?",
        "reference": f"offer-{offer['id']}",
        "send_at": send_at.isoformat(),
        "expires_at": (send_at + timedelta(hours=8)).isoformat(),
    }
    headers = {"X-API-Key": KEY, "Content-Type": "application/json", "Idempotency-Key": f"follow-up-{offer['id']}"}
    request = urllib.request.Request(f"{HUB}/send", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["data"]["message_id"]


for offer in OFFERS:
    print(f"offer {offer['id']}: message {follow_up(offer)}")
