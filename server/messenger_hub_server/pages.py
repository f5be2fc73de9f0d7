"""What the HTTP door serves beside the API: is the hub alive, can it write, and the contract itself."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from messenger_hub_server.errors import StoreUnavailable
from messenger_hub_server.gateway.door import Page
from messenger_hub_server.reflected import published
from messenger_hub_server.store.base import Store, StoreError


def pages(store: Store) -> Mapping[str, Page]:
    """Path → what answers a GET."""
    descriptors = published().SerializeToString()

    async def alive() -> web.Response:
        return web.json_response({"status": "alive"})

    async def ready() -> web.Response:
        try:
            await store.check_writable()
        except StoreError as error:
            raise StoreUnavailable from error
        return web.json_response({"status": "ready"})

    async def descriptor() -> web.Response:
        return web.Response(body=descriptors, content_type="application/x-protobuf")

    return {"/healthz": alive, "/readyz": ready, "/descriptor.pb": descriptor}
