"""The page to try calls on, in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import messenger_hub_server.gateway
import pytest
from messenger_hub_agent.whatsapp.finding import find_browser
from playwright.async_api import Page, async_playwright, expect

from tests.integration.server.hub import Hub
from tests.integration.server.test_openapi import described, operations

PARTS = ("/docs", "/docs/docs.js", "/docs/docs.css", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css")


@dataclass(slots=True)
class Seen:
    """A page, what it complained about, and where it went."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)


@asynccontextmanager
async def opened(hub: Hub) -> AsyncIterator[Seen]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), headless=True)
        page = await browser.new_page(viewport={"width": 1200, "height": 1400})
        seen = Seen(page)
        page.on(
            "console", lambda told: seen.complaints.append(told.text) if told.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("request", lambda asked: seen.urls.append(asked.url))
        try:
            await page.goto(f"{hub.running.http[0]}/docs")
            yield seen
        finally:
            await browser.close()


async def test_it_lists_every_call_without_a_complaint_and_without_another_host(hub: Hub) -> None:
    document = await described(hub)
    async with opened(hub) as seen:
        await expect(seen.page.locator(".opblock")).to_have_count(len(list(operations(document))))
        shown = await seen.page.locator(".opblock-summary-path").all_inner_texts()
        await expect(seen.page).to_have_title("Messenger Hub API")
    paths = [path.replace("\u200b", "").strip() for path in shown]
    assert sorted(paths) == sorted(path for path, _, _ in operations(document))
    assert seen.complaints == []
    hosts = {re.sub(r"(\w+://[^/]+).*", r"\1", url) for url in seen.urls if not url.startswith("data:")}
    assert hosts == {hub.running.http[0]}


async def test_a_call_can_be_tried_with_a_key(hub: Hub) -> None:
    api = await hub.session_api()
    async with opened(hub) as seen:
        page = seen.page
        await page.get_by_role("button", name="Authorize").first.click()
        await page.get_by_label("Value:").first.fill(api.key)
        await page.get_by_role("button", name="Apply credentials").first.click()
        await page.get_by_role("button", name="Close").first.click()
        call = page.locator("#operations-Message-SendMessage")
        await call.locator(".opblock-summary-control").click()
        await call.get_by_role("button", name="Try it out").click()
        await call.get_by_role("button", name="Execute").click()
        answer = call.locator(".live-responses-table .response").first
        await expect(answer.locator(".response-col_status")).to_contain_text("201")
        await expect(answer).to_contain_text("Message queued successfully")
    assert seen.complaints == []


@pytest.mark.parametrize("path", PARTS)
async def test_its_policy_allows_nothing_inline_and_nothing_from_elsewhere(hub: Hub, path: str) -> None:
    async with hub.http.get(path) as http:
        assert http.status == 200
        policy = http.headers["Content-Security-Policy"]
        body = await http.text()
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    if path == "/docs":
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=|https?://", body)


async def test_the_page_answers_get_and_head_only(hub: Hub) -> None:
    async with hub.http.head("/docs") as http:
        assert (http.status, await http.read()) == (200, b"")
    async with hub.http.post("/docs") as http:
        assert (http.status, http.headers["Allow"]) == (405, "GET, HEAD")


def test_its_licences_are_bundled() -> None:
    assets = Path(messenger_hub_server.gateway.__file__).parent / "assets"
    assert "Apache License" in (assets / "swagger-ui.LICENSE").read_text()
    assert (assets / "swagger-ui-bundle.js.LICENSE.txt").stat().st_size > 0
