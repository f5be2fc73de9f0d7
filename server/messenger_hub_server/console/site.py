"""The console as an aiohttp application: routes, what guards them, and how a refusal looks."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from messenger_hub.runtime.log import logger

from messenger_hub_server.console import live
from messenger_hub_server.console.calls import Calls
from messenger_hub_server.console.guard import (
    API_ADDRESS,
    HOSTS,
    PROXIES,
    SIGN_INS,
    Handler,
    guard,
    own_hosts,
    private,
    wants_page,
)
from messenger_hub_server.console.showing import page
from messenger_hub_server.console.views import (
    agents,
    assets,
    channels,
    checks,
    doorway,
    home,
    linking,
    operations,
    session_apis,
    settings,
)
from messenger_hub_server.console.views.visit import CALLS
from messenger_hub_server.errors import HubError, Internal
from messenger_hub_server.identity.proxies import Network
from messenger_hub_server.identity.signins import SignIns
from messenger_hub_server.rpc.chain import Chain

PREFIX = "/console"
MOST_FORM = 64 * 1024

log = logger(__name__)

ROOMS = (assets, doorway, home, channels, linking, session_apis, operations, agents, settings, checks)


def application(chain: Chain, sign_ins: SignIns, api_address: str, proxies: Sequence[Network] = ()) -> web.Application:
    """The whole console; it answers to every path that `owns` tells. `proxies`: those in front, whose word counts."""
    app = web.Application(middlewares=[refusals, guard], client_max_size=MOST_FORM)
    app[CALLS] = Calls(chain)
    app[SIGN_INS] = sign_ins
    app[HOSTS] = own_hosts(api_address)
    app[API_ADDRESS] = api_address
    app[PROXIES] = tuple(proxies)
    app[live.OPEN_STREAMS] = set()
    app.on_response_prepare.append(private)
    app.on_shutdown.append(live.close)
    for room in ROOMS:
        app.router.add_routes(room.ROUTES)
    return app


def owns(target: str) -> bool:
    """Whether a request's target is the console's: the root, which leads to it, and everything under its prefix."""
    path = target.partition("?")[0]
    return path in {"/", PREFIX} or path.startswith(f"{PREFIX}/")


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A page for what a page has not shown by itself."""
    try:
        return await handler(request)
    except HubError as error:
        status = 400 if error.http_status == 401 else error.http_status
        response = page(request, "refused.html", {"sentence": error.sentence, "status": status}, status=status)
        if error.retry_after_seconds is not None:
            response.headers["Retry-After"] = str(error.retry_after_seconds)
        return response
    except web.HTTPClientError as error:
        if not wants_page(request):
            raise
        sentence = "" if error.status == 404 else error.text
        return page(request, "refused.html", {"sentence": sentence, "status": error.status}, status=error.status)
    except (web.HTTPException, ConnectionError):
        raise  # the second: the browser has gone
    except Exception:
        route = request.match_info.route.resource
        log.exception("console page failed", request=route.canonical if route is not None else "")
        return page(request, "refused.html", {"sentence": Internal.sentence, "status": 500}, status=500)
