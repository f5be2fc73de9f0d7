"""What the HTTP door serves beside the API: is the hub alive, can it write, and the contract itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from aiohttp import web

from messenger_hub_server.errors import NotFound, StoreUnavailable
from messenger_hub_server.gateway.codec import encode
from messenger_hub_server.gateway.docs import docs
from messenger_hub_server.gateway.door import Page
from messenger_hub_server.gateway.openapi import document
from messenger_hub_server.gateway.routes import Routes
from messenger_hub_server.reflected import published
from messenger_hub_server.rpc.method import Audience, Method
from messenger_hub_server.store.base import Store, StoreError

PEM = "application/x-pem-file"
PROGRAMS = (Audience.PROGRAMS.value,)


def pages(store: Store, methods: Mapping[str, Method], certificate: Path | None = None) -> Mapping[str, Page]:
    """Path → what answers a GET. `certificate`: one of the hub's own making, which programs elsewhere need. Raises ContractGap."""
    descriptors = published().SerializeToString()
    described = encode(document(Routes(methods.values()).all, published(PROGRAMS), version("messenger-hub")))

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

    async def openapi() -> web.Response:
        return web.Response(body=described, content_type="application/json")

    async def own_certificate() -> web.Response:
        if certificate is None:
            raise NotFound
        named = {"Content-Disposition": 'attachment; filename="messenger-hub.pem"'}
        return web.Response(body=await asyncio.to_thread(certificate.read_bytes), headers=named, content_type=PEM)

    contract = {"/openapi.json": openapi, "/descriptor.pb": descriptor}
    return {"/healthz": alive, "/readyz": ready, "/certificate.pem": own_certificate, **contract, **docs()}
