"""The site: what a browser gets, and under which policy."""

from __future__ import annotations

import re

import pytest

from tests.integration.twin.page import open_page
from tests.integration.twin.twin import Twin


async def test_the_page_comes_under_a_policy_as_strict_as_whatsapps(twin: Twin) -> None:
    async with twin.http.get("/") as response:
        html, headers = await response.text(), response.headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    (nonce,) = set(re.findall(r'<script nonce="([^"]+)"', html))
    assert policy["script-src"] == f"'self' 'nonce-{nonce}' 'wasm-unsafe-eval' blob:"
    assert policy["default-src"] == "'self' data: blob:"
    assert (policy["object-src"], policy["base-uri"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    assert "unsafe-eval" not in policy["script-src"].replace("wasm-unsafe-eval", "")
    assert "http" not in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    assert "<script>" not in html


async def test_every_load_has_a_nonce_of_its_own(twin: Twin) -> None:
    nonces = set()
    for _ in range(3):
        async with twin.http.get("/") as response:
            nonces.add(re.search(r'nonce="([^"]+)"', await response.text()).group(1))  # type: ignore[union-attr]
    assert len(nonces) == 3


async def test_every_script_and_style_that_the_page_names_is_served(twin: Twin) -> None:
    async with twin.http.get("/") as response:
        html = await response.text()
    async with twin.http.get("/page/boot.js") as response:
        stages = re.findall(r"'((?:modules/)?\w+\.js)'", await response.text())
    named = re.findall(r'(?:src|href)="(/page/[^"]+)"', html) + [f"/page/{name}" for name in stages]
    assert len(named) >= 12
    for path in named:
        async with twin.http.get(path) as response:
            assert response.status == 200, path
            assert response.content_type == ("text/css" if path.endswith(".css") else "text/javascript")


@pytest.mark.parametrize("path", ["/page/../app.py", "/page/app.py", "/page/none.js", "/page/%2e%2e/state.js", "/else"])
async def test_nothing_else_is_served(twin: Twin, path: str) -> None:
    async with twin.http.get(path) as response:
        assert response.status == 404


async def test_the_code_is_a_picture_that_a_phone_could_scan(twin: Twin) -> None:
    async with twin.http.get("/qr.svg", params={"text": "2@abc"}) as response:
        assert response.content_type == "image/svg+xml"
        assert (await response.text()).count("<path") == 1


async def test_the_page_is_served_under_the_build_that_pages_were_told_to_have(twin: Twin) -> None:
    async with open_page(twin, build=1_045_220_589) as page:
        await page.event("qr")
        await twin.call("needs-update")
        await page.event("needs_update")
    async with twin.http.get("/") as response:
        assert 'data-build="1045220590"' in await response.text()


@pytest.mark.parametrize(
    "hello",
    [
        "no json",
        "[]",
        '{"op": "hello"}',
        '{"op": "hello", "page": "tab"}',
        '{"op": "hello", "page": "tab", "build": "new"}',
        '{"op": "hello", "page": "", "build": 1}',
    ],
)
async def test_a_socket_that_is_no_page_of_ours_is_closed(twin: Twin, hello: str) -> None:
    async with twin.http.ws_connect("/ws") as socket:
        await socket.send_str(hello)
        await socket.receive()
        assert socket.closed
    assert (await twin.state())["pages"] == []


@pytest.mark.parametrize("frame", ['{"op": "fly"}', "no json", '{"n": 1, "op": "exists"}', '{"op": 3}'])
async def test_a_frame_that_no_page_of_ours_sends_ends_its_connection_and_no_other(twin: Twin, frame: str) -> None:
    async with open_page(twin, page="good") as good, open_page(twin, page="bad") as bad:
        await good.event("qr")
        await bad.event("qr")
        await bad._socket.send_str(frame)
        await bad.end()
        await good.say("refresh_qr")
        await good.event("qr")
        assert [page["id"] for page in (await twin.state())["pages"]] == ["good"]


async def test_the_same_tab_connecting_again_takes_the_place_of_its_former_connection(twin: Twin) -> None:
    async with open_page(twin) as former:
        await former.event("qr")
        async with open_page(twin) as later:
            await later.event("qr")
            await former.end()
            assert len((await twin.state())["pages"]) == 1
