"""The console behind a load balancer: who signs in, or out, at one node has done so at all."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from messenger_hub_server.identity.keeping import FILE
from yarl import URL

from tests.integration.nodes.estate import Estate
from tests.integration.server.console.guest import HTML, Guest, guest
from tests.integration.server.console.visitor import link
from tests.integration.server.hub import Hub
from tests.postgresql import PostgresqlServer

PASSWORD = "correct horse battery"


class Behind:
    """What the balancer makes of a browser's request: the host that the browser has called, at another node."""

    def __init__(self, browser: Guest, node: Hub) -> None:
        self._there = Guest(browser.session, node.running.http[0])
        self._there.csrf = browser.csrf
        called = URL(browser.address)
        self._headers = {**HTML, "Host": f"{called.host}:{called.port}", "Origin": browser.address}

    async def get(self, path: str) -> tuple[int, str]:
        """Status and text."""
        status, text, _ = await self._there.get(path, self._headers)
        return status, text

    async def post(self, path: str, **fields: str) -> int:
        """A form's status."""
        return (await self._there.post(path, self._headers, **fields))[0]


async def test_a_browser_that_one_node_lets_in_is_in_at_once_at_the_others_until_one_signs_it_out(
    estate: Estate,
) -> None:
    async with estate.nodes(3) as (first, second, third), guest(first) as browser:
        for node in (second, third):
            assert (await Behind(browser, node).get("/console/"))[0] == 200
        assert await Behind(browser, second).post("/console/sign-out") == 303
        for node in (first, second, third):
            assert (await Behind(browser, node).get("/console/"))[0] == 303


async def test_a_link_that_one_node_made_works_once_at_whichever_node_it_is_followed(estate: Estate) -> None:
    async with estate.nodes(2) as (first, second):
        path = URL(await link(first)).path_qs
        async with guest(second, signed_in=False) as one, guest(first, signed_in=False) as other:
            assert (await one.get(path))[0] == 200
            assert (await one.get("/console/"))[0] == 200
            assert (await other.get(path))[0] == 403


async def test_a_password_set_at_one_node_lets_in_and_keeps_out_at_the_other(estate: Estate) -> None:
    async with estate.nodes(2) as (first, second), guest(first) as one, guest(second) as other:
        form = {"password": PASSWORD, "again": PASSWORD}
        assert (await one.post("/console/settings/password", **form))[0] == 303
        assert (await other.get("/console/"))[0] == 303
        async with guest(second, signed_in=False) as third:
            assert (await third.post("/console/sign-in", secret=PASSWORD))[0] == 303


async def test_browsers_that_come_in_at_two_nodes_at_once_are_both_in(estate: Estate) -> None:
    async with estate.nodes(2) as (first, second):
        token = (first.data_dir / "admin-token").read_text()
        async with guest(first, signed_in=False) as one, guest(second, signed_in=False) as other:
            await asyncio.gather(*(who.post("/console/sign-in", secret=token) for who in (one, other)))
            assert [(await who.get("/console/"))[0] for who in (one, other)] == [200, 200]
            listed = re.findall(r"sign-ins/([0-9a-f]+)/end", (await one.get("/console/settings"))[1])
            assert len(listed) == 2


async def test_who_was_signed_in_before_the_sign_ins_were_shared_still_is(estate: Estate) -> None:
    async with estate.nodes(1) as (hub,), guest(hub) as browser:
        assert not (hub.data_dir / FILE).exists()
        cookies = browser.session.cookie_jar
        stored = await asyncio.to_thread(estate.server.sql, "SELECT body FROM messenger_hub.console", estate.database)
        await asyncio.to_thread(estate.server.sql, "DELETE FROM messenger_hub.console", estate.database)
        (hub.data_dir / FILE).write_bytes(bytes.fromhex(stored.removeprefix("\\x")))
    async with estate.node(1) as hub, guest(hub, signed_in=False) as again:
        again.session.cookie_jar.update_cookies({f"messenger_hub_{URL(again.address).port}": next(iter(cookies)).value})
        assert (await again.get("/console/"))[0] == 200
        assert not (hub.data_dir / FILE).exists()


async def test_while_nobody_can_tell_who_is_signed_in_no_page_is_shown(tmp_path: Path, own: PostgresqlServer) -> None:
    async with Estate(tmp_path, own).nodes(1) as (hub,), guest(hub) as browser:
        await asyncio.to_thread(own.stop)
        assert (await browser.get("/console/"))[0] == 503
        own.launch()
        await asyncio.to_thread(own.wait)
        assert (await browser.get("/console/"))[0] == 200
