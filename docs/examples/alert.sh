#!/bin/sh
# A monitoring script wakes whoever is on duty, and waits until the message has left. Once an hour at most for one host.
set -eu
host=${1:-db1}
curl --fail-with-body -sS "$MESSENGER_HUB_URL/api/whatsapp-session/send" \
  -H "X-API-Key: $MESSENGER_HUB_KEY" \
  -H "Idempotency-Key: alert-$host-$(date -u +%Y%m%d%H)" \
  --data-urlencode "mobile=+1 202 555 0115" \
  --data-urlencode "message=$host does not answer" \
  -d priority=high -d wait=20
echo
