"""R: bare aiohttp that reads JSON and answers a fixed JSON. Run as a process; says its port."""

from __future__ import annotations

import asyncio
import gc

from aiohttp import web

from tests.bench.children import answer, commands

PATH = "/api/whatsapp-session/send"
DATA = {"message_id": 1, "recipient": "4900000000001", "status": "pending"}


async def _send(request: web.Request) -> web.Response:
    await request.json()
    return web.json_response(
        {"success": True, "message": "Message queued successfully", "data": DATA},
        status=201,
    )


async def main() -> None:
    """Until standard input ends."""
    app = web.Application()
    app.router.add_post(PATH, _send)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    gc.collect()
    gc.freeze()
    answer({"port": runner.addresses[0][1]})
    await (await commands()).read()


if __name__ == "__main__":
    asyncio.run(main())
