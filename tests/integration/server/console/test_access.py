"""Who comes into the console, and how others are kept out."""

from __future__ import annotations

import asyncio
import re
from importlib.resources import files
from pathlib import Path

import aiohttp
import pytest
from messenger_hub_server.console import site
from messenger_hub_server.console.guard import POLICY
from messenger_hub_server.console.site import ROOMS
from messenger_hub_server.identity import keeping, signins
from yarl import URL

from tests.integration.server.console.guest import HTML, Guest, guest
from tests.integration.server.console.visitor import link
from tests.integration.server.hub import Hub, running_hub

PASSWORD = "correct horse battery"
PATHS = sorted(
    {
        re.sub(r"\{[a-z]+(:[^}]*)?\}", "1", route.path)  # type: ignore[union-attr]
        for room in ROOMS
        for route in room.ROUTES
        if route.method == "GET"  # type: ignore[union-attr]
    }
)
OPEN = {"/", "/console", "/console/sign-in", "/console/open", "/console/static/1"}


def admin_token(hub: Hub) -> str:
    return (hub.data_dir / "admin-token").read_text()


async def test_a_link_lets_one_browser_in_once(hub: Hub) -> None:
    url = await link(hub)
    async with guest(hub, signed_in=False) as first, guest(hub, signed_in=False) as second:
        await first.enter(url)
        status, text, _ = await second.get(URL(url).path_qs)
        assert (status, "was used" in text) == (403, True)
        assert (await second.get("/console/"))[0] == 303


async def test_looking_at_a_link_beforehand_does_not_use_it_up(hub: Hub) -> None:
    url = await link(hub)
    async with guest(hub, signed_in=False) as one:
        await one.get(URL(url).path_qs, {"Sec-Purpose": "prefetch"})
        async with one.session.head(url) as answer:
            assert answer.status == 204
        await one.enter(url)


async def test_the_admin_token_signs_in_and_signing_out_ends_it(hub: Hub) -> None:
    async with guest(hub, signed_in=False) as one:
        status, _, headers = await one.post("/console/sign-in", secret=admin_token(hub))
        assert (status, headers["Location"]) == (303, "/console/")
        cookie = headers["Set-Cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/console" in cookie
        one.csrf = re.findall(r'name="csrf" value="([^"]+)"', (await one.get("/console/"))[1])[0]
        assert (await one.post("/console/sign-out"))[0] == 303
        one.session.cookie_jar.update_cookies({cookie.partition("=")[0]: cookie.partition("=")[2].partition(";")[0]})
        assert (await one.get("/console/"))[0] == 303


async def test_guessing_is_slowed_down_and_told_when_to_try_again(hub: Hub) -> None:
    async with guest(hub, signed_in=False) as one:
        tried = [await one.post("/console/sign-in", secret="wrong") for _ in range(signins.TRIES_PER_MINUTE + 1)]
        assert [status for status, _, _ in tried] == [403] * signins.TRIES_PER_MINUTE + [429]
        assert int(tried[-1][2]["Retry-After"]) > 0
        assert (await one.post("/console/sign-in", secret=admin_token(hub)))[0] == 429


async def test_one_guesser_does_not_use_up_the_tries_of_others(hub: Hub) -> None:
    async with guest(hub, signed_in=False) as one:
        for _ in range(2 * signins.ALL_TRIES_PER_MINUTE):
            await one.post("/console/sign-in", secret="wrong")
        connector = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
        async with aiohttp.ClientSession(connector=connector) as elsewhere:
            other = Guest(elsewhere, one.address)
            assert (await other.post("/console/sign-in", secret=admin_token(hub)))[0] == 303


@pytest.mark.parametrize("host", ["[", "a:b:c", "é.example", "x" * 5000, "localhost:99999", " ", "a b"])
async def test_a_host_that_is_none_is_refused_and_no_fault(hub: Hub, host: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(hub.running.http[0]).port)
    writer.write(f"GET /console/ HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    assert re.match(rb"HTTP/1.1 (303|400|421) ", answer), answer


async def test_a_password_signs_in_from_then_on_and_signs_all_others_out(hub: Hub) -> None:
    async with guest(hub) as one, guest(hub) as other, guest(hub, signed_in=False) as third:
        for wrong in ({"password": "short", "again": "short"}, {"password": PASSWORD, "again": "another one"}):
            status, text, _ = await one.post("/console/settings/password", **wrong)
            assert (status, 'class="wrong"' in text) == (422, True)
        assert (await one.post("/console/settings/password", password=PASSWORD, again=PASSWORD))[0] == 303
        assert (await one.get("/console/"))[0] == 200
        assert (await other.get("/console/"))[0] == 303
        assert (await third.post("/console/sign-in", secret=PASSWORD))[0] == 303
    kept = (hub.data_dir / keeping.FILE).read_bytes()
    assert PASSWORD.encode() not in kept


async def test_another_browser_can_be_signed_out(hub: Hub) -> None:
    async with guest(hub) as one, guest(hub) as other:
        sign_ins = re.findall(r"sign-ins/([0-9a-f]+)/end", (await other.get("/console/settings"))[1])
        mine = re.findall(r"sign-ins/([0-9a-f]+)/end", (await one.get("/console/settings"))[1])
        assert sorted(sign_ins) == sorted(mine) and len(mine) == 2
        newest, oldest = mine
        await other.post(f"/console/settings/sign-ins/{oldest}/end")
        assert ((await one.get("/console/"))[0], (await other.get("/console/"))[0]) == (303, 200)
        assert newest != oldest


async def test_a_restart_signs_nobody_out(tmp_path: Path) -> None:
    async with running_hub(tmp_path / "data") as hub, guest(hub) as one:
        cookies = {cookie.key: cookie.value for cookie in one.session.cookie_jar}
        port = URL(hub.running.http[0]).port
    async with running_hub(tmp_path / "data", http=f"127.0.0.1:{port}") as again, guest(again, signed_in=False) as one:
        one.session.cookie_jar.update_cookies(cookies)
        assert (await one.get("/console/"))[0] == 200


@pytest.mark.parametrize("path", [path for path in PATHS if path not in OPEN])
async def test_no_page_answers_somebody_who_is_not_signed_in(hub: Hub, path: str) -> None:
    async with guest(hub, signed_in=False) as one:
        status, text, headers = await one.get(path)
        assert (status, headers["Location"], "<main" in text) == (303, "/console/sign-in", False)
        assert (await one.get(path, {"HX-Request": "true"}))[0] == 401


async def test_the_hubs_address_leads_to_the_console(hub: Hub) -> None:
    async with guest(hub, signed_in=False) as one:
        for path in ("/", "/console"):
            status, _, headers = await one.get(path, {})
            assert (status, headers["Location"]) == (303, "/console/")


async def test_a_change_needs_the_pages_own_token_and_origin(hub: Hub) -> None:
    async with guest(hub) as one:
        foreign = [
            await one.post("/console/channels", {"Origin": "https://evil.example"}, name="taken"),
            await one.post("/console/channels", {"Origin": "null"}, name="taken"),
            await one.post("/console/channels", csrf="", name="taken"),
            await one.post("/console/channels", csrf="x" * 32, name="taken"),
        ]
        assert [status for status, _, _ in foreign] == [403] * 4
        async with one.session.post(
            f"{one.address}/console/channels", data={"csrf": one.csrf, "name": "taken"}
        ) as bare:
            assert bare.status == 403
        assert "taken" not in (await one.get("/console/channels"))[1]
        assert (await one.post("/console/channels", name="taken"))[0] == 303


async def test_a_token_of_another_browser_is_none(hub: Hub) -> None:
    async with guest(hub) as one, guest(hub) as other:
        one.csrf = other.csrf
        assert (await one.post("/console/channels", name="taken"))[0] == 403


async def test_a_foreign_host_name_gets_nothing_of_the_console_but_the_api(hub: Hub) -> None:
    async with guest(hub) as one:
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example"):
            status, _, _ = await one.get("/console/", {"Host": host, "Accept": "text/html"})
            assert status == 421
        for host in ("localhost:1", "127.0.0.1", "[::1]:8642"):
            assert (await one.get("/console/", {"Host": host, "Accept": "text/html"}))[0] in (200, 303)
        assert (await one.get("/healthz", {"Host": "hub.internal"}))[0] == 200


async def test_the_name_by_which_others_know_the_hub_is_no_foreign_one(tmp_path: Path) -> None:
    async with (
        running_hub(tmp_path / "data", api_address="https://hub.example/") as hub,
        guest(hub, signed_in=False) as one,
    ):
        assert (await one.get("/console/sign-in", {"Host": "hub.example", "Accept": "text/html"}))[0] == 200


@pytest.mark.parametrize(
    "path", ["/console/sign-in", "/console/", "/console/settings", "/console/nowhere", "/", "/console/operations.csv"]
)
async def test_every_answer_is_kept_private_and_runs_nothing_but_its_own(hub: Hub, path: str) -> None:
    async with guest(hub) as one:
        _, _, headers = await one.get(path)
    assert headers["Content-Security-Policy"] == POLICY and "unsafe" not in POLICY
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Frame-Options"] == "DENY" and "frame-ancestors 'none'" in POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"


async def test_files_are_kept_until_they_change(hub: Hub) -> None:
    async with guest(hub, signed_in=False) as one:
        address = re.findall(
            r'href="(/console/static/console.css\?[0-9a-f]+)"', (await one.get("/console/sign-in"))[1]
        )[0]
        assert "immutable" in (await one.get(address))[2]["Cache-Control"]
        assert (await one.get(address.partition("?")[0]))[2]["Cache-Control"] == "no-cache"
        assert (await one.get("/console/static/..%2fguard.py"))[0] == 404


def test_no_template_has_a_script_a_style_or_a_handler_of_its_own() -> None:
    for template in (files(site.__package__) / "templates").iterdir():
        text = template.read_text()
        assert not re.findall(r"<style|style=|\son[a-z]+=|javascript:|<script(?![^>]*src=)|\|\s*safe", text), template


async def test_a_form_that_is_too_large_is_refused(hub: Hub) -> None:
    async with guest(hub) as one:
        assert (await one.post("/console/channels", name="x" * 100_000))[0] == 413


async def test_many_open_pages_do_not_hold_a_stop_up(tmp_path: Path) -> None:
    async with running_hub(tmp_path / "data") as hub, guest(hub) as one:
        opened = [await one.session.get(f"{one.address}/console/changes") for _ in range(5)]
        assert [await asyncio.wait_for(answer.content.readline(), 10) for answer in opened] == [
            b"data: changed\r\n"
        ] * 5
        for answer in opened:
            answer.close()


async def test_a_browser_that_was_signed_out_hears_nothing_more(hub: Hub) -> None:
    async with guest(hub) as one, guest(hub) as other:
        async with one.session.get(f"{one.address}/console/changes") as answer:
            assert await asyncio.wait_for(answer.content.readline(), 10) == b"data: changed\r\n"
            mine = re.findall(r"sign-ins/([0-9a-f]+)/end", (await other.get("/console/settings"))[1])[-1]
            await other.post(f"/console/settings/sign-ins/{mine}/end")
            await hub.channel("another")
            assert b"changed" not in await asyncio.wait_for(answer.content.read(), 10)
        status, _, headers = await one.get("/console/", {"HX-Request": "true"})
        assert (status, headers["HX-Redirect"]) == (401, "/console/sign-in")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded; charset=nonsense", b"secret=x"),
        ("application/x-www-form-urlencoded", b"secret=\xff"),
        ("multipart/form-data", b"secret=x"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n"),
        ("application/json", b"{}"),
    ],
)
async def test_a_form_that_cannot_be_read_is_refused_and_no_fault(hub: Hub, kind: str, body: bytes) -> None:
    async with guest(hub, signed_in=False) as one:
        headers = {"Content-Type": kind, "Origin": one.address, **HTML}
        async with one.session.post(f"{one.address}/console/sign-in", data=body, headers=headers) as answer:
            assert answer.status in (400, 403, 429)
        assert (await one.post("/console/sign-in", {"Origin": "http://["}, secret="x"))[0] == 403


async def test_a_browser_with_an_odd_name_signs_in_as_any_other(hub: Hub) -> None:
    body = f"secret={admin_token(hub)}".encode()
    head = (
        "POST /console/sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\nConnection: close\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(hub.running.http[0]).port)
    writer.write(head.encode() + b"User-Agent: \xff\xfe\r\n\r\n" + body)
    async with asyncio.timeout(10):
        assert (await reader.read()).startswith(b"HTTP/1.1 303 ")
    writer.close()
    async with guest(hub) as another:
        assert (await another.get("/console/"))[0] == 200


async def test_several_who_come_in_at_once_are_all_kept(tmp_path: Path) -> None:
    async with running_hub(tmp_path / "data") as hub:
        links = [URL(await link(hub)).path_qs for _ in range(6)]
        async with guest(hub, signed_in=False) as one:
            answers = await asyncio.gather(*(one.get(path) for path in links))
        assert [status for status, _, _ in answers] == [200] * 6
        kept = (hub.data_dir / keeping.FILE).read_text()
    assert kept.count('"csrf"') == 6
