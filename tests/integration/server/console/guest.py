"""The console without a browser: what a script or an attacker sends."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from tests.integration.server.console.visitor import link
from tests.integration.server.hub import Hub

HTML = {"Accept": "text/html"}


class Guest:
    """One cookie jar."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self.session = session
        self.address = address
        self.csrf = ""

    async def get(self, path: str, headers: Mapping[str, str] = HTML) -> tuple[int, str, Mapping[str, str]]:
        """Status, text and headers; redirects are not followed."""
        async with self.session.get(f"{self.address}{path}", headers=headers, allow_redirects=False) as answer:
            return answer.status, await answer.text(), answer.headers

    async def post(
        self, path: str, headers: Mapping[str, str] | None = None, **fields: str
    ) -> tuple[int, str, Mapping[str, str]]:
        """A form, from a page of the console itself unless `headers` say otherwise."""
        given = {**HTML, "Origin": self.address, **(headers or {})}
        data = {"csrf": self.csrf, **fields}
        async with self.session.post(
            f"{self.address}{path}", data=data, headers=given, allow_redirects=False
        ) as answer:
            return answer.status, await answer.text(), answer.headers

    async def enter(self, url: str) -> None:
        """By a one-time link."""
        status, _, _ = await self.get(URL(url).path_qs)
        assert status == 200
        _, text, _ = await self.get("/console/settings")
        self.csrf = re.findall(r'name="csrf" value="([^"]+)"', text)[0]


@asynccontextmanager
async def guest(hub: Hub, *, signed_in: bool = True) -> AsyncIterator[Guest]:
    """Somebody with a cookie jar of his own."""
    jar = aiohttp.CookieJar(unsafe=True)  # addresses are IP addresses here
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        one = Guest(session, hub.running.http[0])
        if signed_in:
            await one.enter(await link(hub))
        yield one
