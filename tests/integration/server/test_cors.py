"""Pages of other origins: nothing is open to them but what a session API lists."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from messenger_hub.admin.v1 import session_api_admin_service_pb2 as pb

from tests.integration.server.hub import BASE, SECONDS, Hub, running_hub

SHOP = "https://shop.example"
MESSAGE = {"mobile": "4930123456", "message": "hello"}
OPENING = "Access-Control-Allow-Origin"


def listing(*origins: str) -> pb.SessionApiSettings:
    return pb.SessionApiSettings(cors_origins=origins)


async def preflight(hub: Hub, origin: str, path: str = "/send") -> tuple[int, Mapping[str, str]]:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    async with hub.http.options(BASE + path, headers=headers) as http:
        await http.read()
        return http.status, http.headers


async def update(hub: Hub, *origins: str) -> None:
    request = pb.UpdateSessionApiRequest(session_api="shop", settings=listing(*origins))
    await hub.operator.session_apis.UpdateSessionApi(request, metadata=hub.operator.metadata, timeout=SECONDS)


async def test_cors_is_off_as_long_as_nobody_lists_the_origin(hub: Hub) -> None:
    api = await hub.session_api()
    await hub.session_api("other", settings=listing("https://else.example"))
    status, headers = await preflight(hub, SHOP)
    assert (status, headers["Allow"]) == (405, "GET, POST")
    assert OPENING not in headers
    async with hub.http.post(f"{BASE}/send", json=MESSAGE, headers={**api.headers, "Origin": SHOP}) as http:
        assert http.status == 201
        assert OPENING not in http.headers
        assert http.headers["Vary"] == "Origin"


async def test_a_preflight_of_a_listed_origin_gets_204_and_names_what_is_allowed(hub: Hub) -> None:
    await hub.session_api(settings=listing(SHOP))
    status, headers = await preflight(hub, SHOP)
    assert status == 204
    assert headers[OPENING] == SHOP
    assert headers["Access-Control-Allow-Methods"] == "GET, POST"
    assert headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type, Idempotency-Key, X-API-Key"
    assert headers["Access-Control-Max-Age"] == "600"
    assert headers["Vary"].startswith("Origin")
    assert headers["X-Request-Id"]
    assert "Access-Control-Allow-Credentials" not in headers
    assert (await preflight(hub, SHOP, "/nothing"))[0] == 404


async def test_only_the_keys_own_session_api_opens_the_answer(hub: Hub) -> None:
    lists = await hub.session_api(settings=listing(SHOP, "http://localhost:3000"))
    other = await hub.session_api("other")
    for origin in (SHOP, "http://localhost:3000"):
        async with hub.http.post(f"{BASE}/send", json=MESSAGE, headers={**lists.headers, "Origin": origin}) as http:
            assert (http.status, http.headers[OPENING]) == (201, origin)
            assert http.headers["Access-Control-Expose-Headers"] == "X-Request-Id, Retry-After, Idempotent-Replayed"
    # The preflight was allowed, and what was done is done; the page cannot read the answer.
    async with hub.http.post(f"{BASE}/send", json=MESSAGE, headers={**other.headers, "Origin": SHOP}) as http:
        assert http.status == 201
        assert OPENING not in http.headers
    for origin in ("null", "https://shop.example.evil", "https://SHOP.example", ""):
        async with hub.http.get(f"{BASE}/status", headers={**lists.headers, "Origin": origin}) as http:
            assert OPENING not in http.headers


@pytest.mark.parametrize("where", ["header", "query", "body"])
async def test_a_page_can_read_why_it_was_refused_once_its_key_is_known(hub: Hub, where: str) -> None:
    api = await hub.session_api(settings=listing(SHOP))
    headers = {"Origin": SHOP} | (api.headers if where == "header" else {})
    query = f"?key={api.key}" if where == "query" else ""
    body = {"key": api.key} if where == "body" else {}
    async with hub.http.post(f"{BASE}/send{query}", json=body, headers=headers) as http:
        assert (http.status, http.headers[OPENING]) == (422, SHOP)
    async with hub.http.post(f"{BASE}/send", json=MESSAGE, headers={"Origin": SHOP, "X-API-Key": "x"}) as http:
        assert http.status == 401
        assert OPENING not in http.headers


async def test_a_deactivated_session_api_lists_nothing(hub: Hub) -> None:
    await hub.session_api(settings=listing(SHOP))
    request = pb.DeactivateSessionApiRequest(session_api="shop")
    await hub.operator.session_apis.DeactivateSessionApi(request, metadata=hub.operator.metadata, timeout=SECONDS)
    assert (await preflight(hub, SHOP))[0] == 405


async def test_origins_are_kept_as_browsers_write_them_and_can_be_taken_off(hub: Hub) -> None:
    await hub.session_api(settings=listing("HTTPS://Shop.Example:443/", "http://[::1]:80", "http://a.example:8080"))
    for origin in (SHOP, "http://[::1]", "http://a.example:8080"):
        assert (await preflight(hub, origin))[0] == 204
    await update(hub, "https://new.example")
    assert [(await preflight(hub, origin))[0] for origin in (SHOP, "https://new.example")] == [405, 204]
    await update(hub, "")
    assert (await preflight(hub, "https://new.example"))[0] == 405


async def test_listed_origins_outlive_a_restart(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        await hub.channel()
        await hub.session_api(settings=listing(SHOP))
    async with running_hub(tmp_path) as hub:
        assert (await preflight(hub, SHOP))[0] == 204
